"""List prices: exact ids only, the user's own first, unknown is unknown."""

from __future__ import annotations

import pytest

from swapgate.prices import cost_usd
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
