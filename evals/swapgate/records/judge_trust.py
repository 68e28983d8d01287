"""What a run knows of its judges: labels, canaries, anchors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LabelDesign = Literal["random", "by_verdict", "by_label"]
CanaryOutcome = Literal["passed", "failed", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeLabel:
    """What people say of a response that a judge has judged; `model` gave it, None where nobody noted."""

    model: str | None
    verdict: bool
    truth: bool
    cluster: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCalibration:
    """A judge's labelled verdicts as a run found them. `design` says how they were chosen.

    `warning` says why they do not hold for the judge as it was in the run, empty when they do.
    """

    judge: str
    design: LabelDesign
    labels: tuple[JudgeLabel, ...]
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryResult:
    """What a judge said of one answer that must fail, shown to it as the answer to a real case.

    `outcome` is passed where the judge let it through, failed where not, error where it gave no verdict.
    """

    canary: str
    kind: str
    suite: str
    case: str
    output: str
    outcome: CanaryOutcome
    reason: str = ""
    cost_usd: float | None = None
    paid_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCanaries:
    """A judge's canaries. `blocks` says that one which passes keeps the gate from deciding."""

    judge: str
    definition_hash: str
    blocks: bool
    results: tuple[CanaryResult, ...]

    @property
    def passed(self) -> tuple[CanaryResult, ...]:
        """The canaries that the judge let through."""
        return tuple(one for one in self.results if one.outcome == "passed")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorCheck:
    """One time that a judge was asked about its anchors; `agreed` of `n` verdicts are as they were frozen.

    `anchors_hash` tells one set of anchors from another, `errors` counts those without a verdict.
    """

    judge: str
    definition_hash: str
    anchors_hash: str
    checked_at: str
    n: int
    agreed: int
    errors: int
    pass_rate: float | None
    answer: str
    served: tuple[str, ...] = ()
    cost_usd: float | None = None
