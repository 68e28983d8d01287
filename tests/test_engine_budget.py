"""The budget: what is set aside, what is settled, who waits, and that the limit holds whatever happens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.engine.budget import Budget, why_no_price
from swapgate.engine.call import Caller, OpenModel
from swapgate.engine.estimate import size_of
from swapgate.engine.pace import Pace
from swapgate.engine.slots import Slots
from swapgate.errors import BudgetSpent, ErrorKind, ProviderError
from swapgate.records import Json, Message, Request, Response, Usage
from swapgate.spec.models import Limits, ModelSpec, Price
from virtual_time import simulate

A_CENT = 0.01


@dataclass(frozen=True)
class Call:
    """One call as the simulated provider takes it: how long, what of the bound it uses, how attempts end."""

    max_tokens: int = 1000
    used: float = 1.0
    latency_s: float = 1.0
    failures: tuple[str, ...] = ()
    is_judge: bool = False
    says_usage: bool = True


@dataclass
class Provider:
    """Bills what it answers, and what it has answered too late."""

    calls: Sequence[Call]
    price: float
    billed_usd: float = 0.0
    sent: list[int] = field(default_factory=list)
    identity: Mapping[str, Json] = field(default_factory=dict)
    is_recordable = reads_cache = True
    needs_variables = False

    async def complete(self, request: Request) -> Response:
        number = int(request.case)
        call = self.calls[number]
        attempt = self.sent.count(number)
        self.sent.append(number)
        await asyncio.sleep(call.latency_s)
        failure = call.failures[attempt] if attempt < len(call.failures) else ""
        tokens_in = round(size_of(request).most_tokens * call.used)
        usage = Usage(tokens_in=tokens_in, tokens_out=round(call.max_tokens * call.used))
        cost = (tokens_in + (usage.tokens_out or 0)) * self.price / 1e6
        if failure == "timeout":
            self.billed_usd += cost
            raise ProviderError("too late", kind=ErrorKind.TIMEOUT)
        if failure:
            raise ProviderError("refused", kind=ErrorKind(failure))
        self.billed_usd += cost
        return Response(text="", usage=usage if call.says_usage else Usage())

    async def close(self) -> None: ...


def spec(price: float, provider: str = "openai-compatible") -> ModelSpec:
    return ModelSpec(name="m", provider=provider, model="m", price=Price(input=price, output=price))


def request(number: int, call: Call) -> Request:
    message = Message(role="user", content="x" * 400)
    return Request(model="m", messages=(message,), params={"max_tokens": call.max_tokens}, case=str(number))


def run(
    calls: Sequence[Call], *, limit_usd: float, price: float = 10.0, concurrency: int = 4, share: int = 1
) -> tuple[Provider, Budget, list[BaseException | None]]:
    """Send all calls at once; return who was sent, the budget, and how each call ended."""
    provider, budget = Provider(calls, price), Budget(limit_usd, share=share)

    async def all_calls() -> list[BaseException | None]:
        caller = Caller(slots=Slots(concurrency), retries=2, budget=budget)
        pace = Pace(Limits(), most=concurrency, retries=2, jitter=random.Random(0))
        opened = OpenModel(spec=spec(price), provider=provider, pace=pace)
        asked = [
            caller.call(opened, request(number, call), is_judge=call.is_judge)
            for number, call in enumerate(calls)
        ]
        ends = await asyncio.gather(*asked, return_exceptions=True)
        return [end if isinstance(end, BaseException) else None for end in ends]

    return provider, budget, simulate(all_calls())


def most_usd(call: Call, price: float = 10.0) -> float:
    return (size_of(request(0, call)).most_tokens + call.max_tokens) * price / 1e6


CALLS = st.lists(
    st.builds(
        Call,
        max_tokens=st.integers(1, 5000),
        used=st.floats(0, 1),
        latency_s=st.floats(0.01, 10),
        failures=st.lists(st.sampled_from(["rate_limit", "server", "timeout", "auth"]), max_size=3).map(
            tuple
        ),
        is_judge=st.booleans(),
        says_usage=st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(CALLS, st.floats(0.001, 0.3), st.floats(0.1, 50), st.integers(1, 6), st.integers(1, 3))
def test_no_run_costs_more_than_its_budget_whatever_happens(
    calls: list[Call], limit_usd: float, price: float, concurrency: int, share: int
) -> None:
    provider, budget, ends = run(
        calls, limit_usd=limit_usd, price=price, concurrency=concurrency, share=share
    )
    assert provider.billed_usd <= budget.spent_usd + 1e-9
    assert budget.spent_usd <= limit_usd / share + 1e-9
    # A call is not sent for want of money, or because its endpoint has been given up.
    refused = {number for number, end in enumerate(ends) if isinstance(end, BudgetSpent | ProviderError)}
    never_sent = set(range(len(calls))) - set(provider.sent)
    assert never_sent <= refused


@given(CALLS, st.floats(0.1, 50), st.integers(1, 6))
def test_nothing_that_fits_is_refused(calls: list[Call], price: float, concurrency: int) -> None:
    attempts = 3
    enough = sum(most_usd(call, price) for call in calls) * attempts + 1e-9
    _provider, _budget, ends = run(calls, limit_usd=enough, price=price, concurrency=concurrency)
    assert not any(isinstance(end, BudgetSpent) for end in ends)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=15), st.floats(0.002, 0.2), st.integers(1, 6))
def test_calls_of_known_cost_are_sent_in_order_up_to_the_first_that_does_not_fit(
    max_tokens: list[int], limit_usd: float, concurrency: int
) -> None:
    calls = [Call(max_tokens=limit) for limit in max_tokens]
    provider, _budget, _ends = run(calls, limit_usd=limit_usd, concurrency=concurrency)
    expected, spent = [], 0.0
    for number, call in enumerate(calls):
        spent += most_usd(call)
        if spent > limit_usd + 1e-12:
            break
        expected.append(number)
    assert provider.sent == expected


def test_a_call_that_may_still_fit_waits_for_those_in_flight() -> None:
    """Each may cost a cent and costs a tenth of one: 1.5 cents are enough for all six, one by one."""
    call = Call(max_tokens=1000 - size_of(request(0, Call())).most_tokens, used=0.1)
    assert most_usd(call) == pytest.approx(A_CENT)
    provider, budget, ends = run([call] * 6, limit_usd=1.5 * A_CENT)
    assert ends == [None] * 6
    assert budget.spent_usd == pytest.approx(0.6 * A_CENT, rel=0.01)
    assert provider.sent == [0, 1, 2, 3, 4, 5]


def test_after_the_first_refusal_no_trial_begins_but_answers_are_still_judged() -> None:
    calls = [
        Call(max_tokens=700),
        Call(max_tokens=5000),
        Call(max_tokens=1),
        Call(max_tokens=1, is_judge=True),
    ]
    provider, _budget, ends = run(calls, limit_usd=2 * A_CENT, concurrency=1)
    assert provider.sent == [0, 3]
    assert [type(end) for end in ends] == [type(None), BudgetSpent, BudgetSpent, type(None)]
    assert "not asked: $0.0" in str(ends[1])
    assert "of --max-cost=0.02 are spent, and this call may cost $0.05" in str(ends[1])


@pytest.mark.parametrize(
    ("kind", "costs"),
    [
        ("rate_limit", 0.0),
        ("server", 0.0),
        ("connection", 0.0),
        ("auth", 0.0),
        ("timeout", 1.0),
        ("bad_response", 1.0),
    ],
)
def test_a_failed_attempt_costs_what_a_provider_may_bill(kind: str, costs: float) -> None:
    budget, call = Budget(1.0), Call()

    async def fail() -> None:
        async with budget.reserved(spec(10.0), request(0, call)):
            raise ProviderError("no", kind=ErrorKind(kind))

    with pytest.raises(ProviderError):
        simulate(fail())
    assert budget.spent_usd == pytest.approx(costs * most_usd(call))


def test_a_cancelled_call_counts_in_full_and_one_that_waited_counts_nothing() -> None:
    budget, call = Budget(1.5 * most_usd(Call())), Call()

    async def hold() -> None:
        async with budget.reserved(spec(10.0), request(0, call)):
            await asyncio.sleep(10)

    async def cancelled() -> None:
        tasks = [asyncio.create_task(hold()) for _ in range(3)]
        await asyncio.sleep(1)
        tasks[1].cancel()
        await asyncio.sleep(1)
        tasks[0].cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError, asyncio.CancelledError, BudgetSpent]

    simulate(cancelled())
    assert budget.spent_usd == pytest.approx(most_usd(call))


def test_an_answer_without_a_count_costs_the_most_that_it_may() -> None:
    _provider, budget, _ends = run([Call(used=0.1, says_usage=False)], limit_usd=1.0)
    assert budget.spent_usd == pytest.approx(most_usd(Call()))


def test_what_leaves_the_machine_for_nobody_is_free() -> None:
    budget = Budget(1e-9)

    async def reserve(one: ModelSpec) -> float:
        async with budget.reserved(one, request(0, Call())) as reservation:
            reservation.settle(Usage(tokens_in=1000, tokens_out=1000))
        return budget.spent_usd

    free = ModelSpec(name="p", provider="python", model="p", price=Price(input=0, output=0))
    for one in (spec(10.0, "recorded"), spec(10.0, "local"), free):
        assert simulate(reserve(one)) == 0.0
    with pytest.raises(BudgetSpent):
        simulate(reserve(spec(10.0)))


def test_a_model_without_a_price_is_named_with_the_remedy() -> None:
    unknown = ModelSpec(name="mine", provider="vllm", model="x")
    assert "nobody knows what 'mine' costs. Write price:" in why_no_price(unknown)
    assert why_no_price(spec(1.0)) == why_no_price(ModelSpec(name="r", provider="recorded", model="r")) == ""
