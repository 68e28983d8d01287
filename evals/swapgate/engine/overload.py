"""How many calls at once a server takes that refuses some (503, 529). Pure: no clock."""

from __future__ import annotations

import math
from collections import deque

from swapgate.engine.borne import Borne, Tally, explain, explain_one_by_one
from swapgate.engine.turned_away import ENOUGH, SHORTEST_ROUND, Round, Sent, TurnedAway

_LEAST = 2.0
_FULL = 0.75
# More than this share beyond what is refused anyway, and more than chance explains, is much.
_MUCH = 0.1
_SURE = 2.0
_CUT = 0.5
_LESS = 0.8
# From there on more are tried faster with every round.
_STEADY_ROUNDS = 4
_BELIEVED_ROUNDS = 32
_REMEMBERED_ROUNDS = 16
_REMEMBERED_TURNS = 4
# With so many times as many refusals the calls are explained one by one again.
_AGAIN = 1.5


class Overload:
    """Bounds the calls in flight (`limit`, at most `most`) by what becomes of fewer.

    When much is refused, who was refused explains it, by how many calls each one found. Where that does not,
    a round goes with fewer at once, and the latest rounds together say what explains it; until they do,
    another one goes with half as many. Then so many go as are borne, and one more with
    every round; or as many as may, where what is refused is refused whatever is sent.
    """

    def __init__(self, most: int) -> None:
        self.limit = self.most = float(most)
        # Whether calls are refused whatever is sent; and which share, as long as that is believed.
        self.is_indifferent = False
        self._background, self._margin = 0.0, _MUCH
        self._believed = self._quiet = 0
        self._rounds: deque[Round] = deque(maxlen=_REMEMBERED_ROUNDS)
        self._is_reached = self._is_asking = False
        # Whether more are refused when more are sent: then a few less will do the next time.
        self._is_bound = False
        self._round = self._last = Round(self.limit)
        self._calls = TurnedAway(max(2 * SHORTEST_ROUND, _REMEMBERED_TURNS * most))
        self._look_at = 0.0

    def sent(self, in_flight: int) -> Sent:
        """Count a call that goes out as one of so many."""
        return self._calls.send(self._round_of(in_flight))

    def _round_of(self, in_flight: int) -> Round | None:
        """Return the round of a call; None before they are as many as may."""
        self._is_reached |= in_flight >= _FULL * int(self.limit)
        if not self._is_reached:
            return None
        if self._round.sent >= self._round.size:
            self._last, self._round = self._round, Round(self.limit)
        if not self._round.sent:
            self._rounds.append(self._round)
        self._round.sent += 1
        return self._round

    def answered(self) -> None:
        """Count an answer: there is one call more at once with every round of them, and later more."""
        if self.limit < self.most and not self._is_asking:
            more = max(1, self._quiet - _STEADY_ROUNDS)
            self.limit = min(self.most, self.limit + more / self._round.size)

    def refused(self, call: Sent, *, is_quick: bool = True) -> None:
        """Count a refusal, as soon as it is known; `is_quick` where an answer would have taken longer.

        What took its time to be refused was being worked on meanwhile, and explains nothing one by one.
        """
        self._calls.refuse(call)
        if call.round is not None:
            call.round.refused += 1
        if not is_quick:
            self._ask_if_much(call.round)
        elif self.limit > _LEAST and self._calls.refused >= self._look_at and self._are_many():
            self._look_at = _AGAIN * self._calls.refused
            if (found := explain_one_by_one(self._calls.counts(), _LEAST)) is not None:
                self._believe(found)

    def _are_many(self) -> bool:
        usual = self._background * len(self._calls)
        return self._calls.refused - usual > self._margin * max(SHORTEST_ROUND, len(self._calls))

    def ended(self, call: Sent) -> None:
        """Count the end of an attempt, answered or not."""
        self._calls.end(call)
        of = call.round
        if of is None:
            return
        of.ended += 1
        if not of.is_known or not self._is_latest(of):
            return
        if self._is_asking:
            self._hear()
        elif not self._ask_if_much(of):
            self._quiet += 1
            self._believed += 1
            if self._believed > _BELIEVED_ROUNDS:
                self._background, self._margin = 0.0, _MUCH
                self.is_indifferent &= self._believed <= 2 * _BELIEVED_ROUNDS

    def _ask_if_much(self, of: Round | None) -> bool:
        """Have fewer go at once where much of a round is refused; return whether they do."""
        if of is None or self._is_asking or self.limit <= _LEAST or not self._is_latest(of):
            return False
        is_much = of.refused / of.size - self._background > self._margin
        if is_much:
            self._ask(_LESS if self._is_bound and self._quiet else _CUT)
        return is_much

    def _is_latest(self, of: Round) -> bool:
        return of is self._round or of is self._last

    def _ask(self, part: float) -> None:
        self._go_on(self.limit * part)
        self._is_asking = True

    def _hear(self) -> None:
        known = [one for one in self._rounds if one.ended >= ENOUGH * one.sent]
        found = explain([Tally(one.at_once, one.sent, one.refused) for one in known], _LEAST)
        if found is None and self.limit > _LEAST:
            self._ask(_CUT)
        else:
            self._believe(found or Borne(self.limit, 0.0))

    def _believe(self, found: Borne) -> None:
        self._is_bound = found.at_once < math.inf
        self.is_indifferent = not self._is_bound
        share = self._background = found.refused_anyway
        self._margin = max(_MUCH, _SURE * math.sqrt(share * (1 - share) / self._round.size))
        self._believed = 0
        self._go_on(min(self.most, found.at_once))

    def _go_on(self, limit: float) -> None:
        self.limit = max(_LEAST, limit)
        self._round = self._last = Round(self.limit)
        self._is_reached = self._is_asking = False
        self._quiet = 0
        self._calls.forget()
        self._look_at = 0.0
