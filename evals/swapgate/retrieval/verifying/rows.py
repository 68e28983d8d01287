"""Rows of the files that queries and labels come in: JSON lines, CSV, and lines parted by tabs or blanks."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from swapgate.errors import SpecError, nearest
from swapgate.spec.json_lines import read_json_lines
from swapgate.spec.source import read_text, shown_path
from swapgate.values import Value

_JSON = {".jsonl", ".ndjson", ".json"}
_LONGEST_CELL = 10_000_000


class Row(Value):
    """One row with its line. Fields of an object under `metadata`, as BEIR has it, are fields like others."""

    shown: str
    line: int
    fields: Mapping[str, Any]

    def error(self, message: str) -> SpecError:
        """Return the error to raise about the row."""
        return SpecError(message, path=self.shown, line=self.line)

    def value(self, names: Sequence[str], *, noun: str) -> str:
        """Return the first of these fields that the row has, as text; raise SpecError without any."""
        found = next((self.fields[name] for name in names if self.fields.get(name) is not None), None)
        if found is None or isinstance(found, dict | list | bool):
            raise self.error(
                f"the {noun} is missing: wanted a field {', '.join(names)}; there are "
                f"{', '.join(map(str, self.fields)) or 'none'}.{nearest(names[0], map(str, self.fields))}"
            )
        return str(found)


def read_rows(path: Path, *, root: Path, columns: Sequence[Sequence[str]]) -> Iterator[Row]:
    """Yield the rows of a file, by its suffix: JSON lines, CSV with a header, else lines of cells.

    `columns` are the possible names of the cells of a file without a header, one list for each number of
    cells; a first line whose first cell is such a name is a header.
    """
    suffix = path.suffix.lower()
    shown = shown_path(path, root)
    if suffix in _JSON:
        yield from _json_rows(path, root, shown)
        return
    text = read_text(path, root=root)
    if suffix == ".csv":
        yield from _csv_rows(text, shown)
    else:
        yield from _cell_rows(text, shown, columns)


def _json_rows(path: Path, root: Path, shown: str) -> Iterator[Row]:
    for document in read_json_lines(path, root):
        if not isinstance(document.data, dict):
            raise document.error("a line must be a JSON object")
        metadata = document.data.get("metadata")
        fields = {**metadata, **document.data} if isinstance(metadata, dict) else document.data
        yield Row(shown=shown, line=document.place.line, fields=fields)


def _csv_rows(text: str, shown: str) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if None in row:
                raise SpecError("a row has more cells than the header", path=shown, line=reader.line_num)
            yield Row(shown=shown, line=reader.line_num, fields={k: v for k, v in row.items() if v})
    except csv.Error as exc:
        raise SpecError(f"not valid CSV: {exc}", path=shown, line=reader.line_num) from exc


def _cell_rows(text: str, shown: str, columns: Sequence[Sequence[str]]) -> Iterator[Row]:
    by_count = {len(names): names for names in columns}
    names = _names(columns)
    header: Sequence[str] | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
        if header is None and number == 1 and cells[0].lower() in names:
            header = [cell.lower() for cell in cells]
            continue
        wanted = header or by_count.get(len(cells))
        if wanted is None or len(wanted) != len(cells):
            raise SpecError(
                f"{len(cells)} cells, and wanted {_counts(header, by_count)}, parted by tabs",
                path=shown,
                line=number,
            )
        fields = {name: cell for name, cell in zip(wanted, cells, strict=True) if cell}
        yield Row(shown=shown, line=number, fields=fields)


def _names(columns: Sequence[Sequence[str]]) -> Collection[str]:
    return {"_id", "id", "qid", "query_id", "query-id", *(names[0] for names in columns)}


def _counts(header: Sequence[str] | None, by_count: Mapping[int, Sequence[str]]) -> str:
    if header is not None:
        return f"{len(header)} as in the first line"
    return " or ".join(f"{count} ({', '.join(names)})" for count, names in sorted(by_count.items()))
