"""`swapgate cost`: what models cost a month, and what a day has cost so far."""

from __future__ import annotations

import typer

from swapgate.cli.cost.day import day
from swapgate.cli.cost.project import project

cost_app = typer.Typer(help="What models cost.")
cost_app.command("project")(project)
cost_app.command("day")(day)
