"""Looks at a run in progress: which candidates the gate has decided, at its error rates over all looks.

Rules with error rates are watched: margins, and rates `on: interval`. `every-case` is decided by its first
miss. What has two answers only (`on: point`, ceilings) is judged where the run ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from swapgate.analysis.compare import Comparison, Difference
from swapgate.analysis.pairs import pair_up
from swapgate.analysis.rates import Rate
from swapgate.analysis.rule_scopes import EVERY_CASE, rules_by_scope
from swapgate.analysis.scopes import Scope
from swapgate.analysis.summary import Summary
from swapgate.analysis.table import by_model
from swapgate.analysis.watches import (
    AnytimeWatch,
    PlannedWatch,
    Watch,
    WatchedRule,
    is_decided,
    sight,
    watched_rules,
)
from swapgate.analysis.wording import usd, where
from swapgate.facts import Facts
from swapgate.records import StoppedRule, Stopping
from swapgate.spec.suite import GateEntry, SliceGate
from swapgate.values import Value, replace

# Returns the planned numbers of trials in a scope at which to look, for one rule.
LooksIn = Callable[[Scope], Sequence[int]]


class Rules(Value):
    """The gate of a run, as far as looks need it."""

    overall: GateEntry | None
    suites: Mapping[str, GateEntry | None]
    baseline: str | None

    @property
    def watched(self) -> list[WatchedRule]:
        """The rules that looks can decide."""
        return watched_rules(self.overall, self.suites, has_baseline=self.baseline is not None)

    @property
    def whole(self) -> list[Scope]:
        """The scopes in which every case must pass."""
        return [
            scope for scope, rules in rules_by_scope(self.overall, self.suites).items() if rules == EVERY_CASE
        ]

    @property
    def needs_all(self) -> bool:
        """Whether a rule waits for the last case: `every-case`, or a rise that no look can decide."""
        rises = [
            rules.blind_pass.rise
            for rules in rules_by_scope(self.overall, self.suites).values()
            if isinstance(rules, SliceGate) and rules.blind_pass is not None
        ]
        return bool(self.whole) or (self.baseline is not None and any(rise is not None for rise in rises))


class Monitor:
    """Looks for all candidates. `looks_in` plans the looks; None looks after every case."""

    def __init__(self, rules: Rules, candidates: Sequence[str], *, looks_in: LooksIn | None) -> None:
        self._rules = rules
        self._watches: dict[str, list[Watch]] = {
            model: [watch for rule in rules.watched if (watch := _watch(rule, model, looks_in)) is not None]
            for model in candidates
        }
        self.stopped: dict[str, str] = {}

    @property
    def answers(self) -> tuple[StoppedRule, ...]:
        """What every watched rule says by now."""
        return tuple(watch.last for watches in self._watches.values() for watch in watches)

    def look(self, facts: Sequence[Facts], *, is_last: bool = False) -> None:
        """Look at all trials so far, in the order of the run; `stopped` then says who is decided, and why."""
        for model, watches in self._watches.items():
            if model in self.stopped:
                continue
            own = [f for f in facts if f.model == model and f.role == "candidate"]
            reason = self._broken(own)
            said = [] if reason else self._said(model, watches, own, facts, is_last=is_last)
            if not is_last and (reason := reason or _decided(said, has_more=self._rules.needs_all)):
                self.stopped[model] = reason

    def _said(
        self,
        model: str,
        watches: Sequence[Watch],
        own: Sequence[Facts],
        facts: Sequence[Facts],
        *,
        is_last: bool,
    ) -> list[StoppedRule]:
        baseline = self._rules.baseline
        pairs = None if baseline is None else pair_up(by_model(facts), candidate=model, baseline=baseline)
        return [watch.look(sight(watch.rule, own, pairs), is_last=is_last) for watch in watches]

    def _broken(self, own: Sequence[Facts]) -> str:
        """Return why `every-case` has failed already, or an empty string."""
        for scope in self._rules.whole:
            miss = next((f for f in own if scope.holds(f) and f.outcome in {"missed", "errored"}), None)
            if miss is not None:
                return f"every case{where(scope)} must pass, and {miss.case} {miss.outcome}"
        return ""


def _watch(rule: WatchedRule, model: str, looks_in: LooksIn | None) -> Watch | None:
    if looks_in is None:
        return AnytimeWatch(rule, model)
    looks = looks_in(rule.scope)
    return PlannedWatch(rule, model, looks) if looks else None


def _decided(said: Sequence[StoppedRule], *, has_more: bool) -> str:
    """Return why a candidate needs no further case, or an empty string.

    A failed rule decides, and so does one that would hardly be passed any more. A pass takes all rules, and
    none that only the last case can decide.
    """
    for answer, words in (("fail", "failed"), ("futile", "can hardly be passed any more")):
        if (first := next((s for s in said if s.answer == answer), None)) is not None:
            return f"{_name(first)} {words} after {first.trials:,} trials"
    if said and not has_more and all(map(is_decided, said)):
        return f"every rule passed, {_name(said[-1])} after {max(s.trials for s in said)} trials"
    return ""


def _name(said: StoppedRule) -> str:
    return f"{said.rule}{where(Scope(said.suite, said.prompt, said.tag))}"


def with_looks(
    summaries: Sequence[Summary], comparisons: Sequence[Comparison], stopping: Stopping
) -> tuple[tuple[Summary, ...], tuple[Comparison, ...]]:
    """Return rates and differences whose bounds, where a rule was watched, hold over all looks together."""
    said = {
        (rule.model, rule.measure, rule.rule == "margin", Scope(rule.suite, rule.prompt, rule.tag)): rule
        for rule in stopping.rules
    }

    def rate(summary: Summary, measure: str, found: Rate) -> Rate:
        rule = said.get((summary.model, measure, False, summary.scope))
        if rule is None or summary.role != "candidate":
            return found
        return replace(found, gate_low=rule.low, gate_high=rule.high, look=rule.look)

    def difference(found: Difference) -> Difference:
        rule = said.get((found.candidate, found.measure, True, found.scope))
        return found if rule is None else replace(found, low=rule.low, high=rule.high, look=rule.look)

    return (
        tuple(
            replace(
                s,
                structural=rate(s, "structural", s.structural),
                semantic=rate(s, "semantic", s.semantic),
                blind_pass=rate(s, "blind_pass", s.blind_pass),
            )
            for s in summaries
        ),
        tuple(replace(c, differences=tuple(map(difference, c.differences))) for c in comparisons),
    )


def futile_rules(stopping: Stopping) -> set[tuple[str, Scope, str]]:
    """Return the rules that were given up, each with its scope and its model."""
    return {
        (rule.rule, Scope(rule.suite, rule.prompt, rule.tag), rule.model)
        for rule in stopping.rules
        if rule.answer == "futile"
    }


def stopping_notes(stopping: Stopping) -> list[str]:
    """Return how a run that may stop early went, one line a candidate and one for what was saved."""
    looks = "a look after every case" if stopping.looks is None else f"{stopping.looks} planned looks"
    notes = [f"stopped early: {model}: {reason}" for model, reason in stopping.stopped.items()]
    if not notes:
        return [
            f"not stopped early: {looks} at {stopping.planned_cases:,} cases decided nothing before the end"
        ]
    saved = f"saved {stopping.saved_trials:,} trials" if stopping.saved_trials != 1 else "saved 1 trial"
    price = f", about {usd(stopping.saved_usd)}" if stopping.saved_usd else ""
    return [*notes, f"{saved}{price}: {stopping.cases:,} of {stopping.planned_cases:,} cases, {looks}"]
