"""The shares of traffic that something new is given one after the other, as people write them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from swapgate.spec.suite import Written


def _rising(stages: tuple[float, ...]) -> tuple[float, ...]:
    if list(stages) != sorted(set(stages)) or not stages or stages[-1] != 1:
        raise ValueError(f"must rise to 1, such as [0.01, 0.05, 0.25, 0.5, 1], got {list(stages)}")
    return stages


Stages = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], AfterValidator(_rising)]


class StagePlan(Written):
    """What every ramp says: its shares, how long each lasts at least, and who takes it back."""

    stages: Stages
    hours: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 24.0
    rollback: Literal["automatic", "manual"] = "automatic"
