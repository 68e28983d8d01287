"""How many calls at once a server takes that refuses some (503, 529). Pure: no clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_LEAST = 2.0
_SHORTEST_ROUND = 32
_ENOUGH = 0.9
_FULL = 0.75
# More than this share beyond what is refused anyway, and more than chance explains, raises the question.
_MUCH = 0.1
_SURE = 2.0
_CUT = 0.5
_LESS = 0.8
_RISE = 0.2
# A number found so close above the one that was tried may lie below it as well.
_CLOSE = 1.2
_BELIEVED_ROUNDS = 32


@dataclass(slots=True, eq=False)
class Round:
    """Calls that were sent one after the other; `in_flight` is the sum of what was in flight with each."""

    size: int
    sent: int = 0
    in_flight: int = 0
    ended: int = 0
    refused: int = 0

    @classmethod
    def of(cls, limit: float) -> Round:
        """Return a round of calls, so many at once."""
        return cls(max(_SHORTEST_ROUND, math.ceil(limit)))

    @classmethod
    def together(cls, rounds: Sequence[Round]) -> Round:
        """Return the calls of several rounds as those of one."""
        whole = cls(0)
        for one in rounds:
            whole.size += one.size
            whole.sent += one.sent
            whole.in_flight += one.in_flight
            whole.ended += one.ended
            whole.refused += one.refused
        return whole

    @property
    def is_known(self) -> bool:
        """Whether enough have just ended."""
        return self.ended == math.ceil(_ENOUGH * self.size)

    @property
    def at_once(self) -> float:
        """How many were in flight, on average."""
        return self.in_flight / self.sent

    @property
    def answered(self) -> float:
        """The share that was not refused."""
        return 1 - self.refused / self.sent


class Overload:
    """Bounds the calls in flight (`limit`, at most `most`) by what becomes of fewer.

    When much is refused, a round goes with half as many at once. A server that bears no more than those
    answers as many as before; one that refuses for other reasons answers half as many. What is refused of
    the fewer is refused anyway (`background`), and the rest tells how many at once are borne: so many go
    from there on, and one more with every round.
    """

    def __init__(self, most: int) -> None:
        self.limit = self.most = float(most)
        self.background = 0.0
        self._margin = _MUCH
        self._believed = 0
        # While it is asked what becomes of fewer: the rounds before.
        self._before: tuple[Round, ...] = ()
        # Whether refusals were shown to grow with the calls, and have been few since.
        self._is_bound = self._is_quiet = False
        self._rounds: tuple[Round, ...] = (Round.of(self.limit),)

    def sent(self, in_flight: int) -> Round:
        """Return the round of a call that goes out as one of so many in flight."""
        last = self._rounds[-1]
        if last.sent >= last.size:
            last = Round.of(self.limit)
            self._rounds = (*self._rounds[-1:], last)
        last.sent += 1
        last.in_flight += in_flight
        return last

    def answered(self) -> None:
        """Count an answer: one more at once with every round of them, or a fifth where no bound is known."""
        if self.limit < self.most and not self._before:
            more = 1 / self._rounds[-1].size if self._is_bound else _RISE
            self.limit = min(self.most, self.limit + more)

    def refused(self, of: Round) -> None:
        """Count a refusal; more of them than are refused anyway raise the question."""
        of.refused += 1
        if self._before or of not in self._rounds or self.limit <= _LEAST:
            return
        if of.refused / of.size - self.background <= self._margin or not self._is_full(of):
            return
        if self._is_bound and self._is_quiet:
            self._is_quiet = False
            self._go_on(self.limit * _LESS)
        else:
            before = self._rounds
            self._go_on(self.limit * _CUT)
            self._before = before

    def ended(self, of: Round) -> None:
        """Count the end of an attempt, answered or not."""
        of.ended += 1
        if not of.is_known or of not in self._rounds:
            return
        if not self._before:
            self._is_quiet = True
            self._believed += 1
            if self._believed > _BELIEVED_ROUNDS:
                self.background, self._margin = 0.0, _MUCH
        elif self._is_full(of):
            self._conclude(Round.together(self._before), of)

    def _is_full(self, of: Round) -> bool:
        """Whether the calls of a round were really so many at once."""
        return of.at_once >= _FULL * int(self.limit)

    def _conclude(self, many: Round, few: Round) -> None:
        self._before = ()
        if _is_as_many(many, few):
            self._is_bound = False
            self._believe(Round.together([many, few]))
            self._go_on(self.limit / _CUT)
            return
        borne = many.at_once * many.answered / max(few.answered, 1e-9)
        self._is_bound = self._is_quiet = borne > _CLOSE * few.at_once
        if self._is_bound:
            self._believe(few)
        self._go_on(max(self.limit, min(self.limit / _CUT, borne)))

    def _believe(self, calls: Round) -> None:
        """Take what was refused of these calls for what is refused anyway."""
        self.background, self._believed = 1 - calls.answered, 0
        chance = math.sqrt(self.background * calls.answered * (1 / calls.sent + 1 / calls.size))
        self._margin = max(_MUCH, _SURE * chance)

    def _go_on(self, limit: float) -> None:
        self.limit = max(_LEAST, limit)
        self._rounds = (Round.of(self.limit),)


def _is_as_many(many: Round, few: Round) -> bool:
    """Whether of few calls at once as large a share was refused as of many; in doubt they were less."""
    borne = min(1.0, many.answered * many.at_once / few.at_once)
    chance = math.sqrt(borne * (1 - borne) / few.sent)
    return few.answered < min((borne + many.answered) / 2, borne - chance)
