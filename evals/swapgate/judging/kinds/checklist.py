"""The kind `checklist`: atomic questions, those of the judge's file and the facts that the case brings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from swapgate.checks.wording import MISSING, quoted, resolve
from swapgate.judging.kinds.plain import PROBE, Plain
from swapgate.judging.questions import Question, either
from swapgate.judging.shape import Shape, calls_of
from swapgate.judging.subject import Judged
from swapgate.records import Json
from swapgate.spec.judge_kinds import ChecklistSpec, Facts, Item
from swapgate.spec.passrule import Bounds
from swapgate.spec.pointers import pointer_parts

NOUN = ("question", "questions")
ASK_FACT = "Does the answer state this fact, in these or other words: {fact}"
_YES, _NO = 1.0, 0.0


class Checklist(Plain):
    """Asks each item; the scores are the items, their weighted share, and what is required and forbidden."""

    def __init__(self, spec: ChecklistSpec) -> None:
        self._spec = spec
        self._written = spec.written_items
        self._facts = spec.facts or Facts()
        self._shapes = self._asking(self._written)

    def seen(self, judged: Judged) -> Judged:
        """Return the answer with the case's lists of facts taken out of the reference that is shown."""
        expected = judged.expected
        for pointer in self._pointers():
            expected = _without(expected, pointer_parts(pointer))
        return replace(judged, expected=None if expected == {} else expected, facts=judged.expected)

    def shapes(self, judged: Judged) -> Sequence[Shape]:
        """Return one call for all items, or one for each."""
        facts = dict(self._items_of(judged.facts))
        return self._asking({**self._written, **facts}) if facts else self._shapes

    def overall(self, means: Mapping[str, float], asked: Collection[str]) -> Mapping[str, Bounds]:
        """Return the share and its parts; what could not be assessed may be either."""
        items = {**self._written, **_facts_among(asked, self._written)}
        known: dict[str, Bounds] = {name: (means.get(name, _NO), means.get(name, _YES)) for name in items}
        found = {"score": self._share(items, known)}
        if self._facts.required or any(item.required for item in items.values()):
            found["required"] = _least(known[name] for name, item in items.items() if item.required)
        if self._facts.forbidden or any(item.forbidden for item in items.values()):
            low, high = _least(known[name] for name, item in items.items() if item.forbidden)
            found["forbidden"] = (1 - high, 1 - low)
        return found

    def told(self, scores: Mapping[str, float]) -> str:
        """Return the share and the items that are not met."""
        derived = {"score", "required", "forbidden"}
        unmet = [name for name, score in scores.items() if name not in derived and score <= 0.5]
        share = f"score {scores['score']:.3g}" if "score" in scores else "score unknown"
        return f"{share}, not met: {', '.join(unmet)}" if unmet else share

    def why_not(self, expected: Json) -> str:
        """Return what is wrong with the facts that the case brings, or that there is nothing to ask."""
        for pointer in self._pointers():
            facts = resolve(expected, pointer)
            if facts is not MISSING and not _is_texts(facts):
                return f"`expected` has at {pointer} no list of texts, but {quoted(facts)}"
        if not self._written and not any(self._items_of(expected)):
            return (
                f"it asks for facts of the case, and `expected` has none at {' or '.join(self._pointers())}"
            )
        return ""

    def probe(self) -> Judged:
        """Return an answer to a case that brings facts where this judge looks for them."""
        expected: Json = {}
        for pointer in self._pointers():
            expected = _with(expected, pointer_parts(pointer), ["fact"])
        return replace(PROBE, expected=expected) if self._pointers() else PROBE

    def _asking(self, items: Mapping[str, Item]) -> tuple[Shape, ...]:
        questions = {name: _question(name, item) for name, item in items.items()}
        return calls_of(self._spec, questions, calls=self._spec.calls, noun=NOUN) if questions else ()

    def _pointers(self) -> list[str]:
        return [pointer for pointer in (self._facts.required, self._facts.forbidden) if pointer]

    def _items_of(self, expected: Json) -> Iterable[tuple[str, Item]]:
        """Yield the facts of a case as items: `required_1`, `required_2` ..., `forbidden_1` ..."""
        for sort, pointer in (("required", self._facts.required), ("forbidden", self._facts.forbidden)):
            facts: Any = resolve(expected, pointer) if pointer else ()
            for number, fact in enumerate(facts if _is_texts(facts) else (), start=1):
                yield f"{sort}_{number}", _fact_item(sort, ASK_FACT.format(fact=fact))

    def _share(self, items: Mapping[str, Item], known: Mapping[str, Bounds]) -> Bounds:
        names = list(items)
        if self._spec.unassessed == "left_out":
            names = [name for name in names if known[name][0] == known[name][1]]
        weight = sum(items[name].weight for name in names)
        if not weight:
            return _NO, _YES
        low, high = (sum(items[n].weight * known[n][end] for n in names) / weight for end in (0, 1))
        return low, high


def _question(name: str, item: Item) -> Question:
    return either(item.ask, name=name, yes="yes", no="no", is_wanted=not item.forbidden)


def _fact_item(sort: str, ask: str) -> Item:
    return Item(ask=ask, required=sort == "required", forbidden=sort == "forbidden")


def _least(bounds: Iterable[Bounds]) -> Bounds:
    """Return the bounds of the lowest; of none at all it is 1: nothing is missing."""
    found = list(bounds)
    return min((low for low, _ in found), default=_YES), min((high for _, high in found), default=_YES)


def _facts_among(asked: Collection[str], written: Mapping[str, Item]) -> dict[str, Item]:
    """Return the case's facts among what was asked, as items again."""
    names = [name for name in asked if name not in written]
    return {name: _fact_item(name.rpartition("_")[0], "") for name in names}


def _is_texts(facts: Any) -> bool:
    return isinstance(facts, list) and all(isinstance(fact, str) and fact.strip() for fact in facts)


def _without(value: Json, path: Sequence[str]) -> Json:
    """Return a mapping without what lies at a path, and without the mappings that this leaves empty."""
    if not isinstance(value, dict) or path[0] not in value:
        return value
    rest = {key: inner for key, inner in value.items() if key != path[0]}
    if len(path) == 1:
        return rest
    inner = _without(value[path[0]], path[1:])
    return rest if inner == {} else {**rest, path[0]: inner}


def _with(value: Json, path: Sequence[str], leaf: Json) -> Json:
    """Return a mapping with a value put at a path."""
    held = value if isinstance(value, dict) else {}
    return {**held, path[0]: _with(held.get(path[0]), path[1:], leaf)} if path else leaf
