"""`swapgate estimate`: what a run would call, take and cost; `pytest --dry-run` for scripts."""

from __future__ import annotations

from typing import Annotated

import typer

from swapgate.cli.options import (
    JsonOption,
    ModelsOption,
    RepeatsOption,
    RootOption,
    SuitesArgument,
    open_settings,
)
from swapgate.cli.output import print_json
from swapgate.errors import UsageError


def estimate(
    paths: SuitesArgument = None,
    model: ModelsOption = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="NAME", help="A model to run beside, or a stored run.")
    ] = None,
    repeats: RepeatsOption = None,
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how many calls, tokens and dollars a run would take, and what the cache saves. Calls nothing.

    The same as `pytest --dry-run`, without a selection of cases.
    """
    from swapgate.engine.workspace import Workspace
    from swapgate.runs.forecast_lines import forecast_lines
    from swapgate.runs.foretelling import foretell

    settings = open_settings(root, model=model, baseline=baseline, repeats=repeats)
    if not settings.models:
        raise UsageError("name a model: swapgate estimate --model NAME")
    workspace = Workspace(settings)
    files = workspace.suite_files([path.absolute() for path in paths] if paths else settings.cases_dirs)
    if not files:
        raise UsageError("there is no suite here to estimate")
    jobs = [job for file in files for job in workspace.jobs(workspace.suite(file))]
    found = foretell(workspace, jobs)
    if as_json:
        print_json(found.to_json())
        return
    for line in forecast_lines(found, settings):
        typer.echo(line.rstrip())
