"""`swapgate shadow`: a candidate beside the model that serves, on real traffic."""

from __future__ import annotations

import typer

from swapgate.cli.shadow_harvest import harvest
from swapgate.cli.shadow_judge import judge
from swapgate.cli.shadow_kept import purge, status
from swapgate.cli.shadow_promote import promote
from swapgate.cli.shadow_ramp import ramp_app
from swapgate.cli.shadow_replay import replay
from swapgate.cli.shadow_report import report
from swapgate.cli.shadow_serve import serve
from swapgate.cli.shadow_watch import watch

shadow_app = typer.Typer(help="Mirror real traffic to a candidate, and keep what both answered.")
for command in (serve, replay, status, purge, report, judge, promote, watch, harvest):
    shadow_app.command()(command)
shadow_app.add_typer(ramp_app, name="ramp")
