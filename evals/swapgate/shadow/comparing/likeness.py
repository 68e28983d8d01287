"""What a comparison of two answers says; no words of either are in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pydantic import ValidationError

from swapgate.errors import StoreError
from swapgate.records import Json, adapter, to_json
from swapgate.values import Value

# The basis of an exchange that a judge has seen and no code has compared.
UNCOMPARED = ""
# What an answer can differ in, in the order in which reports name it.
ASPECTS = ("failure", "refusal", "finish", "structure", "tools", "fields")


class Likeness(Value):
    """How another answer to a request stands to the control's first one.

    `is_answer` is False where there was none: a timeout, a rate limit, a broken stream. All else is None, or
    without an entry, where it could not be compared. `same_tools` is about names and canonical arguments,
    None where neither calls one. `same_structure`: both pass the structural checks, or neither does.
    `similarity` is a cosine; `length_ratio` the other answer's characters over the control's.
    """

    is_answer: bool
    same_refusal: bool | None = None
    same_finish: bool | None = None
    same_structure: bool | None = None
    same_tools: bool | None = None
    same_fields: Mapping[str, bool] = field(default_factory=dict)
    same_text: bool | None = None
    similarity: float | None = None
    length_ratio: float | None = None

    @property
    def differs_in(self) -> tuple[str, ...]:
        """What of it is another decision: see ASPECTS. Wording, length and similarity are none."""
        if not self.is_answer:
            return ("failure",)
        same = {
            "refusal": self.same_refusal,
            "finish": self.same_finish,
            "structure": self.same_structure,
            "tools": self.same_tools,
            "fields": all(self.same_fields.values()),
        }
        return tuple(name for name in ASPECTS if same.get(name) is False)

    @property
    def has_decision(self) -> bool:
        """Whether tools or fields were compared: otherwise an answer is prose to the comparison."""
        return self.same_tools is not None or bool(self.same_fields)


class Comparison(Value):
    """One exchange compared. `basis` is a hash of how: checks, fields and embedder.

    `candidate` and `again` stand to the control; None where that leg was not asked. The `*_failed` are the
    structural checks that a leg's answer fails, None where none were run. `preference` is the judge's: 1 the
    candidate's answer is better, 0.5 neither, 0 the control's; `judged_by` is the judge's definition. Its
    reasons may quote an answer, and would outlive the content that retention deletes: they are not here.
    """

    basis: str
    candidate: Likeness | None = None
    again: Likeness | None = None
    control_failed: tuple[str, ...] | None = None
    candidate_failed: tuple[str, ...] | None = None
    again_failed: tuple[str, ...] | None = None
    preference: float | None = None
    judged_by: str | None = None


def to_stored(comparison: Comparison) -> Mapping[str, Json]:
    """Return a comparison as the store holds it."""
    stored: Mapping[str, Json] = to_json(comparison)
    return stored


def from_stored(stored: Mapping[str, Any]) -> Comparison:
    """Return a comparison that the store holds; StoreError where it is none."""
    try:
        comparison: Comparison = adapter(Comparison).validate_python(
            {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
        )
    except ValidationError as exc:
        raise StoreError(f"a stored comparison cannot be read: {exc.errors()[0]['msg']}") from exc
    return comparison
