"""`swapgate shadow`: a candidate beside the model that serves, on real traffic."""

from __future__ import annotations

import typer

from swapgate.cli.shadow_kept import purge, status
from swapgate.cli.shadow_replay import replay
from swapgate.cli.shadow_serve import serve

shadow_app = typer.Typer(help="Mirror real traffic to a candidate, and keep what both answered.")
for command in (serve, replay, status, purge):
    shadow_app.command()(command)
