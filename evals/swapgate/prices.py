"""What a response costs at list price. Unknown is None, never another model's price."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from swapgate.records import Usage
from swapgate.spec.models import ModelSpec, Price

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

_FREE = Price(input=0, output=0)
_UNPRICED = {"python", "http", "recorded"}
_PROVIDER_IDS = {"gemini": "google"}
_BATCH = {"processing": "batch"}
# OpenAI, Anthropic and Google all publish it; the list says it of newer models, with what it leaves out.
_BATCH_DISCOUNT = 0.5
_DATE = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8})$")


def cost_usd(model: ModelSpec, usage: Usage, *, is_batch: bool = False) -> float | None:
    """Return the list price of one response in US dollars; None when the price or the tokens are unknown.

    `is_batch` says that the service's batch API gave it, which is cheaper.
    """
    price = model.price or (_FREE if model.provider == "local" else None)
    if price is not None:
        own = _own_price(price, usage)
        return own * (1 - price.batch_discount) if own is not None and is_batch else own
    if usage.tokens_in is None or usage.tokens_out is None or model.provider in _UNPRICED:
        return None
    provider = _PROVIDER_IDS.get(model.provider, model.provider)
    live = _listed_price(provider, model.model, usage)
    if live is None or not is_batch:
        return live
    listed = _listed_price(provider, model.model, usage, context=_BATCH)
    return listed if listed is not None and listed < live else live * (1 - _BATCH_DISCOUNT)


def _own_price(price: Price, usage: Usage) -> float | None:
    if price.input == price.output == 0:
        return 0.0
    if usage.tokens_in is None or usage.tokens_out is None:
        return None
    cached = usage.tokens_cached_in or 0
    cached_price = price.input if price.cached_input is None else price.cached_input
    return (
        (usage.tokens_in - cached) * price.input + cached * cached_price + usage.tokens_out * price.output
    ) / 1e6


def _listed_price(
    provider: str, model: str, usage: Usage, *, context: Mapping[str, str] | None = None
) -> float | None:
    """Price by the bundled list, when it names this very id, with or without a date behind it.

    The list matches by prefixes and so prices invented ids (`gpt-4o-banana` as `gpt-4o`) in silence.
    """
    from genai_prices import Usage as Counted
    from genai_prices import calc_price

    counted = Counted(
        input_tokens=usage.tokens_in,
        output_tokens=usage.tokens_out,
        cache_read_tokens=usage.tokens_cached_in or 0,
    )
    try:
        priced = calc_price(counted, model, provider_id=provider, price_context=context)
    except LookupError:
        return None
    return float(priced.total_price) if _is_named(model, priced.model) else None


def _is_named(model: str, listed: ModelInfo) -> bool:
    undated = _DATE.sub("", model.lower())
    return any(name in {model.lower(), undated} for name in (listed.id.lower(), *_exact_names(listed.match)))


def _exact_names(clause: object) -> Iterator[str]:
    """Yield the ids that a matching clause spells out; a prefix counts as the id that it begins with."""
    for part in getattr(clause, "or_", ()) or (clause,):
        name = getattr(part, "equals", None) or getattr(part, "starts_with", None)
        if name:
            yield name.lower()
