"""A run's trials where they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from heapq import merge
from operator import itemgetter
from typing import overload

from swapgate.memory.history.places import Place
from swapgate.memory.history.reader import History, TrialPlace
from swapgate.records import Outcome, Trial, to_text


class StoredTrials(Sequence[Trial]):
    """A run's trials where they are stored: read when they are gone through, and never all held.

    In order of suite, case, model and repeat. `beside` are trials of a baseline that an older run holds.
    """

    def __init__(self, place: Place, run_id: str, *, beside: Sequence[Trial] = ()) -> None:
        self._place = place
        self._run_id = run_id
        self._beside = sorted(beside, key=_place)

    def __iter__(self) -> Iterator[Trial]:
        return self.of_outcome(None)

    def __len__(self) -> int:
        with closing(History(self._place)) as history:
            return history.count(self._run_id) + len(self._beside)

    @overload
    def __getitem__(self, index: int) -> Trial: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Trial]: ...

    def __getitem__(self, index: int | slice) -> Trial | Sequence[Trial]:
        return list(self)[index]

    def of_outcome(self, outcome: Outcome | None) -> Iterator[Trial]:
        """Yield the trials of one outcome, of all for None."""
        beside = [t for t in self._beside if outcome in {None, t.outcome}]
        with closing(History(self._place)) as history:
            yield from merge(history.trials(self._run_id, outcome=outcome), beside, key=_place)

    def texts(self) -> Iterator[tuple[TrialPlace, str]]:
        """Yield where each trial stands in this order and its JSON: no trial is made of those stored."""
        beside = ((_place(trial)[:4], to_text(trial)) for trial in self._beside)
        with closing(History(self._place)) as history:
            yield from merge(history.texts(self._run_id), beside, key=itemgetter(0))


def _place(trial: Trial) -> tuple[str, str, str, int, str]:
    return trial.suite, trial.case, trial.model, trial.repeat, trial.role
