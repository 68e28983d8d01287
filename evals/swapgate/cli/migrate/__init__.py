"""`swapgate migrate`: a migration as a whole: how far it is, and what it has cost."""

from __future__ import annotations

import typer

from swapgate.cli.migrate.plan import plan
from swapgate.cli.migrate.report import report

migrate_app = typer.Typer(help="A migration as a whole: how far it is, and what it has cost.")
migrate_app.command("plan")(plan)
migrate_app.command("report")(report)
