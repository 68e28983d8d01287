"""A replay: the candidate is asked what was spooled, under a budget, as often as it takes to be through."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from swapgate.engine.budget import Budget
from swapgate.engine.executor import Executor
from swapgate.errors import SwapgateError, UsageError
from swapgate.memory.leasing import renewed
from swapgate.records import Json
from swapgate.shadow.asking import Asking, Question
from swapgate.shadow.legs import Legs
from swapgate.shadow.plan import Plan, PlannedRoute, open_daily
from swapgate.shadow.records import Exchange, total_cost_usd, without_content
from swapgate.shadow.redaction import Redactor, redacted
from swapgate.shadow.store import ShadowStore
from swapgate.values import replace

# Compares the legs of a whole exchange while their content is at hand; what it returns is stored with it.
CompareLater = Callable[[Exchange, PlannedRoute], Awaitable[Mapping[str, Json] | None]]
# Short, and renewed while a process lives: what a killed one held is free again soon.
LEASE_S = 15.0
RENEW_EVERY_S = 5.0
_RETRIES = 4


class NotCompared(SwapgateError):
    """One exchange could not be compared; all others can."""


async def nothing_compared(_exchange: Exchange, _planned: PlannedRoute) -> None:
    """Compare nothing."""


@dataclass(slots=True, kw_only=True)
class Replayed:
    """What a replay did. `outcomes` counts `answered` and kinds of errors.

    `uncompared` have their answers and no comparison; `why_uncompared` is that of the first.
    """

    asked: int = 0
    cost_usd: float = 0.0
    over_budget: int = 0
    untranslatable: int = 0
    uncompared: int = 0
    why_uncompared: str = ""
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, exchange: Exchange) -> None:
        """Count one exchange whose candidate was asked."""
        leg = exchange.candidate
        assert leg is not None
        self.asked += 1
        self.cost_usd += total_cost_usd((leg, exchange.again))
        self.outcomes["answered" if leg.error_kind is None else leg.error_kind.value] += 1


class Replay:
    """Asks what waits in a store. Any number of processes may, and each exchange is asked by one of them.

    A record is written once, whatever is killed. A call that was on its way when its process was killed may
    be made a second time: nobody can know whether it had arrived.
    """

    def __init__(
        self,
        plan: Plan,
        store: ShadowStore,
        *,
        concurrency: int,
        max_cost_usd: float | None = None,
        compare: CompareLater = nothing_compared,
        executor: Executor | None = None,
        told: Callable[[Replayed], None] = lambda _done: None,
    ) -> None:
        self._plan = plan
        self._store = store
        self._concurrency = concurrency
        self._max_cost_usd = max_cost_usd
        self._compare = compare
        self._executor = executor
        self._told = told
        self._redactor = Redactor(rules=plan.config.redact)
        self._held: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_spent = False
        self.done = Replayed()

    async def run(self, *, route: str | None = None, limit: int | None = None) -> Replayed:
        """Ask until nothing waits, `limit` are asked, or the budget is spent."""
        asking = Asking(
            self._plan,
            most=self._concurrency,
            retries=_RETRIES,
            budget=self._budget(),
            spares=True,
            executor=self._executor,
        )
        async with asking:
            self._legs = Legs(asking, self._store, clock=lambda: datetime.now(UTC))
            try:
                async with renewed(lambda: self._renew(LEASE_S), every_s=RENEW_EVERY_S):
                    await self._ask_all(route, limit)
            finally:
                await self._let_go()
        return self.done

    def _budget(self) -> Budget:
        """Return what may be spent: the day's budget, or in its place what was given for this replay."""
        return open_daily(self._plan) if self._max_cost_usd is None else Budget(self._max_cost_usd)

    async def _ask_all(self, route: str | None, limit: int | None) -> None:
        begun = 0
        while not self._is_spent and (limit is None or begun < limit):
            room = self._concurrency - len(self._tasks)
            wanted = room if limit is None else min(room, limit - begun)
            found = self._store.claim(wanted, lease_s=LEASE_S, route=route) if wanted > 0 else []
            for exchange in found:
                self._begin(exchange)
            begun += len(found)
            if self._tasks:
                await self._wait(asyncio.FIRST_COMPLETED)
            elif not found and not await self._wait_for_others(route):
                break
        if self._tasks:
            await self._wait(asyncio.ALL_COMPLETED)

    async def _wait(self, until: str) -> None:
        ended, self._tasks = await asyncio.wait(self._tasks, return_when=until)
        for task in ended:
            task.result()

    def _begin(self, exchange: Exchange) -> None:
        self._held.add(exchange.key)
        self._tasks.add(asyncio.create_task(self._answer(exchange)))

    async def _answer(self, exchange: Exchange) -> None:
        planned = self._planned(exchange)
        question = Question(api=exchange.api, body=_body(exchange), passed={})
        answered = await self._legs.ask(replace(exchange, setup=planned.setup), planned, question)
        if answered.candidate is None and self._legs.is_spent:
            # It waits on: another day has another budget.
            self._is_spent = True
            self.done.over_budget += 1
            self._store.renew([exchange.key], lease_s=0)
        else:
            await self._compare_and_keep(answered, planned)
            # On disk before another is begun: a kill makes nobody pay twice for what was answered.
            await asyncio.to_thread(self._store.flush)
        self._held.discard(exchange.key)
        self._told(self.done)

    async def _compare_and_keep(self, answered: Exchange, planned: PlannedRoute) -> None:
        comparison = None
        try:
            if answered.candidate is not None:
                comparison = await self._compare(answered, planned)
        except NotCompared as exc:
            self.done.uncompared += 1
            self.done.why_uncompared = self.done.why_uncompared or str(exc)
        finally:
            # Whatever ended the comparison, the answer is paid for.
            self._keep(answered, comparison)

    def _keep(self, answered: Exchange, comparison: Mapping[str, Json] | None) -> None:
        if answered.candidate is None:
            self.done.untranslatable += 1
        else:
            self.done.add(answered)
        kept = answered if self._plan.config.content else without_content(answered)
        before = answered.redactions
        # What was spooled is redacted already; the candidate's answer is not.
        clean = redacted(kept, self._redactor)
        clean = replace(clean, redactions=_sum(before, clean.redactions))
        self._store.put(clean, comparison and self._redactor.uncounted(comparison))

    def _planned(self, exchange: Exchange) -> PlannedRoute:
        planned = self._plan.routes.get(exchange.route)
        if planned is None or planned.candidate is None:
            raise UsageError(
                f"exchanges of the route {exchange.route!r} wait, and the configuration has no such route "
                "with a candidate. Write it again, name another with --route, or purge them"
            )
        return planned

    async def _wait_for_others(self, route: str | None) -> bool:
        """Wait a moment where another process, perhaps a dead one, holds what is left; False where none."""
        free_in_s = self._store.free_in_s(route=route)
        if free_in_s is None or free_in_s > LEASE_S:
            return False
        await asyncio.sleep(min(1.0, max(0.05, free_in_s)))
        return True

    def _renew(self, lease_s: float) -> None:
        self._store.renew(sorted(self._held), lease_s=lease_s)

    async def _let_go(self) -> None:
        """End what is in flight, and give back what was not asked."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._store.flush()
        self._renew(0)


def _body(exchange: Exchange) -> dict[str, Json]:
    assert isinstance(exchange.request, dict)
    return exchange.request


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    return dict(sorted((Counter(one) + Counter(other)).items()))
