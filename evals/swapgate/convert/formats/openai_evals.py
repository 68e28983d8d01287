"""OpenAI evals: data as JSON lines (`input` and `ideal`, or `item`), or an eval as the API gives it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from swapgate.convert import assertions
from swapgate.convert.formats import first_rows
from swapgate.convert.imported import (
    Imported,
    ImportedCase,
    Output,
    Untranslated,
    as_input,
    as_mapping,
    content_text,
    unique_ids,
)
from swapgate.convert.reading import Source
from swapgate.errors import UsageError
from swapgate.records import Json

_ROLES = {"system", "user", "assistant", "developer"}
_ITEM = re.compile(r"\{\{\s*item\.([\w.]+)\s*\}\}")


def recognises(source: Source) -> bool:
    """Whether lines have `input` as a conversation with `ideal`, or an `item`."""
    data = source.data()
    if isinstance(data, dict):
        return data.get("object") == "eval" or "testing_criteria" in data
    rows = first_rows(data)
    return bool(rows) and all(
        "item" in row or ("input" in row and "ideal" in row) or _is_chat(row.get("input")) for row in rows
    )


def read(source: Source) -> Imported:
    """Return a case a line. The data does not say how `ideal` is compared: that is asked for."""
    data = source.data()
    if isinstance(data, dict):
        raise UsageError(
            f"{source.shown}: this is an eval's definition, without its data. Import the data, as JSON "
            "lines; the definition's criteria are read from beside it, where it is called NAME.eval.json"
        )
    rows = [as_mapping(row, place=source.shown) for row in data]
    ids = unique_ids(str((row.get("item") or {}).get("id") or row.get("id") or "") for row in rows)
    criteria = _criteria(source)
    left = [one for name, row in zip(ids, rows, strict=True) for one in _left(name, row)]
    return Imported(
        name=source.path.stem,
        cases=[_case(name, row, criteria) for name, row in zip(ids, rows, strict=True)],
        untranslated=[*left, *_left_criteria(criteria)],
    )


def _case(name: str, row: Mapping[str, Any], criteria: Sequence[Mapping[str, Any]]) -> ImportedCase:
    output = (row.get("sample") or {}).get("output_text")
    outputs = [Output(text=str(output))] if output else []
    if "item" in row:
        item = as_mapping(row["item"], place=name)
        checks = [check for one in criteria for check in _check(one, item)]
        return ImportedCase(name=name, input=as_input(dict(item)), checks=checks, outputs=outputs)
    ideal = row.get("ideal")
    checks = [assertions.contains([str(i) for i in ideal], of_any=True)] if isinstance(ideal, list) else []
    expected = None if isinstance(ideal, list) else ideal
    if _is_chat(row.get("input")):
        return ImportedCase(
            name=name, messages=_turns(row["input"]), expected=expected, checks=checks, outputs=outputs
        )
    return ImportedCase(
        name=name, input=as_input(row.get("input")), expected=expected, checks=checks, outputs=outputs
    )


def _is_chat(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(t, dict) and "role" in t for t in value)


def _turns(written: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Json]]:
    """Return a conversation as a case has it: `developer` is the newer name of `system`."""
    return [
        {
            "role": "system" if turn["role"] == "developer" else str(turn["role"]),
            "content": content_text(turn.get("content")),
        }
        for turn in written
        if turn["role"] in _ROLES
    ]


def _criteria(source: Source) -> Sequence[Mapping[str, Any]]:
    """Return the criteria of the eval whose definition lies beside the data."""
    beside = source.path.with_suffix(".eval.json")
    if not beside.is_file():
        return []
    definition = as_mapping(Source(beside).json, place=Source(beside).shown)
    found = definition.get("testing_criteria")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _check(criterion: Mapping[str, Any], item: Mapping[str, Any]) -> Iterator[Json]:
    """Yield the check of a `string_check` on the answer, with the item's values filled in."""
    if not _is_of_answer(criterion):
        return
    wanted = _ITEM.sub(lambda found: str(_inside(item, found[1])), str(criterion.get("reference", "")))
    match criterion.get("operation"):
        case "eq":
            yield assertions.equals(wanted)
        case "ne":
            yield assertions.differs(wanted)
        case "like":
            yield assertions.contains([wanted])
        case "ilike":
            yield assertions.contains([wanted], ignore_case=True)


def _inside(item: Mapping[str, Any], path: str) -> Any:
    value: Any = item
    for key in path.split("."):
        value = value.get(key, "") if isinstance(value, dict) else ""
    return value


def _is_of_answer(criterion: Mapping[str, Any]) -> bool:
    written = str(criterion.get("input", "")).replace(" ", "")
    return criterion.get("type") == "string_check" and written == "{{sample.output_text}}"


def _left_criteria(criteria: Sequence[Mapping[str, Any]]) -> Iterator[Untranslated]:
    for one in criteria:
        if not _is_of_answer(one):
            why = (
                "only a `string_check` of the whole answer is a check; a grader by model is a judge to write"
            )
            yield Untranslated(place=f"criterion {one.get('name', '')}", what=str(one.get("type")), why=why)


def _left(name: str, row: Mapping[str, Any]) -> Iterator[Untranslated]:
    for key in row.keys() - {"input", "ideal", "item", "sample", "id"}:
        yield Untranslated(place=name, what=str(key), why="not a field that is known")
    turns = row["input"] if _is_chat(row.get("input")) else []
    for role in [turn["role"] for turn in turns if turn["role"] not in _ROLES]:
        yield Untranslated(place=name, what=f"a turn of {role}", why="left out of the conversation")
