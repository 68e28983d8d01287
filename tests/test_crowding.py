"""Calls at once: lowered where a server queues or is overloaded, never for honest spread."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulated import Run, Server, crowded, now, refusing, simulate
from swapgate.engine.borne import Borne, Count, Tally, explain, explain_one_by_one
from swapgate.engine.call import Called
from swapgate.engine.overload import Overload
from swapgate.engine.turned_away import Sent, TurnedAway
from swapgate.errors import ErrorKind, ProviderError
from swapgate.records import Request, Response


class Queueing(Server):
    """A server with a few workers: what exceeds them waits."""

    def __init__(self, workers: int, service_s: float, *, spread: float) -> None:
        super().__init__()
        self._workers = asyncio.Semaphore(workers)
        self._service_s, self._spread = service_s, spread
        self.waiting = 0

    async def complete(self, request: Request) -> Response:
        self.waiting += 1
        self.most_at_once = max(self.most_at_once, self.waiting)
        try:
            async with self._workers:
                await asyncio.sleep(self._service_s * self.random.lognormvariate(0, self._spread))
        finally:
            self.waiting -= 1
        return Response(text="ok")


@pytest.mark.parametrize(
    ("spread", "concurrency"), [(0.0, 16), (0.5, 64), (1.0, 16), (1.0, 64), (1.5, 16), (1.5, 256)]
)
def test_honest_spread_never_lowers_the_calls_at_once(spread: float, concurrency: int) -> None:
    async def main() -> None:
        server = Server(latency_s=lambda one: 0.2 * one.random.lognormvariate(0, spread), seed=concurrency)
        run = Run(concurrency=concurrency)
        model = run.open(server)
        await run.ask_many(model, max(20 * concurrency, 800))
        assert model.pace.at_once == concurrency

    simulate(main())


def test_one_slow_answer_changes_nothing() -> None:
    async def main() -> None:
        server = Server(latency_s=lambda one: 60.0 if len(one.seen) == 100 else 0.2)
        run = Run(concurrency=32)
        model = run.open(server)
        await run.ask_many(model, 2000)
        assert model.pace.at_once == 32

    simulate(main())


def test_queue_is_shortened_and_no_throughput_is_lost() -> None:
    async def main() -> None:
        server = Queueing(4, 0.1, spread=0.2)
        run = Run(concurrency=64)
        model = run.open(server)
        await run.ask_many(model, 3000)
        assert model.pace.at_once <= 32
        assert 3000 / now() >= 0.9 * 4 / (0.1 * math.exp(0.02))

    simulate(main())


@pytest.mark.parametrize("seed", range(2))
def test_queue_is_shortened_while_a_judge_holds_places_too(seed: int) -> None:
    """Fewer calls are in flight than may be: what a cut makes of them is less than its share."""

    async def main() -> None:
        server = Queueing(8, 0.4, spread=0.2)
        server.random.seed(seed)
        run = Run(concurrency=64)
        model, judge = run.open(server), run.open(Server(latency_s=lambda _one: 0.4, seed=seed))

        async def case(number: int) -> None:
            await run.ask(model, f"case {number}")
            await run.ask(judge, f"case {number}", is_judge=True)

        await asyncio.gather(*(case(number) for number in range(1500)))
        assert model.pace.at_once <= 32
        assert judge.pace.at_once == 64
        assert 1500 / now() >= 0.9 * 8 / (0.4 * math.exp(0.02))

    simulate(main())


def test_server_that_batches_keeps_its_calls_at_once() -> None:
    """Three times slower at 64 calls than at one is 21 times the throughput."""

    async def main() -> None:
        server = Server(latency_s=lambda one: 0.2 * (1 + 2 * one.at_once / 64))
        run = Run(concurrency=64)
        model = run.open(server)
        await run.ask_many(model, 3000)
        assert model.pace.at_once == 64

    simulate(main())


def test_server_that_becomes_slow_for_others_keeps_its_calls_at_once() -> None:
    async def main() -> None:
        server = Server(latency_s=lambda _one: 0.2 if now() < 10 else 1.0)
        run = Run(concurrency=64)
        model = run.open(server)
        await run.ask_many(model, 8000)
        assert model.pace.at_once >= 60

    simulate(main())


def test_overload_is_answered_by_fewer_calls_at_once_and_they_come_back() -> None:
    async def main() -> None:
        server = Server()

        def overloaded(_request: Request) -> ProviderError | None:
            if server.at_once < 20 or now() > 60:
                return None
            return ProviderError("HTTP 529: overloaded", kind=ErrorKind.SERVER, status=529)

        server._failure = overloaded
        run = Run(concurrency=64, retries=6)
        model = run.open(server)
        answers = await run.ask_many(model, 3000)
        assert [answer for answer in answers if not isinstance(answer, Called)] == []
        assert len(server.seen) <= 3000 * 1.1
        assert model.pace.at_once <= 32
        await asyncio.sleep(60)
        await run.ask_many(model, 4000)
        assert model.pace.at_once == 64

    simulate(main())


@pytest.mark.parametrize(("share", "longest"), [(0.01, 1.6), (0.05, 2.0)])
def test_a_few_calls_that_are_refused_for_what_others_send_slow_nobody_down(
    share: float, longest: float
) -> None:
    """A hosted model's 529, drawn: no number of calls at once would mend it."""

    async def main() -> None:
        server = Server(seed=64)

        def drawn(_request: Request) -> ProviderError | None:
            is_refused = server.random.random() < share
            return ProviderError("HTTP 529", kind=ErrorKind.SERVER, status=529) if is_refused else None

        server._failure = drawn
        run = Run(concurrency=64)
        model = run.open(server)
        answers = await run.ask_many(model, 1700)
        assert [answer for answer in answers if not isinstance(answer, Called)] == []
        assert now() <= longest * 1700 * 0.2 / 64
        assert model.pace.at_once >= 50

    simulate(main())


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_as_long_as_some_are_answered_no_call_is_lost_to_what_is_refused_at_random(share: float) -> None:
    lost, _took_s, sent = simulate(refusing(share, calls=400, concurrency=16))
    assert lost == 0
    assert sent <= 1.2 / (1 - share)


