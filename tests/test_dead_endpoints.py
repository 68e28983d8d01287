"""An endpoint that is dead: its trials end soon with one message, and the others go on."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fault_server import Exchange, faulty
from processes import PATIENCE_S, wait_for
from servers import Answer, Received, openai_completion, serving
from simulated import Run, Server, gathered, now, simulate
from swapgate.engine.breaker import Breaker
from swapgate.engine.call import Called
from swapgate.engine.refusals import is_overload
from swapgate.errors import ErrorKind, ProviderError
from swapgate.records import Request
from workspaces import case, lay, newest_run, suite

RIGHT = '{"label": "billing"}'
HEAD = """\
suite: triage
prompt: {user: "{{ message }}"}
checks: [{enum: {pointer: /label, values: [billing, bug]}}]
"""
SETTINGS = """\
[tool.swapgate]
retries = 2
[tool.swapgate.gate]
structural = {min = 0.5, on = "point"}
"""


def refused(_request: Request) -> ProviderError:
    return ProviderError("m (host): connection refused: is the server running?", kind=ErrorKind.CONNECTION)


def messages(answers: list[object]) -> Counter[str]:
    return Counter(str(answer) for answer in answers if isinstance(answer, BaseException))


# In simulated time


def test_refused_connections_end_all_calls_after_the_retries_with_one_message() -> None:
    async def main() -> None:
        server = Server(failure=refused, latency_s=lambda _server: 0.001)
        run = Run(concurrency=16)
        answers = await run.ask_many(run.open(server), 1000)
        (message,) = messages(answers)
        assert len(answers) == messages(answers)[message] == 1000
        assert message.startswith("m (host): connection refused: is the server running? Given up: ")
        assert "what was left for it was not tried" in message
        assert now() < 30
        assert len(server.seen) <= 16 + 10

    simulate(main())


@pytest.mark.parametrize("asked_s", [None, 5.0])
def test_model_that_was_asked_too_much_for_half_a_minute_loses_no_call(asked_s: float | None) -> None:
    async def main() -> None:
        server = Server()
        server._failure = lambda _request: (
            ProviderError("HTTP 529", kind=ErrorKind.SERVER, status=529, retry_after_s=asked_s)
            if 3 < now() < 33
            else None
        )
        run = Run(concurrency=16)
        answers = await run.ask_many(run.open(server), 1000)
        assert messages(answers) == {}
        assert len(server.seen) <= 1000 + 16 + 10
        assert now() <= 30 + 1000 * 0.21 / 16 + 30

    simulate(main())


def test_server_that_never_answered_is_not_waited_for_because_it_says_overloaded() -> None:
    async def main() -> None:
        refusal = ProviderError("HTTP 503", kind=ErrorKind.SERVER, status=503)
        run = Run(concurrency=16)
        answers = await run.ask_many(run.open(Server(failure=lambda _request: refusal)), 200)
        assert sum("Given up" in str(answer) for answer in answers) >= 199
        assert now() < 20

    simulate(main())


def test_silence_ends_all_calls_after_two_time_outs() -> None:
    def silent(_request: Request) -> ProviderError:
        return ProviderError("m (host): no answer within 120 s", kind=ErrorKind.TIMEOUT)

    async def main() -> None:
        run = Run(concurrency=16)
        answers = await run.ask_many(run.open(Server(failure=silent, latency_s=lambda _server: 120.0)), 1000)
        assert len(messages(answers)) == 1
        assert now() <= 2 * 120 + 2

    simulate(main())


def test_key_that_is_not_accepted_is_tried_with_the_first_calls_only() -> None:
    def wrong_key(_request: Request) -> ProviderError:
        return ProviderError("HTTP 401: bad key", kind=ErrorKind.AUTH, status=401)

    async def main() -> None:
        server = Server(failure=wrong_key)
        run = Run(concurrency=8)
        answers = await run.ask_many(run.open(server), 1000)
        assert sum(messages(answers).values()) == 1000
        assert max(messages(answers).values()) >= 999
        assert len(server.seen) <= 10
        assert now() < 1

    simulate(main())


def test_short_outage_costs_no_trial_and_few_calls() -> None:
    def outage(request: Request) -> ProviderError | None:
        return refused(request) if 3 < now() < 8 else None

    async def main() -> None:
        server = Server(failure=outage)
        run = Run(concurrency=64)
        answers = await run.ask_many(run.open(server), 5000)
        assert messages(answers) == Counter()
        assert len(server.seen) <= 5000 + 2 * 64 + 10

    simulate(main())


def test_server_that_rejects_everything_is_given_up() -> None:
    def limited(_request: Request) -> ProviderError:
        return ProviderError("HTTP 429", kind=ErrorKind.RATE_LIMIT, status=429, retry_after_s=1.0)

    async def main() -> None:
        server = Server(failure=limited)
        run = Run(concurrency=16)
        answers = await run.ask_many(run.open(server), 500)
        assert len(messages(answers)) == 1
        assert now() < 60

    simulate(main())


def test_wait_of_an_hour_is_not_waited_for() -> None:
    def exhausted(_request: Request) -> ProviderError:
        return ProviderError("HTTP 429", kind=ErrorKind.RATE_LIMIT, status=429, retry_after_s=3600.0)

    async def main() -> None:
        run = Run(concurrency=16)
        answers = await run.ask_many(run.open(Server(failure=exhausted)), 500)
        assert len(messages(answers)) == 1
        assert now() < 2

    simulate(main())


def test_endpoint_that_comes_back_is_found_by_a_later_call_while_others_run() -> None:
    def until_a_minute(request: Request) -> ProviderError | None:
        return refused(request) if now() < 60 else None

    async def main() -> None:
        run = Run(concurrency=8)
        dead, alive = run.open(Server(failure=until_a_minute)), run.open(Server())
        results: list[tuple[float, bool]] = []

        async def ask_dead(after_s: float) -> None:
            await asyncio.sleep(after_s)
            try:
                await run.ask(dead)
            except ProviderError:
                results.append((now(), False))
            else:
                results.append((now(), True))

        others = asyncio.create_task(run.ask_many(alive, 8000))
        await gathered(ask_dead(float(n)) for n in range(200))
        assert not others.done() or now() > 190
        await others
        assert not any(is_answered for at, is_answered in results if at < 60)
        assert all(is_answered for at, is_answered in results if at > 185)

    simulate(main())


def test_retries_of_scattered_failures_are_a_bounded_share_of_the_calls() -> None:
    async def main() -> None:
        server = Server()
        server._failure = lambda _request: (
            ProviderError("HTTP 500", kind=ErrorKind.SERVER, status=500)
            if server.random.random() < 0.6
            else None
        )
        run = Run(concurrency=16, retries=10)
        answers = await run.ask_many(run.open(server), 2000)
        first = len(answers)
        assert len(server.seen) <= first * 1.26 + 16
        assert sum(isinstance(answer, Called) for answer in answers) >= 0.4 * first

    simulate(main())


HAPPENS = st.lists(
    st.tuples(
        st.sampled_from([None, "auth", "timeout", "connection", "server", "bad_request", "rate_limit"]),
        st.floats(0, 60),
        st.floats(0, 60),
    ),
    max_size=80,
)


@given(HAPPENS, st.integers(0, 5))
@settings(deadline=None)
def test_whatever_happens_an_answer_opens_the_endpoint_again(
    happens: list[tuple[str | None, float, float]], retries: int
) -> None:
    breaker, at = Breaker(retries=retries, jitter=random.Random(1)), 100.0
    for kind, later, took_s in happens:
        at += later
        if kind is None:
            breaker.succeeded(at)
            assert not breaker.is_open
            assert not breaker.is_doubtful
            assert breaker.refusal(at) is None
            continue
        error = ProviderError("failed", kind=ErrorKind(kind))
        was_open = breaker.is_open
        if kind == "rate_limit":
            breaker.rejected(at, at - took_s, error, 1.0)
        else:
            assert 0 <= breaker.failed(at, at - took_s, error, is_refusal=is_overload(error)) <= 30
        if breaker.is_open and not was_open:
            refusal = breaker.refusal(at)
            assert refusal is not None
            assert (refusal.kind, str(refusal)) == (error.kind, str(breaker.reason()))


# A whole run


def lay_two(root: Path, dead_url: str, alive_url: str, *, cases: int, timeout_s: float = 1.0) -> None:
    provider = "openai-compatible"
    entries = {
        "dead": {"provider": provider, "base_url": f"{dead_url}/v1", "timeout_s": timeout_s},
        "alive": {"provider": provider, "base_url": f"{alive_url}/v1"},
    }
    lay(
        root,
        {
            "cases/triage.yml": suite([case(f"case-{n}") for n in range(cases)], head=HEAD),
            "config/models.yml": json.dumps({"models": entries}),
            "pyproject.toml": SETTINGS,
        },
    )


def answers_right(_request: Received) -> Answer:
    return Answer(openai_completion(RIGHT))


def check_two(pytester: pytest.Pytester, dead_url: str, told: str) -> None:
    with serving(answers_right) as server:
        lay_two(pytester.path, dead_url, server.url, cases=200)
        started = time.monotonic()
        result = pytester.runpytest("--model=dead", "--model=alive", "-q")
        assert time.monotonic() - started < PATIENCE_S
        assert len(server.requests) == 200
    assert result.ret == 11
    _run, trials = newest_run(pytester.path)
    errors = Counter(trial.error.message for trial in trials if trial.error is not None)
    assert [trial.model for trial in trials if trial.outcome == "passed"] == ["alive"] * 200
    ((message, times),) = errors.items()
    assert times == 200
    assert told in message
    assert "Given up: " in message


def test_dead_port_of_one_model_ends_its_two_hundred_trials_and_the_other_model_passes(
    pytester: pytest.Pytester,
) -> None:
    check_two(pytester, "http://127.0.0.1:9", "connection refused")


def test_silent_server_of_one_model_costs_two_time_outs_and_the_other_model_passes(
    pytester: pytest.Pytester,
) -> None:
    with serving(Answer(delay_s=600)) as silent:
        check_two(pytester, silent.url, "no answer within 1 s")
        assert len(silent.requests) <= 40


def test_other_model_does_not_wait_for_the_silent_one(pytester: pytest.Pytester) -> None:
    with serving(answers_right) as server:

        async def silent_until_the_other_has_ended(_exchange: Exchange) -> None:
            await asyncio.to_thread(wait_for, lambda: len(server.requests) >= 40)

        with faulty({"": silent_until_the_other_has_ended}) as silent:
            lay_two(pytester.path, silent.url, server.url, cases=40, timeout_s=PATIENCE_S)
            pytester.runpytest("--model=dead", "--model=alive", "-q", "--swapgate-retries=0")
            assert silent.requests
        assert len(server.requests) == 40
    _run, trials = newest_run(pytester.path)
    # Their connections were cut: no call of theirs came to its time-out.
    kinds = {trial.error.kind for trial in trials if trial.error is not None}
    assert kinds == {ErrorKind.CONNECTION}


def test_wrong_key_is_said_once_and_asked_with_few_calls(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    with serving(Answer({"error": {"message": "Invalid key"}}, status=401)) as wrong:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{wrong.url}/v1")
        lay_two(pytester.path, wrong.url, wrong.url, cases=200)
        result = pytester.runpytest("--model=openai:gpt-5.5", "-q")
        assert len(wrong.requests) <= 17
    assert result.ret == 11
    _run, trials = newest_run(pytester.path)
    errors = Counter(trial.error.message for trial in trials if trial.error is not None)
    assert sum(errors.values()) == 200
    assert max(errors.values()) >= 199


def test_calls_that_are_refused_after_the_answers_of_their_wave_put_no_endpoint_in_doubt() -> None:
    breaker = Breaker(retries=4, jitter=random.Random(1))
    refusal = ProviderError("HTTP 529", kind=ErrorKind.SERVER, status=529)
    for _ in range(20):
        breaker.failed(1.0, 0.9, refusal, is_refusal=True)
        breaker.succeeded(1.0)
    for _ in range(200):
        breaker.failed(1.1, 0.9, refusal, is_refusal=True)
    assert not breaker.is_doubtful
    for _ in range(200):
        breaker.failed(1.3, 1.1, refusal, is_refusal=True)
    assert breaker.is_doubtful
