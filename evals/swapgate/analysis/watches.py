"""One rule of the gate watched while a run goes on: at planned looks, or after every case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from swapgate.analysis.compare import differences
from swapgate.analysis.grouping import group
from swapgate.analysis.pairs import Pairs
from swapgate.analysis.rates import GATE_CONFIDENCE, rate
from swapgate.analysis.rule_scopes import MEASURES, margins, rules_by_scope
from swapgate.analysis.scopes import OVERALL, Scope, Scoped
from swapgate.analysis.table import UNKNOWN, Codes, Results, Table, table_of
from swapgate.facts import Facts
from swapgate.records import StoppedRule
from swapgate.spec.suite import GateEntry, SliceGate
from swapgate.stats.anytime import (
    AnytimeResult,
    Evidence,
    anytime_margin,
    anytime_rate,
    margin_evidence,
    rate_evidence,
)
from swapgate.stats.interval import Interval
from swapgate.stats.sequential import GroupSequential, LookAnswer
from swapgate.values import Value, replace

# One-sided, over all looks together: the interval of both sides then has GATE_CONFIDENCE.
ALPHA = 0.05
FUTILE_ALPHA = 0.10
OPEN = "go on"
Floats = npt.NDArray[np.float64]


class WatchedRule(Scoped):
    """One rule with error rates: a margin, or a bound of a rate. `rule` is the name that decisions have."""

    rule: str
    measure: str
    limit: float

    @property
    def is_margin(self) -> bool:
        """Whether the rule compares with a baseline."""
        return self.rule == "margin"

    @property
    def is_ceiling(self) -> bool:
        """Whether the rate must stay below the limit: then its complement is watched."""
        return self.rule.endswith(".max")


class Sight(Value):
    """What one rule can see of the trials so far, as a rate that must reach a minimum or as paired counts.

    `clusters` is None where every trial is independent. `means` holds one value a cluster in the order of the
    run: the mean result, or the mean difference of the pairs.
    """

    measure: str
    trials: int
    passed: int = 0
    n10: int = 0
    n01: int = 0
    deff: float = 1.0
    clusters: int | None = None
    means: Floats = field(default_factory=lambda: np.zeros(0))


def watched_rules(
    overall: GateEntry | None, suites: Mapping[str, GateEntry | None], *, has_baseline: bool
) -> list[WatchedRule]:
    """Return the rules that looks can decide: margins, and rates `on: interval`."""
    found: list[WatchedRule] = []
    for scope, rules in rules_by_scope(overall, suites).items():
        if isinstance(rules, SliceGate):
            found += _rate_rules(scope, rules)
    if has_baseline:
        found += [
            WatchedRule(**asdict(scope), rule="margin", measure="semantic", limit=margin)
            for scope, margin in margins(overall, suites, suites).items()
        ]
    return found


def _rate_rules(scope: Scope, rules: SliceGate) -> Iterator[WatchedRule]:
    rates = {"semantic": rules.semantic, "structural": rules.structural, "blind_pass": rules.blind_pass}
    for measure in MEASURES:
        rule = rates[measure]
        if rule is None or rule.on != "interval":
            continue
        for bound, limit in (("min", rule.min), ("max", rule.max)):
            if limit is not None and 0 < limit < 1:
                yield WatchedRule(**asdict(scope), rule=f"{measure}.{bound}", measure=measure, limit=limit)


def sight(rule: WatchedRule, facts: Sequence[Facts], pairs: Pairs | None) -> Sight | None:
    """Return what a rule sees of one candidate's trials and pairs; None where it sees nothing."""
    if rule.is_margin:
        return None if pairs is None else _margin_sight(rule, pairs)
    inside = group(facts, listed=[rule.scope]).get(rule.scope)
    if inside is None or not inside.size:
        return None
    part = table_of([facts[i] for i in inside.tolist()])
    results = _of(part, rule.measure)
    is_known = results != UNKNOWN
    x, clusters = results[is_known], part.clusters[is_known]
    if rule.is_ceiling:
        x = (1 - x).astype(np.int8)
    found = rate(x, clusters, gate_confidence=GATE_CONFIDENCE, method="score")
    return Sight(
        measure=rule.measure,
        trials=found.n,
        passed=found.passed,
        deff=found.n / found.effective_n if found.effective_n else 1.0,
        clusters=found.clusters if found.clusters < found.n else None,
        means=_means(x, clusters),
    )


def _margin_sight(rule: WatchedRule, pairs: Pairs) -> Sight | None:
    """Return the pairs' table of the meaning; of the structure only where nothing scored the meaning."""
    inside = group(pairs.ours, listed=[rule.scope]).get(rule.scope)
    if inside is None or not inside.size:
        return None
    found = {
        d.measure: d
        for d in differences(pairs, {rule.scope: inside}, margins={OVERALL: rule.limit})
        if d.pairs
    }
    difference = found.get("semantic") or found.get("structural")
    if difference is None:
        return None
    ours, theirs = (_of(side, difference.measure)[inside] for side in (pairs.our_table, pairs.their_table))
    is_known = (ours != UNKNOWN) & (theirs != UNKNOWN)
    return Sight(
        measure=difference.measure,
        trials=difference.pairs,
        n10=difference.only_baseline,
        n01=difference.only_candidate,
        deff=difference.deff,
        clusters=difference.clusters if difference.clusters < difference.pairs else None,
        means=_means((ours - theirs)[is_known], pairs.clusters[inside][is_known]),
    )


