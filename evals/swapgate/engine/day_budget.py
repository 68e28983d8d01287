"""What may be spent in a day, over all processes: a part of it is leased, and spent from without asking."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from swapgate.errors import BudgetSpent, StoreError
from swapgate.memory.spending import LEASE_S, SPENDING_FILE, Ask, SpendingLedger, Spent
from swapgate.spec.day import UTC_ZONE, Day, day_at, day_now
from swapgate.spec.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

# Amounts are counted in whole millionths of a millionth of a dollar: sums of them never drift.
UNITS = 10**12
# What is leased beyond the call that asks, so that few calls ask; of the day's limit.
_SPARE = 1 / 200
_LOOKS_EVERY_S = 0.5
# What one settles another may wait for: it is told soon. Where nothing has changed, the lease is renewed.
_TELLS_EVERY_S = 1.0
_RENEWS_EVERY_S = LEASE_S / 6
# A database that does not answer for a moment ends no run.
_TRIES_AFTER_S = (0.5, 2.0, 5.0)


@dataclass(slots=True)
class Lease:
    """One process's part of one day, in units: of what is `granted`, what is gone and what is in flight."""

    id: str
    day: Day
    granted: int = 0
    spent: int = 0
    held: int = 0
    told: tuple[int, int] = (0, 0)
    told_at: float = 0.0

    @property
    def free(self) -> int:
        """What can be held without asking for more."""
        return self.granted - self.spent - self.held


