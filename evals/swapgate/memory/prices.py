"""What a response costs at list price. Unknown is None, never another model's price."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Protocol

from swapgate.records import Usage, once_for_each
from swapgate.spec.models import ModelSpec, Price
from swapgate.values import Value

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

_UNPRICED = {"python", "http", "recorded"}
_PROVIDER_IDS = {"gemini": "google"}
# OpenAI, Anthropic and Google all publish it; the bundled list says it of their newer models alone.
_BATCH_DISCOUNT = 0.5
_STANDARD_TIERS = {"auto", "default", "standard", "standard_only"}
# https://console.groq.com/docs/flex-processing
_TIERS_AT_LIST_PRICE = {("groq", "flex"), ("groq", "on_demand")}
# https://developers.openai.com/api/docs/guides/flex-processing
_TIERS_AT_BATCH_PRICE = {("openai", "flex")}
_DATE = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8})$")


class Rate(Value, kw_only=False):
    """US dollars per million tokens: `base`, and from more than so many input tokens on another price.

    A tier's price holds for all tokens of the call, not for those above the tier's start alone.
    """

    base: float
    tiers: tuple[tuple[int, float], ...] = ()

    def at(self, tokens_in: int) -> float:
        """Return the price for a call with so many input tokens."""
        return next((price for start, price in reversed(self.tiers) if tokens_in > start), self.base)

    def times(self, share: float) -> Rate:
        """Return this share of the price."""
        return Rate(self.base * share, tuple((start, price * share) for start, price in self.tiers))


class Tariff(Value):
    """What one model charges; `call` is in US dollars. Cached and written tokens are part of the input."""

    input: Rate
    output: Rate
    cached_input: Rate
    cache_write: Rate
    call: float = 0.0
    is_free: bool = False

    def cost_usd(self, usage: Usage) -> float | None:
        """Return the price of a response in US dollars; None when its tokens are unknown."""
        if self.is_free:
            return 0.0
        tokens_in, tokens_out = usage.tokens_in, usage.tokens_out
        if tokens_in is None or tokens_out is None:
            return None
        cached = min(usage.tokens_cached_in or 0, tokens_in)
        written = min(usage.tokens_cache_write or 0, tokens_in - cached)
        millionths = (
            (tokens_in - cached - written) * self.input.at(tokens_in)
            + cached * self.cached_input.at(tokens_in)
            + written * self.cache_write.at(tokens_in)
            + tokens_out * self.output.at(tokens_in)
        )
        return millionths / 1e6 + self.call

    def times(self, share: float) -> Tariff:
        """Return this share of every price."""
        return Tariff(
            input=self.input.times(share),
            output=self.output.times(share),
            cached_input=self.cached_input.times(share),
            cache_write=self.cache_write.times(share),
            call=self.call * share,
            is_free=self.is_free,
        )

    def most_usd(self, *, tokens_in: int, tokens_out: int) -> float:
        """Return the most that a call may cost: every input token at the dearest of its prices."""
        rates = (self.input, self.cached_input, self.cache_write)
        dearest = max(rate.at(tokens_in) for rate in rates)
        return (tokens_in * dearest + tokens_out * self.output.at(tokens_in)) / 1e6 + self.call


class Constraint(Protocol):
    """When a listed price holds; see genai_prices.types."""

    def active(self, request_timestamp: datetime) -> bool:
        """Whether it holds at this time."""
        ...


class PriceList(Value, kw_only=False):
    """The tariffs of one model, the last one that holds counts: some are dearer at certain hours."""

    tariffs: tuple[tuple[Constraint | None, Tariff], ...]
    batch_discount: float = _BATCH_DISCOUNT

    def at(self, when: datetime | None = None) -> Tariff:
        """Return the tariff of a time, by default of now."""
        if len(self.tariffs) == 1:
            return self.tariffs[0][1]
        when = when or datetime.now(UTC)
        found = (t for holds, t in reversed(self.tariffs) if holds is None or holds.active(when))
        return next(found, self.tariffs[0][1])

    @property
    def goes_by_hours(self) -> bool:
        """Whether the same call costs more at certain hours."""
        return len(self.tariffs) > 1

    def most_usd(self, *, tokens_in: int, tokens_out: int) -> float:
        """Return the most that a call may cost at any hour."""
        return max(t.most_usd(tokens_in=tokens_in, tokens_out=tokens_out) for _holds, t in self.tariffs)


_NOTHING = Rate(0.0)
_FREE = PriceList(
    (
        (
            None,
            Tariff(
                input=_NOTHING, output=_NOTHING, cached_input=_NOTHING, cache_write=_NOTHING, is_free=True
            ),
        ),
    )
)


def cost_usd(model: ModelSpec, usage: Usage, *, is_batch: bool = False) -> float | None:
    """Return the list price of one response in US dollars; None when the price or the tokens are unknown.

    `is_batch` says that the service's batch API gave it, which is cheaper.
    """
    prices = price_list(model)
    live = None if prices is None else prices.at().cost_usd(usage)
    if prices is None or live is None or not is_batch:
        return live
    return live * (1 - prices.batch_discount)


@once_for_each
def price_list(model: ModelSpec) -> PriceList | None:
    """Return what a model charges: its own price, else the bundled list's; None when nobody knows."""
    if model.price is not None:
        return _own_price(model.price)
    if model.provider == "local":
        return _FREE
    if model.provider in _UNPRICED:
        return None
    listed = _listed_prices(_PROVIDER_IDS.get(model.provider, model.provider), model.model)
    return None if listed is None else _of_tier(listed, model)


