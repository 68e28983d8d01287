"""`swapgate history`: the stored runs, one module a command."""

from __future__ import annotations

import typer

from swapgate.cli.history.baseline import baseline_app
from swapgate.cli.history.files import export_history, import_history
from swapgate.cli.history.list import list_runs
from swapgate.cli.history.prune import prune
from swapgate.cli.history.show import show_run

history_app = typer.Typer(help="List, show, export and prune stored runs; make one the baseline of others.")
history_app.command("list")(list_runs)
history_app.command("show")(show_run)
history_app.command("export")(export_history)
history_app.command("import")(import_history)
history_app.command("prune")(prune)
history_app.add_typer(baseline_app, name="baseline")
