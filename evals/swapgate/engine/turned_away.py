"""Which of the latest calls were refused, and how many each of them found being answered. Pure: no clock."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from swapgate.engine.borne import Count

# A round turns the places over more than once: calls that began together end together, in waves.
SHORTEST_ROUND = 32
_TURNS = 1.5
ENOUGH = 0.9


@dataclass(slots=True, eq=False)
class Round:
    """Calls that were sent one after the other, so many at once."""

    at_once: float
    sent: int = 0
    ended: int = 0
    refused: int = 0

    @property
    def size(self) -> int:
        """How many calls make a round."""
        return max(SHORTEST_ROUND, math.ceil(_TURNS * self.at_once))

    @property
    def is_known(self) -> bool:
        """Whether enough have just ended; those still out count as answered, as refusals are quick."""
        return self.ended == math.ceil(ENOUGH * self.size)


@dataclass(slots=True, eq=False)
class Sent:
    """One call: the how manieth it is, how many others were on their way, and its round, if it is of one.

    `refused_at` is how many had been sent when its refusal came, 0 as long as none has.
    """

    number: int
    others: int
    round: Round | None
    refused_at: int = 0


class TurnedAway:
    """The latest calls in the order in which they were sent, at most so many."""

    def __init__(self, kept: int) -> None:
        self.refused = 0
        self._sent: deque[Sent] = deque(maxlen=kept)
        self._number = self._known = self._out = 0

    def __len__(self) -> int:
        return len(self._sent)

    def send(self, of: Round | None = None) -> Sent:
        """Count a call that goes out now."""
        self._number += 1
        sent = Sent(self._number, self._out, of)
        self._out += 1
        if len(self._sent) == self._sent.maxlen:
            self.refused -= self._sent[0].refused_at > 0
        self._sent.append(sent)
        return sent

    def refuse(self, sent: Sent) -> None:
        """Count a refusal, as soon as it is known."""
        self._out -= 1
        sent.refused_at = self._number
        self._known = max(self._known, sent.number)
        self.refused += bool(self._sent) and sent.number >= self._sent[0].number

    def end(self, sent: Sent) -> None:
        """Count the end of a call, refused or not."""
        if not sent.refused_at:
            self._out -= 1
            self._known = max(self._known, sent.number)

    def forget(self) -> None:
        """Begin anew; what is on its way remains so."""
        self._sent.clear()
        self.refused = 0

    def counts(self) -> dict[int, Count]:
        """Return what became of the calls, by how many they found being answered.

        Of those on their way that is all but the ones that were refused later. A call that went before one of
        which the end is known counts as answered, since refusals are quick.
        """
        refused_later = [0] * (len(self._sent) + 1)
        for place, one in enumerate(self._sent, start=1):
            if one.refused_at:
                refused_later[place] += 1
                refused_later[place + one.refused_at - one.number] -= 1
        counts: dict[int, Count] = {}
        in_vain = 0
        for one, change in zip(self._sent, refused_later, strict=False):
            in_vain += change
            if one.number > self._known:
                break
            found = one.others - in_vain
            answered, refused = counts.get(found, (0, 0))
            counts[found] = Count(answered + (not one.refused_at), refused + bool(one.refused_at))
        return counts
