"""What a run would take: calls, tokens and money of each model and role, and their totals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import fsum

from swapgate.engine.estimate import Expected
from swapgate.memory.prices import cost_usd, price_list
from swapgate.records import Json, Usage, to_json
from swapgate.spec.models import ModelSpec
from swapgate.values import Value

TOTAL = "total"
JUDGE = "judge"
ESCALATION = "escalation"


class Row(Value):
    """The calls of one model in one role: `candidate`, `baseline`, `judge`, `escalation`; or all, in `total`.

    An escalation is a judge's second stage, counted for every verdict that stored replies of the first do not
    settle. `calls` answers are wanted, `cached` of them are at hand, the others are to be sent: tokens and
    costs are theirs. Amounts whose price is unknown are None, and left out of the total. `is_at_most` says
    that some calls are made only where a structure passes, or a first judge is unsure; `is_measured` that
    stored answers are behind the estimate.
    """

    model: str
    role: str
    calls: int
    cached: int
    to_send: int
    tokens_in: int
    tokens_out: int
    most_tokens_in: int
    most_tokens_out: int
    cost_usd: float | None
    most_usd: float | None
    saved_usd: float | None
    is_at_most: bool = False
    is_measured: bool = True


class Forecast(Value):
    """What a run of so many trials would take. `seconds` is None where a latency is not known yet.

    `unpriced` names the models to be asked whose price nobody knows: the total is then a lower bound.
    `batched` names those that are asked in batches: their costs are those of a batch, *at most* that of live
    calls, since what a batch does not answer is called live. `notes` say what would go wrong.
    """

    trials: int
    rows: tuple[Row, ...]
    total: Row
    seconds: float | None
    unpriced: tuple[str, ...] = ()
    batched: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON values."""
        written: dict[str, Json] = to_json(self)
        return {**written, "is_lower_bound": bool(self.unpriced)}


@dataclass(slots=True, kw_only=True)
class Tally:
    """A row in the making: the calls to be sent, and what those at hand would have cost."""

    spec: ModelSpec
    role: str
    is_batched: bool = False
    cached: int = 0
    sent: list[Expected] = field(default_factory=list)
    saved: list[float | None] = field(default_factory=list)
    is_at_most: bool = False

    def row(self) -> Row:
        """Return what has been counted."""
        return Row(
            model=self.spec.name,
            role=self.role,
            calls=self.cached + len(self.sent),
            cached=self.cached,
            to_send=len(self.sent),
            tokens_in=sum(one.tokens_in for one in self.sent),
            tokens_out=sum(one.tokens_out for one in self.sent),
            most_tokens_in=sum(one.most_in for one in self.sent),
            most_tokens_out=sum(one.most_out for one in self.sent),
            cost_usd=_sum(expected_usd(self.spec, one, is_batch=self.is_batched) for one in self.sent),
            most_usd=_sum(_most_usd(self.spec, one) for one in self.sent),
            saved_usd=_sum(self.saved),
            is_at_most=self.is_at_most and bool(self.sent),
            is_measured=all(one.is_measured for one in self.sent),
        )


def expected_usd(spec: ModelSpec, expected: Expected, *, is_batch: bool = False) -> float | None:
    """Return what a call is expected to cost, without a provider's discount for repeated prompts."""
    usage = Usage(tokens_in=expected.tokens_in, tokens_out=expected.tokens_out)
    return cost_usd(spec, usage, is_batch=is_batch)


def _most_usd(spec: ModelSpec, expected: Expected) -> float | None:
    prices = price_list(spec)
    if prices is None:
        return None
    return prices.most_usd(tokens_in=expected.most_in, tokens_out=expected.most_out)


def total_of(rows: Sequence[Row]) -> Row:
    """Return the sums; unknown amounts are left out."""
    return Row(
        model="",
        role=TOTAL,
        calls=sum(row.calls for row in rows),
        cached=sum(row.cached for row in rows),
        to_send=sum(row.to_send for row in rows),
        tokens_in=sum(row.tokens_in for row in rows),
        tokens_out=sum(row.tokens_out for row in rows),
        most_tokens_in=sum(row.most_tokens_in for row in rows),
        most_tokens_out=sum(row.most_tokens_out for row in rows),
        cost_usd=fsum(row.cost_usd or 0.0 for row in rows),
        most_usd=fsum(row.most_usd or 0.0 for row in rows),
        saved_usd=fsum(row.saved_usd or 0.0 for row in rows),
        is_at_most=any(row.is_at_most for row in rows),
        is_measured=all(row.is_measured for row in rows),
    )


def _sum(amounts: Iterable[float | None]) -> float | None:
    known = list(amounts)
    return None if None in known else fsum(amount for amount in known if amount is not None)
