"""Goldens of deepeval: JSON, JSON lines or CSV as `EvaluationDataset.save_as` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from swapgate.convert.formats import first_rows
from swapgate.convert.imported import Imported, ImportedCase, Output, Untranslated, as_mapping, unique_ids
from swapgate.convert.reading import Source
from swapgate.errors import UsageError

_COLUMNS = {"input", "expected_output", "actual_output"}
_CONVERSATION = {"scenario", "turns"}
_LISTS = ("context", "retrieval_context", "tools_called", "expected_tools")
_JSON_CELLS = ("additional_metadata", "custom_column_key_values", "expectations", *_LISTS[2:])
_CONTEXT_SEPARATOR = "|"
_READ = {"input", "expected_output", "actual_output", "context", "retrieval_context", "name"}
_ASIDE = {"source_file", "token_cost", "input_token_count", "output_token_count", "comments"}


def recognises(source: Source) -> bool:
    """Whether rows have the columns of goldens."""
    rows = first_rows([row for _line, row in source.rows] if source.suffix == ".csv" else source.data())
    return bool(rows) and all(row.keys() >= _COLUMNS or row.keys() >= _CONVERSATION for row in rows)


def read(source: Source) -> Imported:
    """Return a case a golden; the context becomes a variable, an actual output a recorded answer."""
    rows = [as_mapping(row, place=source.shown) for row in _rows(source)]
    if any(row.keys() >= _CONVERSATION for row in rows):
        raise UsageError(
            f"{source.shown}: these are conversational goldens, whose turns a model makes up as it goes, "
            "and a case here is one answer: write the conversation up to it below `messages`"
        )
    ids = unique_ids(str(row.get("name") or "") for row in rows)
    return Imported(
        name=source.path.stem,
        cases=[_case(name, row) for name, row in zip(ids, rows, strict=True)],
        untranslated=[one for name, row in zip(ids, rows, strict=True) for one in _left(name, row)],
        notes=("goldens name no metrics: those are in the Python code that ran them",),
    )


def _case(name: str, row: Mapping[str, Any]) -> ImportedCase:
    contexts = {key: row[key] for key in ("context", "retrieval_context") if row.get(key)}
    output = row.get("actual_output")
    return ImportedCase(
        name=name,
        input={"input": row.get("input") or "", **contexts},
        expected=row.get("expected_output") or None,
        outputs=[Output(text=str(output))] if output else [],
    )


def _left(name: str, row: Mapping[str, Any]) -> Iterator[Untranslated]:
    if row.get("expected_tools") or row.get("tools_called"):
        why = "which tools must be called is a check `tool_call` of the case"
        yield Untranslated(place=name, what="expected_tools, tools_called", why=why)
    for key, value in row.items():
        if value and key not in _READ | _ASIDE | {"expected_tools", "tools_called"}:
            yield Untranslated(place=name, what=key, why="no field of a case")


def _rows(source: Source) -> Sequence[Any]:
    if source.suffix != ".csv":
        return list(source.data())
    return [{key: _cell(key, text) for key, text in row.items()} for _line, row in source.rows]


def _cell(key: str, text: str) -> Any:
    if not text:
        return None
    if key in _JSON_CELLS:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text.split(_CONTEXT_SEPARATOR) if key in _LISTS else text
