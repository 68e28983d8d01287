"""--hedge: a straggler is asked a second time, the first answer counts, both are paid for."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from servers import Answer, Received, openai_completion, serving
from simulated import Run, Server, now, simulate, turning_seconds_away
from swapgate.engine.call import Called
from swapgate.errors import ErrorKind, ProviderError
from swapgate.facts import facts_of
from swapgate.spec.models import Price
from workspaces import case, lay, newest_run, suite

RIGHT = '{"label": "billing"}'
HEAD = """\
suite: triage
prompt: {user: "{{ message }}"}
checks: [{enum: {pointer: /label, values: [billing, bug]}}]
"""


def some_slow(server: Server) -> float:
    """One attempt in forty takes a minute."""
    return 60.0 if len(server.seen) % 40 == 30 else 0.2


def test_stragglers_are_asked_again_and_the_first_answer_counts() -> None:
    async def main() -> None:
        server = Server(latency_s=some_slow)
        run = Run(concurrency=8, hedge=0.95)
        answers = await run.ask_many(run.open(server), 400)
        assert {one.attempts for one in answers[40:]} == {1, 2}
        hedged = len(server.seen) - 400
        assert sum(one.attempts - 1 for one in answers) == hedged
        assert 5 <= hedged <= 1 + 0.05 * len(server.seen)
        assert run.caller.spent.calls == len(server.seen)
        assert (run.slots.in_flight, server.at_once) == (0, 0)
        assert now() < 60

    simulate(main())


def test_straggler_of_the_first_moment_is_asked_again_once_it_is_known_for_one() -> None:
    """All slots are taken before a single answer tells how long answers take."""

    async def main() -> None:
        server = Server(latency_s=lambda one: 60.0 if len(one.seen) == 5 else 0.2)
        run = Run(concurrency=64, hedge=0.95)
        await run.ask_many(run.open(server), 64)
        assert len(server.seen) == 65
        assert now() < 1

    simulate(main())


@pytest.mark.parametrize("concurrency", [16, 64])
def test_stragglers_give_their_slots_back_while_others_wait(concurrency: int) -> None:
    """One answer in fifty takes 30 s: three quarters of the slots' time, were they not asked again."""

    async def main(hedge: float | None) -> float:
        server = Server(latency_s=lambda one: 30.0 if len(one.seen) % 50 == 7 else 0.2)
        run = Run(concurrency=concurrency, hedge=hedge)
        await run.ask_many(run.open(server), 1700)
        assert len(server.seen) <= 1700 * 1.05 + 1
        return now()

    assert simulate(main(0.95)) < 0.45 * simulate(main(None))


def test_honest_spread_is_hardly_ever_asked_twice_while_others_wait() -> None:
    async def main() -> None:
        server = Server(latency_s=lambda one: 0.2 * one.random.lognormvariate(0, 0.5))
        run = Run(concurrency=16, hedge=0.95)
        await run.ask_many(run.open(server), 1700)
        assert len(server.seen) <= 1710

    simulate(main())


def test_without_hedge_nobody_is_asked_twice() -> None:
    async def main() -> None:
        server = Server(latency_s=some_slow)
        await (run := Run(concurrency=8)).ask_many(run.open(server), 200)
        assert len(server.seen) == 200

    simulate(main())


def test_cancelled_attempt_is_counted_as_costly_as_the_answer() -> None:
    async def main() -> None:
        server = Server(latency_s=some_slow)
        run = Run(concurrency=8, hedge=0.9)
        model = run.open(server)
        priced = model.spec.model_copy(update={"price": Price(input=1e6, output=0)})
        await run.ask_many(replace(model, spec=priced), 400)
        assert 400 < len(server.seen) <= run.caller.spent.calls
        # One that is cancelled before it arrives is counted too: nobody here can know that.
        assert run.caller.spent.cost_usd == pytest.approx(20 * run.caller.spent.calls)

    simulate(main())


def test_calls_that_wait_for_the_disk_are_no_stragglers() -> None:
    async def main() -> None:
        server = Server(latency_s=lambda _server: 0.2)
        run = Run(concurrency=8, hedge=0.95)
        model = run.open(server)
        await run.ask_many(model, 60)
        run.disk_is_behind = True
        calls = [asyncio.create_task(run.ask(model)) for _number in range(4)]
        await asyncio.sleep(30)
        run.disk_is_behind = False
        await asyncio.gather(*calls)
        assert len(server.seen) == 60 + 4

    simulate(main())