class DayBudget:
    """Holds what calls may cost at most within the day's limit. Belongs to one event loop.

    A call that does not fit only because of what is in flight, here or in other processes, waits. One that
    cannot fit raises BudgetSpent, and from then on no trial begins that day. `name` is the setting's.
    """

    def __init__(
        self,
        ledger: SpendingLedger,
        limit_usd: float,
        *,
        zone: str = UTC_ZONE,
        name: str = "max_cost_per_day",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._limit_usd, self._limit = limit_usd, round(limit_usd * UNITS)
        self._zone, self._name, self._clock = zone, name, clock
        self._lease: Lease | None = None
        self._ended: list[Lease] = []
        self._closed: tuple[Day, Spent] | None = None
        # Who waits for room waits in line; who writes to the ledger does so one after another.
        self._turn, self._writing = asyncio.Lock(), asyncio.Lock()
        self._settled = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def hold(self, most: int, *, is_judge: bool = False) -> Lease:
        """Hold what a call may cost; raises BudgetSpent where that is more than the day has left."""
        lease = self._lease
        if lease is not None and self._is_today(lease) and lease.free >= most and not self._turn.locked():
            lease.held += most
            return lease
        async with self._turn:
            return await self._lease_more(most, is_judge=is_judge)

    def settle(self, lease: Lease, most: int, cost: int) -> None:
        """Take what a call did cost in place of the most that it might have."""
        lease.held -= most
        lease.spent += cost
        self._settled.set()

    async def aclose(self) -> None:
        """Give back what was leased and not spent. What cannot be given back is free when the lease ends."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        for lease in self._leases():
            async with self._writing:  # after whoever was cancelled while writing
                with contextlib.suppress(StoreError):
                    await _in_thread(self._ledger.close_lease, lease.id, spent=lease.spent + lease.held)
        self._ended, self._lease = [], None
        self._ledger.close()

    async def _lease_more(self, most: int, *, is_judge: bool) -> Lease:
        while True:
            lease = await self._todays()
            if self._closed is not None and self._closed[0] == lease.day and not is_judge:
                raise self._refusal(lease, self._closed[1], most)
            if lease.free < most:
                await self._grow(lease, most, is_judge=is_judge)
            if self._is_today(lease) and lease.free >= most:
                lease.held += most
                return lease
            await self._room_or_a_while()

    async def _room_or_a_while(self) -> None:
        """Wait until a call of this process is settled, or for a look at what others have settled."""
        self._settled.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), _LOOKS_EVERY_S)

    async def _grow(self, lease: Lease, most: int, *, is_judge: bool) -> None:
        """Ask for more, or raise when no other process's settling can make room for it."""
        async with self._writing:
            # What is spare is given back: two that wait for each other's would wait for ever.
            lease.granted = lease.spent + lease.held
            spare = round(self._limit * _SPARE)
            ask = Ask(spent=lease.spent, held=lease.held, most=most, spare=spare, limit=self._limit)
            granted, others = await self._asked(self._ledger.grow, lease.id, lease.day, ask, self._clock())
            lease.granted = granted
            lease.told, lease.told_at = (ask.spent, granted), asyncio.get_running_loop().time()
        if lease.free < most and lease.spent + others.spent + others.unknown + most > self._limit:
            self._closed = self._closed if is_judge else (lease.day, others)
            raise self._refusal(lease, others, most)

    async def _todays(self) -> Lease:
        day = day_at(self._clock(), self._zone)
        if self._lease is not None and self._lease.day != day:
            # What is in flight over midnight is of the day on which it was sent.
            self._ended.append(self._lease)
            self._lease = None
        if self._lease is None:
            self._lease = Lease(await self._asked(self._ledger.open_lease, self._clock()), day)
            self._keeper = self._keeper or asyncio.create_task(self._keep())
        return self._lease

    def _leases(self) -> list[Lease]:
        return [*self._ended, *([self._lease] if self._lease is not None else [])]

    def _is_today(self, lease: Lease) -> bool:
        return lease.day.start <= self._clock() < lease.day.end

    async def _keep(self) -> None:
        """Say now and then that this process lives and what it has spent; give back what it does not need."""
        while True:
            await asyncio.sleep(_TELLS_EVERY_S)
            for lease in self._leases():
                async with self._writing:
                    await self._tell(lease)

    async def _tell(self, lease: Lease) -> None:
        spare = min(lease.free, round(self._limit * _SPARE))
        # Lowered before it is told: what is spent meanwhile is in what is told.
        lease.granted = lease.spent + lease.held + spare
        spent, granted = telling = lease.spent, lease.granted
        now = asyncio.get_running_loop().time()
        if telling == lease.told and now - lease.told_at < _RENEWS_EVERY_S:
            return
        with contextlib.suppress(StoreError):  # until it answers, the ledger counts what was told last
            await _in_thread(self._ledger.keep, lease.id, spent=spent, granted=granted, now=self._clock())
            lease.told, lease.told_at = telling, now

    async def _asked(self, ask: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Ask the ledger in a thread, again where it does not answer; without its word nothing is spent."""
        for wait_s in _TRIES_AFTER_S:
            with contextlib.suppress(StoreError):
                return await _in_thread(ask, *given, **named)
            await asyncio.sleep(wait_s)
        try:
            return await _in_thread(ask, *given, **named)
        except StoreError as exc:
            raise BudgetSpent(f"not asked: whether {self._name} allows it is not known: {exc}") from exc

    def _refusal(self, lease: Lease, others: Spent, most: int) -> BudgetSpent:
        spent = lease.spent + others.spent
        lost = f", {dollars(others.unknown)} may have been by processes that died" if others.unknown else ""
        already = f"{dollars(spent)} of {self._name}={self._limit_usd:g} are spent ({lease.day}){lost}"
        return BudgetSpent(
            f"not asked: {already}, and this call may cost {dollars(most)}. Raise it, or run again "
            "tomorrow: what is answered is in the cache"
        )


async def _in_thread(ask: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Return what the ledger says, asked in a thread.

    Who is cancelled meanwhile waits for the thread all the same: what it writes would else come after what is
    written next, and a lease that was closed would be open again.
    """
    asking = asyncio.create_task(asyncio.to_thread(ask, *given, **named))
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        await asyncio.gather(asking, return_exceptions=True)
        raise


def open_day_budget(settings: Settings) -> DayBudget | None:
    """Return the budget of a workspace's day, None where it has none; it is opened when it is needed."""
    if settings.max_cost_per_day is None:
        return None
    return DayBudget(open_ledger(settings), settings.max_cost_per_day, zone=settings.budget_zone)


def why_no_day(settings: Settings) -> list[str]:
    """Return why the spending of a day cannot be counted; nothing where it can, or need not."""
    if settings.max_cost_per_day is None:
        return []
    try:
        spent_today(settings)
    except StoreError as exc:
        return [f"--max-cost-per-day cannot be kept: {exc}"]
    return []


def spent_today(settings: Settings) -> tuple[Day, Spent]:
    """Return what a workspace's day has cost so far, over all processes. Raises StoreError."""
    day = day_now(settings.budget_zone)
    with contextlib.closing(open_ledger(settings)) as ledger:
        return day, ledger.today(day)


def open_ledger(settings: Settings) -> SpendingLedger:
    """Return where a workspace's spending is counted: in the team's database, else in the state folder."""
    is_shared = isinstance(settings.history, str)
    return SpendingLedger(settings.history if is_shared else settings.state_dir / SPENDING_FILE)


def dollars(units: int) -> str:
    """Return an amount as messages about a budget write it."""
    return f"${units / UNITS:.4g}"
