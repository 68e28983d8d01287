"""`swapgate migrate plan`: the checklist of this migration, each step looked at in the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.migrate.report import IndexOption, NewOption, OldOption
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json
from swapgate.errors import SwapgateError
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.migration.checklist import Step
    from swapgate.migration.looked import Looked

_MARKS = {"done": "[x]", "open": "[ ]", "not_applicable": "[-]", "unknown": "[?]"}


def plan(
    *,
    old: OldOption = None,
    new: NewOption = None,
    latency_budget: Annotated[
        float | None,
        typer.Option("--latency-budget", min=0, metavar="SECONDS", help="What an answer may take at p95."),
    ] = None,
    index: IndexOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say what of the migration is done, what is open and how to do it. Calls nothing, changes nothing.

    Exits with 1 while a step is open, with 13 where none is but some could not be found out.
    """
    from swapgate.migration.above import above
    from swapgate.migration.checklist import exit_code, walked
    from swapgate.migration.looked import Looked
    from swapgate.migration.rules import rules
    from swapgate.migration.way import way

    looked = Looked(open_settings(root), old=old, new=new, index_config=index)
    for name in (old, new):
        if name is not None:
            looked.workspace.model(name)
    steps = list(walked([*rules(), *way(), *above(budget_s=latency_budget)], looked))
    models = _models(looked)
    if as_json:
        print_json({**models, "steps": [asdict(step) for step in steps], "exit_code": int(exit_code(steps))})
    else:
        _print(models, steps)
    return exit_code(steps)


def _models(looked: Looked) -> dict[str, str | None]:
    try:
        return {"old": looked.old, "new": looked.new}
    except SwapgateError:
        return {"old": None, "new": None}


def _print(models: dict[str, str | None], steps: Sequence[Step]) -> None:
    from swapgate.migration.checklist import PARTS

    if models["old"] is not None:
        typer.echo(safe_text(f"from {models['old']} to {models['new']}"))
    else:
        typer.echo("from which model to which is not known: name them, --old and --new")
    for part, title in PARTS.items():
        typer.echo(f"\n{title}")
        for step in (one for one in steps if one.part == part):
            typer.echo(f"  {_MARKS[step.state]} {step.title}: {safe_text(step.evidence)}")
            if step.todo and step.state in {"open", "unknown"}:
                typer.echo(f"      {safe_text(step.todo)}")
    states = [step.state for step in steps]
    typer.echo(
        f"\n{states.count('done')} done, {states.count('open')} open, {states.count('unknown')} could not be "
        f"found out, {states.count('not_applicable')} not applicable"
    )
