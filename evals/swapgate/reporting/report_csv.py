"""trials.csv: one row a trial, with the columns of `run.to_frame()`, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.analysis.frames import trial_columns, trial_row
from swapgate.reporting.files import atomic_file
from swapgate.reporting.text import visible

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.facts import Facts

# A spreadsheet takes a cell that begins so for a formula, and runs it; the full-width forms too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_LINES_AT_ONCE = 1000


class CsvReporter:
    """Writes trials.csv."""

    name = "csv"
    filename = "trials.csv"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write trials.csv into the folder and return its path."""
        path = folder / self.filename
        with atomic_file(path) as stream:
            for text in csv_texts(in_rows(outcome.facts)):
                stream.write(text.encode())
        return path


def in_rows(facts: Iterable[Facts]) -> list[Facts]:
    """Return the facts in the order of the rows: by suite, case, model and repeat."""
    return sorted(facts, key=lambda f: (f.suite, f.case, f.model, f.repeat, f.role))


def csv_texts(facts: Sequence[Facts]) -> Iterator[str]:
    """Yield the table as CSV with a header, some thousand rows at a time."""
    columns = trial_columns(facts)
    yield _csv([list(map(cell, columns))])
    for start in range(0, len(facts), _LINES_AT_ONCE):
        rows = map(trial_row, facts[start : start + _LINES_AT_ONCE])
        yield _csv([_typed(row.get(name), kind) for name, kind in columns.items()] for row in rows)


def cell(value: object) -> str:
    """Return a value as a cell: `true` and `false`, numbers in full, nothing for what is unknown.

    Text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return "" if value is None else repr(value)
    text = visible(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _typed(value: object, kind: str) -> str:
    """Return a cell of a column: a number of seconds is one with a decimal point, also where it is whole."""
    return cell(float(value) if kind == "Float64" and isinstance(value, int) else value)


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)  # RFC 4180
    return text.getvalue()
