"""A run written to the database of a team, and beside it to a file, should that be out of reach."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from swapgate.errors import StoreError
from swapgate.facts import Facts, facts_of
from swapgate.memory.history.copying import copy_runs
from swapgate.memory.history.places import Place, Unreachable, shown_place
from swapgate.memory.history.writer import HistoryWriter
from swapgate.records import Run, Trial, to_text


class TeamWriter:
    """Stores one run twice: in a file of this machine, and in the database, while it happens.

    The file goes when the database has the run whole. When it has not, the run is in the file: nothing that
    was paid for depends on a network.
    """

    def __init__(self, url: str, run: Run, *, outbox: Path) -> None:
        self.url = url
        self._file = outbox / f"{run.id}.db"
        self._own = HistoryWriter(self._file, run)
        self._team = HistoryWriter(url, run)
        self._is_sent = False

    @property
    def run(self) -> Run:
        """The run as it was stored last."""
        return self._own.run

    @property
    def place(self) -> Place:
        """Where the run can be read: the file, until the database has it whole."""
        return self.url if self._is_sent else self._file

    def add(self, trial: Trial, facts: Facts | None = None, text: str | None = None) -> None:
        """Store one trial; see HistoryWriter."""
        facts = facts_of(trial) if facts is None else facts
        text = to_text(trial) if text is None else text
        self._own.add(trial, facts, text)
        self._team.add(trial, facts, text)

    @property
    def is_behind(self) -> bool:
        """Whether one of the two has much to catch up with; one that is given up has nothing."""
        return self._own.is_behind or self._team.is_behind

    def begin(self) -> None:
        """Open both in the background; see HistoryWriter."""
        self._own.begin()
        self._team.begin()

    def require_open(self) -> None:
        """Open both; StoreError where a user can mend it. A database out of reach stops no run."""
        self._own.require_open()
        with contextlib.suppress(Unreachable):  # the run goes on, and its end says where it is kept
            self._team.require_open()

    def finish(self, run: Run, *, facts: Iterable[Facts] = ()) -> None:
        """Store the run's end; StoreError says where the run is, when the database lacks a part of it."""
        facts = list(facts)
        own_failure: StoreError | None = None
        try:
            self._own.finish(run, facts=facts)
        except StoreError as exc:
            own_failure = exc
        try:
            self._send(run, facts)
        except StoreError as exc:
            if own_failure is not None:
                raise StoreError(f"{own_failure}\n{exc}") from exc
            raise StoreError(
                f"{exc}. The run is kept in {self._file}: `swapgate history import {quote(str(self._file))}` "
                f"brings it into {shown_place(self.url)}"
            ) from exc
        self._is_sent = True
        self._remove()

    def _send(self, run: Run, facts: Iterable[Facts]) -> None:
        """Finish the run in the database; what was lost on the way is sent again, once."""
        try:
            self._team.finish(run, facts=facts)
        except StoreError:
            copy_runs(self._file, self.url)

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            for path in (
                self._file,
                *(self._file.with_name(self._file.name + end) for end in ("-wal", "-shm")),
            ):
                path.unlink(missing_ok=True)
            self._file.parent.rmdir()  # the last one leaves no folder


def open_writer(place: Place, run: Run, *, state: Path) -> HistoryWriter | TeamWriter:
    """Return what stores a run in a history; the state folder holds what a team's database has not got."""
    if isinstance(place, Path):
        return HistoryWriter(place, run)
    return TeamWriter(place, run, outbox=state / "outbox")
