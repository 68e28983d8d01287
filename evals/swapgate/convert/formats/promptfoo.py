"""A promptfoo configuration: prompts, tests with variables, and assertions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from swapgate.convert.formats._promptfoo_asserts import Said, translate
from swapgate.convert.imported import (
    Imported,
    ImportedCase,
    Judges,
    Untranslated,
    as_id,
    as_mapping,
    as_variable,
    unique_ids,
)
from swapgate.convert.reading import Source
from swapgate.records import Json
from swapgate.spec.templates import check_syntax

_KEYS = {"prompts", "tests", "providers", "description", "defaultTest", "targets", "$schema", "scenarios"}
_KEYS |= {"assertionTemplates", "outputPath"}
_TEMPLATE = "#/assertionTemplates/"
_TEST_KEYS = {"vars", "assert", "description", "metadata", "options"}
_EXPECTED = re.compile(r"__expected\d*$")
_PREFIXED = re.compile(r"^([a-z][a-z0-9-]*)(?:\(([\d.]+)\))?:\s*(.*)$", re.DOTALL)


def recognises(source: Source) -> bool:
    """Whether it has prompts, and tests or providers."""
    data = source.data()
    return (
        isinstance(data, dict) and "prompts" in data and bool({"tests", "providers", "targets"} & data.keys())
    )


def read(source: Source) -> Imported:
    """Return a case a test and combination of its lists of variables; each prompt makes a suite."""
    data = as_mapping(source.data(), place=source.shown)
    left: list[Untranslated] = []
    judges = Judges()
    default = data.get("defaultTest")
    shared = default if isinstance(default, dict) else {}
    if isinstance(default, str):
        left.append(Untranslated(place="defaultTest", what=default, why="a file of its own: put it in here"))
    templates = data.get("assertionTemplates") or {}
    tests = list(_tests(source, data.get("tests") or [], left))
    rows = [(test, values) for test in tests for values in _combined({**_vars(shared), **_vars(test)})]
    ids = unique_ids(str(test.get("description") or "") for test, _values in rows)
    cases = [
        _case(test, Said(place=name, values=values, judges=judges, left=left), shared, templates)
        for name, (test, values) in zip(ids, rows, strict=True)
    ]
    left += [
        Untranslated(place="the configuration", what=str(key), why="not part of a suite")
        for key in data.keys() - _KEYS
    ]
    if data.get("scenarios"):
        left.append(Untranslated(place="scenarios", what="scenarios", why="write them out as tests"))
    return Imported(
        name=as_id(source.path.stem) or "imported",
        description=str(data.get("description") or ""),
        prompts=_named_apart(_prompts(source, data["prompts"], left)),
        cases=cases,
        judges=judges.files,
        untranslated=left,
        notes=list(_providers(data.get("providers") or data.get("targets") or [])),
    )


def _case(
    test: Mapping[str, Any], said: Said, shared: Mapping[str, Any], templates: Mapping[str, Any]
) -> ImportedCase:
    options = {**(shared.get("options") or {}), **(test.get("options") or {})}
    asserts = [*(shared.get("assert") or []), *(test.get("assert") or [])]
    if "transform" in options:
        said.leave(f"its {len(asserts)} assertions", "they are about a transformed answer, not what was said")
        asserts = []
    for one in asserts:
        translate(_resolved(as_mapping(one, place=said.place), templates), said)
    for key in [*(test.keys() - _TEST_KEYS), *(f"options.{key}" for key in options if key != "transform")]:
        said.leave(str(key), "not part of a case")
    if test.get("metadata"):
        said.leave("metadata", "a case has tags alone")
    return ImportedCase(
        name=said.place,
        input={as_variable(key): value for key, value in said.values.items()},
        expected=said.expected,
        checks=said.checks,
        judges=list(dict.fromkeys(said.used)),
    )


def _resolved(written: Mapping[str, Any], templates: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an assertion, or the template that it refers to."""
    name = str(written.get("$ref", "")).removeprefix(_TEMPLATE)
    found = templates.get(name) if "$ref" in written else None
    return found if isinstance(found, dict) else written


def _vars(test: Mapping[str, Any]) -> Mapping[str, Any]:
    written = test.get("vars")
    return written if isinstance(written, dict) else {}


def _combined(values: Mapping[str, Any]) -> Iterator[Mapping[str, Json]]:
    """Yield every combination of the variables that are lists, as promptfoo runs them."""
    choices = [value if isinstance(value, list) else [value] for value in values.values()]
    for chosen in product(*choices):
        yield dict(zip(values, chosen, strict=True))


