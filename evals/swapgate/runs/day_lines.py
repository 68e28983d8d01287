"""The budget of a day as people read it: what of it is spent, and what is left."""

from __future__ import annotations

from swapgate.engine.day_budget import UNITS, spent_today
from swapgate.errors import StoreError
from swapgate.memory.spending import Spent
from swapgate.reporting.format import money
from swapgate.spec.settings import Settings


def day_line(settings: Settings) -> str:
    """Return one sentence about a day that has a budget; a ledger that cannot be read is told, not raised."""
    limit_usd = settings.max_cost_per_day
    assert limit_usd is not None
    limit = f"--max-cost-per-day={limit_usd:g}"
    try:
        day, spent = spent_today(settings)
    except StoreError as exc:
        return f"what is spent of {limit} is not known: {exc}"
    return f"{money(spent.spent / UNITS)} of {limit} are spent ({day}){_open(spent)}"


def left_today_usd(settings: Settings) -> float | None:
    """Return what a day's budget has left, None where nobody knows."""
    if settings.max_cost_per_day is None:
        return None
    try:
        _day, spent = spent_today(settings)
    except StoreError:
        return None
    return max(0.0, settings.max_cost_per_day - spent.counted / UNITS)


def _open(spent: Spent) -> str:
    """Return what may be spent by others, or may have been by processes that died."""
    held = f", {money(spent.held / UNITS)} set aside by processes that run" if spent.held else ""
    return held + (
        f", {money(spent.unknown / UNITS)} by processes that died with calls in flight: "
        "`swapgate cost day` says more"
        if spent.unknown
        else ""
    )
