"""How far a run is, on one line: beside pytest's letters, and for commands that ask models."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, TextIO

from swapgate.reporting.format import count, money

if TYPE_CHECKING:
    from swapgate.engine.batch import BatchProgress
    from swapgate.engine.runner import Progress

_WINDOW_S = 20.0
_BETWEEN = " | "


class Speed:
    """Trials a second over the last seconds: what the cache gave at once says nothing of the rest."""

    def __init__(self, now: float) -> None:
        self._seen = deque([(now, 0)])

    def at(self, now: float, finished: int) -> float:
        """Take note of how many have ended by now, and return the speed."""
        self._seen.append((now, finished))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _WINDOW_S:
            self._seen.popleft()
        then, before = self._seen[0]
        return (finished - before) / (now - then) if now > then else 0.0


def may_draw(stream: TextIO) -> bool:
    """Whether a line may be drawn and drawn over: on a terminal that can, of someone who wants it."""
    is_plain = any(os.environ.get(name) for name in ("NO_COLOR", "CI")) or os.environ.get("TERM") == "dumb"
    return not is_plain and stream.isatty()


def progress_text(progress: Progress, *, speed: float, max_cost: float | None = None, room: int = 200) -> str:
    """Return `12/60 | 0:16 left | $0.0042 of $5.00 | 3.0/s | 16 in flight`, as much as fits."""
    parts = [f"{progress.finished:,}/{progress.planned:,}"]
    if progress.batch is not None:
        parts.insert(0, batch_text(progress.batch))
    if progress.errored:
        parts.append(count(progress.errored, "error"))
    if speed > 0 and (left := progress.planned - progress.finished):
        parts.append(f"{_clock(left / speed)} left")
    parts.append(money(progress.cost_usd) + (f" of {money(max_cost)}" if max_cost is not None else ""))
    if speed > 0:
        parts.append(f"{speed:.1f}/s")
    if progress.in_flight is not None:
        parts.append(f"{progress.in_flight} in flight")
    return _fitting(parts, room)


def batch_text(batch: BatchProgress) -> str:
    """Return `batch: 847 requests at openai, 312 done, submitted 0:42 ago`, and what had to stay here."""
    where = ", ".join(batch.services)
    if not batch.requests:
        return f"batch: {count(batch.unsent, 'request')} not taken by {where} yet, asking again"
    requests = count(batch.requests, "request")
    waiting = f", {batch.unsent:,} not taken yet" if batch.unsent else ""
    return f"batch: {requests} at {where}, {batch.done:,} done, submitted {_clock(batch.age_s)} ago{waiting}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _fitting(parts: list[str], room: int) -> str:
    """Return the parts that fit in whole; the first one is cut where not even it does."""
    text = parts[0][:room]
    for part in parts[1:]:
        if len(text) + len(_BETWEEN) + len(part) > room:
            break
        text += _BETWEEN + part
    return text
