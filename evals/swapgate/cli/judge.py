"""`swapgate judge`: what can be asked about a judge itself."""

from __future__ import annotations

import typer

from swapgate.cli.judge_anchor import anchor
from swapgate.cli.judge_anchors import anchors
from swapgate.cli.judge_canaries import canaries
from swapgate.cli.judge_diff import diff

judge_app = typer.Typer(help="Look at judges: what changed in one, what it lets pass, whether it drifts.")
judge_app.command("diff")(diff)
judge_app.command("canaries")(canaries)
judge_app.command("anchor")(anchor)
judge_app.command("anchors")(anchors)
