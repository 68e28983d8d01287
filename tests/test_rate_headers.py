"""What providers' headers say about limits: read as they write them, nonsense left aside."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapgate.engine.pace import Load, Pace
from swapgate.engine.quota import Quota
from swapgate.engine.rate_headers import Allowance, read_allowances
from swapgate.spec.models import Limits

# As answers of these services carry them.
OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-limit-tokens": "160000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-remaining-tokens": "159976",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-reset-tokens": "9ms",
}
ANTHROPIC = {
    "date": "Thu, 21 Aug 2025 12:41:00 GMT",
    "anthropic-ratelimit-input-tokens-limit": "80000",
    "anthropic-ratelimit-input-tokens-remaining": "20000",
    "anthropic-ratelimit-input-tokens-reset": "2025-08-21T12:41:45Z",
    "anthropic-ratelimit-output-tokens-limit": "16000",
    "anthropic-ratelimit-output-tokens-remaining": "16000",
    "anthropic-ratelimit-output-tokens-reset": "2025-08-21T12:41:00Z",
    "anthropic-ratelimit-requests-limit": "1000",
    "anthropic-ratelimit-requests-remaining": "999",
    "anthropic-ratelimit-requests-reset": "2025-08-21T12:40:59Z",
}
AZURE = {
    "x-ratelimit-limit-tokens": "10000",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "37",
}
DRAFT = {
    "ratelimit-policy": '"burst";q=100;w=60,"bytes";q=9;qu="content-bytes"',
    "ratelimit": '"burst";r=50;t=30, "bytes";r=1;t=3',
}


def test_buckets_of_openai_refill_all_the_time() -> None:
    requests, tokens = read_allowances(OPENAI)
    assert (requests.unit, requests.limit, requests.remaining) == ("requests", 5000, 4999)
    assert requests.rate == pytest.approx(5000 / 60)
    assert (tokens.unit, tokens.rate) == ("tokens", pytest.approx(160000 / 60))


def test_limit_of_a_day_is_told_by_how_long_its_refill_takes() -> None:
    (requests,) = read_allowances(
        {
            "x-ratelimit-limit-requests": "14400",
            "x-ratelimit-remaining-requests": "4400",
            "x-ratelimit-reset-requests": "16h40m0s",
        }
    )
    assert requests.rate == pytest.approx(14400 / 86400)


@pytest.mark.parametrize(("remaining", "reset"), [("4", "60ms"), ("9", "100ms"), ("0", "1s")])
def test_limit_of_a_second_is_not_taken_for_one_of_a_minute(remaining: str, reset: str) -> None:
    """A few milliseconds before a second is over, too: at ten calls a minute nobody would get on."""
    (requests,) = read_allowances(
        {
            "x-ratelimit-limit-requests": "10",
            "x-ratelimit-remaining-requests": remaining,
            "x-ratelimit-reset-requests": reset,
        }
    )
    assert requests.rate is not None
    assert requests.rate >= 10


def test_anthropics_units_are_read_by_the_servers_own_clock() -> None:
    said = {one.unit: one for one in read_allowances(ANTHROPIC)}
    assert set(said) == {"requests", "tokens_in", "tokens_out"}
    assert said["tokens_in"].rate == pytest.approx(60000 / 45)
    assert said["requests"].rate == pytest.approx(1000 / 60)


@pytest.mark.parametrize(("name", "unit"), [("input-tokens", "tokens_in"), ("output-tokens", "tokens_out")])
def test_limit_of_anthropics_that_is_told_alone_is_read(name: str, unit: str) -> None:
    alone = {
        header: value for header, value in ANTHROPIC.items() if f"-{name}-" in header or header == "date"
    }
    assert [one.unit for one in read_allowances(alone)] == [unit]


def test_bare_seconds_end_a_window() -> None:
    assert read_allowances(AZURE) == (Allowance(unit="tokens", limit=10000, remaining=0, reset_s=37.0),)


def test_draft_of_the_ietf_is_read_for_requests_alone() -> None:
    assert read_allowances(DRAFT) == (Allowance(unit="requests", limit=100, remaining=50, reset_s=30.0),)


@pytest.mark.parametrize(
    "change",
    [
        {
            "x-ratelimit-limit-tokens": "-1",
            "x-ratelimit-remaining-tokens": "-1",
            "x-ratelimit-reset-tokens": "0",
        },
        {"x-ratelimit-remaining-tokens": "nan"},
        {"x-ratelimit-remaining-tokens": "inf"},
        {"x-ratelimit-limit-tokens": "0"},
        {"x-ratelimit-reset-tokens": "900h"},
        {"x-ratelimit-reset-tokens": "soon"},
        {"x-ratelimit-reset-tokens": "9" * 5000},
    ],
)
def test_nonsense_is_not_believed(change: dict[str, str]) -> None:
    assert read_allowances({**AZURE, **change}) == ()


@pytest.mark.parametrize(("others", "leaves"), [(0, 9), (1, 0)])
def test_answer_leaves_more_again_where_no_later_call_may_have_used_it(others: int, leaves: int) -> None:
    """A limit of a second is full again within one, and says nothing of how soon: it is no minute's."""

    def told(remaining: int) -> dict[str, str]:
        told = {"limit": "10", "remaining": str(remaining), "reset": "0ms"}
        return {f"x-ratelimit-{name}-requests": value for name, value in told.items()}

    pace, now = Pace(Limits(), most=20), 0.0
    first = pace.take(now)
    pace.heard(told(0), now)
    pace.ended(first)
    now = pace.ready_at(now)
    assert now > 1
    assert pace.ready_at(now) <= now
    for _call in range(1 + others):
        pace.take(now)
    pace.heard(told(9), now)
    at_once = 0
    while at_once < 10 and pace.ready_at(now) <= now:
        pace.take(now)
        at_once += 1
    assert at_once == leaves


