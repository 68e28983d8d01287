"""What a run's size cannot decide, said before the first call. Counts cases, knows no results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapgate.analysis.margin import floor_of, margins
from swapgate.analysis.rules import MEASURE_WORDS, MEASURES
from swapgate.analysis.wording import limit_percent, where
from swapgate.spec.suite import GateEntry, GateSpec, RateRule
from swapgate.stats.power import cases_for_rate


def plan_warnings(
    cases_by_suite: Mapping[str, int],
    *,
    overall: GateEntry | None,
    suites: Mapping[str, GateEntry | None],
    has_baseline: bool,
) -> list[str]:
    """Return one sentence for each rule that so few cases cannot satisfy, however good the candidate is.

    `cases_by_suite` counts the independent cases to be run (clusters; repeats add none).
    """
    counts: dict[str | None, int] = {None: sum(cases_by_suite.values())} | dict(cases_by_suite)
    gates: dict[str | None, GateEntry | None] = {None: overall} | dict(suites)
    found: list[str] = []
    for suite, cases in counts.items():
        entry = gates.get(suite)
        if isinstance(entry, GateSpec):
            found += _rate_warnings(entry, suite, cases)
    if has_baseline:
        for suite, margin in margins(overall, suites, cases_by_suite).items():
            found += _margin_warnings(margin, suite, counts[suite])
    return found


def _margin_warnings(margin: float, suite: str | None, cases: int) -> Iterator[str]:
    needed = floor_of(margin)
    if not margin:
        yield f"a margin of 0{where(suite)} passes only a better candidate: equal models stay inconclusive"
    elif cases < needed:
        few = f"{_cases(cases)}{where(suite)}"
        yield f"{few} cannot pass a margin of {margin:g}: at least {needed} are needed"


def _rate_warnings(entry: GateSpec, suite: str | None, cases: int) -> Iterator[str]:
    rules = {"semantic": entry.semantic, "structural": entry.structural, "blind_pass": entry.blind_pass}
    for measure in MEASURES:
        rule = rules[measure]
        if rule is not None and rule.on == "interval":
            yield from _bound_warnings(f"{MEASURE_WORDS[measure]}{where(suite)}", rule, cases)


def _bound_warnings(subject: str, rule: RateRule, cases: int) -> Iterator[str]:
    for bound, limit, best in (("min", rule.min, 1.0), ("max", rule.max, 0.0)):
        if limit is None or limit == 1 - best:
            continue
        needed, shown = cases_for_rate(best, limit), f"{bound} {limit_percent(limit)} for the {subject}"
        if needed is None:
            yield f"no number of cases can show a {shown}: write `on: point` or `gate: every-case`"
        elif cases < needed:
            yield f"{_cases(cases)} cannot show a {shown}, however good: at least {needed} are needed"


def _cases(number: int) -> str:
    return f"{number} case" if number == 1 else f"{number} cases"
