"""What a run's size cannot decide, said before the first call. Counts cases, knows no results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from swapgate.analysis.rule_scopes import (
    MEASURE_WORDS,
    MEASURES,
    floor_of,
    margins,
    rules_by_scope,
)
from swapgate.analysis.scopes import OVERALL, Scope
from swapgate.analysis.wording import limit_percent, where
from swapgate.spec.suite import GateEntry, RateRule, SliceGate, interval_of
from swapgate.stats.power import cases_for_rate, floor_cases
from swapgate.values import Value


def plan_warnings(
    cases: Mapping[Scope, int],
    *,
    overall: GateEntry | None,
    suites: Mapping[str, GateEntry | None],
    has_baseline: bool,
) -> list[str]:
    """Return one sentence for each rule that so few cases cannot satisfy, however good the candidate is.

    `cases` counts the independent cases to be run by scope (clusters; repeats add none).
    """
    found: list[str] = []
    is_exact = interval_of(overall) == "exact"
    for scope, rules in rules_by_scope(overall, suites).items():
        if isinstance(rules, SliceGate) and scope in cases:
            found += _rate_warnings(rules, scope, cases[scope], is_exact=is_exact)
    if has_baseline:
        present = [scope.suite for scope in cases if scope.suite is not None and scope == Scope(scope.suite)]
        for scope, margin in margins(overall, suites, present).items():
            found += _margin_warnings(margin, scope, cases.get(scope, 0))
    return found


def count_cases(placed: Iterable[PlannedCase]) -> dict[Scope, int]:
    """Return the number of independent cases in every scope that a gate may name."""
    clusters: dict[Scope, set[tuple[str, str]]] = {OVERALL: set()}
    for case in placed:
        names = (None, case.suite)
        scopes = [Scope(suite) for suite in names]
        scopes += [Scope(suite, tag=tag) for suite in names for tag in case.tags]
        if case.prompt is not None:
            scopes += [Scope(suite, prompt=case.prompt) for suite in names]
        for scope in scopes:
            clusters.setdefault(scope, set()).add((case.suite, case.cluster))
    return {scope: len(found) for scope, found in clusters.items()}


class PlannedCase(Value, kw_only=False):
    """One case to be run: what decides which scopes and which cluster it counts in."""

    suite: str
    cluster: str
    prompt: str | None = None
    tags: tuple[str, ...] = ()


def _margin_warnings(margin: float, scope: Scope, cases: int) -> Iterator[str]:
    needed = floor_of(margin)
    if not margin:
        yield f"a margin of 0{where(scope)} passes only a better candidate: equal models stay inconclusive"
    elif cases < needed:
        few = f"{_cases(cases)}{where(scope)}"
        yield f"{few} cannot pass a margin of {margin:g}: at least {needed} are needed"


def _rate_warnings(entry: SliceGate, scope: Scope, cases: int, *, is_exact: bool) -> Iterator[str]:
    rules = {"semantic": entry.semantic, "structural": entry.structural, "blind_pass": entry.blind_pass}
    for measure in MEASURES:
        rule = rules[measure]
        if rule is not None and rule.on == "interval":
            yield from _bound_warnings(
                f"{MEASURE_WORDS[measure]}{where(scope)}", rule, cases, is_exact=is_exact
            )


def _bound_warnings(subject: str, rule: RateRule, cases: int, *, is_exact: bool) -> Iterator[str]:
    for bound, limit, best in (("min", rule.min, 1.0), ("max", rule.max, 0.0)):
        if limit is None or limit == 1 - best:
            continue
        needed, shown = cases_for_rate(best, limit), f"{bound} {limit_percent(limit)} for the {subject}"
        if needed is not None and is_exact and 0 < limit < 1:
            # The fewest of which all can be right, or none, with a chance of 5% at the limit.
            needed = floor_cases(abs(best - limit))
        if needed is None:
            yield f"no number of cases can show a {shown}: write `on: point` or `gate: every-case`"
        elif cases < needed:
            yield f"{_cases(cases)} cannot show a {shown}, however good: at least {needed} are needed"


def _cases(number: int) -> str:
    return f"{number} case" if number == 1 else f"{number} cases"
