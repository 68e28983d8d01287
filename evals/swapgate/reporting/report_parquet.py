"""trials.parquet: one row a trial, with the columns and types of `run.to_frame()`. Needs pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.analysis.frames import trial_columns, trial_row
from swapgate.reporting.files import atomic_file
from swapgate.reporting.report_csv import in_rows
from swapgate.reporting.trial_table import write_parquet

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome


class ParquetReporter:
    """Writes trials.parquet; `write_reports` has made sure that there is a pyarrow."""

    name = "parquet"
    filename = "trials.parquet"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write trials.parquet into the folder and return its path."""
        facts = in_rows(outcome.facts)
        path = folder / self.filename
        with atomic_file(path) as stream:
            told = {"swapgate.run": outcome.run.id}
            write_parquet(stream, trial_columns(facts), map(trial_row, facts), metadata=told)
        return path
