"""`swapgate judge`: what can be asked about a judge itself, one module a command."""

from __future__ import annotations

import typer

from swapgate.cli.judge.anchor import anchor
from swapgate.cli.judge.anchors import anchors
from swapgate.cli.judge.calibrate import calibrate
from swapgate.cli.judge.canaries import canaries
from swapgate.cli.judge.diff import diff
from swapgate.cli.judge.label import label
from swapgate.cli.judge.show import list_judges, show_judge

judge_app = typer.Typer(help="Look at judges, try and calibrate them, tell what changed in one.")
judge_app.command("list")(list_judges)
judge_app.command("show")(show_judge)
judge_app.command("label")(label)
judge_app.command("calibrate")(calibrate)
judge_app.command("canaries")(canaries)
judge_app.command("diff")(diff)
judge_app.command("anchor")(anchor)
judge_app.command("anchors")(anchors)
