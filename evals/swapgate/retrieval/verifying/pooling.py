"""The pool to grade: what either index found among its first results, as texts without their origin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from swapgate.errors import UsageError
from swapgate.records import content_hash
from swapgate.retrieval.index import SIDES, TEXT
from swapgate.retrieval.verifying.asking import Asked
from swapgate.retrieval.verifying.labels import Labels
from swapgate.retrieval.verifying.queries import Query
from swapgate.values import Value


class Pooled(Value):
    """One text to grade for a query. `id` names the entry, not the index; an entry may have two texts."""

    query: Query
    id: str
    text: str

    @property
    def key(self) -> str:
        """What decides the order: query and text alone."""
        return content_hash([self.query.text, self.text])


class Pool(Value):
    """Texts without a label of people, and those of a sample with one, to hold the judge against."""

    unlabelled: list[Pooled]
    labelled: list[Pooled]


def pool(asked: Sequence[Asked], labels: Labels, *, depth: int, checked: int) -> Pool:
    """Return the union of both indexes' first `depth` results, in an order that tells nothing.

    Raises UsageError where neither index keeps the text of an entry.
    """
    found = sorted((text for one in asked for text in _texts(one, depth)), key=lambda one: one.key)
    labelled = [one for one in found if one.id in labels.of(one.query.id)]
    return Pool(
        unlabelled=[one for one in found if one.id not in labels.of(one.query.id)],
        labelled=labelled[:checked],
    )


def _texts(asked: Asked, depth: int) -> Iterator[Pooled]:
    seen: set[tuple[str, str]] = set()
    known = {side: asked.side(side).texts for side in SIDES}
    for side in SIDES:
        for one in asked.side(side).ids[:depth]:
            text = _text(one, known[side], *known.values())
            if (one, text) not in seen:
                seen.add((one, text))
                yield Pooled(query=asked.query, id=one, text=text)


def _text(entry: str, *sources: Mapping[str, str]) -> str:
    found = next((texts[entry] for texts in sources if entry in texts), None)
    if found is None:
        raise UsageError(
            f"verify: judge: neither index keeps the text of {entry!r} in its payload, under {TEXT!r}, "
            "so there is nothing to grade. `swapgate index reindex` keeps it; or give labels: `qrels`"
        )
    return found
