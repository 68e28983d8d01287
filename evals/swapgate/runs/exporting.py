"""Stored runs written to one file for other programs: whole as JSONL, or as a table of trials."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from swapgate.analysis.frames import trial_columns, trial_row
from swapgate.errors import UsageError
from swapgate.facts import Facts
from swapgate.memory.history import History
from swapgate.records import Run, to_text
from swapgate.reporting.files import atomic_file, whole

_OF_RUN = {"run": "string", "started_at": "string"}
_ARROW = {"string": "string", "Int64": "int64", "Float64": "double", "boolean": "bool"}
_ROWS_AT_ONCE = 10_000
Rows = Iterator[dict[str, Any]]


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
    columns = _columns(history, runs)
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    trials = 0
    for row in _rows(history, runs):
        writer.writerow({name: _cell(value) for name, value in row.items()})
        trials += 1
    text.flush()
    text.detach()
    return trials


def _write_parquet(history: History, runs: Sequence[Run], stream: BinaryIO) -> int:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    columns = _columns(history, runs)
    schema = pa.schema([(whole(name), pa.type_for_alias(_ARROW[kind])) for name, kind in columns.items()])
    trials = 0
    with parquet.ParquetWriter(stream, schema) as writer:
        for block in _blocks(_rows(history, runs)):
            cells = [[row.get(name) for row in block] for name in columns]
            arrays = [pa.array(c, field.type) for c, field in zip(cells, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            trials += len(block)
    return trials


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


def _rows(history: History, runs: Sequence[Run]) -> Rows:
    for run in runs:
        for facts in history.facts(run.id):
            yield {"run": run.id, "started_at": run.started_at} | _whole_row(facts)


def _whole_row(facts: Facts) -> dict[str, Any]:
    return {k: whole(v) if isinstance(v, str) else v for k, v in trial_row(facts).items()}


def _blocks(rows: Rows) -> Iterator[list[dict[str, Any]]]:
    from itertools import islice

    while block := list(islice(rows, _ROWS_AT_ONCE)):
        yield block


def _cell(value: Any) -> Any:
    """Return a cell as spreadsheets read it: nothing for what is unknown, true and false in small letters."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value
