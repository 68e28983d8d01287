"""Trials as a table, written as CSV or Parquet: a row each, whatever they come from."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO

from swapgate.reporting.files import whole
from swapgate.reporting.text import visible

# A spreadsheet takes a cell that begins so for a formula, and runs it; the full-width forms too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_ARROW = {"string": "string", "Int64": "int64", "Float64": "double", "boolean": "bool"}
_LINES_AT_ONCE = 1000
_ROWS_AT_ONCE = 10_000
Row = Mapping[str, Any]


def write_csv(stream: BinaryIO, columns: Mapping[str, str], rows: Iterable[Row]) -> int:
    """Write the columns (name: pandas type) and rows as CSV safe for a spreadsheet; return how many rows."""
    stream.write(_lines([[cell(name) for name in columns]]).encode())
    written = 0
    for block in _blocks(rows, _LINES_AT_ONCE):
        lines = ([_typed(row.get(name), kind) for name, kind in columns.items()] for row in block)
        stream.write(_lines(lines).encode())
        written += len(block)
    return written


def write_parquet(
    stream: BinaryIO, columns: Mapping[str, str], rows: Iterable[Row], *, metadata: Mapping[str, str]
) -> int:
    """Write the columns and rows as Parquet, which pyarrow must be there for; return how many rows.

    Nothing is changed but lone surrogates, which UTF-8 cannot hold.
    """
    import pyarrow as pa
    from pyarrow import parquet

    fields = [(whole(name), pa.type_for_alias(_ARROW[kind])) for name, kind in columns.items()]
    schema = pa.schema(fields, metadata=dict(metadata))
    written = 0
    with parquet.ParquetWriter(stream, schema) as writer:
        for block in _blocks(rows, _ROWS_AT_ONCE):
            cells = [[_unicode(row.get(name)) for row in block] for name in columns]
            arrays = [pa.array(c, field.type) for c, field in zip(cells, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            written += len(block)
    return written


def cell(value: object) -> str:
    """Return a value as a cell of CSV: `true` and `false`, numbers in full, nothing for what is unknown.

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


def _unicode(value: Any) -> Any:
    return whole(value) if isinstance(value, str) else value


def _lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)  # RFC 4180
    return text.getvalue()


def _blocks(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    left = iter(rows)
    while block := list(islice(left, size)):
        yield block
