"""What decides about a candidate in shadow, as written in `config/promote.yml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from swapgate.spec.judge_kinds import Pointer
from swapgate.spec.source import read_yaml, validate
from swapgate.spec.stages import StagePlan, Stages
from swapgate.spec.suite import Written

STAGES = (0.01, 0.05, 0.25, 0.5, 1.0)
Margin = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
WatchedRate = Literal["errors", "refusals", "structure", "latency"]


class Comparing(Written):
    """How the answers of one route are compared.

    `suite` is one of the workspace's: its structural checks are run on all answers. `decisions` are the
    fields that decide something, by default those of the suite's `enum` checks. `similarity` is `wordllama`,
    a function of yours or `none`; by default wordllama where it is installed. `judge` is a pairwise judge in
    judges/, asked about `judged` of the requests, which `seed` draws.
    """

    suite: str | None = None
    decisions: tuple[Pointer, ...] | None = None
    similarity: str | None = None
    judge: str | None = None
    judged: Count = 200
    seed: Annotated[int, Field(ge=0)] = 0


class Within(Written):
    """By how much the candidate may be worse."""

    margin: Margin


class AtMost(Written):
    """A share that must not be reached."""

    max: Margin


class Least(Written):
    """A mean that must be passed."""

    min: Annotated[float, Field(ge=-1, le=1)]


class Most(Written):
    """A bound on an amount itself (`max`), on its ratio to the control's (`ratio`), or both."""

    max: Positive | None = None
    ratio: Positive | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.max is None and self.ratio is None:
            raise ValueError("needs `max` or `ratio`: without a bound nothing is judged")
        return self


class Preferred(Written):
    """How far the judged preference may lie below one half, and how many judgments it takes."""

    margin: Margin = 0.05
    requests: Count = 100


class Slices(Written):
    """What must hold for each slice: `by` names the tags, None takes all of them.

    A slice that is shown to be worse than the `disagreement` margin holds the promotion. With `margin` each
    must be shown to be within it as well.
    """

    by: tuple[str, ...] | None = None
    requests: Count = 30
    margin: Margin | None = None


class Criteria(Written):
    """What must hold for a promotion; null takes a criterion out. Shares are from 0 to 1.

    `looks` is how often the decision is meant to be asked for: each time errs so much less.
    """

    requests: Count = 300
    days: Count = 7
    looks: Count = 1
    slices: Slices = Field(default_factory=Slices)
    disagreement: Within | None = Field(default_factory=lambda: Within(margin=0.05))
    structure: AtMost | None = Field(default_factory=lambda: AtMost(max=0.01))
    failures: AtMost | None = Field(default_factory=lambda: AtMost(max=0.02))
    refusals: Within | None = Field(default_factory=lambda: Within(margin=0.02))
    preference: Preferred | None = None
    distance: Within | None = None
    similarity: Least | None = None
    latency_p95_s: Most | None = None
    ttft_p95_s: Most | None = None
    cost_usd: Most | None = None
    cost_per_1k_tokens_usd: Most | None = None

    def over(self, own: Criteria) -> Criteria:
        """Return these criteria with what a route writes in their place."""
        return self.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


class RampPlan(StagePlan):
    """The shares of real traffic that a promoted candidate gets, and what a stage must have seen.

    With `rollback: automatic` an alarm of `swapgate shadow watch` takes the candidate out.
    """

    stages: Stages = STAGES
    requests: Annotated[int, Field(ge=0)] = 100


class WatchRules(Written):
    """What of live traffic is held against its level before the swap.

    The level is that of up to `reference_days` before the swap, of `reference_requests` at least. A rate that
    reaches `factor` times its level, and at least `least` more, is worth an alarm. `false_alarms_per_year` is
    for all rates of all routes together.
    """

    rates: Annotated[tuple[WatchedRate, ...], Field(min_length=1)] = (
        "errors",
        "refusals",
        "structure",
        "latency",
    )
    reference_days: Count = 28
    reference_requests: Count = 200
    factor: Annotated[float, Field(gt=1)] = 2.0
    least: Margin = 0.005
    false_alarms_per_year: Positive = 1.0


class CriteriaFile(Written):
    """The whole file. `routes` holds what a route has other than `criteria`."""

    compare: dict[str, Comparing] = Field(default_factory=dict)
    criteria: Criteria = Field(default_factory=Criteria)
    routes: dict[str, Criteria] = Field(default_factory=dict)
    ramp: RampPlan = Field(default_factory=RampPlan)
    watch: WatchRules = Field(default_factory=WatchRules)

    def of(self, route: str) -> Criteria:
        """Return the criteria of a route."""
        own = self.routes.get(route)
        return self.criteria if own is None else self.criteria.over(own)

    def comparing(self, route: str) -> Comparing:
        """Return how a route is compared."""
        return self.compare.get(route) or Comparing()


def read_criteria(path: Path, *, root: Path | None = None) -> CriteriaFile:
    """Return what a file says; raise SpecError with the line of what is wrong."""
    return validate(CriteriaFile, read_yaml(path, root=root), noun="the promotion's criteria")
