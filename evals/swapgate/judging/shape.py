"""One call's reply asked of a judge: its keys in their order, as a JSON Schema and as an example to copy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property

from swapgate.judging.questions import Question
from swapgate.records import Json, canonical
from swapgate.spec.judges import Calls, JudgeSpec, Part
from swapgate.values import Value

# Wider scales than this are bounded by the strict reading alone: an enum of hundreds slows decoding down.
LONGEST_ENUM = 20
_EVIDENCE_SCHEMA: Json = {"type": "array", "items": {"type": "string"}}


class Shape(Value, dict=True):
    """One call's questions and reply. `keys` maps each answer's key in the reply to its question's name.

    `noun` is what the call names one and several of its questions. `is_swapped` says which of two answers is
    shown first: False the one that is judged, True the other one, None where there is no other.
    `needs_evidence` says that scores without quotes that occur in the answer do not count.
    """

    keys: Mapping[str, str]
    criteria: Mapping[str, Question]
    parts: Sequence[Part]
    noun: tuple[str, str] = ("criterion", "criteria")
    is_swapped: bool | None = None
    needs_evidence: bool = False

    @cached_property
    def schema(self) -> dict[str, Json]:
        """The reply as a JSON Schema; its properties stand in the order to write them in."""
        answers = {key: _answer_schema(self.criteria[name]) for key, name in self.keys.items()}
        of_part: dict[Part, dict[str, Json]] = {
            "evidence": {"evidence": _EVIDENCE_SCHEMA},
            "reasoning": {"reasoning": {"type": "string"}},
            "verdict": answers,
        }
        properties = {key: schema for part in self.parts for key, schema in of_part[part].items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    @cached_property
    def example(self) -> str:
        """The reply as one line with placeholders."""
        source = "the answer" if self.is_swapped is None else "an answer"
        of_part: dict[Part, list[str]] = {
            "evidence": [f'"evidence": ["<quote from {source}, word for word>"]'],
            "reasoning": [f'"reasoning": "<{self._length_of_reasoning}>"'],
            "verdict": [
                f"{json.dumps(key)}: {wanted(self.criteria[name])}" for key, name in self.keys.items()
            ],
        }
        return "{" + ", ".join(text for part in self.parts for text in of_part[part]) + "}"

    @cached_property
    def asked(self) -> str:
        """The questions, with what their points and words mean."""
        return f"{self._heading}:\n" + "\n".join(_explained(name, q) for name, q in self.criteria.items())

    @cached_property
    def asked_again(self) -> str:
        """The questions once more, behind the answer."""
        return f"{self._heading}, again:\n" + "\n".join(_line(name, q) for name, q in self.criteria.items())

    @cached_property
    def gives(self) -> tuple[str, ...]:
        """The names of the scores that a reply can give."""
        return tuple(score for name, question in self.criteria.items() for score in question.gives(name))

    @cached_property
    def names(self) -> str:
        """The names of the questions, written canonically."""
        return canonical(list(self.criteria))

    @cached_property
    def about(self) -> str | None:
        """What the call is about, by the one score that it gives or its only question; None for several."""
        names = self.gives if len(self.gives) == 1 else tuple(self.criteria)
        return names[0] if len(names) == 1 else None

    @property
    def _heading(self) -> str:
        one, several = self.noun
        return f"The {one if len(self.criteria) == 1 else several}"

    @property
    def _length_of_reasoning(self) -> str:
        is_atomic = [c.scale for c in self.criteria.values()] == [None]
        return "one sentence" if is_atomic else "at most three sentences"


def calls_of(
    spec: JudgeSpec, questions: Mapping[str, Question], *, calls: Calls, noun: tuple[str, str]
) -> tuple[Shape, ...]:
    """Return the calls that ask these questions, all in one or each in one of its own."""
    if calls == "together":
        keys = {name: name for name in questions}
        return (
            Shape(
                keys=keys,
                criteria=questions,
                parts=spec.parts,
                noun=noun,
                needs_evidence=spec.evidence == "required",
            ),
        )
    return tuple(alone(spec, name, question, noun=noun) for name, question in questions.items())


def alone(
    spec: JudgeSpec, name: str, question: Question, *, noun: tuple[str, str], is_swapped: bool | None = None
) -> Shape:
    """Return the call that asks one question."""
    key = "verdict" if question.scale is None else "score"
    return Shape(
        keys={key: name},
        criteria={name: question},
        parts=spec.parts,
        noun=noun,
        is_swapped=is_swapped,
        needs_evidence=spec.evidence == "required",
    )


def wanted(question: Question) -> str:
    """Return what the judge may write for a question, as a placeholder."""
    if question.scale is None:
        return " | ".join(f'"{word}"' for word in question.words)
    return f"<integer {question.scale[0]} to {question.scale[1]}>"


def _explained(name: str, question: Question) -> str:
    anchors = [f"  {point} = {meaning.strip()}" for point, meaning in question.meanings.items()]
    return "\n".join([_line(name, question), *anchors])


def _line(name: str, question: Question) -> str:
    return f"- {name}, {_range(question)}: {question.ask.strip()}"


def _range(question: Question) -> str:
    if question.scale is None:
        *words, last = question.words
        return f"{', '.join(words)} or {last}"
    return f"an integer from {question.scale[0]} to {question.scale[1]}"


def _answer_schema(question: Question) -> Json:
    if question.scale is None:
        return {"type": "string", "enum": list(question.words)}
    low, high = question.scale
    if high - low >= LONGEST_ENUM:
        return {"type": "integer"}
    return {"type": "integer", "enum": list(range(low, high + 1))}
