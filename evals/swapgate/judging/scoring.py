"""From a judge's samples to its verdict: mean scores, the rule, and the one line that explains them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from swapgate.errors import ProviderError
from swapgate.judging.kinds import Kind
from swapgate.records import JudgeSample, VerdictStatus
from swapgate.spec.judges import JudgeHead, JudgeSpec
from swapgate.spec.passrule import Bounds, PassRule
from swapgate.values import Value

REASON_LENGTH = 200
POINT_NAMES = {1.0: "pass", 0.0: "fail"}


class Asked(Value):
    """What one call of one sample came to: the reply, after it the second reply where the first was unusable.

    The last reply counts. `failure` is why there is none, or no second one; `criteria` are the scores that
    it was asked for, and `sample` counts from 1.
    """

    criteria: tuple[str, ...]
    sample: int = 1
    replies: tuple[JudgeSample, ...] = ()
    failure: ProviderError | None = None

    @property
    def valid(self) -> JudgeSample | None:
        """The reply that counts, None when it is not valid."""
        return self.replies[-1] if self.replies and self.replies[-1].status == "valid" else None


class Score(Value):
    """The result over all samples."""

    status: VerdictStatus
    passed: bool | None
    scores: dict[str, float]
    reason: str


class Known(Value):
    """The scores that are known, and bounds of those that are not."""

    scores: dict[str, float]
    bounds: Mapping[str, Bounds]


def add_up(asked: Sequence[Asked], *, spec: JudgeSpec, rule: PassRule, needed: int, kind: Kind) -> Score:
    """Return the mean of each score and what the rule says of them.

    A score that fewer than `needed` samples gave is missing. Where the rule cannot be decided without it the
    status is error: never a fail, never a 0.
    """
    said = _said(asked, kind)
    means = {name: sum(values) / len(values) for name, values in said.items() if len(values) >= needed}
    known = _known(means, asked, kind)
    passed = rule.evaluate(known.scores, known.bounds)
    if passed is None:
        reason = _undecided(asked, said, known, spec=spec, rule=rule, needed=needed)
        return Score(status="error", passed=None, scores=known.scores, reason=reason)
    reason = _explained(asked, known, passed=passed, spec=spec, rule=rule, kind=kind)
    fewest = min((len(said[n]) for n in rule.names if n in said and n in means), default=spec.samples)
    note = "" if fewest == spec.samples else f" [{fewest} of {spec.samples} samples]"
    return Score(status="scored", passed=passed, scores=known.scores, reason=reason + note)


def _said(asked: Sequence[Asked], kind: Kind) -> dict[str, list[float]]:
    """Return every sample's value of each score: those of the calls, and what follows from a whole sample."""
    said: dict[str, list[float]] = {name: [] for one in asked for name in one.criteria}
    for scores in _of_samples(asked, kind):
        for name, score in scores.items():
            said.setdefault(name, []).append(score)
    return said


def of_samples(asked: Sequence[Asked], kind: Kind) -> list[Known]:
    """Return what each sample that has a score says by itself."""
    return [_known(scores, asked, kind) for scores in _of_samples(asked, kind)]


def _of_samples(asked: Sequence[Asked], kind: Kind) -> list[dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for one in asked:
        if one.valid:
            found.setdefault(one.sample, {}).update(one.valid.scores)
    return [{**scores, **kind.of_sample(scores)} for scores in found.values()]


def _known(means: Mapping[str, float], asked: Sequence[Asked], kind: Kind) -> Known:
    bounds = kind.overall(means, [name for one in asked for name in one.criteria])
    points = {name: low for name, (low, high) in bounds.items() if low == high}
    return Known(scores={**means, **points}, bounds=bounds)


def _undecided(
    asked: Sequence[Asked],
    said: Mapping[str, Sequence[float]],
    known: Known,
    *,
    spec: JudgeSpec,
    rule: PassRule,
    needed: int,
) -> str:
    """Return why the rule cannot be decided: each missing score, or those that it follows from."""
    questions = list(dict.fromkeys(name for one in asked for name in one.criteria))
    missing = [name for name in rule.names if name not in known.scores]
    if any(name not in questions for name in missing):
        missing = [name for name in questions if name not in known.scores]
    groups: dict[tuple[int, str], list[str]] = {}
    for name in missing:
        why = "; ".join(dict.fromkeys(_problems(asked, name)))
        groups.setdefault((len(said[name]), why), []).append(name)
    reasons = [
        f"{scored} of {spec.samples} samples scored {', '.join(names)}, {needed} needed: {why}"
        for (scored, why), names in groups.items()
    ]
    undecided = f"{rule.text} cannot be decided from {_numbers(rule, known.scores, spec)}"
    return "; ".join(reasons) or undecided


def _problems(asked: Sequence[Asked], name: str) -> Iterator[str]:
    for one in asked:
        if name not in one.criteria:
            continue
        if one.failure is not None:
            yield f"{one.failure.kind.value}: {one.failure}"
        elif one.valid is None:
            yield f"{one.replies[-1].status}: {one.replies[-1].problem}"
        elif name not in one.valid.scores:
            yield f"cannot_assess: {short(one.valid.reasoning)}".removesuffix(": ")


def _explained(
    asked: Sequence[Asked], known: Known, *, passed: bool, spec: JudgeSpec, rule: PassRule, kind: Kind
) -> str:
    """Return scores, rule and reasoning in one line; the reasoning is that of a sample which agrees."""
    valid = [a for a in asked if a.valid and a.valid.reasoning]
    several = valid if len(valid) > 1 else ()
    agreeing = [a for a in several if a.valid and _says(a.valid, [a], rule, kind) is passed]
    reasoning = next((a.valid.reasoning for a in (*agreeing, *valid) if a.valid), "")
    told = kind.told(known.scores) or _numbers(rule, known.scores, spec)
    return explained(told, reasoning, spec=spec)


def _says(sample: JudgeSample, asked: Sequence[Asked], rule: PassRule, kind: Kind) -> bool | None:
    known = _known(sample.scores, asked, kind)
    return rule.evaluate(known.scores, known.bounds)


def explained(told: str, reasoning: str, *, spec: JudgeHead) -> str:
    """Return one line: what was found, what was wanted, and why it was found."""
    line = f"{told} (wanted {spec.wanted})"
    return f"{line}: {short(reasoning)}" if reasoning else line


def _numbers(rule: PassRule, scores: Mapping[str, float], spec: JudgeSpec) -> str:
    return ", ".join(f"{name} {_number(name, scores, spec)}" for name in rule.names)


def _number(name: str, scores: Mapping[str, float], spec: JudgeSpec) -> str:
    if name not in scores:
        return "unknown"
    score = scores[name]
    if score in POINT_NAMES and spec.scores()[name].is_bare:
        return POINT_NAMES[score]
    return f"{score:.3g}"


def short(text: str) -> str:
    """Return the text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= REASON_LENGTH else textwrap.shorten(line, REASON_LENGTH, placeholder=" ...")
