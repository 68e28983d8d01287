"""`swapgate history export` and `import`: runs to files for other programs, and from other histories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swapgate.cli.history.open import ModelOption, SinceOption, SuiteOption, called, existing, moment
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json
from swapgate.errors import UsageError
from swapgate.reporting.format import count


def export_history(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to write: .jsonl, .csv or .parquet.")],
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Runs by their ids, `latest` or `@NAME`. Default: every run."),
    ] = None,
    model: ModelOption = None,
    suite: SuiteOption = None,
    since: SinceOption = None,
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write stored runs to one file: everything as JSONL, or a table with one row a trial."""
    from swapgate.memory.history import Choice
    from swapgate.runs.exporting import export_runs
    from swapgate.runs.stored import parted

    settings = open_settings(root)
    since = since and moment(since, "--since")
    choice = Choice(model=model, suite=suite, since=since)
    if runs and choice != Choice():
        raise UsageError("--model, --suite and --since choose among all runs: leave out the RUNs, or these")
    with existing(settings) as history:
        ids = [parted(name, settings)[1] for name in runs or ()]
        found = [history.find(name) for name in ids] if runs else history.runs(choice)
        if not found:
            raise UsageError("no such run: `swapgate history list` shows what there is")
        trials = export_runs(history, found, file)
    if as_json:
        print_json({"file": str(file), "runs": [run.id for run in found], "trials": trials})
    else:
        typer.echo(f"{count(len(found), 'run')} with {count(trials, 'trial')} written to {file}")


def import_history(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="A history (.db), an export (.jsonl), or a report.json."),
    ],
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring runs into the history: from another one, from an export, or from a report.json."""
    from swapgate.runs.importing import import_file

    settings = open_settings(root)
    copied = [one for file in files for one in import_file(file, settings.history)]
    if as_json:
        rows = [{"run": one.run.id, "trials": one.trials, "was_known": one.is_known} for one in copied]
        print_json({"files": [str(file) for file in files], "runs": rows})
        return
    for one in copied:
        known = ", which was there" if one.is_known else ""
        typer.echo(f"run {one.run.id} with {count(one.trials, 'trial')}{known}")
    typer.echo(f"{count(sum(not one.is_known for one in copied), 'run')} brought into {called(settings)}")
