"""`swapgate shadow`: a candidate beside the model that serves, on real traffic."""

from __future__ import annotations

import typer

from swapgate.cli.shadow_serve import serve

shadow_app = typer.Typer(help="Mirror real traffic to a candidate, and keep what both answered.")
shadow_app.command()(serve)
