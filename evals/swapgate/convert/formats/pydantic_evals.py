"""A pydantic-evals dataset: YAML or JSON with `cases` of `inputs`, and `evaluators`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swapgate.convert import assertions
from swapgate.convert.imported import (
    Imported,
    ImportedCase,
    Judges,
    Untranslated,
    as_input,
    as_mapping,
    text_of,
    unique_ids,
)
from swapgate.convert.reading import Source
from swapgate.records import Json

_CASE_KEYS = {"name", "inputs", "metadata", "expected_output", "evaluators"}
_FILE_KEYS = {"$schema", "name", "cases", "evaluators", "report_evaluators"}


def recognises(source: Source) -> bool:
    """Whether it has cases with `inputs`."""
    data = source.data()
    cases = data.get("cases") if isinstance(data, dict) else None
    return (
        isinstance(cases, list) and bool(cases) and all(isinstance(c, dict) and "inputs" in c for c in cases)
    )


@dataclass(slots=True)
class _Said:
    """What evaluators became: checks, judges, and what they could not become."""

    checks: list[Json] = field(default_factory=list)
    judges: list[str] = field(default_factory=list)
    left: list[Untranslated] = field(default_factory=list)


def read(source: Source) -> Imported:
    """Return a case a case; evaluators become checks and judges, those of the file the suite's."""
    data = as_mapping(source.data(), place=source.shown)
    written = [as_mapping(case, place=source.shown) for case in data["cases"]]
    judges = Judges()
    shared = _said(data.get("evaluators") or [], "the dataset", judges)
    ids = unique_ids(str(case.get("name") or "") for case in written)
    named = list(zip(ids, written, strict=True))
    said = [_said(case.get("evaluators") or [], name, judges) for name, case in named]
    left = [*shared.left, *_left_of_file(data), *(one for each in said for one in each.left)]
    left += [one for name, case in named for one in _left_of_case(name, case)]
    return Imported(
        name=str(data.get("name") or source.path.stem),
        cases=[
            ImportedCase(
                name=name,
                input=as_input(case["inputs"]),
                expected=_reference(case.get("expected_output")),
                checks=each.checks,
                judges=each.judges,
            )
            for (name, case), each in zip(named, said, strict=True)
        ],
        checks=shared.checks,
        suite_judges=shared.judges,
        judges=judges.files,
        untranslated=left,
    )


def _reference(value: Json) -> Json:
    return value if value is None or isinstance(value, str | dict) else text_of(value)


def _said(written: Sequence[Any], place: str, judges: Judges) -> _Said:
    said = _Said()
    for entry in written:
        name, given = _entry(entry)
        translate = _EVALUATORS.get(name)
        if translate is None:
            why = "an evaluator of your own: write it as a check `python`, or as a judge"
            said.left.append(Untranslated(place=place, what=name, why=why))
        else:
            translate(given, place, judges, said)
    return said


def _entry(entry: Any) -> tuple[str, Mapping[str, Any]]:
    """Return an evaluator's name and arguments: `Name`, `{Name: first}` or `{Name: {argument: value}}`."""
    if not isinstance(entry, dict) or len(entry) != 1:
        return str(entry), {}
    ((name, given),) = entry.items()
    return str(name), given if isinstance(given, dict) else {"": given}


def _given(given: Mapping[str, Any], first: str) -> Any:
    """Return an evaluator's first argument, written by name or alone."""
    return given.get(first, given.get(""))


def _equals_expected(_given_: Mapping[str, Any], _place: str, _judges: Judges, said: _Said) -> None:
    said.checks.append({"expected": "text"})


def _equals(given: Mapping[str, Any], place: str, _judges: Judges, said: _Said) -> None:
    value = _given(given, "value")
    if isinstance(value, str):
        said.checks.append(assertions.equals(value))
    else:
        why = "only a text is compared with a whole answer; write `expected` for fields"
        said.left.append(Untranslated(place=place, what="Equals", why=why))


def _contains(given: Mapping[str, Any], place: str, _judges: Judges, said: _Said) -> None:
    value = _given(given, "value")
    if isinstance(value, str):
        said.checks.append(assertions.contains([value], ignore_case=given.get("case_sensitive") is False))
    else:
        why = "only pieces of text are looked for; write `expected` for fields"
        said.left.append(Untranslated(place=place, what="Contains", why=why))


def _is_instance(given: Mapping[str, Any], place: str, _judges: Judges, said: _Said) -> None:
    if _given(given, "type_name") != "str":  # every answer is a text
        why = "an answer is text: its structure is what `schema` or `python_model` checks"
        said.left.append(Untranslated(place=place, what=f"IsInstance {_given(given, 'type_name')}", why=why))


def _max_duration(given: Mapping[str, Any], _place: str, _judges: Judges, said: _Said) -> None:
    said.checks.append({"latency": {"max_s": float(_given(given, "seconds"))}})


def _judge(given: Mapping[str, Any], place: str, judges: Judges, said: _Said) -> None:
    said.judges.append(judges.of_rubric(str(_given(given, "rubric"))))
    other = [key for key in given if key not in {"", "rubric", "include_input", "include_expected_output"}]
    if other:
        why = f"the rubric is a judge; {', '.join(other)} are for its file to say"
        said.left.append(Untranslated(place=place, what="LLMJudge", why=why))


_EVALUATORS: Mapping[str, Callable[[Mapping[str, Any], str, Judges, _Said], None]] = {
    "EqualsExpected": _equals_expected,
    "Equals": _equals,
    "Contains": _contains,
    "IsInstance": _is_instance,
    "MaxDuration": _max_duration,
    "LLMJudge": _judge,
}


def _left_of_file(data: Mapping[str, Any]) -> Iterator[Untranslated]:
    if data.get("report_evaluators"):
        yield Untranslated(place="the dataset", what="report_evaluators", why="reports are swapgate's own")
    for key in data.keys() - _FILE_KEYS:
        yield Untranslated(place="the dataset", what=str(key), why="not a key that is known")


def _left_of_case(name: str, case: Mapping[str, Any]) -> Iterator[Untranslated]:
    if case.get("metadata"):
        yield Untranslated(place=name, what="metadata", why="a case has tags alone")
    for key in case.keys() - _CASE_KEYS:
        yield Untranslated(place=name, what=str(key), why="not a key that is known")
