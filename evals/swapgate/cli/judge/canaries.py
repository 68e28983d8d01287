"""`swapgate judge canaries`: answers that a judge must not pass, and what it says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import (
    JsonOption,
    LiveOption,
    MaxCostOption,
    ReplayOption,
    RootOption,
    cache_mode,
    open_settings,
    verbose_option,
)
from swapgate.cli.output import live_line, print_json
from swapgate.errors import ExitCode, UsageError, nearest
from swapgate.records import to_json
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swapgate.engine.workspace import ReadySuite, Workspace
    from swapgate.judging.judge import Judge
    from swapgate.records import JudgeCanaries

# Of more of them without a verdict nothing is known of the judge.
MOST_ERRORS = 0.05
_REASON_CHARS = 240
_WORDS = {"passed": "PASSED", "failed": "failed", "error": "error "}


def canaries(
    judge: Annotated[str, typer.Argument(metavar="JUDGE", help="The judge's name.")],
    cases: Annotated[
        int, typer.Option("--cases", min=1, metavar="N", help="Try each canary on so many cases.")
    ] = 1,
    max_cost: MaxCostOption = None,
    *,
    live: LiveOption = False,
    replay: ReplayOption = False,
    verbose: Annotated[int, verbose_option("what the judge said of those that failed")] = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show the judge answers that must fail, as answers to real cases; exit with 1 when one passes.

    With 11 when more than one in twenty got no verdict. -v shows what the judge said of those that failed.
    """
    from swapgate.engine.canaries import canary_jobs, run_canaries
    from swapgate.engine.workspace import Workspace

    settings = open_settings(root, max_cost=max_cost, cache=cache_mode(live=live, replay=replay))
    workspace = Workspace(settings)
    suites, found = find_judge(judge, workspace)
    workspace.require_ready({name: workspace.model(name) for name in found.models})
    jobs = canary_jobs(found, suites, cases=cases)
    with live_line() as draw:
        (result,), paid_usd = run_canaries(workspace, jobs, draw=draw)
    if as_json:
        print_json({**to_json(result), "paid_usd": paid_usd})
    else:
        _print(result, paid_usd, verbose=verbose)
    if result.passed:
        return ExitCode.FAILED
    errors = sum(one.outcome == "error" for one in result.results)
    return ExitCode.TOO_MANY_ERRORS if errors > MOST_ERRORS * len(result.results) else ExitCode.OK


def find_judge(name: str, workspace: Workspace) -> tuple[Sequence[ReadySuite], Judge]:
    """Return the workspace's suites and the judge of this name, which one of their cases must have."""
    from swapgate.engine.canaries import judges_of, tried

    settings = workspace.settings
    suites = [workspace.suite(path) for path in workspace.suite_files(settings.cases_dirs)]
    known = judges_of(suites)
    if name not in known:
        listed = f"they have {', '.join(sorted(known))}." if known else "they have none."
        raise UsageError(
            f"no case has the judge {name!r}: {listed}{nearest(name, known)} A judge is tried on real cases: "
            "add it to the `judges` of a suite"
        )
    return suites, tried(known[name])


def _print(found: JudgeCanaries, paid_usd: float, *, verbose: int) -> None:
    from swapgate.reporting.format import money

    for one in sorted(found.results, key=lambda r: list(_WORDS).index(r.outcome)):
        typer.echo(f"{_WORDS[one.outcome]}  {one.canary} (on {safe_text(f'{one.suite}/{one.case}')})")
        if one.outcome == "passed":
            typer.echo(f"        answer: {safe_text(one.output, _REASON_CHARS)}")
        if one.outcome != "failed" or verbose:
            typer.echo(f"        judge:  {safe_text(one.reason, _REASON_CHARS)}")
    errors = sum(one.outcome == "error" for one in found.results)
    lost = f", {errors:,} without a verdict" if errors else ""
    typer.echo(
        f"\nthe judge {safe_text(found.judge)} let {len(found.passed):,} of {len(found.results):,} canaries "
        f"pass{lost}; {money(paid_usd)} paid"
    )
