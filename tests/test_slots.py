"""Who goes next: the bound of calls in flight, judges and models, several endpoints, cancelled calls."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulated import (
    Run,
    Server,
    TokenBucket,
    TokenServer,
    ask_for_tokens,
    gathered,
    now,
    simulate,
)
from swapgate.engine.pace import Load, Pace
from swapgate.engine.slots import Slots
from swapgate.records import Usage
from swapgate.spec.models import Limits


def pace(most: int = 1000, **limits: float) -> Pace:
    return Pace(Limits.model_validate(limits), most=most)


CALLS = st.lists(
    st.tuples(
        st.integers(0, 2),  # which endpoint
        st.booleans(),  # a judge's
        st.floats(0, 3),  # begins at
        st.floats(0.01, 2),  # takes
        st.one_of(st.none(), st.floats(0, 5)),  # is cancelled after
    ),
    max_size=60,
)


@given(CALLS, st.integers(1, 6), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_no_bound_is_ever_broken_and_nobody_is_forgotten(
    calls: list[tuple[int, bool, float, float, float | None]], size: int, models_left: int
) -> None:
    async def main() -> None:
        slots = Slots(size, model_calls_left=lambda: models_left)
        paces = [pace(size), pace(size, concurrency=2), pace(size, requests_per_minute=600)]
        starts: list[float] = []
        at_once = [0, 0, 0]

        async def call(which: int, is_judge: bool, begins_at: float, takes_s: float) -> None:
            await asyncio.sleep(begins_at)
            ticket = await slots.acquire(paces[which], is_judge=is_judge)
            at_once[which] += 1
            assert sum(at_once) <= slots.in_flight <= size
            assert at_once[1] <= 2
            if which == 2:
                starts.append(now())
            try:
                await asyncio.sleep(takes_s)
            finally:
                at_once[which] -= 1
                slots.release(paces[which], ticket)

        async def cancelled(call_: asyncio.Task[None], after_s: float | None) -> None:
            if after_s is not None:
                await asyncio.sleep(after_s)
                call_.cancel()
            await asyncio.gather(call_, return_exceptions=True)

        tasks = [(asyncio.create_task(call(*one[:4])), one[4]) for one in calls]
        results = await gathered(cancelled(*one) for one in tasks)
        assert results == [None] * len(calls)
        for task, after_s in tasks:
            assert task.cancelled() or task.exception() is None
            assert after_s is not None or not task.cancelled()
        assert (slots.in_flight, slots.waiting_model_calls) == (0, 0)
        assert all(b - a >= 0.1 - 0.011 for a, b in itertools.pairwise(starts))

    simulate(main())


def test_judge_calls_go_first_until_two_rounds_of_model_calls_are_left() -> None:
    async def main(models_left: int) -> list[str]:
        slots = Slots(1, model_calls_left=lambda: models_left)
        one, order = pace(), list[str]()

        async def call(name: str, *, is_judge: bool) -> None:
            ticket = await slots.acquire(one, is_judge=is_judge)
            order.append(name)
            await asyncio.sleep(1)
            slots.release(one, ticket)

        waiting = [call("first", is_judge=False), call("model", is_judge=False), call("judge", is_judge=True)]
        await asyncio.gather(*waiting)
        return order

    assert simulate(main(2)) == ["first", "judge", "model"]
    assert simulate(main(1)) == ["first", "model", "judge"]


def test_candidate_and_judge_on_one_limited_model_take_turns() -> None:
    async def main() -> None:
        run = Run(concurrency=64)
        server = Server()
        model = run.open(server, requests_per_minute=600)
        done = {False: 0, True: 0}

        async def count(is_judge: bool) -> None:
            for _ in range(200):
                await asyncio.gather(*(run.ask(model, is_judge=is_judge) for _ in range(8)))
                done[is_judge] += 8

        tasks = [asyncio.create_task(count(is_judge)) for is_judge in (False, True)]
        await asyncio.sleep(60)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(done.values()) == pytest.approx(600, abs=20)
        assert abs(done[False] - done[True]) <= 16

    simulate(main())


def test_model_that_is_held_back_holds_no_other_back() -> None:
    async def main() -> None:
        run = Run(concurrency=8)
        slow, fast = run.open(Server(TokenBucket(1, holds=1))), run.open(Server())
        held = asyncio.create_task(run.ask_many(slow, 40))
        await asyncio.sleep(0.5)
        started = now()
        await run.ask_many(fast, 80)
        assert now() - started <= 10 * 0.205 + 0.6
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)

    simulate(main())


def test_requests_and_tokens_a_minute_are_kept_and_used() -> None:
    async def main() -> None:
        run = Run(concurrency=64)
        by_requests, by_tokens = (
            run.open(Server(), requests_per_minute=300),
            run.open(Server(), tokens_per_minute=6000),
        )
        started = now()
        await run.ask_many(by_requests, 300)
        assert 58 <= now() - started <= 62
        started = now()
        await run.ask_many(by_tokens, 400)  # 30 tokens each, 100 a second
        assert 112 <= now() - started <= 128

    simulate(main())


def test_calls_that_wait_are_taken_for_what_answers_are_by_then() -> None:
    """Who waits from the start was taken for 256 tokens; answers have ten."""

    async def main() -> None:
        run = Run(concurrency=16)
        await run.ask_many(run.open(Server(), tokens_per_minute=18_000), 1500)
        assert now() <= 1.1 * 1500 * 30 / 300

    simulate(main())


@pytest.mark.parametrize(
    ("concurrency", "a_minute", "counts_most"),
    [(16, 60_000, False), (64, 60_000, False), (16, 240_000, True)],
)
def test_tokens_that_headers_leave_are_used_and_hardly_ever_exceeded(
    concurrency: int, a_minute: int, counts_most: bool
) -> None:
    """Calls of very different sizes, each of which must fit; some servers count all that may be answered."""
    for seed in range(2):
        server = TokenServer(a_minute, seed=seed, counts_most=counts_most)
        used, rejected = simulate(ask_for_tokens(server, calls=400, concurrency=concurrency, seed=seed))
        assert used >= 0.95
        assert rejected <= 0.02


def test_input_from_a_cache_is_none_of_the_tokens_that_anthropic_counts() -> None:
    def told(remaining: int) -> dict[str, str]:
        told = {"limit": "6000", "remaining": str(remaining)}
        units = ("requests", "input-tokens")
        return {f"anthropic-ratelimit-{unit}-{name}": value for unit in units for name, value in told.items()}

    of_ten = pace(10)
    other, first = of_ten.take(0.0), of_ten.take(0.0, Load(4000))
    of_ten.heard(told(5000), 0.0)
    of_ten.answered(first, 0.0, Usage(tokens_in=1000, tokens_out=0, tokens_cached_in=900))
    for _call in range(40):
        of_ten.ended(of_ten.take(0.0, Load(400)))
    assert of_ten.ready_at(0.0, Load(400)) == 0.0
    of_ten.ended(other)


def test_ten_thousand_waiting_calls_cost_little_each() -> None:
    async def main() -> float:
        slots, one = Slots(256), pace()

        async def call(is_judge: bool) -> None:
            ticket = await slots.acquire(one, is_judge=is_judge)
            await asyncio.sleep(0.2)
            slots.release(one, ticket)

        tasks = [asyncio.create_task(call(n % 2 == 0)) for n in range(10_000)]
        started = time.process_time()
        await asyncio.gather(*tasks)
        assert now() == pytest.approx(8, abs=0.1)
        return (time.process_time() - started) / 10_000

    assert simulate(main()) < 0.001  # some 0.03 ms; the room is for busy machines
