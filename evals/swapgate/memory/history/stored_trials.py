"""A run's trials where they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from copy import copy
from heapq import merge
from operator import itemgetter
from typing import overload

from swapgate.facts import Facts, facts_of, renamed
from swapgate.memory.history.places import Place
from swapgate.memory.history.reader import History, TrialPlace
from swapgate.records import Outcome, Trial, to_text
from swapgate.values import replace


class StoredTrials(Sequence[Trial]):
    """A run's trials where they are stored: read when they are gone through, and never all held.

    In order of suite, case, model and repeat: all of them, or those of a `model`, which are a baseline's
    where `baseline` says what it is called. `beside` are trials of a baseline that an older run holds.
    `is_fresh` says that this process has stored the run, so that its JSON is in today's form; with
    `is_read_only` the history is left as it is.
    """

    def __init__(
        self,
        place: Place,
        run_id: str,
        *,
        model: str | None = None,
        baseline: str | None = None,
        beside: Sequence[Trial] = (),
        is_fresh: bool = False,
        is_read_only: bool = False,
    ) -> None:
        self._place = place
        self._run_id = run_id
        self._model = model
        self._baseline = baseline
        self._beside = _in_order(beside)
        self._is_fresh = is_fresh
        self._is_read_only = is_read_only

    def __iter__(self) -> Iterator[Trial]:
        return self.of_outcome(None)

    def __len__(self) -> int:
        with closing(self._opened()) as history:
            return history.count(self._run_id, model=self._model) + len(self._beside)

    @overload
    def __getitem__(self, index: int) -> Trial: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Trial]: ...

    def __getitem__(self, index: int | slice) -> Trial | Sequence[Trial]:
        return list(self)[index]

    def of_model(self, model: str, *, baseline: str | None = None) -> StoredTrials:
        """Return the run's trials of one model, as those of a baseline where it is called one."""
        return StoredTrials(
            self._place, self._run_id, model=model, baseline=baseline, is_read_only=self._is_read_only
        )

    def with_beside(self, beside: Sequence[Trial]) -> StoredTrials:
        """Return these trials with those of a baseline beside them."""
        found = copy(self)
        found._beside = _in_order(beside)
        return found

    def of_outcome(self, outcome: Outcome | None) -> Iterator[Trial]:
        """Yield the trials of one outcome, of all for None."""
        with closing(self._opened()) as history:
            own = history.trials(self._run_id, outcome=outcome, model=self._model)
            yield from merge(map(self._called, own), _of_outcome(self._beside, outcome), key=_place)

    def facts(self) -> list[Facts]:
        """Return the facts of these trials, of those beside last: no trial is made of what is stored."""
        with closing(self._opened()) as history:
            own = history.facts(self._run_id, model=self._model)
        if self._baseline is not None:
            own = renamed(own, model=self._baseline, role="baseline")
        return [*own, *facts_of_all(self._beside)]

    def texts(self) -> Iterator[tuple[TrialPlace, str]]:
        """Yield where each trial stands in this order and its JSON: no trial is made of what is fresh."""
        with closing(self._opened()) as history:
            own = (
                history.texts(self._run_id)
                if self._is_fresh
                else _written(map(self._called, history.trials(self._run_id, model=self._model)))
            )
            yield from merge(own, _written(self._beside), key=itemgetter(0))

    def _opened(self) -> History:
        return History(self._place, is_read_only=self._is_read_only)

    def _called(self, trial: Trial) -> Trial:
        if self._baseline is None:
            return trial
        return replace(trial, model=self._baseline, role="baseline")


def facts_of_all(trials: Sequence[Trial]) -> list[Facts]:
    """Return the facts of trials, from where they are stored if that is where the trials are."""
    return trials.facts() if isinstance(trials, StoredTrials) else [facts_of(trial) for trial in trials]


def _in_order(trials: Sequence[Trial]) -> Sequence[Trial]:
    return trials if isinstance(trials, StoredTrials) else sorted(trials, key=_place)


def _of_outcome(trials: Sequence[Trial], outcome: Outcome | None) -> Iterator[Trial]:
    if isinstance(trials, StoredTrials):
        return trials.of_outcome(outcome)
    return (trial for trial in trials if outcome in {None, trial.outcome})


def _written(trials: Iterable[Trial]) -> Iterator[tuple[TrialPlace, str]]:
    for trial in trials:
        yield _place(trial)[:4], to_text(trial)


def _place(trial: Trial) -> tuple[str, str, str, int, str]:
    return trial.suite, trial.case, trial.model, trial.repeat, trial.role