def test_second_attempt_that_waits_for_the_disk_in_vain_is_neither_sent_nor_counted() -> None:
    async def main() -> None:
        server = Server(latency_s=lambda _server: 0.2)
        run = Run(concurrency=8, hedge=0.95)
        model = run.open(server)
        priced = model.spec.model_copy(update={"price": Price(input=1e6, output=0)})
        model = replace(model, spec=priced)
        await run.ask_many(model, 60)
        before = run.caller.spent.cost_usd
        server._latency_s = lambda _server: 10.0
        call = asyncio.create_task(run.ask(model))
        await asyncio.sleep(0.01)
        run.disk_is_behind = True
        assert ((await call).attempts, len(server.seen)) == (1, 61)
        assert run.caller.spent.cost_usd - before == pytest.approx(before / 60)

    simulate(main())


def test_failure_of_one_attempt_leaves_the_other_its_chance() -> None:
    async def main() -> None:
        server = Server(latency_s=some_slow)
        slow_failures = iter([True] * 3)
        server._failure = lambda request: (
            ProviderError("HTTP 500", kind=ErrorKind.SERVER, status=500)
            if "slow" in request.messages[0].content and next(slow_failures, False)
            else None
        )
        run = Run(concurrency=8, hedge=0.95)
        model = run.open(server)
        await run.ask_many(model, 100)
        assert isinstance(await run.ask(model, "slow"), Called)

    simulate(main())


@pytest.mark.parametrize("retry_after_s", [None, 5.0])
@pytest.mark.parametrize(("kind", "status"), [(ErrorKind.RATE_LIMIT, 429), (ErrorKind.SERVER, 503)])
def test_second_attempts_that_are_turned_away_hurt_nobody_and_become_few(
    kind: ErrorKind, status: int, retry_after_s: float | None
) -> None:
    error = ProviderError(f"HTTP {status}", kind=kind, status=status, retry_after_s=retry_after_s)
    without_s, _none = simulate(turning_seconds_away(error, hedge=None))
    took_s, away = simulate(turning_seconds_away(error, hedge=0.95))
    assert took_s < 1.05 * without_s
    assert 1 <= away <= 6


def test_call_that_is_cancelled_cancels_both_attempts() -> None:
    async def main() -> None:
        server = Server()
        run = Run(concurrency=8, hedge=0.95)
        model = run.open(server)
        await run.ask_many(model, 60)
        server._latency_s = lambda _server: 1000.0
        call = asyncio.create_task(run.ask(model))
        await asyncio.sleep(5)
        assert server.at_once == 2
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert (server.at_once, run.slots.in_flight, model.pace.in_flight) == (0, 0, 0)

    simulate(main())


def test_run_with_hedge_ends_before_its_stragglers_would(pytester: pytest.Pytester) -> None:
    slow: list[Received] = []

    def handler(request: Received) -> Answer:
        is_straggler = b"case-70" in request.body and not slow
        if is_straggler:
            slow.append(request)
        return Answer(openai_completion(RIGHT), delay_s=60.0 if is_straggler else 0.05)

    with serving(handler) as server:
        price = {"input": 1, "output": 1}
        entry = {"provider": "openai-compatible", "base_url": f"{server.url}/v1", "price": price}
        lay(
            pytester.path,
            {
                "cases/triage.yml": suite([case(f"case-{n}") for n in range(80)], head=HEAD),
                "config/models.yml": json.dumps({"models": {"m": entry}}),
            },
        )
        result = pytester.runpytest("--model=m", "--hedge=p95", "--concurrency=8")
        assert result.duration < 40
    result.assert_outcomes(passed=80)
    _run, trials = newest_run(pytester.path)
    (straggler,) = [trial for trial in trials if trial.case == "case-70"]
    assert straggler.answer is not None
    assert (straggler.answer.attempts, straggler.answer.cancelled) == (2, 1)
    assert straggler.answer.cost_usd is not None
    assert facts_of(straggler).paid_usd == pytest.approx(2 * straggler.answer.cost_usd)


def test_quantile_that_is_none_of_the_three_is_refused(pytester: pytest.Pytester) -> None:
    lay(pytester.path, {"cases/triage.yml": suite([case("one")], head=HEAD)})
    result = pytester.runpytest("--model=recorded:x.jsonl", "--hedge=p50")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*hedge*p90*p95*p99*"])
