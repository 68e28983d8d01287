"""One time limit for many waits at once, kept by one timer.

asyncio.timeout sets a timer for each of them: hundreds are kept sorted, nearly all are thrown away unused.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

# A timer that rings so late rings in a process that was stopped. What came in meanwhile is not read yet.
_STOPPED_S = 1.0
_TO_READ_S = 5.0


class TimeLimit:
    """Ends a block that takes longer than `limit_s` (None: none does). Belongs to one event loop.

    After a stop of the whole process (Ctrl-Z, a sleeping machine) every block has a while left.
    """

    def __init__(self, limit_s: float | None) -> None:
        self._limit_s = limit_s
        # Each with when it ends: those that began first stand first.
        self._begun: dict[Bounded, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def bound(self) -> Bounded:
        """Return the context of one block; TimeoutError leaves it where it takes too long."""
        return Bounded(self)

    def begin(self, block: Bounded) -> None:
        """Count the time of a block from now on."""
        if self._limit_s is None:
            return
        loop = asyncio.get_running_loop()
        self._begun[block] = ends_at = loop.time() + self._limit_s
        if self._timer is None:
            self._ring_at(ends_at)

    def end(self, block: Bounded) -> None:
        """The block is over."""
        self._begun.pop(block, None)

    def _ring_at(self, when: float) -> None:
        self._rings_at = when
        self._timer = asyncio.get_running_loop().call_at(when, self._ring)

    def _ring(self) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        now = loop.time()
        if now - self._rings_at > _STOPPED_S:
            until = now + min(_TO_READ_S, self._limit_s or 0.0)
            self._begun = {block: max(ends_at, until) for block, ends_at in self._begun.items()}
        for block, ends_at in list(self._begun.items()):
            if ends_at > now:
                self._ring_at(ends_at)
                return
            del self._begun[block]
            block.expire()


class Bounded:
    """One block of one task, as asyncio.Timeout is one."""

    __slots__ = ("_cancelling", "_is_expired", "_limit", "_task")

    def __init__(self, limit: TimeLimit) -> None:
        self._limit = limit
        self._is_expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._limit.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._limit.end(self)
        if not self._is_expired:
            return
        # Cancelled by somebody else too, the task is to end all the same.
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel what the task waits for."""
        self._is_expired = True
        self._task.cancel()
