"""From one stage of a ramp to the next: which one it is, and what speaks against it now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from swapgate.shadow.ramp.state import RampState, SaidVerdict
from swapgate.spec.shadow_criteria import RampPlan

# A decision on older traffic says nothing of today's candidate.
VERDICT_HOURS = 48


def next_share(plan: RampPlan, share: float) -> float | None:
    """Return the next larger stage, None where everybody has the candidate."""
    return next((stage for stage in plan.stages if stage > share), None)


def why_not(
    plan: RampPlan,
    state: RampState | None,
    verdict: SaidVerdict | None,
    *,
    served: int,
    now: datetime,
) -> Iterator[str]:
    """Yield what speaks against the next stage: no promotion, or too little seen of the present one.

    `served` are the requests that the candidate answered since the last change.
    """
    yield from _of_verdict(verdict, now)
    if state is None or state.share == 0:
        return
    since = now - datetime.fromisoformat(state.changed_at)
    if since < timedelta(hours=plan.hours):
        hours = since.total_seconds() / 3600
        yield f"it is at {state.share:.0%} for {hours:.1f} hours, {plan.hours:g} wanted (`ramp: hours`)"
    if served < plan.requests:
        yield (
            f"the candidate answered {served:,} requests at {state.share:.0%}, {plan.requests:,} wanted "
            "(`ramp: requests`)"
        )


def _of_verdict(verdict: SaidVerdict | None, now: datetime) -> Iterator[str]:
    ask = "`swapgate shadow promote` decides"
    if verdict is None:
        yield f"nobody decided about it yet: {ask}"
        return
    if verdict.verdict != "promote":
        yield f"the last decision was {verdict.verdict}: {verdict.reason}"
    age = now - datetime.fromisoformat(verdict.at)
    if age > timedelta(hours=VERDICT_HOURS):
        yield f"the last decision is {age.total_seconds() / 3600:.0f} hours old: {ask}"
