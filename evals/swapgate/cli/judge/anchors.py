"""`swapgate judge anchors`: a judge's own drift, on answers frozen with their verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.judge.canaries import MOST_ERRORS, find_judge
from swapgate.cli.options import JsonOption, MaxCostOption, RootOption, open_settings, verbose_option
from swapgate.cli.output import live_line, print_json
from swapgate.errors import ExitCode
from swapgate.records import AnchorCheck, to_json
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.analysis.judge_drift import JudgeDrift
    from swapgate.engine.anchors import Read
    from swapgate.spec.anchors import AnchorSet

_CHANGED_CHARS = 300


def anchors(
    judge: Annotated[str, typer.Argument(metavar="JUDGE", help="The judge's name.")],
    max_cost: MaxCostOption = None,
    *,
    verbose: Annotated[int, verbose_option("the anchors whose verdict changed, and why")] = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Ask the judge about its anchors anew, never from the cache, and tell its drift from its noise.

    The result is stored, so that checks of many nights are seen together. Exits with 12 at a drift, with 10
    when there are too few anchors to tell, with 11 when more than one in twenty got no verdict.
    """
    from swapgate.engine.workspace import Workspace
    from swapgate.reporting.format import money
    from swapgate.runs.anchor_checks import check_anchors

    settings = open_settings(root, max_cost=max_cost, cache="live")
    workspace = Workspace(settings)
    _suites, found = find_judge(judge, workspace)
    with live_line() as draw:
        checked = check_anchors(workspace, found, draw=draw)
    known, reads, drift, check = checked.known, checked.reads, checked.drift, checked.check
    earlier, paid_usd = checked.earlier, checked.paid_usd
    if as_json:
        changed = [_changed(read) for read in reads if _is_changed(read)]
        print_json(
            {
                "check": to_json(check),
                "drift": to_json(drift),
                "served_before": list(known.served),
                "changed": changed,
                "earlier": [to_json(one) for one in earlier],
                "paid_usd": paid_usd,
            }
        )
    else:
        _print(known, reads, drift, [*earlier, check], verbose=verbose)
        typer.echo(f"{money(paid_usd)} paid")
    return _exit_code(drift, check)


def _exit_code(drift: JudgeDrift, check: AnchorCheck) -> ExitCode:
    if check.errors > MOST_ERRORS * (check.n + check.errors):
        return ExitCode.TOO_MANY_ERRORS
    if drift.answer == "drift":
        return ExitCode.DRIFT
    return ExitCode.OK if drift.answer == "no drift shown" else ExitCode.INCONCLUSIVE


def _is_changed(read: Read) -> bool:
    return read.reading is not None and read.reading.passed is not read.anchor.readings[-1].passed


def _changed(read: Read) -> dict[str, object]:
    return {
        "suite": read.anchor.suite,
        "case": read.anchor.case,
        "before": [reading.passed for reading in read.anchor.readings],
        "now": read.reading.passed if read.reading else None,
        "reason": read.reason,
    }


def _print(
    known: AnchorSet,
    reads: Sequence[Read],
    drift: JudgeDrift,
    checks: Sequence[AnchorCheck],
    *,
    verbose: int,
) -> None:
    """Print the check, the last of `checks`, with the earlier ones."""
    from swapgate.reporting.judge_drift import conclusion, drift_lines

    problem = next((read.problem for read in reads if read.reading is None), "")
    for line in drift_lines(drift, checks, served_when_frozen=known.served, problem=problem):
        typer.echo(line)
    for read in reads if verbose else ():
        if _is_changed(read):
            typer.echo(f"  {safe_text(_told(read), _CHANGED_CHARS)}")
    typer.echo(conclusion(drift, checks))


def _told(read: Read) -> str:
    said = [*(reading.passed for reading in read.anchor.readings), read.reading and read.reading.passed]
    words = " -> ".join("pass" if passed else "fail" for passed in said)
    return f"{read.anchor.suite}/{read.anchor.case}: {words}: {read.reason}"
