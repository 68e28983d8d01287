"""One batch from its id to its last answer: looked at, cancelled when it is late, fetched, closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Self

from swapgate.daemon import in_daemon_thread
from swapgate.errors import ErrorKind, ProviderError
from swapgate.memory.batches import StoredBatch, StoredRequest, StoredState
from swapgate.providers.batch import BatchStatus, Outcome, SentFacts
from swapgate.records import Response, adapter
from swapgate.spec.settings import Settings
from swapgate.storable import storable
from swapgate.values import Value, replace

if TYPE_CHECKING:
    from swapgate.engine.batch_lane import Lane

_HOW: Mapping[StoredState, str] = {
    "ended": "ended without their answers",
    "failed": "failed",
    "expired": "has not answered in time",
    "cancelled": "was cancelled",
}
_GROWTH = 1.5
# So often in a row the service says something else of a batch, or of its answers, before that is believed:
# what it has just made, or ended, it may not know everywhere.
_LOOKS = 5
# One look that fails is soon forgotten.
_TELL_AFTER = 2
# Starting the next trial takes a loop some milliseconds.
_QUIET_S = 0.5


class Pacing(Value):
    """How long to wait for what, in seconds. `clock` gives Unix time: batches outlive processes.

    `retries` is how often a service is tried again that was never reached, as often as by a live call.
    """

    deadline_s: float
    quiet_s: float = _QUIET_S
    longest_gather_s: float = 60.0
    first_poll_s: float = 5.0
    longest_poll_s: float = 60.0
    lease_s: float = 30.0
    cancel_s: float = 600.0
    retries: int = 4
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the times of a run, in proportion to its wait between two looks."""
        unit_s = settings.batch_poll_s
        return cls(
            deadline_s=settings.batch_deadline_h * 3600,
            quiet_s=min(_QUIET_S, unit_s),
            longest_gather_s=unit_s * 12,
            first_poll_s=unit_s,
            longest_poll_s=unit_s * 12,
            lease_s=unit_s * 6,
            cancel_s=unit_s * 120,
            retries=settings.retries,
        )


class _Seen(Value):
    """What a file of answers held: how many of the batch's requests; if none, a key that it never asked."""

    known: int
    stranger: str | None


