"""How many calls at once a server takes that refuses some (503, 529). Pure: no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

_LEAST = 2.0
# A round turns the places over more than once: calls that began together end together, in waves.
_SHORTEST_ROUND = 32
_TURNS = 1.5
_ENOUGH = 0.9
_FULL = 0.75
# More than this share beyond what is refused anyway, and more than chance explains, is much.
_MUCH = 0.1
_SURE = 2.0
_CUT = 0.5
_LESS = 0.8
# From there on more are tried faster with every round.
_STEADY_ROUNDS = 4
_BELIEVED_ROUNDS = 32


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
        return max(_SHORTEST_ROUND, math.ceil(_TURNS * self.at_once))

    @property
    def is_known(self) -> bool:
        """Whether enough have just ended; those still out count as answered, as refusals are quick."""
        return self.ended == math.ceil(_ENOUGH * self.size)

    @property
    def answered(self) -> float:
        """The share that was not refused."""
        return 1 - self.refused / self.sent


class Overload:
    """Bounds the calls in flight (`limit`, at most `most`) by what becomes of fewer.

    When much is refused, it is asked what becomes of fewer: a round goes with half as many at once, and then
    one with half of those, until little is refused, or until half as many are answered half as often. In
    that case what is refused is refused whatever is sent, and as many go as before. What is known so of a
    round and of one with half as many tells how many are borne. Then there are more again with every round.
    """

    def __init__(self, most: int) -> None:
        self.limit = self.most = float(most)
        # Whether calls are refused whatever is sent; and which share, as long as that is believed.
        self.is_indifferent = False
        self._background, self._margin = 0.0, _MUCH
        self._believed = self._quiet = 0
        self._round = Round(self.limit)
        self._last: Round | None = None
        self._is_reached = False
        # While it is asked: how many there were, the round that went before, and how many there will be.
        self._is_asking = False
        self._from = self._back_to = self.limit
        self._before: Round | None = None
        # Whether more are refused when more are sent: then a few less will do the next time.
        self._is_bound = False

    def sent(self, in_flight: int) -> Round | None:
        """Return the round of a call that goes out as one of so many; None before they are as many as may."""
        self._is_reached |= in_flight >= _FULL * int(self.limit)
        if not self._is_reached:
            return None
        if self._round.sent >= self._round.size:
            self._last, self._round = self._round, Round(self.limit)
        self._round.sent += 1
        return self._round

    def answered(self) -> None:
        """Count an answer: there is one call more at once with every round of them, and later more."""
        if self.limit < self.most and not self._is_asking:
            more = max(1, self._quiet - _STEADY_ROUNDS)
            self.limit = min(self.most, self.limit + more / self._round.size)

    def refused(self, of: Round) -> None:
        """Count a refusal."""
        of.refused += 1
        if self._is_asking or not self._is_latest(of) or not self._is_much(of.refused / of.size):
            return
        if self._is_bound and self._quiet:
            self._go_on(self.limit * _LESS)
        elif self.limit > _LEAST:
            self._from = self._back_to = self.limit
            self._before = None
            self._ask()

    def ended(self, of: Round) -> None:
        """Count the end of an attempt, answered or not."""
        of.ended += 1
        if not of.is_known or not self._is_latest(of):
            return
        if self._is_asking:
            self._hear(of)
            return
        self._quiet += 1
        self._believed += 1
        if self._believed > _BELIEVED_ROUNDS:
            self._background, self._margin = 0.0, _MUCH
            self.is_indifferent &= self._believed <= 2 * _BELIEVED_ROUNDS

    def _ask(self) -> None:
        self._go_on(self.limit * _CUT)
        self._is_asking = True

    def _hear(self, few: Round) -> None:
        many, self._before = self._before, few
        is_much = self._is_much(1 - few.answered)
        if many is not None and is_much and (self.limit <= _LEAST or _is_as_much(many, few)):
            self._believe(many, few)
            self._is_bound = self._back_to < _LESS * self._from
        else:
            self._back_to = few.at_once / _CUT * _LESS if many is None else _borne(many, few)
            if is_much and self.limit > _LEAST:
                self._ask()
                return
            self._is_bound = True
        self._go_on(self._back_to)

    def _is_latest(self, of: Round) -> bool:
        return of is self._round or of is self._last

    def _is_much(self, share: float) -> bool:
        return share - self._background > self._margin

    def _believe(self, *rounds: Round) -> None:
        """Take what was refused of these calls for what is refused whatever is sent."""
        sent = sum(one.sent for one in rounds)
        share = sum(one.refused for one in rounds) / sent
        chance = math.sqrt(share * (1 - share) * (1 / sent + 1 / _SHORTEST_ROUND))
        self._background, self._margin = share, max(_MUCH, _SURE * chance)
        self._believed, self.is_indifferent = 0, True

    def _go_on(self, limit: float) -> None:
        self.limit = max(_LEAST, limit)
        self._round, self._last = Round(self.limit), None
        self._is_reached = self._is_asking = False
        self._quiet = 0


def _is_as_much(many: Round, few: Round) -> bool:
    """Whether of few calls at once as large a share was refused as of many; in doubt it was less."""
    borne = min(1.0, many.answered * many.at_once / few.at_once)
    chance = math.sqrt(borne * (1 - borne) / few.sent)
    return few.answered < min((borne + many.answered) / 2, borne - _SURE * chance)


def _borne(many: Round, few: Round) -> float:
    """Return how many at once are borne, if nothing but their number makes the difference."""
    borne = many.at_once * many.answered / max(few.answered, 1e-9)
    return max(few.at_once, min(many.at_once, borne))
