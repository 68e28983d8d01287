"""The commands put together."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

import swapgate
from swapgate.cli.batch import batch_app
from swapgate.cli.cache import cache_app
from swapgate.cli.check import check
from swapgate.cli.compare import compare
from swapgate.cli.cost import cost_app
from swapgate.cli.drift import drift
from swapgate.cli.estimate import estimate
from swapgate.cli.history import history_app
from swapgate.cli.import_suite import import_suite
from swapgate.cli.index import index_app
from swapgate.cli.init import init
from swapgate.cli.judge import judge_app
from swapgate.cli.merge import merge
from swapgate.cli.migrate import migrate_app
from swapgate.cli.models import models_app
from swapgate.cli.nightly import nightly
from swapgate.cli.plan import plan
from swapgate.cli.prompt import prompt_app
from swapgate.cli.rejudge import rejudge
from swapgate.cli.report import report
from swapgate.cli.schema import schema
from swapgate.cli.score import score
from swapgate.cli.shadow import shadow_app
from swapgate.cli.view import view


def build_command() -> Any:
    """Return the whole command line, ready to be run."""
    app = typer.Typer(
        name="swapgate",
        help="Decide whether one language model may replace another. The suites themselves run under pytest: "
        "`pytest --model=NAME`.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None if os.environ.get("NO_COLOR") else "rich",
    )
    app.callback(invoke_without_command=True)(_root)
    for command in (
        *(init, check, plan, estimate, compare, rejudge, score, merge, report, view),
        *(drift, nightly, schema),
    ):
        app.command()(command)
    app.command("import")(import_suite)
    for name, group in (
        ("history", history_app),
        ("cache", cache_app),
        ("batch", batch_app),
        ("cost", cost_app),
        ("index", index_app),
        ("migrate", migrate_app),
        ("models", models_app),
        ("judge", judge_app),
        ("prompt", prompt_app),
        ("shadow", shadow_app),
    ):
        app.add_typer(group, name=name)
    return typer.main.get_command(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"swapgate {swapgate.__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
