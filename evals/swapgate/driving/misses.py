"""The first misses of a session, kept to be explained at its end."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.records import Outcome, Trial

_MOST = 3
TO_EXPLAIN: tuple[Outcome, ...] = ("missed", "unscored")


class FirstMisses:
    """Keeps the first few missed trials of candidates, each case once."""

    def __init__(self) -> None:
        self._kept: list[Trial] = []

    def note(self, trial: Trial) -> None:
        """Keep a candidate's trial if it is one of the first misses that count."""
        counts = trial.role == "candidate" and trial.quarantine is None
        is_miss = counts and trial.outcome in TO_EXPLAIN
        if is_miss and len(self._kept) < _MOST and not self._knows(trial):
            self._kept.append(trial)

    def _knows(self, trial: Trial) -> bool:
        return any((trial.suite, trial.case) == (kept.suite, kept.case) for kept in self._kept)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._kept)
