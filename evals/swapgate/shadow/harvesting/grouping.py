"""Disagreements that are about the same thing put together, so that a person labels it once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from swapgate.judging.similarity import Embed, cosine_of
from swapgate.shadow.deciding.pairs import Pair
from swapgate.values import Value

# Requests that are so alike are one: measured on texts of one template with other names and numbers in it.
ALIKE = 0.9
_MOST_CHARS = 4_000
_NUMBERS, _SPACE = re.compile(r"\d+"), re.compile(r"\s+")


class Group(Value):
    """Alike disagreements, the worst one first."""

    pairs: tuple[Pair, ...]

    @property
    def pair(self) -> Pair:
        """The one that stands for all."""
        return self.pairs[0]


def grouped(pairs: Iterable[Pair], embed: Embed | None) -> list[Group]:
    """Return the pairs in groups, in the order in which their first ones come: the worst first.

    Requests that differ in numbers and blanks alone are one. With an embedder those are as well whose texts
    are alike and whose answers differ in the same; without one they stay apart.
    """
    by_text: dict[tuple[str, tuple[str, ...]], list[Pair]] = {}
    for pair in pairs:
        by_text.setdefault((plain(pair.asked or ""), pair.differs_in), []).append(pair)
    same = list(by_text.values())
    if embed is None or len(same) < 2:
        return [Group(pairs=tuple(members)) for members in same]
    return _near(same, embed)


def plain(text: str) -> str:
    """Return a text without what tells copies of one template apart."""
    return _SPACE.sub(" ", _NUMBERS.sub("0", text.casefold())).strip()


def _near(same: Sequence[list[Pair]], embed: Embed) -> list[Group]:
    """Put each text to the first one that it is alike to; none is compared with those put to another."""
    vectors = embed([(members[0].asked or "")[:_MOST_CHARS] for members in same])
    leaders: list[int] = []
    groups: dict[int, list[Pair]] = {}
    for index, members in enumerate(same):
        leader = next(
            (
                one
                for one in leaders
                if same[one][0].differs_in == members[0].differs_in
                and cosine_of(vectors[one], vectors[index]) >= ALIKE
            ),
            index,
        )
        if leader == index:
            leaders.append(index)
        groups.setdefault(leader, []).extend(members)
    return [Group(pairs=tuple(groups[leader])) for leader in leaders]
