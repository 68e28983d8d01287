"""What providers say in their answers' headers about how much may still be asked. Believes no nonsense.

Sources: https://platform.openai.com/docs/guides/rate-limits (also Azure, Groq and others in its manner),
https://platform.claude.com/docs/en/api/rate-limits, draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

import datetime
import email.utils
import math
import re
from collections.abc import Iterator, Mapping
from typing import Literal

from swapgate.values import Value

Unit = Literal["requests", "tokens", "tokens_in", "tokens_out"]

_MOST = 1e9
_LONGEST_RESET_S = 86_400.0
_LONGEST_TEXT = 40
_MINUTE_S = 60.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_ITEM = re.compile(r'"[^"]{0,80}"((?:;[a-z]+="?[\w-]+"?)+)')
_PARAM = re.compile(r';([a-z]+)="?([\w-]+)"?')
_OPENAI: tuple[Unit, ...] = ("requests", "tokens")
_ANTHROPIC: tuple[tuple[str, Unit], ...] = (
    ("requests", "requests"),
    ("tokens", "tokens"),
    ("input-tokens", "tokens_in"),
    ("output-tokens", "tokens_out"),
)


class Allowance(Value):
    """How much of a unit may still be asked. One that refills does so all the time, at `rate` a second;
    any other is whole again `reset_s` from now."""

    unit: Unit
    limit: float
    remaining: float
    reset_s: float
    rate: float | None = None


def read_allowances(headers: Mapping[str, str]) -> tuple[Allowance, ...]:
    """Return what the headers (names in lower case) of an answer say; nothing where they make no sense."""
    if "x-ratelimit-remaining-requests" in headers or "x-ratelimit-remaining-tokens" in headers:
        return tuple(_openai(headers))
    if any(f"anthropic-ratelimit-{name}-remaining" in headers for name, _unit in _ANTHROPIC):
        return tuple(_anthropic(headers))
    return tuple(_draft(headers)) if "ratelimit" in headers else ()


def _openai(headers: Mapping[str, str]) -> Iterator[Allowance]:
    """A reset with a unit (`6m0s`) is the time until a bucket is full; a bare number ends a window."""
    for unit in _OPENAI:
        limit = _amount(headers.get(f"x-ratelimit-limit-{unit}"), least=1)
        remaining = _amount(headers.get(f"x-ratelimit-remaining-{unit}"))
        written = headers.get(f"x-ratelimit-reset-{unit}", "")
        reset_s = _duration(written)
        if limit is None or remaining is None or reset_s is None:
            continue
        refills = not written.strip().replace(".", "").isdigit()
        rate = limit / _MINUTE_S if refills else None
        yield _allowance(unit, limit, remaining, reset_s, rate=rate, precise_s=0.01)


def _anthropic(headers: Mapping[str, str]) -> Iterator[Allowance]:
    """Buckets of a minute that refill all the time; a reset is the moment when one will be full."""
    for name, unit in _ANTHROPIC:
        limit = _amount(headers.get(f"anthropic-ratelimit-{name}-limit"), least=1)
        remaining = _amount(headers.get(f"anthropic-ratelimit-{name}-remaining"))
        if limit is None or remaining is None:
            continue
        is_scarce = remaining < limit / 2
        reset_s = _until(headers, headers.get(f"anthropic-ratelimit-{name}-reset", "")) if is_scarce else 0.0
        yield _allowance(unit, limit, remaining, reset_s, rate=limit / _MINUTE_S, precise_s=10.0)


def _draft(headers: Mapping[str, str]) -> Iterator[Allowance]:
    """Policies of other units than requests are left out; the scarcest of the others counts."""
    policies = dict(_items(headers.get("ratelimit-policy", "")))
    for name, said in _items(headers["ratelimit"]):
        policy = policies.get(name, {})
        remaining, reset_s = _amount(said.get("r")), _duration(said.get("t", ""))
        limit = _amount(policy.get("q"), least=1) or max(remaining or 0.0, 1.0)
        if remaining is not None and reset_s is not None and policy.get("qu", "requests") == "requests":
            yield _allowance("requests", limit, remaining, reset_s)


def _items(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    for item in _ITEM.finditer(text[:1000]):
        yield item[0].partition(";")[0], dict(_PARAM.findall(item[1]))


def _allowance(
    unit: Unit,
    limit: float,
    remaining: float,
    reset_s: float,
    *,
    rate: float | None = None,
    precise_s: float = math.inf,
) -> Allowance:
    """`precise_s` is the least reset that is told precisely enough to divide by."""
    remaining = min(remaining, limit)
    used = limit - remaining
    if rate is not None and used >= 1 and reset_s >= precise_s:
        # Some limits are those of a day: how long the used part takes to come back tells.
        rate = used / reset_s
    return Allowance(unit=unit, limit=limit, remaining=remaining, reset_s=reset_s, rate=rate)


def _amount(text: str | None, *, least: float = 0.0) -> float | None:
    """Return a number of units within reason; None for -1, NaN and the like."""
    if text is None or len(text) > _LONGEST_TEXT:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and least <= number <= _MOST else None


def _duration(text: str) -> float | None:
    """Return the seconds of `6m0s`, `120ms` or `37`; None for anything else, and for more than a day."""
    text = text.strip()
    if not text or len(text) > _LONGEST_TEXT:
        return None
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        seconds: float | None = math.fsum(float(number) * _SECONDS[unit] for number, unit in parts)
    else:
        seconds = _amount(text)
    return seconds if seconds is not None and seconds <= _LONGEST_RESET_S else None


def _until(headers: Mapping[str, str], moment: str) -> float:
    """Return the seconds until an RFC 3339 moment by the server's own clock; 0 where that cannot be read."""
    try:
        at = datetime.datetime.fromisoformat(moment[:_LONGEST_TEXT])
        now = email.utils.parsedate_to_datetime(headers["date"])
        seconds = (at - now).total_seconds()
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0
    return seconds if 0 <= seconds <= _LONGEST_RESET_S else 0.0
