"""What canaries say of a run's judges: who let one pass, and whether the gate may decide on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.analysis.correction import RULE
from swapgate.analysis.decision import Decision
from swapgate.analysis.wording import usd
from swapgate.records import CanaryResult, JudgeCanaries, total

_LISTED = 5


def canary_decisions(judges: Sequence[JudgeCanaries]) -> Iterator[Decision]:
    """Yield one decision for each judge that let a canary pass and must not."""
    for one in judges:
        if one.passed and one.blocks:
            reason = (
                f"the judge {one.judge} cannot gate: it let {_let_pass(one)}. Mend the judge "
                f"(`swapgate judge canaries {one.judge}` shows what it said), or write `canaries: warn` "
                "into its file"
            )
            yield Decision(rule=RULE, model="", answer="inconclusive", reason=reason, suite=None)


def canary_notes(judges: Sequence[JudgeCanaries]) -> Iterator[str]:
    """Yield one line for each judge with canaries: how many passed, which could not be tried, the cost."""
    for one in judges:
        said = (
            _let_pass(one)
            if one.passed and not one.blocks
            else f"{len(one.passed):,} of {_counted(one)} pass"
        )
        lost = [result for result in one.results if result.outcome == "error"]
        errors = f"; {len(lost):,} got no verdict ({lost[0].reason})" if lost else ""
        cost = total([result.cost_usd for result in one.results])
        price = "" if not cost else f"; {usd(cost)} at list price"
        yield f"the judge {one.judge} let {said}{errors}{price}"


def _let_pass(one: JudgeCanaries) -> str:
    named = ", ".join(f"{r.canary} (on {r.suite}/{r.case})" for r in one.passed[:_LISTED])
    more = f" and {len(one.passed) - _LISTED:,} more" if len(one.passed) > _LISTED else ""
    return f"{len(one.passed):,} of {_counted(one)} pass: {named}{more}"


def _counted(one: JudgeCanaries) -> str:
    tried: list[CanaryResult] = [result for result in one.results if result.outcome != "error"]
    return f"{len(tried):,} canaries" if len(tried) != 1 else "1 canary"
