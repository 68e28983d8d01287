"""`swapgate score`: millions of recorded responses through the checks of their cases, without a call."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table, progress_bar, shown, warn
from swapgate.errors import UsageError
from swapgate.spec.settings import Settings

if TYPE_CHECKING:
    from swapgate.scoring.run import Scoring
    from swapgate.scoring.scorer import Trouble

_SHOWN = 3
_HEADER = (
    "model",
    "suite",
    "responses",
    "cases",
    "structural [95%]",
    "semantic [95%]",
    "blind pass",
    "errored",
)


def score(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="JSONL or Parquet of recorded outputs; folders and patterns too."
        ),
    ],
    suites: Annotated[
        list[Path] | None,
        typer.Option("--suite", metavar="FILE", help="A suite to score by; repeat. Default: all of cases/."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="What to call the model, whatever the lines call it."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to write. Default: reports/scores-HASH."),
    ] = None,
    *,
    processes: Annotated[
        int | None,
        typer.Option("--processes", metavar="N", min=1, help="Worker processes. Default: one for each CPU."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="Score on Ray: local, auto, or a cluster's host:port."),
    ] = None,
    judges: Annotated[
        bool, typer.Option("--judges", help="Ask the judges too, from this process; answers are cached.")
    ] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score recorded responses by their cases' checks; a second call goes on where the first one ended."""
    from swapgate.scoring.inputs import find_files
    from swapgate.scoring.run import score_files

    if judges and ray:
        raise UsageError("--judges asks models from this process, where Ray is of no use: leave out --ray")
    settings = open_settings(root, ray=ray)
    found = find_files(files, start=Path.cwd())
    started = time.monotonic()
    with progress_bar("scoring") as draw:
        scoring = score_files(
            found,
            _suites(suites, settings),
            settings,
            model=model,
            out=out.resolve() if out else None,
            processes=processes,
            with_judges=judges,
            on_progress=draw,
        )
    if as_json:
        print_json({"folder": str(scoring.folder), **asdict(scoring.summary)})
    else:
        _print(scoring, time.monotonic() - started)
    _warn(scoring)


def _suites(given: list[Path] | None, settings: Settings) -> list[Path]:
    from swapgate.engine.workspace import Workspace

    if not given:
        return Workspace(settings).suite_files(settings.cases_dirs)
    paths = [path.resolve() for path in given]
    if missing := [str(name) for name, path in zip(given, paths, strict=True) if not path.is_file()]:
        raise UsageError(f"--suite: no such file: {', '.join(missing)}")
    return paths


def _print(scoring: Scoring, elapsed_s: float) -> None:
    from swapgate.reporting import format as show

    summary = scoring.summary
    reused = f", {scoring.reused} of {scoring.parts} parts were done before" if scoring.reused else ""
    typer.echo(f"{summary.records:,} responses scored in {show.seconds(elapsed_s)}{reused}\n")
    rows = [
        (
            scope.model,
            scope.suite,
            f"{scope.responses:,}",
            f"{scope.cases:,}",
            show.rate_with_interval(scope.structural),
            show.rate_with_interval(scope.semantic),
            show.marked_percent(scope.blind_pass),
            f"{scope.errored:,}",
        )
        for scope in summary.scopes
    ]
    print_table(_HEADER, rows)
    failing = [check for check in summary.checks if check.passed < check.n]
    if failing:
        typer.echo("")
        counts = [(c.suite, c.check, f"{c.n - c.passed:,} of {c.n:,}") for c in failing]
        print_table(("suite", "check", "failed"), counts)
    if summary.judge_cost_usd != 0:
        typer.echo(f"\njudges: {show.money(summary.judge_cost_usd)} at list price")
    typer.echo(f"\nresults: {shown(scoring.folder)}/results/\nsummary: {shown(scoring.folder)}/summary.json")


def _warn(scoring: Scoring) -> None:
    summary = scoring.summary
    _tell(summary.unreadable, "lines could not be read")
    _tell(summary.unknown, "responses belong to no case")
    _tell(summary.repeated, "responses are there more than once and count once (number them with `repeat`)")


def _tell(trouble: Trouble, what: str) -> None:
    if trouble.count:
        rest = f"; and {trouble.count - _SHOWN:,} more" if trouble.count > _SHOWN else ""
        warn(f"{trouble.count:,} {what}: {'; '.join(trouble.examples[:_SHOWN])}{rest}")
