"""What a run knows of its judges: labels, canaries, anchors."""

from __future__ import annotations

from typing import Literal

from swapgate.values import Value

LabelDesign = Literal["random", "by_verdict", "by_label"]
CanaryOutcome = Literal["passed", "failed", "error"]


class JudgeLabel(Value):
    """What people say of a response that a judge has judged; `model` gave it, None where nobody noted."""

    model: str | None
    verdict: bool
    truth: bool
    cluster: str


class JudgeCalibration(Value):
    """A judge's labelled verdicts as a run found them. `design` says how they were chosen.

    `warning` says why they do not hold for the judge as it was in the run, empty when they do.
    """

    judge: str
    design: LabelDesign
    labels: tuple[JudgeLabel, ...]
    warning: str = ""


class CanaryResult(Value):
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


class JudgeCanaries(Value):
    """A judge's canaries. `blocks` says that one which passes keeps the gate from deciding."""

    judge: str
    definition_hash: str
    blocks: bool
    results: tuple[CanaryResult, ...]

    @property
    def passed(self) -> tuple[CanaryResult, ...]:
        """The canaries that the judge let through."""
        return tuple(one for one in self.results if one.outcome == "passed")


class AnchorCheck(Value):
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
