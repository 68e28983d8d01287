"""What one model at one endpoint bears: calls at once, requests and tokens over time, pauses, its failures.

Pure: it is told the time and never waits; `engine.slots` does.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from swapgate.engine.breaker import Breaker, backoff_s
from swapgate.engine.chance import Chance, Echo
from swapgate.engine.crowding import Cohort, Crowding
from swapgate.engine.latencies import Latencies
from swapgate.engine.learned_pace import Account, Member
from swapgate.engine.meter import Meter
from swapgate.engine.overload import Overload
from swapgate.engine.quota import Quota
from swapgate.engine.rate_headers import Allowance, Unit, read_allowances
from swapgate.engine.refusals import is_overload
from swapgate.engine.turned_away import Sent
from swapgate.errors import ErrorKind, ProviderError
from swapgate.records import Request, Usage
from swapgate.spec.models import Limits
from swapgate.spec.token_limits import most_tokens

# A round of calls is spread over this time, or more where this machine cannot keep up, until the first two
# are out: so one that rejects is noticed in time. Answers that take longer than this are not slowed by it.
_RAMP_ROUNDS = 2
_RAMP_S = 0.15
_RETRY_SHARE = 0.2
_HEDGE_SHARE = 0.05
_TOKENS_A_CHARACTER = 0.25
# What an estimate of a call's tokens may be short of: it is let through where so much more is left.
_ROOM = 1.1
_FIRST_GUESS_TOKENS_OUT = 256.0
# From such a share of what answers leave unused on, told again and again, it is counted or it is not.
_COUNTED_OTHERWISE = 0.4
_COUNTED_WEIGHT = 0.1
_TOKENS: tuple[Unit, ...] = ("tokens", "tokens_in", "tokens_out")


class Load(NamedTuple):
    """What a request is to a limit of tokens: its messages' characters, the most tokens of its answer."""

    chars: float = 0.0
    most_out: float = math.inf


NO_LOAD = Load()


def load_of(request: Request) -> Load:
    """Return a request's load. What it may cost counts tools and schema too: see estimate.py."""
    most_out = most_tokens(request.params)
    chars = sum(len(message.content) for message in request.messages)
    return Load(chars, math.inf if most_out is None else most_out)


@dataclass(slots=True)
class Ticket:
    """One attempt that may be made, and what it was taken for.

    `sent_at` is when it was let through, and once it `is_sent`, when that was. It `is_second` where the first
    one of its call is still on its way; `echo` is the rejection that it goes right after, if it does.
    """

    sent_at: float
    load: Load
    tokens_in: float
    tokens_out: float
    is_probe: bool
    cohort: Cohort | None
    call: Sent
    echo: Echo | None = None
    is_sent: bool = False
    is_second: bool = False
    is_cancelled: bool = False
    is_answered: bool = False


