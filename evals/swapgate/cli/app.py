"""The commands put together; each is imported when it is asked for, so that none waits for the others'."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer

import swapgate

# In the order of the help: the name, and the module of this package with what stands for it there.
_COMMANDS: Mapping[str, str] = {
    "init": "init:init",
    "check": "check:check",
    "plan": "plan:plan",
    "estimate": "estimate:estimate",
    "compare": "compare:compare",
    "rejudge": "rejudge:rejudge",
    "score": "score:score",
    "merge": "merge:merge",
    "report": "report:report",
    "view": "view:view",
    "drift": "drift:drift",
    "nightly": "nightly:nightly",
    "schema": "schema:schema",
    "import": "import_suite:import_suite",
    "history": "history:history_app",
    "cache": "cache:cache_app",
    "batch": "batch:batch_app",
    "cost": "cost:cost_app",
    "index": "index:index_app",
    "migrate": "migrate:migrate_app",
    "models": "models:models_app",
    "judge": "judge:judge_app",
    "prompt": "prompt:prompt_app",
    "shadow": "shadow:shadow_app",
}


class _Commands(Mapping[str, Any]):
    """Every command by its name; the help asks for all of them."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = _load(name, _COMMANDS[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


def build_command() -> Any:
    """Return the whole command line, ready to be run."""
    app = _new_app(
        name="swapgate",
        help="Decide whether one language model may replace another. The suites themselves run under pytest: "
        "`pytest --model=NAME`.",
    )
    app.callback(invoke_without_command=True)(_root)
    group: Any = typer.main.get_group(app)
    group.commands = _Commands()
    return group


def _load(name: str, where: str) -> Any:
    room, _, attribute = where.partition(":")
    found = getattr(import_module(f"swapgate.cli.{room}"), attribute)
    app = _new_app()
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)
    return _in_paragraphs(typer.main.get_group(app).commands[name])


def _in_paragraphs(command: Any) -> Any:
    """Have a command's help, and that of those below it, break its lines where the terminal ends.

    The help that rich draws keeps the source's line ends in every paragraph but the first.
    """
    if command.help:
        paragraphs = inspect.cleandoc(command.help).split("\n\n")
        command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    for below in getattr(command, "commands", {}).values():
        _in_paragraphs(below)
    return command


def _new_app(**about: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None if os.environ.get("NO_COLOR") else "rich",
        **about,
    )


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
