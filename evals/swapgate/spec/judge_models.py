"""Which models a judge asks: one, several as a panel, and a second one where the first is unsure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field

from swapgate.errors import nearest
from swapgate.spec.passrule import PassRule
from swapgate.spec.suite import Written

if TYPE_CHECKING:
    from swapgate.spec.calibration import LabelledVerdict
    from swapgate.spec.judges import JudgeSpec
    from swapgate.spec.source import Document

Decide: TypeAlias = Literal["majority", "mean", "unanimous"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# The verdict itself, among the names of criteria: pass counts 1 and fail 0.
VERDICT = ""
# Fewer labels than this at one point say nothing of how often a judge errs there.
LABELS_A_POINT = 5
# A rule over more combinations of scores than this is not tried out.
MAX_COMBINATIONS = 5000
# A point of a criterion's scale, or of the verdict.
Point: TypeAlias = tuple[str, int]


class Unsure(Written):
    """When the first model counts as unsure, beside where it could not decide at all.

    `disagreement`: its samples, or the members of its panel, do not all say the same. `within`: the verdict
    would turn if scores were so many points higher or lower, one number for all criteria or one for each.
    `errs`: the labels of a calibration show it to err in more than this share of verdicts with such a score.
    """

    disagreement: bool = True
    within: Positive | dict[str, Positive] | None = None
    errs: Annotated[float, Field(ge=0, lt=1)] | None = None


class Escalate(Written):
    """The model to ask where the first is unsure; `calibration` names the judge whose labels `errs` reads."""

    to: str
    when: Unsure = Field(default_factory=Unsure)
    calibration: str | None = None


def reach_of(when: Unsure, names: Iterable[str]) -> dict[str, float]:
    """Return how far each criterion's score may be off, in points; none that may not."""
    if when.within is None:
        return {}
    if isinstance(when.within, dict):
        return dict(when.within)
    return dict.fromkeys(names, when.within)


def turns(rule: PassRule, scores: Mapping[str, float], reach: Mapping[str, float]) -> bool:
    """Whether the rule may say something else of scores that are up to `reach` higher or lower."""
    bounds = {name: (x - reach.get(name, 0.0), x + reach.get(name, 0.0)) for name, x in scores.items()}
    return rule.evaluate({}, bounds) is not rule.evaluate(scores)


def point_of(score: float) -> int:
    """Return the point of the scale that a score is nearest to; the upper one of two."""
    return math.floor(score + 0.5)


def weak_points(
    rows: Iterable[LabelledVerdict], *, errs: float, names: Iterable[str]
) -> tuple[tuple[str, int], ...]:
    """Return the points at which more than a share `errs` of the labelled verdicts were wrong, sorted.

    Rows with scores tell it by each criterion of `names`, rows without by the verdict alone.
    """
    wrong: dict[Point, list[bool]] = {}
    known = set(names)
    for row in rows:
        at = [(name, point_of(x)) for name, x in row.scores.items() if name in known]
        for point in at or [(VERDICT, int(row.verdict == "pass"))]:
            wrong.setdefault(point, []).append(row.verdict != row.truth)
    enough = {point: said for point, said in wrong.items() if len(said) >= LABELS_A_POINT}
    return tuple(sorted(point for point, said in enough.items() if sum(said) / len(said) > errs))


def check_models(document: Document, spec: JudgeSpec, rule: PassRule) -> None:
    """Raise SpecError for what of a panel or an escalation makes no sense."""
    if isinstance(spec.model, str):
        given = [key for key in ("decide", "min_agreement", "min_members") if getattr(spec, key) is not None]
        if given:
            message = (
                f"{given[0]} is about a panel, and `model` names one model; list at least two, or drop it"
            )
            raise document.error(message, f"/{given[0]}")
    else:
        _check_panel(document, spec)
    if spec.canaries and spec.kind == "pairwise":
        message = "canaries are shown one at a time, and a pairwise judge compares two answers; drop it"
        raise document.error(message, "/canaries")
    if spec.logprobs and spec.kind == "pairwise":
        message = "logprobs weigh scores, and a pairwise judge asks which answer wins in both orders; drop it"
        raise document.error(message, "/logprobs")
    if spec.escalate is not None:
        _check_escalation(document, spec, spec.escalate, rule)


def _check_panel(document: Document, spec: JudgeSpec) -> None:
    names = spec.members
    if len(names) < 2 or len(set(names)) < len(names):
        few = "names one model" if names else "names no model"
        what = few if len(names) < 2 else "names a model twice, which would have two votes"
        fix = "a panel has at least two different ones; for more answers of one, write `samples`"
        raise document.error(f"the panel {what}: {fix}", "/model")
    if spec.min_members is not None and spec.min_members > len(names):
        message = f"min_members is {spec.min_members}, but the panel has {len(names)} models"
        raise document.error(message, "/min_members")
    share = spec.min_agreement
    if share is None:
        return
    if spec.decide == "unanimous":
        raise document.error(
            "min_agreement with `decide: unanimous`: there all must agree; drop one of the two",
            "/min_agreement",
        )
    if spec.decide != "mean" and share <= 0.5:
        message = f"min_agreement is {share:g}, and a majority is always more than 0.5; raise it or drop it"
        raise document.error(message, "/min_agreement")


def _check_escalation(document: Document, spec: JudgeSpec, escalate: Escalate, rule: PassRule) -> None:
    if escalate.to in spec.members:
        message = f"escalates to {escalate.to!r}, which is asked first already; name another model"
        raise document.error(message, "/escalate/to")
    if escalate.calibration is not None and escalate.when.errs is None:
        message = "calibration is read for `when: {errs: ...}` alone; add that, or drop it"
        raise document.error(message, "/escalate/calibration")
    reach = reach_of(escalate.when, rule.names)
    for name in reach:
        if name not in rule.names:
            known = f"within: {name!r} is no criterion of the rule {rule.text!r}"
            raise document.error(f"{known}.{nearest(name, rule.names)}", "/escalate/when/within")
    if reach and _always_turns(spec, rule, reach):
        message = (
            f"within: every verdict of {rule.text!r} would be escalated, and the first model paid in vain: "
            "write less. A criterion without a scale is 1 (pass) or 0 (fail)"
        )
        raise document.error(message, "/escalate/when/within")


def _always_turns(spec: JudgeSpec, rule: PassRule, reach: Mapping[str, float]) -> bool:
    """Whether no combination of whole scores would stay; rules over very many are not tried out."""
    ranges = [spec.scores()[name] for name in rule.names]
    steps = [round((one.high - one.low) / (one.step or 0.5)) + 1 for one in ranges]
    if prod(steps) > MAX_COMBINATIONS:
        return False
    values = [
        [one.low + n * (one.step or 0.5) for n in range(count)]
        for one, count in zip(ranges, steps, strict=True)
    ]
    return all(turns(rule, dict(zip(rule.names, one, strict=True)), reach) for one in product(*values))