class Watch(Protocol):
    """Looks at one rule for one candidate; once the rule is decided its answer stays."""

    rule: WatchedRule
    last: StoppedRule

    def look(self, seen: Sight | None, *, is_last: bool) -> StoppedRule:
        """Return the rule's answer by now."""
        ...


class PlannedWatch:
    """Looks at planned numbers of trials; `looks` are those numbers in the rule's own scope."""

    def __init__(self, rule: WatchedRule, model: str, looks: Sequence[int]) -> None:
        self.rule = rule
        self.last = _unseen(rule, model)
        self._test = GroupSequential(looks, alpha=ALPHA)

    def look(self, seen: Sight | None, *, is_last: bool) -> StoppedRule:
        """Return the answer at this look."""
        is_over = bool(self._test.taken) and self._test.taken[-1] >= 1
        if seen is None or is_over or is_decided(self.last):
            return self.last
        said = self._ask(seen, is_last=is_last)
        self.last = _said(self.rule, self.last, seen, said.answer, said.interval, look=said.look)
        return self.last

    def _ask(self, seen: Sight, *, is_last: bool) -> LookAnswer:
        if self.rule.is_margin:
            return self._test.look_margin(
                seen.n10,
                seen.n01,
                seen.trials,
                margin=self.rule.limit,
                deff=seen.deff,
                clusters=seen.clusters,
                is_last=is_last,
            )
        return self._test.look_rate(
            seen.passed,
            seen.trials,
            minimum=_minimum(self.rule),
            deff=seen.deff,
            clusters=seen.clusters,
            is_last=is_last,
        )


class AnytimeWatch:
    """Looks after every case."""

    def __init__(self, rule: WatchedRule, model: str) -> None:
        self.rule = rule
        self.last = _unseen(rule, model)

    def look(self, seen: Sight | None, *, is_last: bool) -> StoppedRule:
        """Return the answer after the cases so far; the interval is made once, when nothing will change."""
        if seen is None or not seen.means.size or (self.rule.is_margin and not self.rule.limit):
            return self.last
        if is_decided(self.last) or not (is_last or self._has_crossed(seen)):
            return self.last
        said = self._ask(seen)
        self.last = _said(self.rule, self.last, seen, said.answer, said.interval, look=said.cases)
        return self.last

    def _has_crossed(self, seen: Sight) -> bool:
        evidence = self._evidence(seen)
        most = max(float(evidence.passes[-1]), float(evidence.fails[-1]))
        is_futile = evidence.futile is not None and evidence.futile[-1] >= np.log(1 / FUTILE_ALPHA)
        return most >= np.log(1 / ALPHA) or bool(is_futile)

    def _evidence(self, seen: Sight) -> Evidence:
        if self.rule.is_margin:
            return margin_evidence(seen.means, margin=self.rule.limit)
        return rate_evidence(seen.means, minimum=_minimum(self.rule))

    def _ask(self, seen: Sight) -> AnytimeResult:
        if self.rule.is_margin:
            return anytime_margin(seen.means, margin=self.rule.limit, alpha=ALPHA, futility=FUTILE_ALPHA)
        return anytime_rate(seen.means, minimum=_minimum(self.rule), alpha=ALPHA)


def is_decided(said: StoppedRule) -> bool:
    """Whether an answer will not change any more."""
    return said.answer in {"pass", "fail", "futile"}


def _unseen(rule: WatchedRule, model: str) -> StoppedRule:
    return StoppedRule(
        **asdict(rule.scope),
        rule=rule.rule,
        measure=rule.measure,
        model=model,
        answer=OPEN,
        look=0,
        trials=0,
        confidence=GATE_CONFIDENCE,
    )


def _said(
    rule: WatchedRule, before: StoppedRule, seen: Sight, answer: str, interval: Interval, *, look: int
) -> StoppedRule:
    low, high = interval.low, interval.high
    if rule.is_ceiling and low is not None and high is not None:
        low, high = 1 - high, 1 - low
    return replace(
        before, answer=answer, measure=seen.measure, look=look, trials=seen.trials, low=low, high=high
    )


def _minimum(rule: WatchedRule) -> float:
    return 1 - rule.limit if rule.is_ceiling else rule.limit


def _of(part: Table, measure: str) -> Results:
    return {"semantic": part.semantic, "structural": part.structural, "blind_pass": part.blind}[measure]


def _means(values: Results, clusters: Codes) -> Floats:
    """Return the mean of each cluster, in order of appearance."""
    if not values.size:
        return np.zeros(0)
    _, first, codes = np.unique(clusters, return_index=True, return_inverse=True)
    sums, sizes = np.bincount(codes, weights=values), np.bincount(codes)
    found: Floats = (sums / sizes)[np.argsort(first)]
    return found
