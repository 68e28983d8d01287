"""promptfoo's assertions as checks and judges."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from swapgate.convert import assertions
from swapgate.convert.imported import Judges, Untranslated
from swapgate.records import Json

_SLOT = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
_ANY_SLOT = re.compile(r"\{[{%]")


@dataclass(slots=True)
class Said:
    """What the assertions of one test have become so far; `values` are the test's variables."""

    place: str
    values: Mapping[str, Json]
    judges: Judges
    left: list[Untranslated]
    checks: list[Json] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    expected: Json = None

    def leave(self, what: str, why: str) -> None:
        """List what is not translated."""
        self.left.append(Untranslated(place=self.place, what=what, why=why))


def translate(written: Mapping[str, Any], said: Said) -> None:
    """Add what an assertion becomes, or list it."""
    kind = str(written.get("type", ""))
    name, is_negated = kind.removeprefix("not-"), kind.startswith("not-")
    value = _filled(written.get("value"), said.values)
    rule = _RULES.get(name)
    if rule is None:
        said.leave(kind or "an assertion without type", _WHY.get(name, "there is no check like it"))
    elif written.get("transform"):
        said.leave(kind, "it is about a transformed answer, not what was said")
    elif _has_slot(value):
        said.leave(kind, "its value is a template that only promptfoo can fill")
    else:
        rule(value, is_negated, written, said)
    if written.get("weight") not in (None, 1, 0):
        said.leave(f"{kind}: weight", "every check must pass here")


def _filled(value: Any, values: Mapping[str, Json]) -> Any:
    """Return a value with the variables that stand in it plainly."""
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    if not isinstance(value, str):
        return value
    return _SLOT.sub(lambda found: _plain(values[found[1]]) if found[1] in values else found[0], value)


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _has_slot(value: Any) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and _ANY_SLOT.search(text) for text in texts)


_Rule = Callable[[Any, bool, Mapping[str, Any], Said], None]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [piece.strip() for piece in value.split(",")]
    return [str(piece) for piece in value or []]


def _equals(value: Any, is_negated: bool, _written: Mapping[str, Any], said: Said) -> None:
    if isinstance(value, dict | list):
        said.leave("equals", "a whole JSON answer is compared by `expected`, field by field")
    else:
        said.checks.append(assertions.differs(str(value)) if is_negated else assertions.equals(str(value)))


def _pieces(*, ignore_case: bool = False, of_any: bool = False, is_list: bool = False) -> _Rule:
    def rule(value: Any, is_negated: bool, _written: Mapping[str, Any], said: Said) -> None:
        pieces = _texts(value) if is_list else [str(value)]
        if is_negated:
            said.checks.append(assertions.lacks(pieces, ignore_case=ignore_case, of_all=not of_any))
        else:
            said.checks.append(assertions.contains(pieces, ignore_case=ignore_case, of_any=of_any))

    return rule


def _starts_with(value: Any, is_negated: bool, _written: Mapping[str, Any], said: Said) -> None:
    said.checks.append(assertions.starts_with(str(value), is_negated=is_negated))


def _regex(value: Any, is_negated: bool, _written: Mapping[str, Any], said: Said) -> None:
    try:
        re.compile(str(value))
    except re.error as exc:
        said.leave("regex", f"{value!r} is no expression of Python: {exc}")
        return
    said.checks.append(assertions.matches(str(value), is_negated=is_negated))


def _json(mode: str) -> _Rule:
    def rule(value: Any, is_negated: bool, _written: Mapping[str, Any], said: Said) -> None:
        if is_negated:
            said.leave("not-is-json", "no check asks for an answer that is no JSON")
            return
        said.checks.append({"json": mode})
        if isinstance(value, dict):
            said.checks.append({"schema": value})
        elif value:
            said.leave("is-json: value", "a schema in a file of its own: write `schema: FILE`")

    return rule


def _rubric(value: Any, is_negated: bool, written: Mapping[str, Any], said: Said) -> None:
    if is_negated:
        said.leave("not-llm-rubric", "write the rubric the other way round")
        return
    said.used.append(said.judges.of_rubric(str(value)))
    for key in ("threshold", "provider", "rubricPrompt"):
        if written.get(key) is not None:
            said.leave(f"llm-rubric: {key}", "for the judge's file to say")


def _library(judge: str, *, is_reference: bool) -> _Rule:
    def rule(value: Any, is_negated: bool, _written: Mapping[str, Any], said: Said) -> None:
        if is_negated:
            said.leave(f"not-{judge}", "no judge is negated")
            return
        if is_reference and value:
            said.expected = str(value)
        said.used.append(said.judges.of_library(judge))

    return rule


def _cost(_value: Any, _is_negated: bool, written: Mapping[str, Any], said: Said) -> None:
    if written.get("threshold"):
        said.checks.append({"cost": {"max_usd": float(written["threshold"])}})


def _latency(_value: Any, _is_negated: bool, written: Mapping[str, Any], said: Said) -> None:
    if written.get("threshold"):
        said.checks.append({"latency": {"max_s": float(written["threshold"]) / 1000}})


_RULES: Mapping[str, _Rule] = {
    "equals": _equals,
    "contains": _pieces(),
    "icontains": _pieces(ignore_case=True),
    "contains-all": _pieces(is_list=True),
    "icontains-all": _pieces(is_list=True, ignore_case=True),
    "contains-any": _pieces(is_list=True, of_any=True),
    "icontains-any": _pieces(is_list=True, of_any=True, ignore_case=True),
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": _json("strict"),
    "contains-json": _json("permissive"),
    "llm-rubric": _rubric,
    "model-graded-closedqa": _rubric,
    "factuality": _library("factual_accuracy", is_reference=True),
    "model-graded-factuality": _library("factual_accuracy", is_reference=True),
    "answer-relevance": _library("answer_relevance", is_reference=False),
    "cost": _cost,
    "latency": _latency,
}
_WHY = {
    "javascript": "JavaScript: write the function in Python, as a check `python`",
    "python": "its code gets other arguments here: write it as a check `python`",
    "similar": "a threshold on similarity passes wrong answers; a judge of kind `similarity` can be written",
}
