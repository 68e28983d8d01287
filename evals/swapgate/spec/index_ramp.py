"""The key `ramp` of `config/index.yml`: the shares of a new index, and what each of them must have seen."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from swapgate.spec.stages import StagePlan, Stages

STAGES = (0.05, 0.25, 0.5, 1.0)
Count = Annotated[int, Field(ge=1)]
Hours = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RampEntry(StagePlan):
    """What `swapgate index ramp` goes by.

    `failures` is by how much more often the new index may fail than the old one, `latency` how many times its
    95th percentile may be the old one's. `patience` bad looks in a row take it back, one where it is shown
    by the verification. `unproven` is the largest share that an inconclusive verification allows.
    """

    stages: Stages = STAGES
    queries: Annotated[int, Field(ge=0)] = 200
    failures: Annotated[float, Field(gt=0, lt=1)] | None = 0.02
    latency: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 1.5
    patience: Count = 2
    pause_hours: Hours = 24.0
    verified_hours: Hours = 24.0
    unproven: Annotated[float, Field(ge=0, le=1)] = 0.0