class Pace:
    """Says when the next attempt may be made (`ready_at`), and learns from what becomes of each.

    `share` is the number of processes that drive the same model at once (xdist's workers), `most` the calls
    that this one may have in flight. `ramps` spreads the first calls over a moment.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        most: int,
        share: int = 1,
        retries: int = 0,
        jitter: random.Random | None = None,
        ramps: bool = False,
        account: Account | None = None,
    ) -> None:
        most = min(most, max(1, limits.concurrency // share)) if limits.concurrency else most
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads retries, decides nothing
        self._share = share
        self.in_flight = 0
        self.breaker = Breaker(retries=retries, jitter=self._jitter)
        self.latencies = Latencies()
        self.has_answered = False
        self._crowding = Crowding(most)
        self._overload = Overload(most)
        self._learned = Member(account)
        self._chance = Chance()
        self._requests = _a_minute(limits.requests_per_minute, share)
        self._tokens = _a_minute(limits.tokens_per_minute, share)
        self._quotas: dict[Unit, Quota] = {}
        self._ramp = Meter(most / _RAMP_S) if ramps else None
        self._in_ramp = _RAMP_ROUNDS * most
        self._paused_until = -math.inf
        self._probes = self._calls = self._retried = self._hedged = self._hedges_from = 0
        self._tokens_a_character = _TOKENS_A_CHARACTER
        self._tokens_out = _FIRST_GUESS_TOKENS_OUT
        self._tokens_unused = 0.0
        self._knows_tokens = self._counts_most = False
        self._counted_more = 0.0
        self._meters: tuple[Meter, ...] = ()
        self._collect()

    @property
    def at_once(self) -> int:
        """How many calls may be in flight now."""
        return int(min(self._crowding.limit, self._overload.limit))

    @property
    def is_refused_anyway(self) -> bool:
        """Whether calls are refused whatever is sent."""
        return self._overload.is_indifferent

    def is_refusal(self, error: ProviderError) -> bool:
        """Whether an attempt was turned away by a server that has too much to do, with whatever words."""
        return is_overload(error) or (error.kind is ErrorKind.RATE_LIMIT and self._chance.is_believed)

    @property
    def shares_limit(self) -> bool:
        """Whether another model goes by the same learned rate."""
        return self._learned.pace.sharers > 1

    def ready_at(self, now: float, load: Load = NO_LOAD) -> float:
        """Return when the next attempt may be made: now, later, or (inf) after another one has ended."""
        if self.in_flight >= self.at_once or (self.breaker.is_doubtful and self._probes):
            return math.inf
        at = max(now, self._paused_until)
        if not self._chance.may_echo(now):
            at = max(at, self._learned.pace.ready_at)
        for meter in self._meters:
            at = max(at, meter.ready_at)
        for unit, quota in self._quotas.items():
            at = max(at, quota.ready_at(now, self._needed(unit, load)))
        return at

    def take(self, now: float, load: Load = NO_LOAD) -> Ticket:
        """Count an attempt that is made now."""
        self.in_flight += 1
        self._calls += 1
        if self._ramp is not None:
            self._ramp.take(now)
            self._in_ramp -= 1
            if not self._in_ramp:
                self._ramp = None
                self._collect()
        echo = self._chance.sent(now)
        if echo is None or echo.sent == 1:  # of several a limit lets one through
            self._learned.take(now, is_echo=echo is not None)
        tokens_in = load.chars * self._tokens_a_character
        tokens_out = self._tokens_out_of(load)
        ticket = Ticket(
            now,
            load,
            tokens_in,
            tokens_out,
            self.breaker.is_doubtful,
            self._crowding.sent(self.in_flight),
            self._overload.sent(self.in_flight),
            echo,
        )
        self._probes += ticket.is_probe
        if self._requests is not None:
            self._requests.take(now)
        if self._tokens is not None:
            self._tokens.take(now, tokens_in + tokens_out)
        for unit, quota in self._quotas.items():
            quota.take(now, _units(unit, tokens_in, tokens_out))
        return ticket

    def answered(self, ticket: Ticket, now: float, usage: Usage) -> None:
        """Learn from an answer."""
        latency_s = now - ticket.sent_at
        self.has_answered = ticket.is_answered = True
        self.breaker.succeeded(now)
        self._chance.answered()
        if ticket.echo is None:
            self._learned.pace.answered(now, ticket.sent_at)
        self._crowding.answered(latency_s, ticket.cohort)
        self._overload.answered()
        self.latencies.add(latency_s)
        if usage.tokens_in is not None and usage.tokens_out is not None:
            self._learn_tokens(ticket, usage.tokens_in, usage.tokens_out, cached=usage.tokens_cached_in or 0)

    def failed(self, ticket: Ticket, now: float, error: ProviderError) -> None:
        """Learn from a failure; what it means for the endpoint is a pause, fewer calls, or to give it up.

        A second attempt that is turned away says that there is no room for such: none is made until as many
        calls again have been. What its model bears of others, the others tell.
        """
        if ticket.is_second and (error.kind is ErrorKind.RATE_LIMIT or is_overload(error)):
            self._hedges_from = 2 * self._calls
            self._correct_tokens(-ticket.tokens_in, -ticket.tokens_out)
            return
        if error.kind is ErrorKind.RATE_LIMIT:
            self._chance.rejected()
            self._correct_tokens(-ticket.tokens_in, -ticket.tokens_out)
        is_refusal = self.is_refusal(error)
        if error.kind is ErrorKind.RATE_LIMIT and not is_refusal:
            pause_s = self._rejected(ticket, now, error.retry_after_s)
            self.breaker.rejected(now, ticket.sent_at, error, pause_s)
            return
        pause_s = self.breaker.failed(now, ticket.sent_at, error, is_refusal=is_refusal)
        if self._learned.pace.rate.is_unfounded:
            # It was the one call that was to find out what is accepted: the next one does instead.
            self._learned.pace.hurry(now + max(pause_s, self.backoff_s(1)))
        self._paused_until = max(self._paused_until, now + pause_s)

    def _rejected(self, ticket: Ticket, now: float, retry_after_s: float | None) -> float:
        """Learn from a rejection for the rate; return the pause that all calls make."""
        if ticket.echo is not None:
            return 0.0
        rate = self._learned.pace.rate.rate
        pause_s = self._learned.rejected(now, ticket.sent_at, retry_after_s)
        if self._learned.pace.rate.is_news:
            self._chance.echo(now, ticket.sent_at, rate)
        return pause_s

    def refused(self, ticket: Ticket, now: float) -> float:
        """Learn at once that a server has too much to do; return for how long the attempt keeps its place.

        That is as long as most answers would. What else it means, `failed` is told then.
        """
        most_s = self.latencies.quantile(0.5, fewest=1) or 0.0
        took_s = now - ticket.sent_at
        if not ticket.is_second:
            self._overload.refused(ticket.call, is_quick=not most_s or took_s < most_s / 2)
        return max(0.0, most_s - took_s)

    def ended(self, ticket: Ticket) -> None:
        """An attempt is over, whatever became of it."""
        self.in_flight -= 1
        self._probes -= ticket.is_probe
        self._overload.ended(ticket.call)
        if ticket.echo is not None:
            self._chance.ended(ticket.echo, is_accepted=ticket.is_answered)
            if self._chance.is_believed:
                self._learned.forget()

    def heard(self, headers: Mapping[str, str], now: float) -> None:
        """Take in an answer's headers (names in lower case)."""
        for said in read_allowances(headers):
            self._hear(said, now)

    def may_retry(self) -> bool:
        """Whether an attempt may be repeated: at most a fifth of the calls are, and one round of them."""
        if self._retried >= self._crowding.most + _RETRY_SHARE * self._calls:
            return False
        self._retried += 1
        return True

    def hedge_after_s(self, share: float) -> float | None:
        """Return after how long an attempt is doubled; None with too few answers, or while none may be."""
        return self.latencies.quantile(share) if self._may_hedge() else None

    def take_hedge(self, now: float, ticket: Ticket) -> Ticket | None:
        """Count the second attempt of a call, if it may be made now."""
        if not self._may_hedge() or self.ready_at(now, ticket.load) > now:
            return None
        self._hedged += 1
        second = self.take(now, ticket.load)
        second.is_second = True
        return second

    def _may_hedge(self) -> bool:
        is_spent = self._hedged >= 1 + _HEDGE_SHARE * self._calls
        return not is_spent and self._calls >= self._hedges_from and not self.breaker.is_doubtful

    def backoff_s(self, attempt: int) -> float:
        """Return how long to wait after this many failed attempts, drawn."""
        return backoff_s(attempt, self._jitter)

    def _hear(self, said: Allowance, now: float) -> None:
        quota = self._quotas.get(said.unit)
        if quota is None:
            quota = self._quotas[said.unit] = Quota(share=self._share)
        if said.unit == "tokens":
            self._compare_tokens(quota.level(now) - said.remaining / self._share)
        unseen = float(self.in_flight - 1) if said.unit == "requests" else 0.0
        quota.heard(now, said, unseen=max(0.0, unseen), is_latest=self.in_flight <= 1)

    def _compare_tokens(self, more: float) -> None:
        """Follow by how much more was counted than was thought: for all that answers might have been, or not.

        What is counted wrongly is so by each answer anew.
        """
        if not 0 < self._tokens_unused < math.inf or more == math.inf:
            return
        share = min(1.0, max(-1.0, more / self._tokens_unused))
        self._counted_more += _COUNTED_WEIGHT * (share - self._counted_more)
        if abs(self._counted_more) > _COUNTED_OTHERWISE:
            self._counts_most, self._counted_more = self._counted_more > 0, 0.0

    def _tokens_out_of(self, load: Load) -> float:
        if self._counts_most and load.most_out < math.inf:
            return load.most_out
        return min(load.most_out, self._tokens_out)

    def _learn_tokens(self, ticket: Ticket, tokens_in: int, tokens_out: int, *, cached: int) -> None:
        weight = 0.1 if self._knows_tokens else 1.0
        self._knows_tokens = True
        self._tokens_out += weight * (tokens_out - self._tokens_out)
        if ticket.load.most_out < math.inf:
            self._tokens_unused += weight * (ticket.load.most_out - tokens_out - self._tokens_unused)
        if chars := ticket.load.chars:
            self._tokens_a_character += weight * (tokens_in / chars - self._tokens_a_character)
        is_counted = self._counts_most and ticket.load.most_out < math.inf
        more_out = 0.0 if is_counted else tokens_out - ticket.tokens_out
        self._correct_tokens(tokens_in - ticket.tokens_in, more_out)
        if "tokens_in" in self._quotas:
            # https://platform.claude.com/docs/en/api/rate-limits: what was read from a cache does not count.
            self._quotas["tokens_in"].correct(-float(cached))

    def _needed(self, unit: Unit, load: Load) -> float:
        """Return what must be left for an attempt to be let through.

        Some count a request with the most that it may be answered with, before it is:
        https://developers.openai.com/api/docs/guides/rate-limits
        """
        is_counted_whole = unit == "tokens" and load.most_out < math.inf
        tokens_out = load.most_out if is_counted_whole else min(load.most_out, self._tokens_out)
        units = _units(unit, load.chars * self._tokens_a_character, tokens_out)
        return units if unit == "requests" else units * _ROOM

    def _correct_tokens(self, tokens_in: float, tokens_out: float) -> None:
        if self._tokens is not None:
            self._tokens.correct(tokens_in + tokens_out)
        for unit in _TOKENS:
            if unit in self._quotas:
                self._quotas[unit].correct(_units(unit, tokens_in, tokens_out))

    def _collect(self) -> None:
        meters = (self._ramp, self._requests, self._tokens)
        self._meters = tuple(meter for meter in meters if meter is not None)


def _a_minute(units: float | None, share: int) -> Meter | None:
    return Meter(units / 60 / share) if units else None


def _units(unit: Unit, tokens_in: float, tokens_out: float) -> float:
    if unit == "requests":
        return 1.0
    return {"tokens_in": tokens_in, "tokens_out": tokens_out}.get(unit, tokens_in + tokens_out)
