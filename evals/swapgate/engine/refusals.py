"""How often an endpoint that answers others says that it is overloaded. Pure: no clock, no waiting."""

from __future__ import annotations

import math

from swapgate.errors import ErrorKind, ProviderError

# The statuses with which a server says that it has too much to do, and that this will pass.
OVERLOADED = frozenset({503, 529})
_FOLLOWED = 64
_CHANCE = math.log(1e-6)
_MOST = 100


def is_overload(error: ProviderError) -> bool:
    """Whether a server refused because it has too much to do."""
    return error.kind is ErrorKind.SERVER and error.status in OVERLOADED


class Refusals:
    """The share of the latest attempts that was refused, as known with the latest answer.

    What is refused after that answer counts with the next one: an endpoint that is dead refuses all, and is
    told by a row that is longer than chance makes one.
    """

    def __init__(self) -> None:
        self._share = 0.0
        self._seen = self._row = 0

    @property
    def are_usual(self) -> bool:
        """Whether some were refused and others answered after them."""
        return self._share > 0

    def refused(self) -> None:
        """Count a refusal."""
        self._row += 1

    def answered(self) -> None:
        """Count an answer, and what was refused before it."""
        for is_refused in (*(True for _ in range(min(self._row, _FOLLOWED))), False):
            self._seen = min(_FOLLOWED, self._seen + 1)
            self._share += (is_refused - self._share) / self._seen
        self._row = 0

    def in_a_row(self, least: int) -> int:
        """Return how many in a row chance explains, once in a million times, but for so many at least."""
        if self._share <= 0:
            return least
        return max(least, min(_MOST, math.ceil(_CHANCE / math.log(min(0.99, self._share)))))
