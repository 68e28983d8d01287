"""`swapgate compare`: stored runs against each other, without a call."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, VerboseOption, open_settings
from swapgate.cli.output import print_json, progress_bar, shown
from swapgate.errors import ExitCode, UsageError
from swapgate.records import to_json
from swapgate.reporting.text import safe_text

REPORTS = ("json", "md")


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_A RUN_B [RUN_C]...",
            help="The baseline, then one or more candidates: a run's id, the beginning of one, `latest`, the "
            "path of a report.json, or MODEL@RUN for one model of a run.",
        ),
    ],
    margin: Annotated[
        float | None,
        typer.Option("--margin", min=0, max=0.999, metavar="M", help="The margin over all suites, 0 to 1."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--report", metavar="FORMAT", help="Write json or md too; repeat for both."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to write. Default: in reports/."),
    ] = None,
    *,
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit with the gate's code; with 10 when nothing was judged.")
    ] = False,
    verbose: VerboseOption = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Compare stored runs: rates, paired differences, flips, scores, spread, cost; the first is the baseline.

    Nothing is asked. The rules are those that the first candidate's run was made with.
    """
    from swapgate.reporting import write_reports
    from swapgate.reporting.terminal import summary_lines
    from swapgate.stored import join, load_facts

    if len(runs) < 2:
        raise UsageError("compare takes a baseline and at least one candidate: two runs or more")
    for name in formats or ():
        if name not in REPORTS:
            raise UsageError(f"--report {name!r}: a comparison is written as {' or '.join(REPORTS)}")
    settings = open_settings(root)
    baseline, *candidates = (load_facts(name, settings) for name in runs)
    with progress_bar("comparing") as progress:
        outcome = join(baseline, candidates, margin=margin, progress=progress)
    paths = write_reports(outcome, out or settings.reports_dir / outcome.run.id, formats or [])
    if as_json:
        print_json(
            {
                "gate": to_json(outcome.gate),
                "summaries": [to_json(one) for one in outcome.summaries],
                "comparisons": [to_json(one) for one in outcome.comparisons],
                "ranking": [to_json(one) for one in outcome.ranking],
                "matrix": [to_json(one) for one in outcome.matrix],
                "spreads": [to_json(one) for one in outcome.spreads],
                "covariates": [to_json(one) for one in outcome.covariates],
                "repeatability": [to_json(one) for one in outcome.repeatability],
                "judges": [to_json(one) for one in outcome.judges],
                "warnings": list(outcome.warnings),
                "reports": [str(path) for path in paths],
            }
        )
    else:
        for role, stored in [("baseline", baseline), *(("candidate", one) for one in candidates)]:
            typer.echo(f"{role}: {safe_text(stored.model)}, run {safe_text(stored.run.id)}")
        typer.echo("")
        width = shutil.get_terminal_size().columns
        for line in summary_lines(
            outcome, verbose=verbose, width=width, reports=[Path(shown(p)) for p in paths]
        ):
            typer.echo(line)
    if not gate:
        return ExitCode.OK
    # A merge that waits for an answer must not go through without one.
    return ExitCode.INCONCLUSIVE if outcome.gate.answer == "not_judged" else outcome.gate.exit_code
