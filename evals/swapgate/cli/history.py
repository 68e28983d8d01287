"""`swapgate history`: the stored runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table
from swapgate.records import Run, to_json
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.memory.history import History
    from swapgate.spec.settings import Settings

NAMES = 2
history_app = typer.Typer(help="List and show stored runs.")


@history_app.command("list")
def list_runs(
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="How many runs, the newest first.")
    ] = 20,
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the stored runs, the newest first."""
    settings = open_settings(root)
    with _history(settings) as history:
        runs = history.runs()[:limit] if history else []
    if as_json:
        print_json([_fields(run) for run in runs])
    elif not runs:
        typer.echo("no runs yet: `pytest --model=NAME` makes one")
    else:
        header = ("run", "started", "models", "baseline", "suites", "planned", "state")
        print_table(header, [_row(run) for run in runs])


@history_app.command("show")
def show_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or `latest`.")],
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one run: what was run, with what, and what the gate says of it."""
    from swapgate.cli.stored import open_run

    outcome = open_run(run, open_settings(root))
    if as_json:
        parts = {
            "gate": to_json(outcome.gate),
            "summaries": [to_json(summary) for summary in outcome.summaries],
            "judges": [to_json(use) for use in outcome.judges],
        }
        print_json({"run": to_json(outcome.run), **parts})
        return
    from swapgate.reporting.terminal.summary import summary_lines

    for line in (*_head(outcome.run), *summary_lines(outcome)):
        typer.echo(line)


@contextmanager
def _history(settings: Settings) -> Iterator[History | None]:
    """Open the history, but never make one."""
    from swapgate.memory.history import History, has_history

    if not has_history(settings.history):
        yield None
        return
    with closing(History(settings.history)) as history:
        yield history


def _fields(run: Run) -> dict[str, Any]:
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
    }


def _row(run: Run) -> tuple[str, ...]:
    models = _listed([model.name for model in run.models if model.name != run.baseline])
    suites = _listed(run.suites)
    return run.id, run.started_at[:19], models, run.baseline or "", suites, str(run.planned), _state(run)


def _listed(names: Sequence[str]) -> str:
    """Return the first names and how many more there are: a run may have dozens."""
    more = len(names) - NAMES
    return ", ".join([*names[:NAMES], *([f"+{more}"] if more > 0 else [])])


def _state(run: Run) -> str:
    if run.finished_at is None:
        return "unfinished"
    if run.shard is not None:
        return f"shard {run.shard.name}"
    if run.is_partial:
        return "partial"
    if run.stopping is not None and run.stopping.saved_trials:
        return "stopped early"
    return "complete" if run.is_complete else "incomplete"


def _head(run: Run) -> Iterator[str]:
    yield safe_text(f"run {run.id}, {_state(run)}, started {run.started_at}, {run.planned} trials planned")
    if run.shard is not None:
        yield safe_text(f"shard {run.shard.name} of {sum(run.shard.sizes)} trials")
    if run.merged:
        yield safe_text(f"merged from the shards {', '.join(run.merged)}")
    if run.completes:
        yield safe_text(f"completes run {run.completes}")
    for model in run.models:
        role = " (baseline)" if model.name == run.baseline else ""
        yield safe_text(f"model {model.name}{role}: {model.provider} {model.model}")
    for judge in run.judges:
        yield safe_text(f"judge model {judge.name}: {judge.provider} {judge.model}")
    if run.git_commit:
        yield f"commit {run.git_commit}{' with changes' if run.git_dirty else ''}"
