"""trials.csv: one row a trial, with the columns of `run.to_frame()`, safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.analysis.frames import trial_columns, trial_row
from swapgate.reporting.files import atomic_file
from swapgate.reporting.trial_table import write_csv

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.facts import Facts


class CsvReporter:
    """Writes trials.csv."""

    name = "csv"
    filename = "trials.csv"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write trials.csv into the folder and return its path."""
        facts = in_rows(outcome.facts)
        path = folder / self.filename
        with atomic_file(path) as stream:
            write_csv(stream, trial_columns(facts), map(trial_row, facts))
        return path


def in_rows(facts: Iterable[Facts]) -> list[Facts]:
    """Return the facts in the order of the rows: by suite, case, model and repeat."""
    return sorted(facts, key=lambda f: (f.suite, f.case, f.model, f.repeat, f.role))
