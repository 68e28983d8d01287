"""Examples of a LangSmith dataset: JSON or JSON lines with `inputs` and `outputs`."""

from __future__ import annotations

from collections.abc import Mapping
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
from swapgate.records import Json

_KNOWN = {"id", "inputs", "outputs", "metadata", "split"}
# What the service notes about an example, of no account for an evaluation.
_KEPT_ASIDE = {"created_at", "modified_at", "dataset_id", "source_run_id", "attachments", "runs", "name"}


def recognises(source: Source) -> bool:
    """Whether rows have `inputs` and `outputs`."""
    rows = first_rows(source.data())
    return bool(rows) and all("inputs" in row and "outputs" in row for row in rows)


def read(source: Source) -> Imported:
    """Return a case an example; the example's outputs are its reference."""
    rows = [as_mapping(row, place=source.shown) for row in source.data()]
    ids = unique_ids(str(row.get("id") or "") for row in rows)
    return Imported(
        name=source.path.stem,
        cases=[_case(name, row) for name, row in zip(ids, rows, strict=True)],
        untranslated=[one for name, row in zip(ids, rows, strict=True) for one in _left(name, row)],
    )


def _case(name: str, row: Mapping[str, Any]) -> ImportedCase:
    split = row.get("split") or (row.get("metadata") or {}).get("dataset_split")
    tags = split if isinstance(split, list) else [split] if split else []
    return ImportedCase(
        name=name,
        input=as_input(row.get("inputs")),
        expected=_reference(row.get("outputs")),
        tags=[str(tag) for tag in tags],
    )


def _reference(outputs: Json) -> Json:
    """Return the one output by itself, several as a mapping."""
    if isinstance(outputs, dict) and len(outputs) == 1:
        (only,) = outputs.values()
        return only if isinstance(only, str) else outputs
    return outputs or None


def _left(name: str, row: Mapping[str, Any]) -> list[Untranslated]:
    left = [key for key in row if key not in _KNOWN | _KEPT_ASIDE]
    found = [Untranslated(place=name, what=key, why="no field of a case") for key in left]
    if row.get("attachments"):
        found.append(Untranslated(place=name, what="attachments", why="files are not part of a case"))
    metadata = {k: v for k, v in (row.get("metadata") or {}).items() if k != "dataset_split"}
    if metadata:
        listed = ", ".join(metadata)
        found.append(Untranslated(place=name, what="metadata", why=f"a case has tags alone: {listed}"))
    return found
