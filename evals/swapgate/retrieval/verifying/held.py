"""Whether the indexes hold what the labels speak of: labels of another collection look like a bad index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from swapgate.errors import UsageError
from swapgate.retrieval.arms import Arm
from swapgate.retrieval.index import SIDES, Side, VectorIndex
from swapgate.retrieval.verifying.labels import Labels
from swapgate.retrieval.verifying.queries import Query

_AT_ONCE = 500
_MOST_LOOKED_FOR = 5000


def relevant_ids(queries: Iterable[Query], labels: Labels, *, relevant_from: int) -> list[str]:
    """Return the relevant entries of all queries, some thousands of them at most."""
    found = dict.fromkeys(
        one for query in queries for one, grade in labels.of(query.id).items() if grade >= relevant_from
    )
    return list(found)[:_MOST_LOOKED_FOR]


def missing_relevant(
    arms: Mapping[Side, Arm], relevant: Sequence[str], *, documents: bool
) -> dict[Side, int]:
    """Return how many relevant entries each index lacks; UsageError where that is all, of both."""
    missing = {side: _missing_from(arms[side].index, relevant, documents=documents) for side in SIDES}
    if relevant and min(missing.values()) == len(relevant):
        page, _after = arms["old"].index.scan(None, 1)
        raise UsageError(
            f"verify: neither index holds any of the {len(relevant):,} relevant documents, such as "
            f"{relevant[0]!r}: the labels are of another collection, or name its documents otherwise. "
            f"{f'The old index holds such as {page[0].id!r}' if page else 'The old index is empty'}"
        )
    return missing


def _missing_from(index: VectorIndex, ids: Sequence[str], *, documents: bool) -> int:
    """Return how many entries an index does not hold; of a document its first chunk is looked for."""
    wanted = [[one, f"{one}#0"] if documents else [one] for one in ids]
    held: set[str] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        names = [name for one in wanted[start : start + _AT_ONCE] for name in one]
        held |= {stored.id for stored in index.fetch(names)}
    return sum(not held.intersection(one) for one in wanted)
