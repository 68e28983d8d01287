"""The day of a budget: from midnight to midnight in UTC or in a named zone."""

from __future__ import annotations

import datetime as dt
import time
from zoneinfo import ZoneInfo

from swapgate.values import Value

UTC_ZONE = "UTC"


class Day(Value):
    """One day; `start` and `end` are Unix times, the end is not part of it."""

    date: dt.date
    zone: str
    start: float
    end: float

    def __str__(self) -> str:
        return f"{self.date.isoformat()}, {self.zone}"


def day_at(when: float, zone: str = UTC_ZONE) -> Day:
    """Return the day that a Unix time falls on. Where clocks change it has 23 hours, or 25."""
    place = zone_named(zone)
    date = dt.datetime.fromtimestamp(when, place).date()
    return Day(date=date, zone=zone, start=_midnight(date, place), end=_midnight(_next(date), place))


def day_now(zone: str = UTC_ZONE) -> Day:
    """Return the day that it is."""
    return day_at(time.time(), zone)


def zone_named(zone: str) -> dt.tzinfo:
    """Return a zone; ValueError when nobody knows it. UTC needs no list of zones."""
    if zone == UTC_ZONE:
        return dt.UTC
    try:
        return ZoneInfo(zone)
    except (OSError, ValueError, LookupError) as exc:
        raise ValueError(
            f"must be UTC or a zone of the tz database such as Europe/Berlin, got {zone!r}"
        ) from exc


def _next(date: dt.date) -> dt.date:
    return date + dt.timedelta(days=1)


def _midnight(date: dt.date, place: dt.tzinfo) -> float:
    return dt.datetime.combine(date, dt.time(), place).timestamp()
