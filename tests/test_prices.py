"""List prices: exact ids only, the user's own first, unknown is unknown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from genai_prices import Usage as Counted
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ConditionalPrice, StartDateConstraint

from swapgate.memory.prices import cost_usd, price_list
from swapgate.records import Usage
from swapgate.spec.models import ModelSpec, Price

USAGE = Usage(tokens_in=1000, tokens_out=100)


def model(provider: str, name: str, price: Price | None = None) -> ModelSpec:
    return ModelSpec(name=name, provider=provider, model=name, price=price)


def test_the_articles_bill_comes_out_of_its_own_inputs() -> None:
    usage = Usage(tokens_in=40_000 * 800, tokens_out=40_000 * 400)
    old = cost_usd(model("openai", "gpt-5.5", Price(input=5, output=30)), usage)
    new = cost_usd(model("deepseek", "deepseek-v4-pro", Price(input=0.43, output=0.87)), usage)
    assert old == pytest.approx(640.00)
    assert new == pytest.approx(27.68)


@pytest.mark.parametrize(
    ("provider", "name"),
    [("openai", "gpt-4o-2024-08-06"), ("anthropic", "claude-sonnet-4-6"), ("gemini", "gemini-2.5-flash")],
)
def test_bundled_list_knows_common_models(provider: str, name: str) -> None:
    cost = cost_usd(model(provider, name), USAGE)
    assert cost is not None
    assert 0 < cost < 1


@pytest.mark.parametrize(
    ("provider", "name"),
    [("openai", "gpt-4o-banana"), ("anthropic", "claude-sonnet-4-6-ultra"), ("vllm", "x"), ("nonesuch", "x")],
)
def test_invented_and_unlisted_ids_have_no_price(provider: str, name: str) -> None:
    assert cost_usd(model(provider, name), USAGE) is None


def test_unknown_tokens_make_an_unknown_cost() -> None:
    assert cost_usd(model("openai", "gpt-4o-2024-08-06"), Usage()) is None
    assert cost_usd(model("x", "x", Price(input=1, output=1)), Usage(tokens_in=5)) is None


def test_local_models_are_free_even_without_counts() -> None:
    assert cost_usd(model("local", "smollm2-135m"), Usage()) == 0.0


def test_cached_tokens_have_their_own_price() -> None:
    usage = Usage(tokens_in=1_000_000, tokens_out=0, tokens_cached_in=400_000)
    assert cost_usd(model("x", "x", Price(input=10, output=1, cached_input=1)), usage) == pytest.approx(6.4)
    assert cost_usd(model("x", "x", Price(input=10, output=1)), usage) == pytest.approx(10)


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-4o-2024-08-06"),
        ("anthropic", "claude-sonnet-4-6"),
        ("anthropic", "claude-3-haiku-20240307"),  # the list holds no batch price of it
        ("gemini", "gemini-2.5-flash"),
    ],
)
def test_answers_of_a_batch_cost_half(provider: str, name: str) -> None:
    live = cost_usd(model(provider, name), USAGE)
    assert live is not None
    assert cost_usd(model(provider, name), USAGE, is_batch=True) == pytest.approx(live / 2)


def test_own_price_says_how_much_a_batch_saves() -> None:
    half, none = Price(input=10, output=20), Price(input=10, output=20, batch_discount=0)
    assert cost_usd(model("x", "x", half), USAGE) == pytest.approx(0.012)
    assert cost_usd(model("x", "x", half), USAGE, is_batch=True) == pytest.approx(0.006)
    assert cost_usd(model("x", "x", none), USAGE, is_batch=True) == pytest.approx(0.012)
    assert cost_usd(model("openai", "gpt-4o-banana"), USAGE, is_batch=True) is None


# https://platform.claude.com/docs/en/about-claude/pricing: base input, 5-minute writes, hits, output.
OPUS_4_5 = Price(input=5, cache_write=6.25, cached_input=0.5, output=25)
# https://developers.openai.com/api/docs/guides/prompt-caching: from gpt-5.6 on writes cost 1.25x.
WRITES_BILLED = Price(input=4, cache_write=5, cached_input=0.4, output=20)


def test_the_first_call_pays_for_writing_the_prompt_cache_and_the_second_reads_it_at_a_tenth() -> None:
    first = Usage(tokens_in=100_050, tokens_out=500, tokens_cache_write=100_000)
    second = Usage(tokens_in=100_050, tokens_out=500, tokens_cached_in=100_000)
    claude = model("anthropic", "claude", OPUS_4_5)
    assert cost_usd(claude, first) == pytest.approx(0.625 + 0.00025 + 0.0125)
    assert cost_usd(claude, second) == pytest.approx(0.05 + 0.00025 + 0.0125)
    assert cost_usd(model("openai", "gpt", WRITES_BILLED), first) == pytest.approx(0.5 + 0.0002 + 0.01)


def test_written_tokens_cost_what_input_does_where_no_price_of_theirs_is_known() -> None:
    usage = Usage(tokens_in=1_000_000, tokens_out=0, tokens_cache_write=400_000)
    assert cost_usd(model("x", "x", Price(input=10, output=1)), usage) == pytest.approx(10)


def test_more_cached_tokens_than_tokens_are_no_error() -> None:
    usage = Usage(tokens_in=10, tokens_out=0, tokens_cached_in=20, tokens_cache_write=5)
    assert cost_usd(model("anthropic", "x", OPUS_4_5), usage) == pytest.approx(10 * 0.5 / 1e6)


@pytest.mark.parametrize("provider", ["anthropic", "openai", "google", "deepseek", "mistral", "x-ai", "groq"])
def test_every_listed_model_is_priced_as_the_list_prices_it(provider: str) -> None:
    """Tiers, cached and written tokens, prices of certain hours: at the list's own result, to the cent."""
    when = datetime(2027, 1, 1, 2, tzinfo=UTC)
    snapshot = get_snapshot()
    found = next(p for p in snapshot.providers if p.id == provider)
    priced = 0
    for listed in found.models:
        prices = price_list(model(provider, listed.id))
        if prices is None or (isinstance(listed.prices, list) and _begins_later(listed.prices)):
            continue
        for tokens_in, cached, written in ((1000, 0, 0), (150_000, 100_000, 20_000), (400_000, 0, 300_000)):
            counted = Counted(
                input_tokens=tokens_in,
                output_tokens=700,
                cache_read_tokens=cached,
                cache_write_tokens=written,
            )
            theirs = calc_price(
                counted, listed.id, provider_id=provider, genai_request_timestamp=when
            ).total_price
            usage = Usage(
                tokens_in=tokens_in, tokens_out=700, tokens_cached_in=cached, tokens_cache_write=written
            )
            assert prices.at(when).cost_usd(usage) == pytest.approx(float(theirs)), listed.id
            assert prices.most_usd(tokens_in=tokens_in, tokens_out=700) >= float(theirs) - 1e-12, listed.id
            priced += 1
    assert priced > 10


