"""`swapgate judge`: what is asked of judges, one module a command."""

from __future__ import annotations

import typer

from swapgate.cli.judge_calibrate import calibrate
from swapgate.cli.judge_label import label

judge_app = typer.Typer(help="Label what judges said, and calibrate them.")
judge_app.command("label")(label)
judge_app.command("calibrate")(calibrate)
