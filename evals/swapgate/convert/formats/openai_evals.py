"""OpenAI evals: JSON lines (`input` and `ideal`, or `item` and `sample`), or an eval as the API has it."""

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
from swapgate.records import Json, content_hash

_ROLES = {"system", "user", "assistant", "developer"}
_OUTPUT_ITEM = "eval.run.output_item"
_RESULTS = ("results", "status")
_ITEM = re.compile(r"\{\{\s*item\.([\w.]+)\s*\}\}")


def recognises(source: Source) -> bool:
    """Whether lines have `input` as a conversation with `ideal`, or an `item`, or are what the API lists."""
    data = source.data()
    if isinstance(data, dict) and not _is_page(data):
        return data.get("object") == "eval" or "testing_criteria" in data
    rows = first_rows(data["data"] if isinstance(data, dict) else data)
    return bool(rows) and all(
        row.get("object") == _OUTPUT_ITEM
        or "item" in row
        or ("input" in row and "ideal" in row)
        or _is_chat(row.get("input"))
        for row in rows
    )


def read(source: Source) -> Imported:
    """Return a case a line. The data does not say how `ideal` is compared: that is asked for."""
    data = source.data()
    if isinstance(data, dict) and not _is_page(data):
        raise UsageError(
            f"{source.shown}: this is an eval's definition, without its data. Import the data, as JSON "
            "lines; the definition's criteria are read from beside it, where it is called NAME.eval.json"
        )
    listed = data["data"] if isinstance(data, dict) else data
    rows = [_plain(as_mapping(row, place=source.shown)) for row in listed]
    same = list(_same_items(rows))
    ids = unique_ids(_id(group[0]) for group in same)
    criteria = _criteria(source)
    left = [one for name, group in zip(ids, same, strict=True) for one in _left(name, group[0])]
    return Imported(
        name=source.path.stem,
        cases=[_case(name, group, criteria) for name, group in zip(ids, same, strict=True)],
        untranslated=[*_left_results(rows), *left, *_left_criteria(criteria)],
    )


def _is_page(data: Mapping[str, Any]) -> bool:
    """Whether this is a page of a run's output items, as the API lists them."""
    listed = data.get("data")
    return isinstance(listed, list) and all(
        isinstance(one, dict) and one.get("object") == _OUTPUT_ITEM for one in listed
    )


def _plain(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an output item of the API as a line of `item` and `sample`; every other line as it is."""
    if row.get("object") != _OUTPUT_ITEM:
        return row
    item = as_mapping(row.get("datasource_item"), place=f"output item {row.get('id')}")
    sample = as_mapping(row.get("sample") or {}, place=f"output item {row.get('id')}")
    said = [one.get("content") for one in sample.get("output") or [] if isinstance(one, dict)]
    answer = {"model": sample.get("model"), "output_text": "\n".join(content_text(one) for one in said)}
    inner = item.get("item")
    return {
        "id": row.get("datasource_item_id"),
        "item": inner if isinstance(inner, dict) else item,
        "sample": answer,
        **{key: row[key] for key in _RESULTS if key in row},
    }


def _same_items(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the rows of each item: an item that has an id and several samples is one case."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for number, row in enumerate(rows):
        is_named = bool(_id(row)) and "sample" in row
        key = content_hash({"item": row.get("item")}) if is_named else f"row {number}"
        groups.setdefault(key, []).append(row)
    yield from groups.values()


def _id(row: Mapping[str, Any]) -> str:
    return str((row.get("item") or {}).get("id") or row.get("id") or "")


def _case(
    name: str, group: Sequence[Mapping[str, Any]], criteria: Sequence[Mapping[str, Any]]
) -> ImportedCase:
    row, outputs = group[0], _outputs(group)
    if "item" not in row:
        return _asked(name, row, outputs=outputs)
    item = as_mapping(row["item"], place=name)
    checks = [check for one in criteria for check in _check(one, item)]
    if _is_chat(item.get("input")):
        tags = [str(tag) for tag in item.get("tags") or []]
        return _asked(name, item, outputs=outputs, checks=checks, tags=tags)
    return ImportedCase(name=name, input=as_input(dict(item)), checks=checks, outputs=outputs)


def _asked(
    name: str,
    row: Mapping[str, Any],
    *,
    outputs: Sequence[Output],
    checks: Sequence[Json] = (),
    tags: Sequence[str] = (),
) -> ImportedCase:
    """Return the case of an `input`, which may be a conversation, and its `ideal`."""
    ideal = row.get("ideal")
    is_any = isinstance(ideal, list)
    is_chat = _is_chat(row.get("input"))
    any_of = (
        [assertions.contains([str(one) for one in ideal], of_any=True)] if isinstance(ideal, list) else []
    )
    return ImportedCase(
        name=name,
        messages=_turns(row["input"]) if is_chat else [],
        input={} if is_chat else as_input(row.get("input")),
        expected=None if is_any else ideal,
        tags=tags,
        checks=[*checks, *any_of],
        outputs=outputs,
    )


def _outputs(group: Sequence[Mapping[str, Any]]) -> list[Output]:
    """Return the answers of an item's samples: those of one model are its repeats."""
    found: list[Output] = []
    for row in group:
        sample = row.get("sample") or {}
        if text := sample.get("output_text"):
            model = str(sample.get("model") or "imported")
            repeat = sum(one.model == model for one in found) + 1
            found.append(Output(model=model, repeat=repeat, text=str(text)))
    return found


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


def _left_results(rows: Sequence[Mapping[str, Any]]) -> Iterator[Untranslated]:
    """Yield once what the eval said of its answers."""
    for key in _RESULTS:
        if any(key in row for row in rows):
            why = "the suite's own checks and judges score anew"
            yield Untranslated(place="every line", what=key, why=why)


def _left(name: str, row: Mapping[str, Any]) -> Iterator[Untranslated]:
    for key in sorted(row.keys() - {"input", "ideal", "item", "sample", "id", *_RESULTS}):
        yield Untranslated(place=name, what=str(key), why="not a field that is known")
    item = row.get("item")
    asked = item if isinstance(item, dict) and _is_chat(item.get("input")) else row
    if asked is not row:
        for key in sorted(asked.keys() - {"id", "input", "ideal", "tags"}):
            yield Untranslated(
                place=name, what=f"item.{key}", why="a case of a conversation has no variables"
            )
    turns = asked["input"] if _is_chat(asked.get("input")) else []
    for role in [turn["role"] for turn in turns if turn["role"] not in _ROLES]:
        yield Untranslated(place=name, what=f"a turn of {role}", why="left out of the conversation")
