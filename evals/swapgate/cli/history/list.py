"""`swapgate history list`: the stored runs, without reading a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from swapgate.cli.history.open import ModelOption, SinceOption, SuiteOption, moment, opened
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table
from swapgate.records import Run, Tally, to_json
from swapgate.reporting.words.runs import run_state

NAMES = 2


def list_runs(
    model: ModelOption = None,
    suite: SuiteOption = None,
    since: SinceOption = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="How many runs, the newest first.")
    ] = 20,
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the stored runs, the newest first."""
    from swapgate.memory.history import Choice

    since = since and moment(since, "--since")
    choice = Choice(model=model, suite=suite, since=since)
    runs: list[Run] = []
    found = 0
    tallies: Mapping[str, Sequence[Tally]] = {}
    baselines: dict[str, str] = {}
    with opened(open_settings(root)) as history:
        if history is not None:
            runs, found = history.heads(choice, limit=limit), history.count_runs(choice)
            tallies = history.tallies([run.id for run in runs])
            baselines = {one.run_id: one.name for one in history.baselines()}
    if as_json:
        print_json([_fields(run, tallies[run.id], baselines.get(run.id)) for run in runs])
        return
    if not runs:
        is_narrow = choice != Choice()
        typer.echo("no such run" if is_narrow else "no runs yet: `pytest --model=NAME` makes one")
        return
    header = ("run", "started", "models", "baseline", "suites", "planned", "passed", "state")
    print_table(header, [_row(run, tallies[run.id], baselines.get(run.id)) for run in runs])
    if found > len(runs):
        typer.echo(f"and {found - len(runs):,} older: --limit {found} lists them")


def _fields(run: Run, tallies: Sequence[Tally], baseline_of: str | None) -> dict[str, Any]:
    return {
        "id": run.id,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "models": [model.name for model in run.models],
        "baseline": run.baseline,
        "suites": list(run.suites),
        "planned": run.planned,
        "is_complete": run.is_complete,
        "is_partial": run.is_partial,
        "is_baseline_of": baseline_of,
        "git_commit": run.git_commit,
        "git_branch": run.git_branch,
        "tallies": [to_json(tally) for tally in tallies],
    }


def _row(run: Run, tallies: Sequence[Tally], baseline_of: str | None) -> tuple[str, ...]:
    models = _listed([model.name for model in run.models if model.name != run.baseline])
    own = [tally for tally in tallies if tally.role == "candidate"]
    passed = f"{sum(t.passed for t in own)}/{sum(t.trials for t in own)}"
    said = run_state(run) if baseline_of is None else f"{run_state(run)}, @{baseline_of}"
    started = run.started_at[:19]
    return run.id, started, models, run.baseline or "", _listed(run.suites), str(run.planned), passed, said


def _listed(names: Sequence[str]) -> str:
    """Return the first names and how many more there are: a run may have dozens."""
    more = len(names) - NAMES
    return ", ".join([*names[:NAMES], *([f"+{more}"] if more > 0 else [])])
