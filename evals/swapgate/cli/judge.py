"""`swapgate judge`: what can be asked about a judge itself, one module a command."""

from __future__ import annotations

import typer

from swapgate.cli.judge_calibrate import calibrate
from swapgate.cli.judge_label import label
from swapgate.cli.judge_show import list_judges, show_judge

judge_app = typer.Typer(help="Look at judges, label what they said, and calibrate them.")
judge_app.command("list")(list_judges)
judge_app.command("show")(show_judge)
judge_app.command("label")(label)
judge_app.command("calibrate")(calibrate)
