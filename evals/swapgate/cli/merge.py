"""`swapgate merge`: the shards of a run made one run, and judged as one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from swapgate.analysis.outcome import RunOutcome
from swapgate.cli.options import JsonOption, ReportOption, RootOption, VerboseOption, open_settings
from swapgate.cli.output import print_json, progress_bar, shown
from swapgate.cli.rejudge import exit_code
from swapgate.errors import ExitCode
from swapgate.records import to_json
from swapgate.reporting.format import count
from swapgate.reporting.text import safe_text


def merge(
    shards: Annotated[
        list[str],
        typer.Argument(
            metavar="SHARD",
            help="Where the shards are: report.json files, folders of them, globs, history.db files, or the "
            "ids of runs.",
        ),
    ],
    *,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Put together what is there; it is not judged.")
    ] = False,
    formats: ReportOption = None,
    verbose: VerboseOption = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Make one run of the shards of `pytest --shard=K/N`, store it, write its reports, and judge it.

    Exits with the gate's code, as the whole run would have; with 10 when shards are missing.
    """
    from swapgate.analysis.outcome import conclude
    from swapgate.cli.reports import tell_github, written_reports
    from swapgate.reporting import check_formats
    from swapgate.reporting.hosting import placed
    from swapgate.runs.found_shards import find_shards
    from swapgate.runs.merging import merge as merge_shards
    from swapgate.runs.merging import store

    settings = open_settings(root, report=formats)
    check_formats(settings.formats)
    merged = merge_shards(find_shards(shards, settings), allow_missing=allow_missing)
    trials = store(merged, settings)
    with progress_bar("merging") as progress:
        outcome = conclude(
            merged.run,
            trials,
            facts=merged.facts,
            why_not_judged=merged.why_not_judged,
            progress=progress,
        )
    outcome = placed(outcome, settings, os.environ)
    paths = written_reports(outcome, settings.reports_dir / outcome.run.id, settings.formats)
    if as_json:
        print_json(
            {
                "run": outcome.run.id,
                "shards": list(outcome.run.merged),
                "missing": list(merged.missing),
                "gate": to_json(outcome.gate),
                "summaries": [to_json(one) for one in outcome.summaries],
                "comparisons": [to_json(one) for one in outcome.comparisons],
                "judges": [to_json(one) for one in outcome.judges],
                "reports": [str(path) for path in paths],
            }
        )
    else:
        _print(outcome, paths, verbose=verbose)
        tell_github(outcome, settings)
    return ExitCode.INCONCLUSIVE if merged.missing else exit_code(outcome)


def _print(outcome: RunOutcome, paths: list[Path], *, verbose: int) -> None:
    from swapgate.reporting.terminal.summary import summary_lines

    run = outcome.run
    trials = count(len(outcome.trials), "trial")
    typer.echo(safe_text(f"run {run.id} of {count(len(run.merged), 'shard')}: {trials}"))
    typer.echo("")
    width = shutil.get_terminal_size().columns
    for line in summary_lines(outcome, verbose=verbose, width=width, reports=[Path(shown(p)) for p in paths]):
        typer.echo(line)
