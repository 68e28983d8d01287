"""`swapgate init`: a small working workspace, laid into any repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swapgate.cli.options import JsonOption
from swapgate.cli.output import print_json, warn
from swapgate.errors import UsageError

_WORDS = ("wrote", "extended", "kept")
_NEXT = ("pytest --model=example", "pytest --model=example-new --baseline=example")


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where. Default: the current folder.", show_default=False)
    ] = Path(),
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Write the example files again where they exist and differ.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Lay a small working workspace: an example suite that passes without a key and without network.

    No file that exists is changed, but for pyproject.toml and .gitignore, which get a few lines at their end.
    """
    from swapgate.cli.init.layout import carry_out, plan, warnings_about

    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{str(directory)!r} is a file; name a folder")
    folder = directory.absolute()
    steps = plan(folder, overwrite=force)
    warnings = warnings_about(folder)
    carry_out(folder, steps)
    named = {word: [step.name for step in steps if step.done == word] for word in _WORDS}
    if as_json:
        print_json({**named, "warnings": warnings, "next": _NEXT})
    else:
        _print(directory, named, warnings)


def _print(directory: Path, named: dict[str, list[str]], warnings: list[str]) -> None:
    for word, names in named.items():
        for name in names:
            typer.echo(f"{word:<9} {name}")
    for warning in warnings:
        warn(warning)
    typer.echo(f"\nNext{'' if directory == Path() else f', in {directory}'}:")
    for command, about in zip(_NEXT, ("passes: no key, no network", "a blind pass, caught"), strict=True):
        typer.echo(f"  {command:<50} # {about}")
