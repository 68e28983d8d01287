"""The legs that serve nobody: the candidate's and control', asked at once; what they cost is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from swapgate.errors import BudgetSpent
from swapgate.shadow.asking import Asking, Question
from swapgate.shadow.plan import PlannedRoute
from swapgate.shadow.records import Count, Exchange, Leg, State, total_cost_usd
from swapgate.shadow.requests import Untranslatable
from swapgate.shadow.store import ShadowStore
from swapgate.values import replace


class Legs:
    """Asks and counts what that cost, by the day in UTC."""

    def __init__(self, asking: Asking, store: ShadowStore, *, clock: Callable[[], datetime]) -> None:
        self._asking = asking
        self._store = store
        self._clock = clock
        # Whether a candidate was left alone for the budget.
        self.is_spent = False

    async def ask(self, exchange: Exchange, planned: PlannedRoute, question: Question) -> Exchange:
        """Return the exchange with its legs; `unasked` where the budget or the format allowed none."""
        today = self._clock().date().isoformat()
        candidate, again = await asyncio.gather(
            self._leg(self._asking.candidate, planned, question, exchange),
            self._leg(self._asking.control, planned, question, None) if exchange.wants_again else _nobody(),
        )
        if spent := total_cost_usd((candidate, again)):
            self._store.count(Count(day=today, route=exchange.route, what="spent_usd", amount=spent))
        state: State = "unasked" if candidate is None else "whole"
        return replace(exchange, candidate=candidate, again=again, state=state)

    async def _leg(
        self,
        ask: Callable[[PlannedRoute, Question], Awaitable[Leg]],
        planned: PlannedRoute,
        question: Question,
        counted: Exchange | None,
    ) -> Leg | None:
        try:
            return await ask(planned, question)
        except (BudgetSpent, Untranslatable) as exc:
            if counted is not None:
                self.is_spent |= isinstance(exc, BudgetSpent)
                what = "over_budget" if isinstance(exc, BudgetSpent) else "untranslatable"
                self._store.count(Count(day=counted.day, route=counted.route, what=what, amount=1))
        return None


async def _nobody() -> None:
    return None
