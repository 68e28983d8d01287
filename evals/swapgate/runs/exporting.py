"""Stored runs written to one file for other programs: whole as JSONL, or as a table of trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from swapgate.analysis.frames import trial_columns, trial_row
from swapgate.errors import UsageError
from swapgate.memory.history import History
from swapgate.records import Run, to_text
from swapgate.reporting.files import atomic_file
from swapgate.reporting.trial_table import write_csv, write_parquet

_OF_RUN = {"run": "string", "started_at": "string"}


def export_runs(history: History, runs: Sequence[Run], file: Path) -> int:
    """Write runs in the format of the file's ending, and return how many trials that were."""
    write = _WRITERS.get(file.suffix.lower())
    if write is None:
        known = ", ".join(_WRITERS)
        raise UsageError(f"{file}: the ending says the format, and is none of {known}")
    if file.suffix.lower() == ".parquet":
        _require_pyarrow(file)
    with atomic_file(file) as stream:
        return write(history, runs, stream)


def _require_pyarrow(file: Path) -> None:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise UsageError(f"{file}: Parquet needs pyarrow: pip install 'swapgate[parquet]', or name a .csv")


def _write_jsonl(history: History, runs: Sequence[Run], stream: BinaryIO) -> int:
    """Write a line for each run, and one for each of its trials after it: all that is stored of them."""
    trials = 0
    for run in runs:
        stream.write(f'{{"run": {to_text(run)}}}\n'.encode())
        for trial in history.trials(run.id):
            stream.write(f'{{"trial": {to_text(trial)}}}\n'.encode())
            trials += 1
    return trials


def _write_csv(history: History, runs: Sequence[Run], stream: BinaryIO) -> int:
    return write_csv(stream, _columns(history, runs), _rows(history, runs))


def _write_parquet(history: History, runs: Sequence[Run], stream: BinaryIO) -> int:
    return write_parquet(stream, _columns(history, runs), _rows(history, runs), metadata={})


_WRITERS: Mapping[str, Callable[[History, Sequence[Run], BinaryIO], int]] = {
    ".jsonl": _write_jsonl,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}


def _columns(history: History, runs: Sequence[Run]) -> dict[str, str]:
    """Return the columns that any of the runs has: a table's head comes before its rows."""
    found: dict[str, str] = {}
    for run in runs:
        found |= trial_columns(history.facts(run.id))
    return _OF_RUN | found


def _rows(history: History, runs: Sequence[Run]) -> Iterator[Mapping[str, Any]]:
    for run in runs:
        for facts in history.facts(run.id):
            yield {"run": run.id, "started_at": run.started_at} | trial_row(facts)