def _begins_later(prices: list[ConditionalPrice]) -> bool:
    """Whether a price begins between now and the time that the test asks about."""
    starts = [p.constraint.start_date for p in prices if isinstance(p.constraint, StartDateConstraint)]
    return any(start > datetime.now(UTC).date() for start in starts)


def test_hours_have_their_own_price() -> None:
    prices = price_list(model("deepseek", "deepseek-v4-pro"))
    assert prices is not None
    costs = {hour: prices.at(datetime(2026, 11, 1, hour, tzinfo=UTC)).cost_usd(USAGE) for hour in (2, 5, 8)}
    assert costs[2] == costs[8] != costs[5]
    assert prices.most_usd(tokens_in=1000, tokens_out=100) >= max(cost or 0 for cost in costs.values())


@pytest.mark.parametrize(
    ("provider", "tier", "share"),
    [
        ("openai", "default", 1.0),
        ("openai", "auto", 1.0),
        ("openai", "flex", 0.5),
        ("openai", "priority", None),
        ("anthropic", "standard_only", 1.0),
        ("anthropic", "flex", None),
        ("groq", "flex", 1.0),
    ],
)
def test_a_service_tier_has_its_own_price_or_none_that_is_known(
    provider: str, tier: str, share: float | None
) -> None:
    names = {"openai": "gpt-4o-2024-08-06", "anthropic": "claude-sonnet-4-6", "groq": "llama-3.1-8b-instant"}
    plain = model(provider, names[provider])
    asked = plain.model_copy(update={"params": {"service_tier": tier}})
    usage, listed = Usage(tokens_in=1000, tokens_out=100, tokens_cached_in=400), cost_usd(plain, USAGE)
    assert listed is not None
    whole = cost_usd(plain, usage)
    assert whole is not None
    assert cost_usd(asked, usage) == (None if share is None else pytest.approx(share * whole))
    if share == 0.5:
        # A batch takes nothing off a price that is the batch's already.
        assert cost_usd(asked, usage, is_batch=True) == cost_usd(asked, usage)
        prices = price_list(asked)
        assert prices is not None and prices.most_usd(tokens_in=10, tokens_out=1) > 0
    own = asked.model_copy(update={"price": Price(input=1, output=1)})
    assert cost_usd(own, usage) == pytest.approx(1100 / 1e6)