@pytest.mark.parametrize(("share", "seed"), [(0.5, 0), (0.5, 3), (0.7, 1)])
def test_what_is_refused_whatever_is_sent_leaves_the_calls_at_once(share: float, seed: int) -> None:
    lost, took_s, _sent = simulate(refusing(share, calls=2000, concurrency=64, seed=seed))
    assert lost == 0
    assert took_s <= 2 / (1 - share) * 2000 * 0.2 / 64


@pytest.mark.parametrize(
    ("tallies", "explained"),
    [
        ([Tally(64, 96, 66), Tally(32, 48, 18)], Borne(20, 0)),
        ([Tally(64, 96, 48), Tally(32, 48, 25)], Borne(math.inf, 0.5)),
        ([Tally(64, 400, 280), Tally(32, 200, 80), Tally(16, 200, 40)], Borne(24, 0.2)),
    ],
)
def test_refusals_at_several_numbers_of_calls_tell_how_many_are_borne(
    tallies: list[Tally], explained: Borne
) -> None:
    found = explain(tallies, 2)
    assert found is not None
    assert found.at_once == pytest.approx(explained.at_once, rel=0.1)
    assert found.refused_anyway == pytest.approx(explained.refused_anyway, abs=0.05)


def test_refusals_at_one_number_of_calls_tell_nothing() -> None:
    assert explain([Tally(64, 96, 48)], 2) is None


@pytest.mark.parametrize(("borne", "concurrency"), [(8, 64), (20, 64), (40, 256)])
def test_server_that_refuses_more_than_it_bears_is_sent_about_that_many(borne: int, concurrency: int) -> None:
    """A wide run sends more than it learns from before the first refusals are understood."""
    lost, took_s, sent = simulate(crowded(borne, calls=2000, concurrency=concurrency))
    assert lost == 0
    assert took_s <= 1.4 * 2000 * 0.21 / borne
    assert sent <= 1.25 + concurrency / 2000


