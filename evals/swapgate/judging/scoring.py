"""From a judge's samples to its verdict: mean scores, the rule, and the one line that explains them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swapgate.errors import ProviderError
from swapgate.records import JudgeSample, VerdictStatus
from swapgate.spec.judges import JudgeSpec
from swapgate.spec.passrule import PassRule

REASON_LENGTH = 200
POINT_NAMES = {1.0: "pass", 0.0: "fail"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one call of one sample came to: the reply, after it the second reply where the first was unusable.

    The last reply counts. `failure` is why there is none, or no second one; `criteria` are those asked about.
    """

    criteria: tuple[str, ...]
    replies: tuple[JudgeSample, ...] = ()
    failure: ProviderError | None = None

    @property
    def valid(self) -> JudgeSample | None:
        """The reply that counts, None when it is not valid."""
        return self.replies[-1] if self.replies and self.replies[-1].status == "valid" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The result over all samples."""

    status: VerdictStatus
    passed: bool | None
    scores: dict[str, float]
    reason: str


def add_up(asked: Sequence[Asked], *, spec: JudgeSpec, rule: PassRule, needed: int) -> Score:
    """Return the mean of each criterion and what the rule says of them.

    A criterion that fewer than `needed` samples scored has no score. Where the rule cannot be decided
    without it the status is error: never a fail, never a 0.
    """
    said = {name: _said(asked, name) for name in spec.criteria}
    scores = {name: sum(values) / len(values) for name, values in said.items() if len(values) >= needed}
    passed = rule.evaluate(scores)
    if passed is None:
        missing = [name for name in rule.names if name not in scores]
        reasons = [_why_missing(name, len(said[name]), asked, spec, needed) for name in missing]
        undecided = f"{rule.text} cannot be decided from {_numbers(rule, scores, spec)}"
        return Score(status="error", passed=None, scores=scores, reason="; ".join(reasons) or undecided)
    reason = _explained(asked, scores, passed=passed, spec=spec, rule=rule)
    fewest = min((len(said[name]) for name in rule.names if name in scores), default=spec.samples)
    note = "" if fewest == spec.samples else f" [{fewest} of {spec.samples} samples]"
    return Score(status="scored", passed=passed, scores=scores, reason=reason + note)


def _said(asked: Sequence[Asked], name: str) -> list[float]:
    return [a.valid.scores[name] for a in asked if a.valid and name in a.valid.scores]


def _why_missing(name: str, scored: int, asked: Sequence[Asked], spec: JudgeSpec, needed: int) -> str:
    why = "; ".join(dict.fromkeys(_problems(asked, name)))
    return f"{scored} of {spec.samples} samples scored {name}, {needed} needed: {why}"


def _problems(asked: Sequence[Asked], name: str) -> Iterator[str]:
    for one in asked:
        if name not in one.criteria:
            continue
        if one.failure is not None:
            yield f"{one.failure.kind.value}: {one.failure}"
        elif one.valid is None:
            yield f"{one.replies[-1].status}: {one.replies[-1].problem}"
        elif name not in one.valid.scores:
            yield f"cannot_assess: {shortened(one.valid.reasoning)}".removesuffix(": ")


def _explained(
    asked: Sequence[Asked], scores: dict[str, float], *, passed: bool, spec: JudgeSpec, rule: PassRule
) -> str:
    """Return scores, rule and reasoning in one line; the reasoning is that of a sample which agrees."""
    valid = [a.valid for a in asked if a.valid and a.valid.reasoning]
    agreeing = [s for s in valid if rule.evaluate(s.scores) is passed]
    reasoning = next((s.reasoning for s in (*agreeing, *valid)), "")
    line = f"{_numbers(rule, scores, spec)} (wanted {rule.text})"
    return f"{line}: {shortened(reasoning)}" if reasoning else line


def _numbers(rule: PassRule, scores: dict[str, float], spec: JudgeSpec) -> str:
    return ", ".join(f"{name} {_number(name, scores, spec)}" for name in rule.names)


def _number(name: str, scores: dict[str, float], spec: JudgeSpec) -> str:
    if name not in scores:
        return "unknown"
    score = scores[name]
    if spec.criteria[name].scale is None and score in POINT_NAMES:
        return POINT_NAMES[score]
    return f"{score:.3g}"


def shortened(text: str) -> str:
    """Return a text in one line of at most REASON_LENGTH characters."""
    return textwrap.shorten(text, REASON_LENGTH, placeholder=" ...")
