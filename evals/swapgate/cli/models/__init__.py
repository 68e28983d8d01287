"""`swapgate models`: what the catalogue holds, and what its ids are worth."""

from __future__ import annotations

import typer

from swapgate.cli.models.lint import lint_models
from swapgate.cli.models.list import list_models
from swapgate.cli.models.lock import check_models, lock_models
from swapgate.cli.models.outdated import list_outdated
from swapgate.cli.models.update import update_model
from swapgate.cli.models.watch import watch_models

models_app = typer.Typer(help="Look at the models of config/models.yml, and whether they stay what they are.")
models_app.command("lint")(lint_models)
models_app.command("list")(list_models)
models_app.command("lock")(lock_models)
models_app.command("check")(check_models)
models_app.command("outdated")(list_outdated)
models_app.command("update")(update_model)
models_app.command("watch")(watch_models)
