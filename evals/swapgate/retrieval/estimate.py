"""What a reindexing will take: chunks, hours and money, before the first call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swapgate.memory.prices import price_list
from swapgate.records import Usage
from swapgate.retrieval.chunking import Chunker
from swapgate.retrieval.ledger import Ledger
from swapgate.retrieval.reading import Reading
from swapgate.retrieval.sources import Source
from swapgate.spec.index import StepHours
from swapgate.spec.models import ModelSpec
from swapgate.values import Value

_CHARACTERS_A_TOKEN = 4
_ASSUMED_PER_S = 500.0
# Of the time for embedding, where nobody says how many hours are set aside for it.
_RETRIED = 0.25


@dataclass(slots=True, kw_only=True)
class Amount:
    """What is to be embedded: `chunks` of `documents`, and those that are in the index already."""

    documents: int = 0
    chunks: int = 0
    tokens: int | None = 0
    unchanged: int = 0


class Estimate(Value):
    """What it will take. `rate_from` says whose rate it is; hours other than `embedding_h` are set aside.

    `cost_usd` is None where the price, or the number of tokens, is unknown.
    """

    amount: Amount
    per_s: float
    rate_from: str
    embedding_h: float
    retries_h: float
    validation_h: float
    rollback_plan_h: float
    swap_h: float
    cost_usd: float | None

    @property
    def total_h(self) -> float:
        """All of it, one after the other."""
        reindex_h = self.embedding_h + self.retries_h + self.validation_h
        return reindex_h + self.rollback_plan_h + self.swap_h


def count_source(
    source: Source, chunker: Chunker, ledger: Ledger | None, *, draw: Callable[[int], None] = lambda _n: None
) -> Amount:
    """Read the source once and count what would be embedded; nothing is written."""
    amount = Amount(tokens=0)
    characters = 0
    if ledger is None:
        for document in source.read():
            amount.documents += 1
            for chunk in chunker.chunks(document):
                amount.chunks += bool(chunk.text.strip())
                characters += len(chunk.text)
    else:
        reading = Reading(source, chunker, ledger, number=-1)
        for part in reading.parts():
            reading.done([*(chunk.id for chunk in part.fresh), *part.unchanged])
            amount.documents += part.documents
            amount.chunks += len(part.fresh)
            amount.unchanged += len(part.unchanged)
            characters += sum(len(chunk.text) for chunk in part.fresh)
            draw(amount.documents)
    amount.tokens = characters // _CHARACTERS_A_TOKEN
    return amount


def estimate(
    amount: Amount,
    *,
    hours: StepHours,
    written_per_s: float | None,
    measured_per_s: float | None,
    model: ModelSpec | None,
) -> Estimate:
    """Return what an amount takes: at the rate that is written, else the last one, else 500 chunks a second.

    `model` is that of a service; embeddings of this machine cost nothing.
    """
    per_s, rate_from = _rate(written_per_s, measured_per_s)
    embedding_h = amount.chunks / per_s / 3600
    return Estimate(
        amount=amount,
        per_s=per_s,
        rate_from=rate_from,
        embedding_h=embedding_h,
        retries_h=_RETRIED * embedding_h if hours.retries is None else hours.retries,
        validation_h=hours.validation,
        rollback_plan_h=hours.rollback_plan,
        swap_h=hours.swap,
        cost_usd=_cost_usd(amount, model),
    )


def _rate(written: float | None, measured: float | None) -> tuple[float, str]:
    if written is not None:
        return written, "as written"
    return (measured, "measured the last time") if measured else (_ASSUMED_PER_S, "assumed")


def _cost_usd(amount: Amount, model: ModelSpec | None) -> float | None:
    if model is None:
        return 0.0
    prices = price_list(model)
    if prices is None or amount.tokens is None:
        return None
    return prices.at().cost_usd(Usage(tokens_in=amount.tokens, tokens_out=0))
