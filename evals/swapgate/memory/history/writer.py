"""One run written while it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from swapgate.errors import StoreError, SwapgateError
from swapgate.facts import Facts, facts_of
from swapgate.memory.history.opening import open_prepared
from swapgate.memory.history.places import Place, cause_of, remedy_of, shown_place
from swapgate.memory.history.rows import Row, facts_row, name_rows, put, run_row, tally_row, trial_row
from swapgate.memory.history.tables import tables
from swapgate.memory.history.tallying import tallies_of
from swapgate.memory.wal import may_pass, watched
from swapgate.memory.writer import BatchWriter
from swapgate.records import Run, Tally, Trial, to_text

# A trial's row, and the facts beside it.
_Rows: TypeAlias = tuple[Row, Facts]
# What a kill takes away of a history is made anew from the cache, and fewer commits take a fifth less time.
_GATHER_S = 0.1


class HistoryWriter:
    """Stores one run while it happens: the run at once, each trial as it ends, in a background thread."""

    def __init__(self, place: Place, run: Run) -> None:
        self.place = place
        self.run = run
        self._is_stored = False
        # What the database needs to be opened takes longer to import than the first calls to be sent.
        self._writer: BatchWriter[Run | Tally | _Rows] = BatchWriter(
            self._open,
            name="swapgate-history",
            waits=True,
            gather_s=_GATHER_S,
            weigh=_weight,
            may_pass=lambda failure: may_pass(getattr(failure, "orig", None) or failure),
        )
        self._writer.put(run)

    def add(self, trial: Trial, facts: Facts | None = None, text: str | None = None) -> None:
        """Store one trial; a second one of the same case, model and repeat replaces the first.

        `facts` and `text`, its JSON, are the trial's, where they are at hand.
        """
        facts = facts_of(trial) if facts is None else facts
        # As text alone it takes less memory, should the disk be slow.
        self._writer.put((trial_row(self.run.id, facts, to_text(trial) if text is None else text), facts))

    @property
    def is_behind(self) -> bool:
        """Whether the disk has so much to catch up with that no more trials should be begun for now."""
        return self._writer.is_behind

    def keep_up(self) -> None:
        """Wait for the disk where it does not follow; `finish` tells of what could not be stored."""
        if self.is_behind:
            self.require_open()

    def begin(self) -> None:
        """Open the history in the background; `require_open` or `finish` tells when it cannot be."""
        self._writer.begin()

    def require_open(self) -> None:
        """Open the history and store the run; StoreError when it cannot be. `finish` tells of lost trials."""
        self._writer.begin()
        try:
            self._writer.flush()
        except SwapgateError:
            raise
        except Exception as exc:
            if not self._is_stored:
                raise self._lost(exc) from exc

    def finish(self, run: Run, *, facts: Iterable[Facts] = ()) -> None:
        """Store the run's final state and close; raises StoreError when something could not be written.

        `facts` are those of all its trials: counted here, they need not be read by the first who lists it.
        """
        self.run = run
        for tally in tallies_of(run.id, facts):
            self._writer.put(tally)
        self._writer.put(run)
        try:
            self._writer.close()
        except SwapgateError:
            raise
        except Exception as exc:
            raise self._lost(exc) from exc

    def _lost(self, exc: Exception) -> StoreError:
        return StoreError(
            f"{shown_place(self.place)}: {self._writer.lost} records could not be stored: "
            f"{cause_of(self.place, exc)}. {remedy_of(self.place, exc)}"
        )

    def _open(self) -> tuple[Callable[[Sequence[Run | Tally | _Rows]], None], Callable[[], None]]:
        known = tables()
        engine = open_prepared(self.place)
        require_there = watched(self.place) if isinstance(self.place, Path) else lambda: None

        def write(rows: Sequence[Run | Tally | _Rows]) -> None:
            require_there()
            for run in (row for row in rows if isinstance(row, Run)):
                with engine.begin() as connection:  # of a full disk the run itself is told apart
                    put(connection, known.runs, [run_row(run)])
                    put(connection, known.run_names, name_rows(run))
                self._is_stored = True
            stored = [row for row in rows if isinstance(row, tuple)]
            with engine.begin() as connection:
                put(connection, known.tallies, [tally_row(row) for row in rows if isinstance(row, Tally)])
                put(connection, known.trials, [row for row, _facts in stored])
                put(connection, known.facts, [facts_row(self.run.id, facts) for _trial, facts in stored])

        return write, engine.dispose


def _weight(entry: Run | Tally | _Rows) -> int:
    return len(entry[0]["record"]) if isinstance(entry, tuple) else 0