TEXT = st.one_of(
    st.text(max_size=60),
    st.from_regex(r"-?\d{1,12}(\.\d{1,3})?(ms|s|m|h|m\d+s)?", fullmatch=True),
    st.sampled_from(["inf", "-inf", "nan", "1e308", "2025-08-21T12:41:45Z", "9999-12-31T23:59:59+23:59"]),
)
HEADERS = st.dictionaries(st.sampled_from([*OPENAI, *ANTHROPIC, *DRAFT]), TEXT)


@settings(deadline=None)
@given(st.lists(st.tuples(HEADERS, st.floats(0, 100), st.booleans()), max_size=20), st.floats(0, 1e9))
def test_whatever_servers_write_nobody_waits_longer_than_a_minute(
    answers: list[tuple[dict[str, str], float, bool]], size: float
) -> None:
    pace, now = Pace(Limits(), most=4), 0.0
    for headers, later, is_sent in answers:
        now += later
        ticket = pace.take(now, Load(size, size))
        pace.heard(headers, now)
        pace.ended(ticket)
        ready_at = pace.ready_at(now, Load(size, size))
        assert now <= ready_at <= now + 60
        if is_sent:
            now = ready_at


@settings(deadline=None)
@given(
    st.integers(1, 500),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), min_size=1, max_size=200),
)
def test_server_that_counts_as_it_says_is_never_asked_for_more(
    limit: int, calls: list[tuple[float, float]]
) -> None:
    quota, now, level, rate = Quota(), 0.0, float(limit), limit / 60
    for pause, share in calls:
        units = max(1.0, share * limit)
        later = max(now + pause, quota.ready_at(now + pause, units))
        level = min(float(limit), level + (later - now) * rate)
        now = later
        assert level >= units - 1e-6
        quota.take(now, units)
        level -= units
        quota.heard(now, Allowance(unit="tokens", limit=limit, remaining=level, reset_s=0.0, rate=rate))
