"""From one stage of a ramp to the next: which comes, and whether the present one has seen enough. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.spec.stages import StagePlan


def next_share(plan: StagePlan, share: float) -> float | None:
    """Return the next larger stage, None where everybody has the new one."""
    return next((stage for stage in plan.stages if stage > share), None)


def share_text(share: float) -> str:
    """Return a share of a plan as it was written, `0.5%`."""
    return f"{100 * share:g}%"


def lasted(age_h: float) -> str:
    """Return how long a stage has lasted, `3.0 hours` or `12 minutes`."""
    if age_h >= 1:
        return f"{age_h:.1f} hours"
    return f"{60 * age_h:.0f} minutes" if age_h >= 1 / 60 else "less than a minute"


def too_little(
    plan: StagePlan, where: str, *, age_h: float, served: int, wanted: int, what: str, key: str
) -> Iterator[str]:
    """Yield what the present stage lacks: time, or `what` (`the candidate answered {} requests`).

    `where` is the stage in words, `key` the one of `ramp` that says how many are wanted.
    """
    if age_h < plan.hours:
        yield f"it is {where} for {lasted(age_h)}, {plan.hours:g} hours wanted (`ramp: hours`)"
    if served < wanted:
        yield f"{what.format(f'{served:,}')} {where}, {wanted:,} wanted (`ramp: {key}`)"
