"""`swapgate judge calibrate`: how good a judge is against people, printed and stored beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, shown
from swapgate.errors import UsageError

if TYPE_CHECKING:
    from swapgate.labelling.evidence import Evidence
    from swapgate.records import JudgeCanaries, Trial
    from swapgate.spec.calibration import Calibration
    from swapgate.spec.settings import Settings


def calibrate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The judge, as its file is called.")],
    *,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="The label file. Default: what the calibration names."),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run", metavar="RUN", help="Where the labelled responses are. Default: the runs of the draws."
        ),
    ] = None,
    disagreements: Annotated[
        int,
        typer.Option("--disagreements", min=0, metavar="N", help="How many are printed with their texts."),
    ] = 3,
    epsilon: Annotated[
        float,
        typer.Option(
            "--epsilon",
            min=0,
            max=0.99,
            metavar="E",
            help="What the judge's lower price is worth in the alternative annotator test.",
        ),
    ] = 0.2,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a judge against people's labels and store the result in judges/NAME.calibration.yml."""
    from swapgate.labelling.calibrate import judge_report
    from swapgate.labelling.measured import as_json as plain
    from swapgate.labelling.show import markdown, terminal_lines
    from swapgate.labelling.store import open_calibration, store
    from swapgate.reporting.files import write_text

    settings = open_settings(root)
    if labels is not None and not labels.is_file():
        raise UsageError(f"--labels: no file {str(labels)!r}")
    calibration, text = open_calibration(settings.judges_dir, name, labels, root=settings.root)
    report = judge_report(_evidence(calibration, run or (), settings, epsilon=epsilon))
    page = settings.reports_dir / f"judge-{name}" / "calibration.md"
    store(calibration, text, plain(report, texts=False))
    write_text(page, markdown(report))
    if as_json:
        files = {"calibration": str(calibration.path), "report": str(page)}
        print_json({**plain(report), "files": files})
        return
    for line in terminal_lines(report, disagreements=disagreements):
        typer.echo(line)
    typer.echo(f"\ncalibration: {shown(calibration.path)}\nreport: {shown(page)}")


def _evidence(
    calibration: Calibration, runs: Sequence[str], settings: Settings, *, epsilon: float
) -> Evidence:
    """Return the calibration with its judge and with the runs that are at hand."""
    from swapgate.judging.load import load_judges
    from swapgate.labelling.evidence import Evidence, judge_trials
    from swapgate.runs.stored import load_run

    judge = load_judges([calibration.judge], judges_dir=settings.judges_dir)[calibration.judge]
    trials: list[Trial] = []
    tried: list[JudgeCanaries] = []
    missing = []
    for name in runs or dict.fromkeys(draw.run for draw in calibration.draws):
        try:
            run, own = load_run(name, settings)
        except UsageError:
            if runs:
                raise
            missing.append(name)
            continue
        trials += own
        tried += [one for one in run.canaries if one.definition_hash == judge.definition_hash]
    return Evidence(
        calibration=calibration,
        judge=judge,
        judged=tuple(judge_trials(trials, calibration.judge)),
        missing=tuple(missing),
        canaries=tuple(tried),
        epsilon=epsilon,
    )
