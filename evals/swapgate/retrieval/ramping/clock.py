"""How long a stage has lasted although the clock of the wall may jump: by the machine's own if it tells."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path

from swapgate.values import Value

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Moment(Value):
    """A time by two clocks: that of the wall, and the seconds since the machine's start `boot`.

    The second never jumps and goes on while the machine sleeps, but says nothing to other machines, and
    nothing after the next start. `boot` is None where the system does not name its starts.
    """

    wall: str
    boot: str | None
    steady_s: float


def moment() -> Moment:
    """Return the present."""
    wall = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Moment(wall=wall, boot=_boot(), steady_s=_steady_s())


def elapsed_s(moments: Iterable[Moment]) -> float:
    """Return the time from the first of the moments to the last, never less than nothing.

    Between two of one start of one machine it is that of its steady clock, else that of the wall; a wall that
    was put back counts as no time.
    """
    return sum(_between_s(one, other) for one, other in pairwise(moments))


def at_wall(text: str) -> Moment:
    """Return a moment of which only the time of the wall is known."""
    return Moment(wall=text, boot=None, steady_s=0.0)


def _between_s(one: Moment, other: Moment) -> float:
    if one.boot is not None and one.boot == other.boot:
        return max(0.0, other.steady_s - one.steady_s)
    return max(0.0, wall_s(one.wall, other.wall))


def wall_s(one: str, other: str) -> float:
    """Return how many seconds of the wall lie between two texts; negative where it was put back."""
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


@cache
def _boot() -> str | None:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip() or None
    except OSError:
        return None


def _steady_s() -> float:
    # Unlike CLOCK_MONOTONIC it goes on while the machine sleeps.
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
