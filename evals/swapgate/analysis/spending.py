"""Tokens, money and time of answers. What is unknown stays None and is never counted as 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, fsum

from swapgate.records import Answer, Trial


def list_price(answers: Iterable[Answer]) -> float | None:
    """Return the sum of the answers' list prices in US dollars; None when one is unknown."""
    prices = [_price(answer) for answer in answers]
    known = [price for price in prices if price is not None]
    # A plain sum of a hundred cents is a little more than a dollar, and a ceiling of a dollar would fail.
    return fsum(known) if len(known) == len(prices) else None


def price_paid(answers: Iterable[Answer]) -> float | None:
    """Return what was paid this time in US dollars: answers from the cache are free; None when unknown."""
    return list_price(answer for answer in answers if not answer.from_cache)


def token_sums(answers: Iterable[Answer]) -> tuple[int, int]:
    """Return the tokens in and out, as far as the providers counted them."""
    tokens_in = tokens_out = 0
    for answer in answers:
        tokens_in += answer.response.usage.tokens_in or 0
        tokens_out += answer.response.usage.tokens_out or 0
    return tokens_in, tokens_out


def count_known(answers: Iterable[Answer]) -> int:
    """Return the number of answers whose tokens the provider counted, in or out."""
    usages = (answer.response.usage for answer in answers)
    return sum(usage.tokens_in is not None or usage.tokens_out is not None for usage in usages)


def judge_answers(trials: Iterable[Trial]) -> Iterator[Answer]:
    """Yield every answer that a judge gave."""
    for trial in trials:
        for verdict in trial.verdicts:
            for sample in verdict.samples:
                if sample.answer is not None:
                    yield sample.answer


def nearest_rank(ordered: Sequence[float], quantile: float) -> float | None:
    """Return the smallest value that at least a share `quantile` of the sorted values does not exceed."""
    return ordered[max(ceil(quantile * len(ordered)), 1) - 1] if ordered else None


def _price(answer: Answer) -> float | None:
    usage = answer.response.usage
    is_free = answer.cost_usd is None and usage.tokens_in == 0 and usage.tokens_out == 0
    return 0.0 if is_free else answer.cost_usd
