"""A judge's drift on its anchors, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.analysis.judge_drift import DISAGREEMENT, PASS_RATE, JudgeDrift, Shift
from swapgate.records import AnchorCheck
from swapgate.reporting import format as show
from swapgate.reporting.text import safe_text

_NIGHTS_SHOWN = 7
_PROBLEM_CHARS = 200
_MINUTES = 16  # of an ISO time


def drift_lines(
    drift: JudgeDrift, checks: Sequence[AnchorCheck], *, served_when_frozen: Sequence[str], problem: str = ""
) -> Iterator[str]:
    """Yield what the last of the checks found, beside the earlier ones; `problem` is its first error."""
    check = checks[-1]
    agreed = f"{check.agreed:,} of {check.n:,} anchors"
    yield f"judge {safe_text(check.judge)}: {agreed} have the verdict that was frozen"
    if check.errors:
        yield f"  {check.errors:,} without a verdict: {safe_text(problem, _PROBLEM_CHARS)}"
    for shift in drift.shifts:
        yield f"  {safe_text(_shift(shift, drift))}"
    for one in checks[-_NIGHTS_SHOWN:] if len(checks) > 1 else ():
        agreed = f"agreed {one.agreed:,}/{one.n:,}"
        yield f"  {_when(one)}  {agreed}  pass {show.percent(one.pass_rate)}  {one.answer}"
    last = checks[-2].served if len(checks) > 1 else tuple(served_when_frozen)
    if tuple(served_when_frozen) != check.served or last != check.served:
        frozen = _ids(served_when_frozen)
        yield f"  served as {_ids(check.served)}; when frozen as {frozen}, the last time as {_ids(last)}"


def conclusion(drift: JudgeDrift, checks: Sequence[AnchorCheck]) -> str:
    """Return what it comes to."""
    if drift.answer == "too few anchors":
        return f"too few anchors to tell a drift: {drift.n:,} with a verdict"
    if drift.answer != "drift":
        return "no drift shown: what differs is no more than the judge's own noise"
    since = "" if drift.since is None else f", likeliest since {_when(checks[drift.since])}"
    return f"DRIFT: the judge is not what it was when its anchors were frozen{since}"


def _shift(shift: Shift, drift: JudgeDrift) -> str:
    p = "" if shift.p_adjusted is None else f", adjusted p {show.p_value(shift.p_adjusted)}"
    if shift.measure in {PASS_RATE, DISAGREEMENT}:
        bounds = show.points_interval(shift.low, shift.high, drift.confidence)
        change = f"{show.points(shift.difference)} points {bounds}".rstrip()
        return f"{shift.measure}: {show.percent(shift.before)} -> {show.percent(shift.now)}, {change}{p}"
    bounds = show.score_interval(shift.low, shift.high, drift.confidence)
    change = f"{show.score_change(shift.difference)} {bounds}".rstrip()
    return f"score {shift.measure}: {show.score(shift.before)} -> {show.score(shift.now)}, {change}{p}"


def _when(check: AnchorCheck) -> str:
    return f"{check.checked_at[:_MINUTES]}Z"


def _ids(served: Sequence[str]) -> str:
    return safe_text(", ".join(served)) or "unknown"
