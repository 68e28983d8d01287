"""Looks at a floating model: how it answered the same cases, as kinds of answers that can be counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log1p

from swapgate.analysis.nights import FEWEST_SHARED, MOST_ERRORS, pin
from swapgate.records import ModelIdentity, Response, Run, ServedModel, Trial, content_hash
from swapgate.values import Value

# Longer texts are wording, not a decision.
_DECISION_CHARS = 32
_DEPTH = 4
_MOST_FIELDS = 20


class Behaviour(Value):
    """One answer: `text` is a hash of it, `shape` its structure and how it ended, `length` a logarithm.

    `decisions` are its short values by where they stand; the place of a short answer that is no JSON is "".
    """

    text: str
    shape: str
    length: float
    decisions: Mapping[str, str]


class Look(Value, eq=False):
    """One run's answers of one model, by case. `problem` says why it tells nothing, empty when it does."""

    run: str
    at: str
    identity: ModelIdentity | None
    served: ServedModel | None
    answers: Mapping[str, Sequence[Behaviour]]
    problem: str = ""


def look_of(run: Run, model: str, trials: Iterable[Trial], *, problem: str = "") -> Look:
    """Return a run as a look at one of its models; `problem` is what is wrong with the whole of it."""
    own = [trial for trial in trials if trial.model == model]
    fresh = [trial for trial in own if trial.answer is not None and not trial.answer.from_cache]
    errored = [trial for trial in own if trial.answer is None or trial.answer.is_fallback]
    answers: dict[str, list[Behaviour]] = {}
    # A task is asked by its own name, and answers by that of its model.
    names: set[str] = set()
    for trial in fresh:
        if trial.answer is not None and not trial.answer.is_fallback:
            names.add(trial.answer.model)
            name = f"{trial.suite}/{trial.case} {trial.case_hash} {trial.prompt_hash}"
            answers.setdefault(name, []).append(behaviour(trial.answer.response))
    return Look(
        run=run.id,
        at=run.started_at,
        identity=next((one for one in run.models if one.name == model), None),
        served=next((one for one in run.served if one.model in names and one.judge is None), None),
        answers=answers,
        problem=problem or _problem(asked=len(own), fresh=len(fresh), errored=len(errored)),
    )


def _problem(*, asked: int, fresh: int, errored: int) -> str:
    if not asked:
        return "it was not asked"
    if errored > MOST_ERRORS * asked:
        return f"{errored:,} of {asked:,} trials have no answer of its own"
    if stored := asked - fresh - errored:
        return f"{stored:,} of {asked:,} answers came from the cache, which tells nothing of now"
    return ""


def behaviour(response: Response) -> Behaviour:
    """Return what of an answer is counted."""
    text = response.text.strip()
    value, kind = _read(text)
    decisions: dict[str, str] = {}
    shape: list[str] = [response.finish_reason, kind]
    if kind == "text":
        shape += _marks(text)
        decisions = {"": " ".join(text.casefold().split())} if 0 < len(text) <= _DECISION_CHARS else {}
    else:
        fields = list(_fields(value, ""))
        shape += sorted({f"{place}:{type(inner).__name__}" for place, inner in fields})
        decisions = dict(list(_decisions(fields))[:_MOST_FIELDS])
    shape += sorted(f"call {call.name}" for call in response.tool_calls)
    calls = [f"{call.name} {call.arguments}" for call in response.tool_calls]
    return Behaviour(
        text=content_hash([text, *calls])[:16],
        shape="; ".join(shape),
        length=log1p(len(text) + sum(len(call.arguments) for call in response.tool_calls)),
        decisions=decisions,
    )


def _read(text: str) -> tuple[object, str]:
    """Return what the text holds as JSON, and whether it is that, fenced, or neither."""
    fenced = text.startswith("```") and text.endswith("```") and "\n" in text
    inner = text.partition("\n")[2].removesuffix("```") if fenced else text
    try:
        value: object = json.loads(inner)
    except (ValueError, RecursionError):
        return None, "text"
    # A bare word or number is a short answer.
    return (value, "fenced json" if fenced else "json") if isinstance(value, dict | list) else (None, "text")


def _fields(value: object, place: str, depth: int = 0) -> Iterator[tuple[str, object]]:
    """Yield every value with its place; the items of a list share one."""
    yield place, value
    if depth >= _DEPTH:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _fields(inner, f"{place}/{name}", depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner, f"{place}/-", depth + 1)


def _decisions(fields: Iterable[tuple[str, object]]) -> Iterator[tuple[str, str]]:
    """Yield the short values that stand alone in their place; a list has none."""
    for place, value in fields:
        is_short = isinstance(value, str) and len(value) <= _DECISION_CHARS and "\n" not in value
        if "/-" not in place and (is_short or isinstance(value, bool | int) or value is None):
            yield place, json.dumps(value)


def _marks(text: str) -> list[str]:
    """Return which marks of Markdown a text has: a model that begins to use them answers otherwise."""
    starts = [line.lstrip()[:2] for line in text.splitlines()]
    found = {
        "list": any(start in {"- ", "* "} for start in starts),
        "heading": any(start.startswith("#") for start in starts),
        "code": "```" in text,
        "bold": "**" in text,
    }
    return [name for name, is_there in found.items() if is_there]


def side_by_side(looks: Sequence[Look]) -> tuple[list[Look], list[str], str]:
    """Return the looks back from the last that counts, the cases that all of them share, and why no further.

    They end where another model is declared under the name, or where too few of the last look's cases had
    been asked in the same words.
    """
    chosen: list[Look] = []
    shared: frozenset[str] = frozenset()
    wanted = 0
    for look in reversed([look for look in looks if not look.problem]):
        cases = frozenset(look.answers)
        if not chosen:
            shared, wanted = cases, len(cases)
        day = chosen[-1].at[:10] if chosen else ""
        if chosen and pin(look.identity) != pin(chosen[0].identity):
            return chosen[::-1], sorted(shared), f"begins anew on {day}: another id was declared before"
        if len(shared & cases) < FEWEST_SHARED * wanted:
            return chosen[::-1], sorted(shared), f"begins anew on {day}: other cases were asked before"
        shared &= cases
        chosen.append(look)
    return chosen[::-1], sorted(shared), ""
