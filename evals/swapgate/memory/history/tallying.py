"""How the trials of a run ended, counted from their facts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from swapgate.facts import Facts
from swapgate.records import Tally


def tallies_of(run_id: str, facts: Iterable[Facts]) -> list[Tally]:
    """Return one tally for each suite and model of a run, in that order."""
    groups: dict[tuple[str, str], list[Facts]] = defaultdict(list)
    for one in facts:
        groups[one.suite, one.model].append(one)
    return [_tally(run_id, groups[key]) for key in sorted(groups)]


def _tally(run_id: str, facts: Sequence[Facts]) -> Tally:
    first = facts[0]
    outcomes = [one.outcome for one in facts]
    structural = [one.structural for one in facts if one.structural is not None]
    semantic = [one.semantic for one in facts if one.semantic is not None]
    return Tally(
        run_id=run_id,
        suite=first.suite,
        model=first.model,
        role="baseline" if first.role == "baseline" else "candidate",
        cases=len({one.case for one in facts}),
        trials=len(facts),
        passed=outcomes.count("passed"),
        missed=outcomes.count("missed"),
        errored=outcomes.count("errored"),
        unscored=outcomes.count("unscored"),
        structural_known=len(structural),
        structural_right=sum(structural),
        semantic_known=len(semantic),
        semantic_right=sum(semantic),
        cost_usd=_cost(facts),
    )


def _cost(facts: Sequence[Facts]) -> float | None:
    amounts = [one.cost_usd for one in facts if one.is_own] + [one.judge_cost_usd for one in facts]
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
