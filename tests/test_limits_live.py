"""Limits of real servers on loopback: rejections, headers, one model that is candidate and judge."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path

import pytest

from servers import Answer, Received, openai_completion, serving
from workspaces import JUDGE, case, lay, newest_run, suite

RIGHT = '{"label": "billing"}'
PASS = '{"evidence": [], "reasoning": "It agrees.", "agrees": "pass"}'
PLAIN = """\
suite: triage
prompt: {user: "{{ message }}"}
checks: [{enum: {pointer: /label, values: [billing, bug]}}]
"""


def lay_one(root: Path, url: str, *, cases: int, head: str = PLAIN) -> None:
    entry = {"provider": "openai-compatible", "base_url": f"{url}/v1", "model": "one"}
    lay(
        root,
        {
            "cases/triage.yml": suite([case(f"case-{n}") for n in range(cases)], head=head),
            "judges/meaning.yml": JUDGE,
            "config/models.yml": json.dumps({"models": {"candidate": entry, "judge": entry}}),
        },
    )


class Limited:
    """So many requests in any second; the rest is told to come back later."""

    def __init__(self, a_second: int) -> None:
        self.a_second = a_second
        self.accepted: deque[float] = deque()
        self.rejected = 0

    def __call__(self, request: Received) -> Answer:
        now = time.monotonic()
        recent = sum(at > now - 1 for at in self.accepted)
        if recent >= self.a_second:
            self.rejected += 1
            return Answer({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "1"})
        self.accepted.append(now)
        is_judged = b"agrees" in request.body
        return Answer(openai_completion(PASS if is_judged else RIGHT), delay_s=0.02)

    @property
    def span_s(self) -> float:
        return self.accepted[-1] - self.accepted[0]


def test_server_that_allows_twenty_calls_a_second_gets_nearly_twenty(pytester: pytest.Pytester) -> None:
    limited = Limited(20)
    with serving(limited) as server:
        lay_one(pytester.path, server.url, cases=150)
        result = pytester.runpytest("--model=candidate", "--concurrency=24", "-q")
    result.assert_outcomes(passed=150)
    # On an idle machine it is 19.4 with 2 rejections; a busy one notices the first ones late.
    assert 150 / limited.span_s >= 13
    assert limited.rejected <= 30


def test_candidate_and_judge_of_one_model_share_its_limit(pytester: pytest.Pytester) -> None:
    limited = Limited(20)
    with serving(limited) as server:
        lay_one(pytester.path, server.url, cases=50, head=PLAIN + "judges: [meaning]\n")
        pytester.runpytest("--model=candidate", "-q").assert_outcomes(passed=50)
    assert len(limited.accepted) == 100
    assert limited.rejected <= 25


def test_headers_are_obeyed_before_anything_is_rejected(pytester: pytest.Pytester) -> None:
    """A bucket of 20 that refills ten times a second, told in OpenAI's manner."""
    level, at, rejected = 20.0, time.monotonic(), 0

    def handler(_request: Received) -> Answer:
        nonlocal level, at, rejected
        now = time.monotonic()
        level, at = min(20.0, level + (now - at) * 10), now
        if level < 1:
            rejected += 1
            return Answer({"error": {"message": "slow down"}}, status=429)
        level -= 1
        told = {
            "x-ratelimit-limit-requests": "20",
            "x-ratelimit-remaining-requests": str(int(level)),
            "x-ratelimit-reset-requests": f"{(20 - level) / 10:.3f}s",
        }
        return Answer(openai_completion(RIGHT), headers=told, delay_s=0.01)

    with serving(handler) as server:
        lay_one(pytester.path, server.url, cases=50)
        pytester.runpytest("--model=candidate", "--concurrency=4", "-q").assert_outcomes(passed=50)
    assert rejected <= 1


def test_retry_after_in_milliseconds_is_obeyed(pytester: pytest.Pytester) -> None:
    arrived: list[float] = []

    def handler(_request: Received) -> Answer:
        arrived.append(time.monotonic())
        if len(arrived) == 1:
            return Answer({"error": {"message": "slow"}}, status=429, headers={"retry-after-ms": "700"})
        return Answer(openai_completion(RIGHT))

    with serving(handler) as server:
        lay_one(pytester.path, server.url, cases=1)
        pytester.runpytest("--model=candidate").assert_outcomes(passed=1)
    assert 0.7 <= arrived[1] - arrived[0] < 5


def test_rejections_are_no_failed_attempts(pytester: pytest.Pytester) -> None:
    """Without a single retry, a limit that is still being learned makes no trial fail."""
    limited = Limited(10)
    with serving(limited) as server:
        lay_one(pytester.path, server.url, cases=40)
        pytester.runpytest("--model=candidate", "--swapgate-retries=0", "-q").assert_outcomes(passed=40)
    assert limited.rejected
    _run, trials = newest_run(pytester.path)
    assert max(trial.answer.attempts for trial in trials if trial.answer is not None) >= 2
