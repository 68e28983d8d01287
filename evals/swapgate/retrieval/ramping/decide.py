"""What follows from one look: the next stage, patience, or the way back. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.analysis.stages import lasted, next_share, share_text, too_little
from swapgate.errors import UsageError
from swapgate.retrieval.phases import Migration, Phase, is_before
from swapgate.retrieval.ramping.looks import Word
from swapgate.retrieval.ramping.seen import Seen
from swapgate.spec.index_ramp import RampEntry
from swapgate.values import Value

_SERVING = {Phase.CANARY, Phase.PROMOTED}


class Decision(Value):
    """What to do; `to` and `share` where something changes, `reasons` in the order of their weight."""

    word: Word
    reasons: tuple[str, ...]
    to: Phase | None = None
    share: float | None = None


def decide(plan: RampEntry, now: Migration, seen: Seen) -> Decision:
    """Return what follows. A stage is left only when everything is shown to hold.

    What is certain takes the new index back at once: a verification that failed, an index that is not the
    migration's. What may pass (failures and latencies of live traffic, an index that cannot be reached)
    does so at the `patience`-th bad look in a row.
    """
    if certain := (*seen.troubles.broken, *_failed(seen), *seen.disliked):
        return _back(plan, now, certain)
    if doubtful := tuple(_doubtful(seen)):
        looks = seen.bad_before + 1
        if looks >= plan.patience:
            return _back(plan, now, doubtful if plan.patience == 1 else (*doubtful, _in_a_row(looks)))
        more = f"{looks} of {plan.patience} bad looks in a row that take it back (`ramp: patience`)"
        return Decision(word="bad", reasons=(*doubtful, more))
    if now.phase is Phase.PROMOTED:
        lacking = tuple(_lacking(plan, now, seen))
        return Decision(word="wait", reasons=lacking) if lacking else _done(seen)
    to, share = next_stage(plan, now)
    if lacking := (*_unproven(plan, now, seen, share), *_lacking(plan, now, seen), *seen.in_the_way):
        return Decision(word="wait", reasons=lacking)
    return Decision(
        word="advance",
        reasons=tuple(_held(now, seen)),
        to=to,
        share=share if to is Phase.CANARY else None,
    )


def next_stage(plan: RampEntry, now: Migration) -> tuple[Phase, float]:
    """Return the phase that comes next on the ramp, and its share."""
    share = next_share(plan, now.share) or 1.0
    return (Phase.CANARY if share < 1.0 else Phase.PROMOTED), share


def require_ramp(now: Migration) -> None:
    """Raise UsageError where the migration is not on its ramp yet."""
    if now.phase is not Phase.ROLLED_BACK and is_before(now.phase, Phase.SHADOW_READ):
        raise UsageError(
            f"the ramp begins at shadow_read, and the migration {now.name!r} is at {now.phase}. Go there "
            "with `swapgate index move`, `reindex` and `check`"
        )


def where(now: Migration) -> str:
    """Return the stage in words: `at 5%`."""
    return "in the shadow" if now.phase is Phase.SHADOW_READ else f"at {share_text(now.share)}"


def _back(plan: RampEntry, now: Migration, reasons: tuple[str, ...]) -> Decision:
    if now.phase not in _SERVING:
        return Decision(word="hold", reasons=reasons)
    if plan.rollback == "manual":
        return Decision(word="hold", reasons=(*reasons, "`ramp: rollback` is manual: nothing was changed"))
    return Decision(word="rollback", reasons=reasons, to=Phase.ROLLED_BACK)


def _done(seen: Seen) -> Decision:
    return Decision(word="done", reasons=tuple(one.sentence for one in seen.rulings))


def _failed(seen: Seen) -> tuple[str, ...]:
    return seen.verified.reasons if seen.verified.word == "failed" else ()


def _doubtful(seen: Seen) -> Iterator[str]:
    yield from (one.sentence for one in seen.rulings if one.answer == "bad")
    yield from seen.troubles.unreachable
    if seen.verified.word == "unread":
        yield f"it could not be verified: {'; '.join(seen.verified.reasons)}"


def _in_a_row(looks: int) -> str:
    return f"{looks} bad looks in a row"


def _unproven(plan: RampEntry, now: Migration, seen: Seen, share: float) -> Iterator[str]:
    """Yield that nobody has shown the new index to be as good, where that is asked for."""
    word = seen.verified.word
    if word == "missing":
        yield f"it was not verified {where(now)}: `swapgate index verify`"
        yield from seen.verified.reasons
    elif word == "inconclusive" and share > plan.unproven:
        yield "; ".join(seen.verified.reasons) or "the verification was inconclusive"
        yield f"an inconclusive verification allows {share_text(plan.unproven)} (`ramp: unproven`)"


def _lacking(plan: RampEntry, now: Migration, seen: Seen) -> Iterator[str]:
    """Yield what the stage has not seen enough of."""
    is_shadow = now.phase is Phase.SHADOW_READ
    yield from too_little(
        plan,
        where(now),
        age_h=seen.age_h,
        served=seen.tally.shadow_served if is_shadow else seen.tally.served["new"],
        wanted=plan.queries,
        what="the new index answered {} queries",
        key="queries",
    )
    for one in seen.rulings:
        # Nobody waits for an answer in the shadow: it is not as fast as one that is served.
        if one.answer == "unknown" and not (is_shadow and one.what == "latency"):
            yield one.sentence


def _held(now: Migration, seen: Seen) -> Iterator[str]:
    """Yield what a stage has shown."""
    is_shadow = now.phase is Phase.SHADOW_READ
    answered = seen.tally.shadow_served if is_shadow else seen.tally.served["new"]
    yield f"the new index answered {answered:,} queries {where(now)} in {lasted(seen.age_h)}"
    yield from (one.sentence for one in seen.rulings if one.answer == "good")
    yield from seen.verified.reasons
