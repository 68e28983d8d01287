"""`swapgate compare`: stored runs against each other, without a call."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, MaxCostOption, RootOption, VerboseOption, open_settings
from swapgate.cli.output import live_line, print_json, progress_bar, shown
from swapgate.errors import ExitCode, UsageError
from swapgate.records import to_json
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.runs.stored import StoredRun
    from swapgate.spec.settings import Settings

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
    rejudge: Annotated[
        bool,
        typer.Option(
            "--rejudge", help="Judge runs by other judges than today's again; pays for these alone."
        ),
    ] = False,
    max_cost: MaxCostOption = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit with the gate's code; with 10 when nothing was judged.")
    ] = False,
    verbose: VerboseOption = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Compare stored runs: rates, paired differences, flips, scores, spread, cost; the first is the baseline.

    Nothing is asked, but judges with --rejudge. The rules are those of the first candidate's run.
    """
    from swapgate.cli.reports import written_reports
    from swapgate.reporting.terminal.summary import summary_lines
    from swapgate.runs.stored import join, load_facts, refuse_other_judges

    if len(runs) < 2:
        raise UsageError("compare takes a baseline and at least one candidate: two runs or more")
    for name in formats or ():
        if name not in REPORTS:
            raise UsageError(f"--report {name!r}: a comparison is written as {' or '.join(REPORTS)}")
    settings = open_settings(root, max_cost=max_cost)
    baseline, *candidates = (
        _judged_alike(runs, settings) if rejudge else [load_facts(name, settings) for name in runs]
    )
    refuse_other_judges(baseline, candidates)
    with progress_bar("comparing") as progress:
        outcome = join(baseline, candidates, margin=margin, progress=progress)
    paths = written_reports(outcome, out or settings.reports_dir / outcome.run.id, formats or [])
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


def _judged_alike(names: list[str], settings: Settings) -> list[StoredRun]:
    """Return the runs as today's judges judge them; what is judged anew is stored as a run."""
    from swapgate.memory.history import facts_of_all
    from swapgate.runs.rejudged import judged_by_today
    from swapgate.runs.stored import load_run, one_model, parted

    found, spent_usd = [], 0.0
    with live_line() as draw:
        for name in names:
            run, trials = load_run(name, settings)
            judged = judged_by_today(run, trials, settings, draw=draw, spent_usd=spent_usd)
            spent_usd += judged.paid_usd
            model, _run = parted(name, settings)
            found.append(one_model(judged.run, facts_of_all(judged.trials), model=model))
            if judged.told:
                typer.echo(f"swapgate: {judged.told}", err=True)
    return found