class Follower:
    """Waits for one batch on behalf of a lane, and hands out and stores every answer in it."""

    def __init__(self, lane: Lane, mark: str) -> None:
        self.mark = mark
        self.batch: StoredBatch | None = None
        self.status: BatchStatus | None = None
        self.is_fetching = False
        self._is_late = False
        self._unanswered = self._denied = 0
        self._answered: set[str] = set()
        self._lane = lane
        self._api = lane.api
        self._store = lane.store
        self._pacing = lane.pacing

    async def run(self) -> None:
        """Wait, fetch, close; an error that no waiting mends is told to everybody who waits."""
        try:
            while True:
                batch = self.batch = await self._known()
                if batch is None or batch.batch_id is None:
                    self._lane.add_again(self.mark)
                    return
                self.status, self.is_fetching = None, False
                state = await self._end(batch, batch.batch_id)
                self.is_fetching = True
                stranger = await self._fetch(batch, batch.batch_id, is_whole=state == "ended")
                is_ours = stranger is None
                if stranger is None or not self._store.exchange(self.mark, batch.batch_id, stranger):
                    break
        except ProviderError as error:
            await self._give_up(error)
            return
        await self._close(state if is_ours else "lost")

    async def _give_up(self, error: ProviderError) -> None:
        """Tell those who wait, and leave the batch to a later run; past its deadline nobody waits for it."""
        if self.batch is not None and self._is_past(self.batch) and error.kind is not ErrorKind.AUTH:
            self.status = BatchStatus(state="failed", problem=str(error))
            await self._close("failed")
            return
        for asked in self._lane.waiting_for(self.mark):
            asked.answer.set_exception(error)

    def _is_past(self, batch: StoredBatch) -> bool:
        return self._pacing.clock() > self._deadline(batch)

    def _deadline(self, batch: StoredBatch) -> float:
        return (batch.sent_at or batch.begun_at) + self._pacing.deadline_s

    async def _known(self) -> StoredBatch | None:
        """Return the batch once its id is known; None when it was never made.

        A process that died between sending and remembering leaves it without an id: then it is looked for.
        """
        while (batch := self._store.get(self.mark)) is not None and batch.batch_id is None:
            if self._store.take_over(self.mark, lease_s=self._pacing.lease_s):
                await self._recover(batch)
            else:
                await self._pacing.sleep(self._pacing.lease_s / 3)
        return batch

    async def _recover(self, batch: StoredBatch) -> None:
        is_guessed = not self._api.takes_mark
        while (stored := self._store.get(self.mark)) is not None and stored.batch_id is None:
            try:
                found = await self._lane.find(self.mark, batch.begun_at, batch.requests)
            except ProviderError as error:
                if not error.is_transient:
                    raise
                await self._pacing.sleep(self._pacing.lease_s)
                return
            if found is None:
                if not self._is_past(batch):
                    self._require_own_key()
                self._store.release(self.mark)
                return
            self._store.sent(self.mark, found, at_s=batch.begun_at, is_guessed=is_guessed)

    async def _end(self, batch: StoredBatch, batch_id: str) -> StoredState:
        """Return how the batch has ended; cancel it at the deadline and give it a while for that."""
        deadline = self._deadline(batch)
        wait_s, is_cancelled = self._pacing.first_poll_s, False
        while True:
            self.status = await self._look(batch_id) or self.status
            if self.status is not None and self.status.state != "running":
                return self.status.state
            left_s = deadline - self._pacing.clock()
            if left_s <= -self._pacing.cancel_s:
                return "expired"
            self._is_late = left_s <= 0
            if self._is_late and not is_cancelled:
                is_cancelled = await self._cancel(batch, batch_id)
                wait_s = self._pacing.first_poll_s
            await self._pacing.sleep(min(wait_s, left_s) if left_s > 0 else wait_s)
            wait_s = min(wait_s * _GROWTH, self._pacing.longest_poll_s)

    async def _look(self, batch_id: str) -> BatchStatus | None:
        """Return the batch's status; None when the service could not be asked just now."""
        try:
            status = await self._api.status(batch_id)
        except ProviderError as error:
            if error.kind is ErrorKind.AUTH:
                raise
            if error.status == 404:
                self._require_own_key(batch_id)
            self._note_unanswered(batch_id, error)
            self._denied = 0 if error.is_transient else self._denied + 1
            if self._denied < _LOOKS:
                return None
            if error.status == 404:
                return BatchStatus(state="failed", problem="the service does not know it")
            raise
        self._unanswered = self._denied = 0
        self._lane.note_reached()
        return status

    def _require_own_key(self, batch_id: str = "") -> None:
        """Raise where what the service does not know was sent with another key, as of another project."""
        sent_with = self._store.key_byte(self.mark)
        if sent_with is not None and sent_with != self._api.key_byte:
            spec = self._lane.opened.spec
            batch = f"the batch {batch_id}" if batch_id else "a batch of a run that died"
            raise ProviderError(
                f"{spec.name}: {spec.provider} does not know {batch}: it was sent with another key. Set that "
                "one again to have its answers, or run without --batch to pay for them anew",
                kind=ErrorKind.BAD_REQUEST,
                status=404,
            )

    def _note_unanswered(self, batch_id: str, error: ProviderError) -> None:
        self._unanswered += 1
        if self._unanswered == _TELL_AFTER:
            name = self._lane.opened.spec.name
            self._lane.say_held(f"{name}: no word of {batch_id} just now, asking again: {error}")

    async def _cancel(self, batch: StoredBatch, batch_id: str) -> bool:
        """Ask for the end of the batch; never of one that was only guessed to be ours."""
        if batch.is_guessed:
            return True
        try:
            await self._api.cancel(batch_id)
        except ProviderError as error:
            return not error.is_transient
        return True

    async def _fetch(self, batch: StoredBatch, batch_id: str, *, is_whole: bool) -> str | None:
        """Store and hand out every answer; return the key of one when they are another batch's, else None.

        What is paid for may come a moment after the batch has ended, all of it or a part; what is gone never
        will. A service that is away is waited for. `is_whole`: there should be a line for every request.
        """
        requests = self._store.requests(self.mark)
        wait_s, short, failed = self._pacing.first_poll_s, 0, 0
        while True:
            try:
                seen = await self._fetch_once(batch_id, requests)
                if seen.stranger is not None or not is_whole or seen.known >= len(requests):
                    return seen.stranger
                short += 1
            except ProviderError as error:
                failed += 1
                if error.status == 404:
                    short += 1
                elif not error.is_transient or (failed >= _LOOKS and self._is_past(batch)):
                    raise
                self._note_unanswered(batch_id, error)
            if short >= _LOOKS:
                return None
            await self._pacing.sleep(wait_s)
            wait_s = min(wait_s * _GROWTH, self._pacing.longest_poll_s)

    async def _fetch_once(self, batch_id: str, requests: dict[str, StoredRequest]) -> _Seen:
        read_facts = adapter(SentFacts).validate_python
        facts = {key: read_facts(request.facts) for key, request in requests.items()}
        known: set[str] = set()
        stranger = None
        async with aclosing(self._api.results(batch_id, facts)) as results:
            async for key, outcome in results:
                if key not in requests:
                    stranger = key
                    continue
                known.add(key)
                self._hand_out(requests[key], outcome, batch_id)
        return _Seen(known=len(known), stranger=None if known else stranger)

    def _hand_out(self, request: StoredRequest, outcome: Outcome, batch_id: str) -> None:
        """Store an answer and give it to who waits: the first one, should the file be read again."""
        lane = self._lane
        if request.key in self._answered:
            return
        if isinstance(outcome, Response):
            self._answered.add(request.key)
            outcome = storable(replace(outcome, batch_id=batch_id))
            if lane.opened.stores(outcome):
                lane.cache.put(request.key, outcome, request.about)
        asked = lane.waiting.get(request.key)
        if asked is None or asked.answer.done():
            return
        if isinstance(outcome, Response):
            asked.answer.set_result(outcome)
        elif outcome is not None and not outcome.is_transient:
            asked.answer.set_exception(outcome)

    async def _close(self, state: StoredState) -> None:
        """Close the batch once its answers are on disk; then see to what has none."""
        await in_daemon_thread(self._lane.cache.flush, timeout_s=None)
        stored = self._store.get(self.mark)
        self._store.finish(self.mark, state)
        is_sent_again = state == "lost" or (stored is not None and stored.state == "cancelling")
        if is_sent_again:
            self._lane.add_again(self.mark)
            return
        left = self._lane.waiting_for(self.mark)
        if left:
            name = self._lane.opened.spec.name
            self._lane.say(f"{name}: {len(left)} called live: {self._why(state)}")
        for asked in left:
            asked.answer.set_result(None)

    def _why(self, state: StoredState) -> str:
        batch_id = self.batch.batch_id if self.batch else None
        told = f": {self.status.problem}" if self.status and self.status.problem else ""
        how = "was not done at the deadline" if self._is_late else _HOW.get(state, state)
        return f"the batch {batch_id} {how}{told}"
