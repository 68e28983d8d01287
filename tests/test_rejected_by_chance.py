"""429 for what others send too: it is told from a limit, and no rate is lowered for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulated import (
    TELLS,
    TOO_MANY,
    FixedWindow,
    Limit,
    Run,
    Server,
    SlidingWindow,
    TokenBucket,
    now,
    refusing,
    simulate,
)
from swapgate.engine.call import Called
from swapgate.errors import ErrorKind, ProviderError
from swapgate.records import Request, Response

AFTER_A_SECOND = ProviderError("HTTP 429", kind=ErrorKind.RATE_LIMIT, status=429, retry_after_s=1.0)
LIMITS: dict[str, Callable[[], Limit]] = {
    "a call a second": lambda: TokenBucket(1, 1),
    "five a second": lambda: TokenBucket(5, 5),
    "a bucket of ten": lambda: TokenBucket(2, 10),
    "fifteen a minute": lambda: FixedWindow(15, 60),
    "fifteen in any minute": lambda: SlidingWindow(15, 60),
    "ten a second": lambda: FixedWindow(10),
}


@pytest.mark.parametrize("error", [TOO_MANY, AFTER_A_SECOND], ids=["tells nothing", "tells a second"])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
@pytest.mark.parametrize(("calls", "concurrency"), [(200, 8), (1000, 64)])
def test_calls_rejected_by_chance_are_all_answered_within_minutes(
    share: float, calls: int, concurrency: int, error: ProviderError
) -> None:
    for seed in range(2):
        lost, took_s, _sent = simulate(
            refusing(share, calls=calls, concurrency=concurrency, seed=seed, is_quick=True, error=error)
        )
        assert lost == 0
        assert took_s < 300  # hours and days, when each of them lowered the rate


def test_chance_beside_a_limit_lowers_no_rate_for_ever() -> None:
    for seed in range(3):
        limited = refusing(
            0.2,
            calls=500,
            concurrency=16,
            seed=seed,
            is_quick=True,
            error=TOO_MANY,
            limit=TokenBucket(20, 20),
        )
        lost, took_s, _sent = simulate(limited)
        assert lost == 0
        assert took_s < 20 * 500 / 20


@pytest.mark.parametrize("tells", TELLS)
@pytest.mark.parametrize("name", LIMITS)
def test_limit_is_never_taken_for_chance(name: str, tells: str) -> None:
    assert not is_taken_for_chance(LIMITS[name](), tells=tells)


@settings(max_examples=30, deadline=None)
@given(
    rate=st.floats(0.2, 20),
    holds=st.floats(1, 30),
    tells=st.sampled_from(sorted(TELLS)),
    concurrency=st.integers(4, 64),
    seed=st.integers(0, 99),
)
def test_no_bucket_is_taken_for_chance(
    rate: float, holds: float, tells: str, concurrency: int, seed: int
) -> None:
    assert not is_taken_for_chance(TokenBucket(rate, holds), tells=tells, concurrency=concurrency, seed=seed)


def is_taken_for_chance(limit: Limit, *, tells: str, concurrency: int = 16, seed: int = 0) -> bool:
    """Whether a 429 counts as one of chance at any moment of 120 calls."""
    server = Server(limit, retry_after=TELLS[tells], seed=seed)
    run = Run(concurrency=concurrency, seed=seed)
    model = run.open(server)

    async def main() -> bool:
        asked = asyncio.create_task(run.ask_many(model, 120))
        seen = False
        while not asked.done():
            await asyncio.sleep(0.02)
            seen |= model.pace.is_refusal(TOO_MANY)
        assert [type(answer) for answer in await asked] == [Called] * 120
        return seen

    return simulate(main())


def test_limit_that_comes_after_chance_is_followed_again() -> None:
    server = Server(seed=3)
    limit, answered = TokenBucket(5, 5), server.complete

    async def complete(request: Request) -> Response:
        is_limited = now() > 30
        if limit.ask(now()) is not None if is_limited else server.random.random() < 0.2:
            server.seen.append((now(), False))
            raise TOO_MANY
        return await answered(request)

    server.complete = complete  # type: ignore[method-assign]
    run = Run(concurrency=8)
    model = run.open(server)

    async def main() -> None:
        await run.ask_many(model, 1500)

    simulate(main())
    late = [is_accepted for at, is_accepted in server.seen if at > 30]
    assert len(late) > 500
    assert late.count(False) / len(late) < 0.1
