"""`swapgate check`: every mistake in the files of a workspace, found without a call."""

from __future__ import annotations

from typing import Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, SuitesArgument, open_settings
from swapgate.cli.output import print_json
from swapgate.errors import ExitCode
from swapgate.reporting.format import count
from swapgate.reporting.text import visible


def check(
    paths: SuitesArgument = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="NAME", help="Check for this model; repeat for several. Default: all."
        ),
    ] = None,
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report every mistake in the suites, judges, prompts and models of the workspace. Calls nothing.

    Every case's prompt is rendered, so that a variable without a value is found as well.
    """
    from swapgate.cli.examine import examine
    from swapgate.engine.workspace import Workspace

    workspace = Workspace(open_settings(root, model=model))
    found = examine(workspace, paths or [])
    if as_json:
        print_json(
            {"mistakes": list(found.mistakes), "counts": found.counts, "quarantine": found.quarantines}
        )
    else:
        for mistake in found.mistakes:
            typer.echo(visible(mistake))
        for line in found.quarantines:
            typer.echo(visible(line))
        counted = ", ".join(count(number, noun) for noun, number in found.counts.items())
        verdict = count(len(found.mistakes), "mistake") if found.mistakes else "no mistakes"
        typer.echo(f"{counted}: {verdict}")
    if found.mistakes:
        raise typer.Exit(ExitCode.USAGE_ERROR)
