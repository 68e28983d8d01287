"""Rows of a Braintrust dataset: JSON, JSON lines or CSV with `input`, `expected`, `metadata` and `tags`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from swapgate.convert.formats import first_rows
from swapgate.convert.imported import (
    Imported,
    ImportedCase,
    Untranslated,
    as_input,
    as_mapping,
    unique_ids,
)
from swapgate.convert.reading import Source

_MARKS = {"dataset_id", "_xact_id", "root_span_id", "span_id"}
_JSON_CELLS = ("input", "expected", "metadata", "tags")


def recognises(source: Source) -> bool:
    """Whether rows have `input`, and what the service writes beside it."""
    rows = first_rows([row for _line, row in source.rows] if source.suffix == ".csv" else source.data())
    return bool(rows) and all("input" in row and _MARKS & row.keys() for row in rows)


def read(source: Source) -> Imported:
    """Return a case a row."""
    rows = _rows(source)
    ids = unique_ids(str(row.get("id") or "") for row in rows)
    return Imported(
        name=source.path.stem,
        cases=[
            ImportedCase(
                name=name,
                input=as_input(row.get("input")),
                expected=row.get("expected"),
                tags=[str(tag) for tag in row.get("tags") or []],
            )
            for name, row in zip(ids, rows, strict=True)
        ],
        untranslated=[one for name, row in zip(ids, rows, strict=True) for one in _left(name, row)],
    )


def _left(name: str, row: Mapping[str, Any]) -> Iterator[Untranslated]:
    if row.get("metadata"):
        listed = ", ".join(row["metadata"])
        yield Untranslated(place=name, what="metadata", why=f"a case has tags alone: {listed}")


def _rows(source: Source) -> Sequence[Mapping[str, Any]]:
    if source.suffix != ".csv":
        return [as_mapping(row, place=source.shown) for row in source.data()]
    return [{key: _cell(key, value) for key, value in row.items()} for _line, row in source.rows]


def _cell(key: str, text: str) -> Any:
    """Return what a cell says: those of JSON hold JSON, or a bare text."""
    if key not in _JSON_CELLS or not text:
        return text or None
    try:
        return json.loads(text)
    except ValueError:
        return [text] if key == "tags" else text
