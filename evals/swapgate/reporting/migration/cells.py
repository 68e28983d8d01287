"""The bill of a migration in words: rows, totals and what is not known, the same in every format."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.analysis.switching import SwitchCost, SwitchItem
from swapgate.reporting.format import UNKNOWN, money
from swapgate.reporting.words.months import cost_notes

HEADER = ("item", "time", "people", "paid", "on record")
NOTHING = "-"
_MINUTE_S, _HOUR_S, _DAY_S = 60.0, 3600.0, 86_400.0


def row(item: SwitchItem) -> tuple[str, ...]:
    """Return the cells of one item; what did not happen has none, which is not the same as unknown."""
    if not item.did_happen:
        return (item.title, NOTHING, NOTHING, NOTHING, item.why_unknown[0] if item.why_unknown else "")
    return (
        item.title,
        _time(item),
        UNKNOWN if item.hours is None else hours(item.hours),
        _cost(item),
        "; ".join(item.told),
    )


def headline(cost: SwitchCost) -> str:
    """Return the total in one sentence."""
    of = f"from {cost.old} to {cost.new}" if cost.old and cost.new else ""
    between = f", {cost.began[:10]} to {cost.ended[:10]}" if cost.began and cost.ended else ""
    named = f"Switching {of}{between}: " if of else f"This migration{between}: "
    least = "at least " if cost.is_at_least else ""
    return f"{named}{least}{total(cost)}"


def total(cost: SwitchCost) -> str:
    """Return money, and people's time beside it or in it."""
    worked = hours(cost.hours) if cost.hours else ""
    if cost.work_usd is None:
        return money(cost.usd) + (f" and {worked} of people's time" if worked else "")
    if not worked:
        return money(cost.usd)
    return f"{money(cost.total_usd)}, of which {money(cost.work_usd)} are {worked} of people's time"


def saving_lines(cost: SwitchCost) -> Iterator[str]:
    """Yield what is saved a month, and when that has paid for the switch."""
    if cost.saving is None:
        yield f"what is saved is not known: {cost.why_no_saving}"
        return
    for one in cost.costs:
        yield f"{one.model}: {money(one.usd_per_month)} a month for {one.requests:,} requests"
    yield from cost_notes(cost.costs)
    saved = cost.saving
    bounds = (
        "" if saved.low is None or saved.high is None else f" [95%: {saved.low:,.2f} to {saved.high:,.2f}]"
    )
    if saved.usd_per_month == 0:
        yield "both cost the same: nothing is saved"
        return
    if saved.usd_per_month < 0:
        yield f"{saved.model} saves nothing: it costs {money(-saved.usd_per_month)} a month more{bounds}"
        return
    yield f"{saved.model} saves {money(saved.usd_per_month)} a month{bounds}"
    if cost.pays is not None and cost.pays.months is not None:
        yield f"it has paid for the switch after {_at_least(cost)}{_months(cost.pays.months)}{_between(cost)}"


def unknown_lines(cost: SwitchCost) -> list[str]:
    """Return what is not known of the items that happened."""
    found = [f"{item.title}: {why}" for item in cost.items if item.did_happen for why in item.why_unknown]
    names = [item.name for item in cost.items if item.did_happen and item.hours is None]
    if names:
        found.append(f"hours of people for {', '.join(names)}, which nothing records: --hours {names[0]}=N")
    if cost.usd_per_hour is None:
        found.append("what an hour of a person costs: --usd-per-hour USD")
    return found


def hours(amount: float) -> str:
    """Return hours of work: `12 h`, `0.5 h`."""
    return f"{amount:,.10g} h"


def duration(seconds: float) -> str:
    """Return how long something went on, in the unit that fits it."""
    for unit, name in ((_DAY_S, "days"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= unit:
            return f"{seconds / unit:,.1f} {name}"
    return f"{seconds:.1f} s"


def _time(item: SwitchItem) -> str:
    return NOTHING if item.time_s is None else duration(item.time_s)


def _cost(item: SwitchItem) -> str:
    if item.usd is None:
        return UNKNOWN
    return f"at least {money(item.usd)}" if item.is_at_least else money(item.usd)


def _at_least(cost: SwitchCost) -> str:
    return "at least " if cost.is_at_least else ""


def _months(months: float) -> str:
    return f"{months:,.1f} months" if months >= 0.1 else f"{months * 30.4:,.1f} days"


def _between(cost: SwitchCost) -> str:
    pays = cost.pays
    if pays is None or pays.earliest is None:
        return ""
    latest = "never" if pays.latest is None else _months(pays.latest)
    return f" [{_months(pays.earliest)} to {latest}]"