def _tests(source: Source, written: Any, left: list[Untranslated]) -> Iterator[Mapping[str, Any]]:
    """Yield the tests: written here, or in a CSV, JSON lines or YAML file beside."""
    entries = written if isinstance(written, list) else [written]
    for entry in entries:
        if isinstance(entry, dict):
            yield entry
        elif isinstance(entry, str) and (file := _beside(source, entry)) is not None:
            yield from _tests_of(Source(file))
        else:
            left.append(
                Untranslated(place="tests", what=str(entry), why="not a file that is beside this one")
            )


def _tests_of(file: Source) -> Iterator[Mapping[str, Any]]:
    if file.suffix == ".csv":
        for _line, row in file.rows:
            yield _test_of_row(row)
        return
    data = file.data()
    yield from (as_mapping(one, place=file.shown) for one in (data if isinstance(data, list) else [data]))


def _test_of_row(row: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the test of a CSV row: `__expected` columns are assertions, other `__` columns say more."""
    asserts = [_assertion(text) for key, text in row.items() if _EXPECTED.match(key) and text]
    values = {key: text for key, text in row.items() if not key.startswith("__")}
    extra = {key: text for key, text in row.items() if key.startswith("__metadata") and text}
    return {
        "vars": values,
        "assert": asserts,
        **({"description": row["__description"]} if row.get("__description") else {}),
        **({"metadata": extra} if extra else {}),
    }


def _assertion(text: str) -> Mapping[str, Any]:
    """Return what an `__expected` cell asserts: `contains: x`, `similar(0.8): x`, or the text itself."""
    if (found := _PREFIXED.match(text)) is None:
        return {"type": "equals", "value": text}
    kind = {"grade": "llm-rubric", "fn": "javascript", "eval": "javascript"}.get(found[1], found[1])
    threshold = {"threshold": float(found[2])} if found[2] else {}
    value: Any = found[3]
    if kind.endswith(("-any", "-all")):
        value = [piece.strip() for piece in found[3].split(",")]
    return {"type": kind, "value": value, **threshold}


def _beside(source: Source, written: str) -> Path | None:
    """Return the file that a reference names, None where it is none, a URL or a pattern."""
    name = written.removeprefix("file://")
    path = source.path.parent / name
    return path if "://" not in name and path.is_file() else None


def _named_apart(prompts: Iterable[tuple[str, Mapping[str, Json]]]) -> dict[str, Mapping[str, Json]]:
    """Return the prompts by name: `support/tone.txt` and `sales/tone.txt` are both called `tone`."""
    found = list(prompts)
    names = unique_ids(name for name, _prompt in found)
    return {name: prompt for name, (_name, prompt) in zip(names, found, strict=True)}


def _prompts(
    source: Source, written: Any, left: list[Untranslated]
) -> Iterator[tuple[str, Mapping[str, Json]]]:
    entries = written if isinstance(written, list) else [written]
    for number, entry in enumerate(entries, 1):
        name, text = _prompt(source, entry, number)
        if text is None:
            left.append(Untranslated(place="prompts", what=str(entry), why="not a text, nor a file of one"))
            continue
        parts = [part.strip("\n") for part in re.split(r"^---\s*$", text, flags=re.MULTILINE) if part.strip()]
        for turn, part in enumerate(parts, 1):
            each = name if len(parts) == 1 else f"{name}-{turn}"
            if problem := check_syntax(part):
                left.append(Untranslated(place="prompts", what=each, why=problem))
            else:
                yield each, {"user": part}


def _prompt(source: Source, entry: Any, number: int) -> tuple[str, str | None]:
    """Return a prompt's name and text."""
    if isinstance(entry, dict):
        raw = entry.get("raw") or entry.get("id")
        label = as_id(entry.get("label") or "") or f"prompt-{number}"
        return label, _prompt(source, raw, number)[1] if isinstance(raw, str) else None
    text = str(entry)
    if text.startswith("file://") or re.fullmatch(r"[\w./-]+\.(?:txt|md|json|j2)", text):
        file = _beside(source, text)
        is_text = file is not None and file.suffix in {".txt", ".md", ".j2"}
        return as_id(Path(text).stem) or f"prompt-{number}", Source(file).text if file and is_text else None
    return f"prompt-{number}", text


def _providers(written: Any) -> Iterator[str]:
    """Yield how the configuration's models are named here."""
    entries: Sequence[Any] = written if isinstance(written, list) else [written]
    names = [entry if isinstance(entry, str) else str(entry.get("id", "")) for entry in entries if entry]
    if listed := [name.replace(":chat:", ":").replace(":messages:", ":") for name in names]:
        options = " ".join(f"--model={name}" for name in listed)
        yield f"its providers, as options of pytest: {options}; their `config` is `params` in models.yml"
