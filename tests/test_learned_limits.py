"""Limits that nobody wrote down: found from rejections, used nearly in full, hardly ever overstepped."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulated import (
    TELLS,
    FixedWindow,
    Limit,
    Run,
    Server,
    SlidingWindow,
    TokenBucket,
    now,
    simulate,
    two_models,
)
from swapgate.engine.call import Called
from swapgate.engine.learned_rate import LearnedRate
from swapgate.engine.pace import Pace
from swapgate.errors import ErrorKind, ProviderError
from swapgate.records import Request
from swapgate.spec.models import Limits

LIMITS: dict[str, Callable[[int], Limit]] = {
    "fixed window": lambda seed: FixedWindow(10, phase=seed / 4),
    "sliding window": lambda _seed: SlidingWindow(10),
    "token bucket": lambda _seed: TokenBucket(10, holds=10),
}


async def drive(limit: Limit, tells: str, *, calls: int, concurrency: int, seed: int) -> tuple[float, float]:
    """Return the calls a second that were answered, and the share of the attempts that was rejected."""
    server = Server(limit, retry_after=TELLS[tells], seed=seed)
    run = Run(concurrency=concurrency, seed=seed)
    answers = await run.ask_many(run.open(server), calls)
    assert [type(answer) for answer in answers] == [Called] * calls
    return calls / (now() - 0.2), server.rejected / len(server.seen)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tells", TELLS)
@pytest.mark.parametrize("kind", LIMITS)
def test_ten_calls_a_second_are_used_nearly_in_full(kind: str, tells: str, seed: int) -> None:
    a_second, rejected = simulate(drive(LIMITS[kind](seed), tells, calls=300, concurrency=16, seed=seed))
    assert a_second >= 9.5
    assert rejected < 0.02


@pytest.mark.parametrize("tells", TELLS)
@pytest.mark.parametrize("holds", [1, 3])
def test_bucket_that_holds_less_than_a_second_is_used_too(holds: int, tells: str) -> None:
    """A `retry-after` of a whole second is the least that can be said: a tenth of it would do."""
    limit = TokenBucket(10, holds=holds)
    a_second, rejected = simulate(drive(limit, tells, calls=600, concurrency=16, seed=2))
    assert a_second >= 8.2
    assert rejected < 0.02


@pytest.mark.parametrize("limit", [TokenBucket(10, holds=1), TokenBucket(10, holds=10), SlidingWindow(10)])
def test_two_models_behind_one_limit_share_it_evenly(limit: Limit) -> None:
    took_s, evenness = simulate(two_models(limit, limit, TELLS["nothing"], seed=1, calls=(200, 200)))
    assert took_s <= 1.4 * 40
    assert evenness >= 0.9


def test_what_one_of_two_models_leaves_of_a_limit_the_other_one_gets() -> None:
    limit = TokenBucket(10, holds=5)
    took_s, _evenness = simulate(two_models(limit, limit, TELLS["whole seconds"], seed=1, calls=(100, 400)))
    assert took_s <= 1.1 * 50


def test_models_with_limits_of_their_own_keep_them() -> None:
    limits = TokenBucket(10, holds=10), TokenBucket(40, holds=40)
    took_s, _evenness = simulate(two_models(*limits, TELLS["whole seconds"], seed=1, calls=(300, 1200)))
    assert took_s <= 1.2 * 30


@pytest.mark.parametrize("kind", LIMITS)
def test_long_run_stays_near_the_limit(kind: str) -> None:
    a_second, rejected = simulate(drive(LIMITS[kind](3), "whole seconds", calls=3000, concurrency=64, seed=3))
    assert a_second >= 9.5
    assert rejected < 0.02


def test_limit_of_a_minute_is_found_as_well() -> None:
    limit = FixedWindow(600, window_s=60)
    a_second, rejected = simulate(drive(limit, "nothing", calls=3000, concurrency=16, seed=1))
    assert a_second >= 9
    assert rejected < 0.02


MINUTES: dict[str, Callable[[int], Limit]] = {
    "fixed window": lambda a_second: FixedWindow(60 * a_second, window_s=60, phase=9),
    "sliding window": lambda a_second: SlidingWindow(60 * a_second, window_s=60),
    "token bucket": lambda a_second: TokenBucket(a_second, holds=60 * a_second),
}


@pytest.mark.parametrize(
    ("kind", "a_second", "tells", "concurrency"),
    [
        ("fixed window", 50, "nothing", 64),
        ("sliding window", 50, "nothing", 256),
        ("token bucket", 50, "exactly", 16),
        ("token bucket", 10, "exactly", 16),
        ("token bucket", 10, "whole seconds", 64),
    ],
)
def test_limit_of_a_minute_that_a_wide_run_uses_up_in_seconds(
    kind: str, a_second: int, tells: str, concurrency: int
) -> None:
    """What is sent before a rejection is known counts for nothing, nor does the burst before it."""
    limit = MINUTES[kind](a_second)
    calls = 110 * a_second
    answered, rejected = simulate(drive(limit, tells, calls=calls, concurrency=concurrency, seed=1))
    assert answered >= 0.85 * a_second
    assert rejected < 0.02


def test_little_that_is_let_through_between_rejections_is_counted_together() -> None:
    """A server that tells exactly when it takes one more: each round lets one or two through."""
    answered, rejected = simulate(
        drive(TokenBucket(2, holds=2), "exactly", calls=120, concurrency=16, seed=1)
    )
    assert answered >= 1.9
    assert rejected < 0.12


def test_server_that_takes_nothing_at_first_is_used_in_full_soon_after() -> None:
    """Somebody else has used up the minute: nothing is known then but that one call was let through."""

    class Closed(TokenBucket):
        def ask(self, at: float) -> float | None:
            return super().ask(at) if at >= 50 else 50 - at

    async def main() -> None:
        run = Run(concurrency=64)
        await run.ask_many(run.open(Server(Closed(50, holds=50))), 2000)
        assert now() < 50 + 2000 / 50 + 45

    simulate(main())


def test_limit_that_falls_and_rises_again_is_followed() -> None:
    async def main() -> None:
        class Changing:
            rate = 20.0
            _bucket = TokenBucket(20, holds=5)

            def ask(self, at: float) -> float | None:
                self._bucket.rate = self.rate
                return self._bucket.ask(at)

        limit = Changing()
        server = Server(limit, retry_after=TELLS["exactly"])
        run = Run(concurrency=32)
        model = run.open(server)
        await run.ask_many(model, 600)
        limit.rate = 4.0
        started, before = now(), len(server.seen)
        await run.ask_many(model, 400)
        assert 400 / (now() - started) >= 0.75 * 4
        assert server.rejected / (len(server.seen) - before) < 0.1
        limit.rate = 40.0
        await run.ask_many(model, 4000)
        started = now()
        await run.ask_many(model, 1000)
        assert 1000 / (now() - started) >= 0.75 * 40

    simulate(main())


def test_limit_that_rises_tenfold_is_found_in_half_a_minute() -> None:
    async def main() -> None:
        limit = TokenBucket(5, holds=5)
        run = Run(concurrency=64)
        model = run.open(server := Server(limit, retry_after=TELLS["exactly"]))
        await run.ask_many(model, 300)
        limit.rate = limit.holds = 50.0
        started = now()
        await run.ask_many(model, 3000)
        assert now() - started < 3000 / 50 + 30
        assert server.rejected < 0.02 * len(server.seen)

    simulate(main())


def test_rejections_without_end_are_told_and_break_nothing() -> None:
    """More rounds than a float can double."""
    learned = LearnedRate()
    for round_ in range(2000):
        learned.sent(float(round_))
        assert 0 < learned.rejected(round_ + 0.1, round_, None) <= 60


def test_server_without_a_limit_sees_every_slot_at_once_and_is_never_slowed() -> None:
    async def main() -> None:
        server = Server()
        run = Run(concurrency=256)
        await run.ask_many(run.open(server), 2560)
        assert server.most_at_once == 256
        assert now() <= 10 * 0.205 + 0.15

    simulate(main())


def test_first_rejections_of_a_wide_run_are_few() -> None:
    async def main() -> None:
        server = Server(SlidingWindow(10), retry_after=TELLS["whole seconds"])
        run = Run(concurrency=256)
        await run.ask_many(run.open(server), 600)
        assert server.rejected <= 24

    simulate(main())


def test_request_that_is_rejected_for_ever_becomes_an_error_and_the_others_are_answered() -> None:
    def failure(request: Request) -> ProviderError | None:
        is_large = request.messages[0].content == "case 7"
        return ProviderError("HTTP 429", kind=ErrorKind.RATE_LIMIT, status=429) if is_large else None

    async def main() -> None:
        run = Run(concurrency=4)
        answers = await run.ask_many(run.open(Server(failure=failure)), 300)
        assert [n for n, answer in enumerate(answers) if not isinstance(answer, Called)] == [7]

    simulate(main())


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["sent", "answered", "rejected"]),
        st.floats(0, 30),
        st.one_of(st.none(), st.floats(0, 300)),
    ),
    max_size=200,
)


@given(EVENTS)
@settings(max_examples=200, deadline=None)
def test_whatever_happens_the_rate_stays_a_rate(events: list[tuple[str, float, float | None]]) -> None:
    learned, at = LearnedRate(), 0.0
    in_flight: list[float] = []
    for what, later, retry_after_s in events:
        at += later
        if what == "sent" or not in_flight:
            learned.sent(at)
            in_flight.append(at)
        elif what == "answered":
            learned.answered(at, in_flight.pop(0))
        else:
            pause_s = learned.rejected(at, in_flight.pop(0), retry_after_s)
            assert 0 <= pause_s <= 300
        assert learned.rate is None or (math.isfinite(learned.rate) and learned.rate >= 1 / 600)


def test_a_server_error_of_the_call_that_finds_out_does_not_keep_all_others_waiting() -> None:
    """After a first rejection nothing is known: the next call finds out, and may fail for another reason."""
    pace = Pace(Limits(), most=2, retries=4, jitter=random.Random(1))
    rejected = pace.take(0.0)
    pace.failed(rejected, 0.01, ProviderError("slow down", kind=ErrorKind.RATE_LIMIT, retry_after_s=0.05))
    pace.ended(rejected)
    probe = pace.take(0.1)
    pace.failed(probe, 0.11, ProviderError("internal", kind=ErrorKind.SERVER, status=500))
    pace.ended(probe)
    assert pace.ready_at(0.11) < 5.0


def test_two_early_rejections_do_not_slow_a_server_down_to_nothing() -> None:
    # A call accepted, one rejected; then three accepted and one rejected, on a machine that is up for a day.
    rate, at = LearnedRate(), 86_400.0
    for is_rejected in (False, True, False, False, False, True, False):
        rate.sent(at)
        if is_rejected:
            rate.rejected(at + 0.01, at, 0.05)
        else:
            rate.answered(at + 0.01, at)
        at += 0.1
    assert rate.rate is not None
    assert rate.rate > 1
