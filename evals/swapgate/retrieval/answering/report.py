"""What every format of the report on both swaps is made of."""

from __future__ import annotations

from collections.abc import Mapping

from swapgate.retrieval.answering.joint import Joint
from swapgate.retrieval.answering.observations import Role
from swapgate.retrieval.answering.worst import WorstQuestion
from swapgate.retrieval.index import Side
from swapgate.values import Value


class JointReport(Value):
    """Both swaps of a migration. `run` is the one of the history that holds every answer.

    `same_texts` counts the questions for which both indexes found the same texts in the same order: there the
    arms share their calls. `paid_usd` is what this time was paid, in US dollars.
    """

    migration: str
    suite: str
    embeddings: Mapping[Side, str]
    models: Mapping[Role, str]
    run: str
    joint: Joint
    worst: tuple[WorstQuestion, ...]
    k: int
    repeats: int
    same_texts: int
    paid_usd: float
    notes: tuple[str, ...] = ()
