"""`swapgate shadow`: a candidate beside the model that serves, on real traffic."""

from __future__ import annotations

import typer

from swapgate.cli.shadow.harvest import harvest
from swapgate.cli.shadow.judge import judge
from swapgate.cli.shadow.kept import purge, status
from swapgate.cli.shadow.promote import promote
from swapgate.cli.shadow.ramp import ramp_app
from swapgate.cli.shadow.replay import replay
from swapgate.cli.shadow.report import report
from swapgate.cli.shadow.serve import serve
from swapgate.cli.shadow.watch import watch

shadow_app = typer.Typer(help="Mirror real traffic to a candidate, and keep what both answered.")
for command in (serve, replay, status, purge, report, judge, promote, watch, harvest):
    shadow_app.command()(command)
shadow_app.add_typer(ramp_app, name="ramp")
