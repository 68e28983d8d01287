"""`swapgate judge`: what can be asked about a judge itself."""

from __future__ import annotations

import typer

from swapgate.cli.judge_canaries import canaries
from swapgate.cli.judge_diff import diff

judge_app = typer.Typer(help="Look at judges: what changed in one, and what it lets pass.")
judge_app.command("diff")(diff)
judge_app.command("canaries")(canaries)
