"""The requests of one model on their way into batches: gathered, claimed, sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from swapgate.engine.batch_follow import Follower, Pacing
from swapgate.engine.call import OpenModel
from swapgate.errors import ErrorKind, ProviderError
from swapgate.memory.batches import BatchStore, StoredRequest
from swapgate.memory.cache import ResponseCache
from swapgate.memory.leasing import renewed
from swapgate.providers.batch import BatchLine, BatchProvider
from swapgate.records import Json, Response, to_json

_GROWTH = 1.5
_NOT_IMPLEMENTED = 501
# Of a service: its name and its base_url.
Address: TypeAlias = tuple[str, str | None]


@dataclass(slots=True, kw_only=True, eq=False)
class Asked:
    """One request that somebody waits for. Its answer is None when it should be called live."""

    line: BatchLine
    about: Mapping[str, Json]
    reads_cache: bool
    answer: asyncio.Future[Response | None]
    mark: str | None = None

    @property
    def key(self) -> str:
        """The key of the request, which is its custom id."""
        return self.line.custom_id


@dataclass(slots=True, kw_only=True)
class _Gathered:
    asked: list[Asked] = field(default_factory=list)
    bytes: int = 0


class Lane:
    """Gathers the requests of one model and sends them once none has come for a moment.

    `is_busy` says that calls are under way which may lead to more requests: a batch of one is a waste.
    `reached` are the services that some lane of this run has heard from.
    """

    def __init__(
        self,
        opened: OpenModel,
        api: BatchProvider,
        *,
        store: BatchStore,
        cache: ResponseCache,
        pacing: Pacing,
        is_busy: Callable[[], bool],
        say: Callable[[str], None],
        say_held: Callable[[str], None],
        reached: set[Address],
    ) -> None:
        self.opened = opened
        self.api = api
        self.store = store
        self.cache = cache
        self.pacing = pacing
        self.say = say
        self.say_held = say_held
        self.followers: dict[str, tuple[Follower, asyncio.Task[None]]] = {}
        self.waiting: dict[str, Asked] = {}
        # By mark, what the service takes in no batch just now.
        self.unsent: dict[str, int] = {}
        self._reached = reached
        self._sending: set[asyncio.Task[None]] = set()
        self._is_busy = is_busy
        self._gathered = _Gathered()
        self._touched_at = 0.0
        self._timer: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def service(self) -> str:
        """The service's name, as in models.yml."""
        return self.opened.spec.provider

    async def ask(self, asked: Asked) -> Response | None:
        """Return the answer of a request once its batch has it; None when it should be called live."""
        self.waiting[asked.key] = asked
        self.add(asked)
        try:
            return await asked.answer
        finally:
            self.waiting.pop(asked.key, None)

    def add(self, asked: Asked) -> None:
        """Put a request into the batch that is being gathered; send that one first when it is full."""
        size = len(asked.line.content) + 1
        gathered, limits = self._gathered, self.api.limits
        if len(gathered.asked) >= limits.requests or gathered.bytes + size > limits.bytes:
            self._send_gathered()
        self._gathered.asked.append(asked)
        self._gathered.bytes += size
        self._touched_at = asyncio.get_running_loop().time()
        if self._timer is None or self._timer.done():
            self._timer = self._spawn(self._send_when_quiet())

    def add_again(self, mark: str) -> None:
        """Gather anew what waits for a batch that was never made, or that its user has cancelled."""
        for asked in self.waiting_for(mark):
            asked.mark = None
            self.add(asked)

    def waiting_for(self, mark: str) -> list[Asked]:
        """Return the requests that wait for the answers of one batch."""
        return [a for a in self.waiting.values() if a.mark == mark and not a.answer.done()]

    async def settle(self, *, patience_s: float) -> None:
        """Let what is just being sent or fetched arrive, so that it is remembered."""
        fetching = {task for follower, task in self.followers.values() if follower.is_fetching}
        if arriving := self._sending | fetching:
            await asyncio.wait(arriving, timeout=patience_s)

    async def close(self) -> None:
        """Stop looking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send_when_quiet(self) -> None:
        loop, pacing = asyncio.get_running_loop(), self.pacing
        until = loop.time() + pacing.longest_gather_s
        while True:
            quiet_s = loop.time() - self._touched_at
            if quiet_s >= pacing.quiet_s and (not self._is_busy() or loop.time() > until):
                break
            await pacing.sleep(max(pacing.quiet_s - quiet_s, pacing.quiet_s / 4))
        self._send_gathered()

    def _send_gathered(self) -> None:
        gathered, self._gathered = self._gathered, _Gathered()
        if asked := [a for a in gathered.asked if not a.answer.done()]:
            task = self._spawn(self._claim_and_send(asked))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _claim_and_send(self, asked: Sequence[Asked]) -> None:
        """Send what no open batch holds; wait for the batches that hold the rest."""
        claim = self.store.claim(
            [StoredRequest(key=a.key, about=a.about, facts=to_json(a.line.facts)) for a in asked],
            service=self.service,
            model=self.opened.spec.name,
            key_byte=self.api.key_byte,
            lease_s=self.pacing.lease_s,
        )
        for one in asked:
            one.mark = claim.theirs.get(one.key, claim.mark)
        for mark in sorted(set(claim.theirs.values())):
            self.follow(mark)
        if claim.theirs:
            self.say(f"{self.opened.spec.name}: {len(claim.theirs)} are in a batch already, not sent again")
        mine = self._without_stored(claim.mark, [a for a in asked if a.key in claim.mine])
        if mine:
            await self._send(claim.mark, mine)

    def _without_stored(self, mark: str, asked: list[Asked]) -> list[Asked]:
        """Answer what another process has stored since this one looked: it closed its batch after that."""
        found = self.cache.get_many(a.key for a in asked if a.reads_cache)
        for one in asked:
            if one.key in found and not one.answer.done():
                one.answer.set_result(found[one.key])
        left = [one for one in asked if one.key not in found]
        if asked and not left:
            self.store.release(mark)
        elif found:
            self.store.drop(mark, found)
        return left

    async def _send(self, mark: str, asked: Sequence[Asked]) -> None:
        lease_s = self.pacing.lease_s
        try:
            async with renewed(
                lambda: self.store.renew(mark, lease_s=lease_s), every_s=lease_s / 3, sleep=self.pacing.sleep
            ):
                batch_id, is_guessed = await self._submit(mark, [one.line for one in asked])
        except ProviderError as error:
            self.store.release(mark)
            self._refuse(asked, error)
            return
        finally:
            self.unsent.pop(mark, None)
        self.note_reached()
        self.store.sent(mark, batch_id, is_guessed=is_guessed)
        self.say(f"{self.opened.spec.name}: {len(asked)} sent to {self.service} as {batch_id}")
        self.follow(mark)

    async def _submit(self, mark: str, lines: Sequence[BatchLine]) -> tuple[str, bool]:
        """Return the id of the new batch, and whether it is a guess. A batch may be there after a failure.

        A service that has no room, or is away, is asked again until the deadline: whoever wants batches would
        rather wait than pay twice as much. One that was never reached is asked as often as by a live call.
        """
        begun_at, wait_s, unheard = self.pacing.clock(), self.pacing.first_poll_s, 0
        deadline = begun_at + self.pacing.deadline_s
        while True:
            try:
                if mark in self.unsent and (found := await self.find(mark, begun_at, len(lines))):
                    return found, not self.api.takes_mark
                return await self.api.submit(lines, mark=mark), False
            except ProviderError as error:
                left_s = deadline - self.pacing.clock()
                unheard += (is_mistaken := self._is_mistaken(error))
                may_pass = error.is_transient and error.status != _NOT_IMPLEMENTED
                if not may_pass or left_s <= 0 or unheard > self.pacing.retries:
                    if error.may_be_billed and (made := await self._made(mark, begun_at, len(lines))):
                        return made, not self.api.takes_mark
                    raise
                self._hold(mark, len(lines), error)
                again_s = (
                    self.opened.pace.backoff_s(unheard) if is_mistaken else error.retry_after_s or wait_s
                )
                await self.pacing.sleep(min(again_s, left_s))
                wait_s = min(wait_s * _GROWTH, self.pacing.longest_poll_s)

    async def _made(self, mark: str, begun_at: float, requests: int) -> str | None:
        """Return the id of the batch that a failed submission has made all the same, None without one."""
        with contextlib.suppress(ProviderError):
            return await self.find(mark, begun_at, requests)
        return None

    def _is_mistaken(self, error: ProviderError) -> bool:
        """Whether the address is likely to be wrong: an outage is one of a service that was there before."""
        return error.never_arrived and self._address not in self._reached

    def _hold(self, mark: str, requests: int, error: ProviderError) -> None:
        if not error.never_arrived:
            self.note_reached()
        if not self.unsent:
            self.say_held(f"{self.opened.spec.name}: {requests} not taken yet, asking again: {error}")
        if mark not in self.unsent:
            self.say(f"{self.opened.spec.name}: {requests} had to wait for a batch: {error}")
        self.unsent[mark] = requests

    @property
    def _address(self) -> Address:
        return self.service, self.opened.spec.base_url

    def note_reached(self) -> None:
        """Remember that the service was heard from: what fails from now on is an outage of it."""
        self._reached.add(self._address)

    async def find(self, mark: str, begun_at: float, requests: int) -> str | None:
        """Return the service's id of a batch that was sent under a mark, None when there is none."""
        known = self.store.known_ids()
        return await self.api.find(mark, since_s=begun_at, requests=requests, known=known)

    def _refuse(self, asked: Sequence[Asked], error: ProviderError) -> None:
        """Call live what the service will take in no batch; with a wrong key or address that helps nobody."""
        is_final = error.kind is ErrorKind.AUTH or self._is_mistaken(error)
        if not is_final:
            self.say(f"{self.opened.spec.name}: {len(asked)} called live: no batch was taken: {error}")
        for one in asked:
            if one.answer.done():
                continue
            if is_final:
                one.answer.set_exception(error)
            else:
                one.answer.set_result(None)

    def follow(self, mark: str) -> None:
        """Wait for a batch, unless somebody does already."""
        if mark not in self.followers:
            follower = Follower(self, mark)
            self.followers[mark] = (follower, self._spawn(self._followed(follower)))

    async def _followed(self, follower: Follower) -> None:
        try:
            await follower.run()
        finally:
            # At once: who comes in the same turn of the loop would wait for one who looks no more.
            del self.followers[follower.mark]

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell everybody who waits when a task of this lane breaks: nobody else would."""
        self._tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            for asked in list(self.waiting.values()):
                if not asked.answer.done():
                    asked.answer.set_exception(failure)
