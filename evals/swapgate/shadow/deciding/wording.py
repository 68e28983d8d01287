"""Numbers inside the sentences of a decision."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TypeAlias

from swapgate.analysis.wording import confidence_percent
from swapgate.stats.interval import Interval

Form: TypeAlias = Callable[[float], str]
ENDLESS = "never (timeouts)"


def share(value: float) -> str:
    """Return a share as `1.2%`; below one in a thousand with the digits that it takes."""
    return f"{100 * value:.3g}%" if 0 < abs(value) < 0.01 else f"{100 * value:.1f}%"


def points(value: float) -> str:
    """Return a difference of shares as signed percentage points."""
    return f"{100 * value + 0.0:+.1f} points"


def plain(value: float) -> str:
    """Return a mean with three decimals."""
    return f"{value:.3f}"


def seconds(value: float) -> str:
    """Return a duration; one that never ends is said."""
    return ENDLESS if value == inf else f"{value:.2f} s"


def dollars(value: float) -> str:
    """Return US dollars with the digits that small prices take."""
    return f"${value:.2f}" if value >= 1 else f"${value:.3g}"


def times(value: float) -> str:
    """Return a ratio."""
    return f"{value:.2f} times"


def bounds(found: Interval, form: Form) -> str:
    """Return ` [90%: LOW, HIGH]`; a bound that there is none of is said."""
    if found.low is None and found.high is None:
        return f" (no interval: {found.note})" if found.note else " (no interval)"
    low, high = ("unknown" if bound is None else form(bound) for bound in (found.low, found.high))
    why = f"; {found.note}" if None in (found.low, found.high) and found.note else ""
    return f" [{confidence_percent(found.confidence)}: {low}, {high}{why}]"
