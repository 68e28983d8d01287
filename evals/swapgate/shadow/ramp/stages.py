"""What speaks against the next stage of a candidate's ramp now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from swapgate.analysis.stages import share_text, too_little
from swapgate.shadow.ramp.state import RampState, SaidVerdict
from swapgate.spec.shadow_criteria import RampPlan

# A decision on older traffic says nothing of today's candidate.
VERDICT_HOURS = 48


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
    yield from too_little(
        plan,
        f"at {share_text(state.share)}",
        age_h=since.total_seconds() / 3600,
        served=served,
        wanted=plan.requests,
        what="the candidate answered {} requests",
        key="requests",
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