@pytest.mark.parametrize(("borne", "concurrency"), [(8, 64), (8, 256), (20, 64), (50, 256)])
def test_first_refusals_of_a_short_run_tell_how_many_calls_are_borne(borne: int, concurrency: int) -> None:
    lost, took_s, sent = simulate(crowded(borne, calls=300, concurrency=concurrency))
    assert lost == 0
    assert sent <= 1.15
    assert took_s <= 300 * 0.21 / borne + 4


@pytest.mark.parametrize("concurrency", [64, 256])
def test_short_wide_run_waits_for_no_call_that_is_refused_at_random(concurrency: int) -> None:
    lost, took_s, _sent = simulate(refusing(0.5, calls=300, concurrency=concurrency, is_quick=True))
    assert lost == 0
    assert took_s <= 12


@pytest.mark.parametrize(
    ("counts", "explained"),
    [
        ({**{n: Count(1, 0) for n in range(8)}, 8: Count(0, 6)}, Borne(8, 0)),
        ({7: Count(40, 1), 8: Count(3, 20)}, Borne(8, 0)),
        ({n: Count(3, 3) for n in range(12)}, Borne(math.inf, 0.5)),
        ({8: Count(10, 10)}, None),  # at one number of calls
        ({0: Count(0, 20), 5: Count(20, 0)}, None),  # those that found fewer
        ({3: Count(0, 20)}, None),
    ],
)
def test_calls_that_found_many_or_few_tell_why_some_are_refused(
    counts: dict[int, Count], explained: Borne | None
) -> None:
    assert explain_one_by_one(counts, 2) == explained


def test_calls_refused_later_are_none_that_another_one_found() -> None:
    calls = TurnedAway(100)
    first, second, third, fourth = (calls.send() for _call in range(4))
    calls.refuse(second)
    fifth = calls.send()
    for one in (second, third, first, fourth, fifth):
        calls.end(one)
    assert calls.counts() == {0: Count(1, 0), 1: Count(1, 1), 2: Count(1, 0), 3: Count(1, 0)}


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=300), st.integers(1, 64))
@settings(max_examples=40, deadline=None)
def test_whatever_is_refused_the_calls_at_once_stay_between_two_and_most(
    events: list[tuple[int, bool]], most: int
) -> None:
    overload = Overload(most)
    out: list[Sent] = []
    for what, is_refused in events:
        if what or not out:
            out.append(overload.sent(len(out) + 1))
            continue
        of = out.pop(0)
        if not is_refused:
            overload.answered()
        else:
            overload.refused(of)
        overload.ended(of)
        assert min(2, most) <= overload.limit <= most


def test_server_that_refuses_at_once_is_not_asked_more_often() -> None:
    """Each attempt keeps its place for as long as an answer would."""

    async def main() -> None:
        server = Server(seed=3)
        answered = server.complete

        async def complete(request: Request) -> Response:
            if len(server.seen) > 50 and server.random.random() < 0.8:
                server.seen.append((now(), False))
                raise ProviderError("HTTP 529", kind=ErrorKind.SERVER, status=529)
            return await answered(request)

        server.complete = complete  # type: ignore[method-assign]
        run = Run(concurrency=16)
        await run.ask_many(run.open(server), 300)
        assert len(server.seen) <= 16 / 0.2 * now()

    simulate(main())


def test_call_that_alone_is_refused_for_ever_becomes_an_error_soon() -> None:
    async def main() -> None:
        server = Server()
        server._failure = lambda request: (
            ProviderError("HTTP 503", kind=ErrorKind.SERVER, status=503)
            if request.messages[0].content == "case 7"
            else None
        )
        run = Run(concurrency=4)
        answers = await run.ask_many(run.open(server), 300)
        assert [n for n, answer in enumerate(answers) if not isinstance(answer, Called)] == [7]
        assert len(server.seen) <= 300 + 10

    simulate(main())
