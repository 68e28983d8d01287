"""The reply asked of a judge: its keys in their order, as a JSON Schema and as an example to copy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from swapgate.records import Json
from swapgate.spec.judges import Criterion, JudgeSpec

VERDICTS = ("pass", "fail", "cannot_assess")
# Wider scales than this are bounded by the strict reading alone: an enum of hundreds slows decoding down.
LONGEST_ENUM = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One call's reply. `keys` maps the key of each score in the reply to the name of its criterion.

    `needs_evidence` says that scores without quotes that occur in the answer do not count.
    """

    keys: Mapping[str, str]
    criteria: Mapping[str, Criterion]
    has_evidence: bool
    has_reasoning: bool
    needs_evidence: bool = False

    @property
    def schema(self) -> dict[str, Json]:
        """The reply as a JSON Schema; its properties stand in the order to write them in."""
        properties: dict[str, Json] = {}
        if self.has_evidence:
            properties["evidence"] = {"type": "array", "items": {"type": "string"}}
        if self.has_reasoning:
            properties["reasoning"] = {"type": "string"}
        properties |= {key: _score_schema(self.criteria[name]) for key, name in self.keys.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    @property
    def example(self) -> str:
        """The reply as one line with placeholders."""
        parts = ['"evidence": ["<quote from the answer, word for word>"]'] if self.has_evidence else []
        if self.has_reasoning:
            parts.append(f'"reasoning": "<{self._length_of_reasoning}>"')
        parts += [f"{json.dumps(key)}: {wanted(self.criteria[name])}" for key, name in self.keys.items()]
        return "{" + ", ".join(parts) + "}"

    @property
    def _length_of_reasoning(self) -> str:
        is_atomic = [c.scale for c in self.criteria.values()] == [None]
        return "one sentence" if is_atomic else "at most three sentences"


def shapes(spec: JudgeSpec) -> list[Shape]:
    """Return the reply of each call that one sample takes."""
    if spec.calls == "together":
        return [_shape(spec, {name: name for name in spec.criteria})]
    return [_shape(spec, {_only_key(criterion): name}) for name, criterion in spec.criteria.items()]


def wanted(criterion: Criterion) -> str:
    """Return what the judge may write for a criterion, as a placeholder."""
    if criterion.scale is None:
        return " | ".join(f'"{v}"' for v in VERDICTS)
    return f"<integer {criterion.scale[0]} to {criterion.scale[1]}>"


def _only_key(criterion: Criterion) -> str:
    return "verdict" if criterion.scale is None else "score"


def _shape(spec: JudgeSpec, keys: Mapping[str, str]) -> Shape:
    return Shape(
        keys=keys,
        criteria={name: spec.criteria[name] for name in keys.values()},
        has_evidence=spec.evidence is not False,
        needs_evidence=spec.evidence == "required",
        has_reasoning=spec.reasoning,
    )


def _score_schema(criterion: Criterion) -> Json:
    if criterion.scale is None:
        return {"type": "string", "enum": list(VERDICTS)}
    low, high = criterion.scale
    if high - low >= LONGEST_ENUM:
        return {"type": "integer"}
    return {"type": "integer", "enum": list(range(low, high + 1))}
