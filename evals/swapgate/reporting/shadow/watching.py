"""Live traffic after a swap as the cells of a table."""

from __future__ import annotations

from swapgate.reporting import format as show
from swapgate.reporting.shadow.cells import share
from swapgate.shadow.watching.watch import Watched

WATCH_HEADER = ("route", "rate", "before", "since the swap", "last day", "change", "evidence", "answer")
_WORDS = {"alarm": "ALARM", "well": "no alarm", "not_found_out": "not found out"}


def watch_row(one: Watched) -> tuple[str, ...]:
    """Return the cells of WATCH_HEADER."""
    name = f"latency > {show.seconds(one.limit_s)}" if one.limit_s is not None else one.rate
    return (
        one.route,
        name,
        share(one.before),
        share(one.after),
        share(one.last),
        show.change(one.ratio),
        _evidence(one),
        f"{_WORDS[one.answer]}: {one.reason}" if one.reason else _WORDS[one.answer],
    )


def _evidence(one: Watched) -> str:
    if one.evidence is None or one.threshold is None:
        return show.MISSING
    return f"{one.evidence:,.3g} of {one.threshold:,.0f}"