def _of_tier(listed: PriceList, model: ModelSpec) -> PriceList | None:
    """Return what the service tier that a model asks for charges; None where the list does not say.

    Other tiers cost half of the standard one or several times as much: its price would be a wrong one.
    """
    tier = str(model.params.get("service_tier", "default"))
    if tier in _STANDARD_TIERS or (model.provider, tier) in _TIERS_AT_LIST_PRICE:
        return listed
    return _halved(listed) if (model.provider, tier) in _TIERS_AT_BATCH_PRICE else None


def _halved(listed: PriceList) -> PriceList:
    """Return a list at the price of the batch API, of which a batch takes nothing off again."""
    share = 1 - listed.batch_discount
    tariffs = tuple((holds, tariff.times(share)) for holds, tariff in listed.tariffs)
    return PriceList(tariffs, batch_discount=0.0)


@cache
def _own_price(price: Price) -> PriceList:
    if price.input == price.output == 0:
        return _FREE
    given = Rate(price.input)
    tariff = Tariff(
        input=given,
        output=Rate(price.output),
        cached_input=given if price.cached_input is None else Rate(price.cached_input),
        cache_write=given if price.cache_write is None else Rate(price.cache_write),
    )
    return PriceList(((None, tariff),), price.batch_discount)


@cache
def _listed_prices(provider: str, model: str) -> PriceList | None:
    """Look a model up in the bundled list, when it names this very id, with or without a date behind it.

    The list matches by prefixes and so prices invented ids (`gpt-4o-banana` as `gpt-4o`) in silence.
    """
    from genai_prices import Usage as Counted
    from genai_prices import calc_price

    try:
        listed = calc_price(Counted(input_tokens=0, output_tokens=0), model, provider_id=provider).model
    except LookupError:
        return None
    return PriceList(tuple(_tariffs(listed))) if _is_named(model, listed) else None


def _tariffs(listed: ModelInfo) -> list[tuple[Constraint | None, Tariff]]:
    """Return the tariff that has begun last, and those of certain hours that the list puts above it."""
    from genai_prices.types import StartDateConstraint

    if not isinstance(listed.prices, list):
        return [(None, _tariff(listed.prices))]
    now = datetime.now(UTC)
    found: list[tuple[Constraint | None, Tariff]] = []
    for priced in listed.prices:
        holds = priced.constraint
        if isinstance(holds, StartDateConstraint):
            if not holds.active(now):
                continue
            holds = None
        found = [*(found if holds else ()), (holds, _tariff(priced.prices))]
    return found or [(None, _tariff(listed.prices[0].prices))]


def _tariff(listed: ModelPrice) -> Tariff:
    """Return the tariff of a listed price; where it has none of its own for cached tokens, they are input."""
    given = _rate(listed.input_mtok)
    return Tariff(
        input=given,
        output=_rate(listed.output_mtok),
        cached_input=_rate(listed.cache_read_mtok, otherwise=given),
        cache_write=_rate(listed.cache_write_mtok, otherwise=given),
        call=_rate(listed.requests_kcount).base / 1000,
    )


def _rate(price: Decimal | TieredPrices | None, *, otherwise: Rate = _NOTHING) -> Rate:
    if price is None:
        return otherwise
    if isinstance(price, Decimal):
        return Rate(float(price))
    return Rate(float(price.base), tuple((tier.start, float(tier.price)) for tier in price.tiers))


def _is_named(model: str, listed: ModelInfo) -> bool:
    undated = _DATE.sub("", model.lower())
    return any(name in {model.lower(), undated} for name in (listed.id.lower(), *_exact_names(listed.match)))


def _exact_names(clause: object) -> Iterator[str]:
    """Yield the ids that a matching clause spells out; a prefix counts as the id that it begins with."""
    for part in getattr(clause, "or_", ()) or (clause,):
        name = getattr(part, "equals", None) or getattr(part, "starts_with", None)
        if name:
            yield name.lower()
