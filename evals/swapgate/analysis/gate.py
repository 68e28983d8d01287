"""The gate: which rules hold for whom, and the worst of their answers with its reason and its numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TypeAlias

from swapgate.analysis.compare import Comparison
from swapgate.analysis.correction import RULE as JUDGE_RULE
from swapgate.analysis.decision import Decision, GateAnswer, GateResult
from swapgate.analysis.error_limit import DEFAULT_ERRORS, errors_decision
from swapgate.analysis.error_limit import RULE as ERRORS_RULE
from swapgate.analysis.margin import RISE_RULE, margin_decision, rise_decision
from swapgate.analysis.regressions import regressions_decision
from swapgate.analysis.rule_scopes import EVERY_CASE, MEASURES, Rules, has_rule, margins, rules_by_scope
from swapgate.analysis.rules import ceiling_decision, every_case_decision, rate_decisions, rate_of
from swapgate.analysis.scopes import Scope
from swapgate.analysis.summary import Summary
from swapgate.analysis.unscored_limit import DEFAULT_UNSCORED, unscored_decision
from swapgate.analysis.wording import where
from swapgate.errors import ExitCode
from swapgate.records import Run
from swapgate.spec.suite import GateEntry, GateSpec, OverallGate, SliceGate
from swapgate.values import replace

__all__ = ["Decision", "GateAnswer", "GateResult", "judge_gate"]

PARTIAL = "partial selection"
NO_RULE = "no gate rule: add `gate:` to the suite or [tool.swapgate.gate]"
NO_TRIALS = "no trial of a candidate came back, so there is nothing to judge"
_EXIT_CODES: dict[GateAnswer, ExitCode] = {"pass": ExitCode.OK, "fail": ExitCode.FAILED}
_ALSO: dict[GateAnswer, str] = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive"}
_Scopes: TypeAlias = dict[Scope, Summary]
# The rule of a decision, its scope and its model.
RuleKey: TypeAlias = tuple[str, Scope, str]
_SEVERITY: tuple[GateAnswer, ...] = ("fail", "inconclusive", "pass")


def judge_gate(
    summaries: Sequence[Summary],
    comparisons: Sequence[Comparison],
    *,
    overall: GateEntry | None,
    suites: Mapping[str, GateEntry | None],
    run: Run,
    planned: int,
    stored: int,
    partial: bool,
    refusals: Sequence[Decision] = (),
    notes: Sequence[str] = (),
    futile: Collection[RuleKey] = (),
) -> GateResult:
    """Judge every candidate by itself; the worst answer is the run's.

    `overall` holds over all suites together, `suites` by suite; a suite without an entry adds no rule.
    `planned` counts the trials that the run set out to make, `stored` those that came back.
    Too many errored or missing trials refuse every other answer, and so do `refusals`, judges that cannot
    gate: but for the failure of a model that none of these is about, in a rate that is the structure's or
    corrected. `notes` go with the answer. `futile` are rules that a run which stopped early gave up.
    """
    notes = tuple(notes)
    has_baseline = bool(comparisons) or run.baseline is not None
    if partial:
        return GateResult(answer="not_judged", reason=PARTIAL, exit_code=ExitCode.OK, notes=notes)
    if not has_baseline and not any(map(has_rule, (overall, *suites.values()))):
        return GateResult(answer="not_judged", reason=NO_RULE, exit_code=ExitCode.OK, notes=notes)
    missing = max(planned - stored, 0)
    candidates = _candidates(summaries)
    decisions = _error_decisions(summaries, overall, suites, planned=planned, missing=missing)
    decisions += _unscored_decisions(summaries, overall, suites)
    decisions += refusals
    if not candidates:
        decisions.append(
            Decision(rule="trials", suite=None, model="", answer="inconclusive", reason=NO_TRIALS)
        )
    for scopes in candidates:
        for scope, rules in rules_by_scope(overall, suites).items():
            decisions += _rule_decisions(scopes, scope, rules, missing=missing)
        if has_baseline:
            decisions += _baseline_decisions(scopes, comparisons, overall, suites)
    decisions = [_given_up(d) if (d.rule, d.scope, d.model) in futile else d for d in decisions]
    return replace(_result(decisions, overall, suites, sound=_sound(summaries, refusals)), notes=notes)


def _sound(summaries: Sequence[Summary], refusals: Sequence[Decision]) -> set[RuleKey]:
    """Return the measures that are known of a model whatever the judges are worth that cannot gate.

    Labels of the baseline that are too alike to correct its rate, as they are where it is never wrong, take
    nothing from what those of the candidate show.
    """
    refused = {one.model for one in refusals}
    return {
        (measure, one.scope, one.model)
        for one in summaries
        if not refused & {"", one.model}
        for measure in MEASURES
        if measure == "structural" or rate_of(one, measure).correction
    }


def _given_up(decision: Decision) -> Decision:
    """Return an inconclusive decision with the reason why no more cases were run."""
    if decision.answer != "inconclusive":
        return decision
    reason = f"{decision.reason}; more cases would hardly make it pass, so the run stopped"
    return replace(decision, reason=reason, is_futile=True)


def _candidates(summaries: Sequence[Summary]) -> list[_Scopes]:
    """Return each candidate's summaries by scope."""
    models: dict[str, _Scopes] = {}
    for summary in summaries:
        if summary.role == "candidate":
            models.setdefault(summary.model, {})[summary.scope] = summary
    return list(models.values())


def _error_decisions(
    summaries: Sequence[Summary],
    overall: GateEntry | None,
    suites: Mapping[str, GateEntry | None],
    *,
    planned: int,
    missing: int,
) -> list[Decision]:
    """Return the decisions on errored trials; where every case must pass, that rule judges them itself."""
    own = {suite: e.errors for suite, e in suites.items() if isinstance(e, GateSpec) and e.errors is not None}
    stated = overall.errors if isinstance(overall, GateSpec) else None
    apart = {suite for suite, entry in suites.items() if entry == EVERY_CASE}
    apart |= set(own) if stated is None else set()
    by_suite = [s for s in summaries if s.suite is not None and s.scope == Scope(s.suite)]
    rest = [] if overall == EVERY_CASE else [s for s in by_suite if s.suite not in apart]
    limit = DEFAULT_ERRORS if stated is None else stated
    found = [errors_decision(rest, suite=None, limit=limit, planned=planned, missing=missing)]
    for suite, suite_limit in own.items():
        found.append(
            errors_decision((s for s in by_suite if s.suite == suite), suite=suite, limit=suite_limit)
        )
    return [decision for decision in found if decision is not None]


def _unscored_decisions(
    summaries: Sequence[Summary], overall: GateEntry | None, suites: Mapping[str, GateEntry | None]
) -> list[Decision]:
    """Return the decisions on unscored trials: over all suites, and for those with a limit of their own."""
    own = {s: e.unscored for s, e in suites.items() if isinstance(e, GateSpec) and e.unscored is not None}
    stated = overall.unscored if isinstance(overall, GateSpec) else None
    by_suite = [s for s in summaries if s.suite is not None and s.scope == Scope(s.suite)]
    rest = [s for s in by_suite if s.suite not in own] if stated is None else by_suite
    limit = DEFAULT_UNSCORED if stated is None else stated
    found = [unscored_decision(rest, suite=None, limit=limit)]
    for suite, suite_limit in own.items():
        inside = (s for s in by_suite if s.suite == suite)
        found.append(unscored_decision(inside, suite=suite, limit=suite_limit))
    return [decision for decision in found if decision is not None]


def _rule_decisions(scopes: _Scopes, scope: Scope, rules: Rules, *, missing: int) -> list[Decision]:
    if rules is None or not has_rule(rules):
        return []
    if scope not in scopes:
        return [_absent(scopes, scope)]
    summary = scopes[scope]
    if not isinstance(rules, SliceGate):
        return [every_case_decision(summary, missing=missing)]
    rates = {"semantic": rules.semantic, "structural": rules.structural, "blind_pass": rules.blind_pass}
    decisions = [d for m in MEASURES if (rule := rates[m]) for d in rate_decisions(summary, m, rule)]
    if isinstance(rules, GateSpec) and rules.cost_usd:
        decisions.append(ceiling_decision(summary, "cost_usd", rules.cost_usd.max))
    if isinstance(rules, GateSpec) and rules.latency_p95_s:
        decisions.append(ceiling_decision(summary, "latency_p95_s", rules.latency_p95_s.max))
    return decisions


def _absent(scopes: _Scopes, scope: Scope) -> Decision:
    model = next(iter(scopes.values())).model
    return Decision(
        rule="trials",
        **asdict(scope),
        model=model,
        answer="inconclusive",
        reason=f"no trial of {model}{where(scope)} came back",
    )


def _baseline_decisions(
    scopes: _Scopes,
    comparisons: Sequence[Comparison],
    overall: GateEntry | None,
    suites: Mapping[str, GateEntry | None],
) -> list[Decision]:
    """Return the decisions of the rules that need a baseline, for one candidate."""
    model = next(iter(scopes.values())).model
    own = [c for c in comparisons if c.candidate == model]
    present = [s.suite for s in scopes if s.suite is not None and s == Scope(s.suite)]
    against: list[Comparison | None] = [*own] or [None]
    found = [
        margin_decision(scopes[scope], comparison, margin) if scope in scopes else _absent(scopes, scope)
        for scope, margin in margins(overall, suites, present).items()
        for comparison in against
    ]
    for scope, rules in rules_by_scope(overall, suites).items():
        rise = rules.blind_pass.rise if isinstance(rules, SliceGate) and rules.blind_pass else None
        if rise is not None and scope not in scopes:
            found.append(_absent(scopes, scope))
        elif rise is not None:
            changes = [change for c in own for change in c.blind_pass if change.scope == scope]
            found += [rise_decision(scopes[scope], change, rise) for change in (*changes,) or (None,)]
    part = overall.regressions if isinstance(overall, OverallGate) else None
    return found + [regressions_decision(comparison, part) for comparison in own if part is not None]


def _result(
    decisions: Sequence[Decision],
    overall: GateEntry | None,
    suites: Mapping[str, GateEntry | None],
    *,
    sound: Collection[RuleKey],
) -> GateResult:
    """Return the worst answer with its first reason; too many errors come before everything else.

    Where a judge cannot gate, a failure is one only in a measure that is `sound`.
    """
    if refused := [d for d in decisions if d.rule == ERRORS_RULE and d.answer != "pass"]:
        return _said("inconclusive", refused, decisions, exit_code=ExitCode.TOO_MANY_ERRORS)
    if refused := [d for d in decisions if d.rule == JUDGE_RULE]:
        if failed := [d for d in decisions if d.answer == "fail" and _measured(d) in sound]:
            return _said("fail", failed, decisions, exit_code=ExitCode.FAILED)
        return _said("inconclusive", refused, decisions, exit_code=ExitCode.INCONCLUSIVE)
    said = {d.answer for d in decisions}
    answer = next(answer for answer in _SEVERITY if answer in said)
    worst = [d for d in decisions if d.answer == answer and d.rule != ERRORS_RULE]
    worst = worst or [d for d in decisions if d.answer == answer]
    if answer != "inconclusive":
        return _said(answer, worst, decisions, exit_code=_EXIT_CODES[answer])
    blocking = [d for d in worst if d.is_futile or not _only_warns(d.suite, overall, suites)]
    if blocking:
        return _said(answer, blocking, decisions, exit_code=ExitCode.INCONCLUSIVE)
    warned = _said(answer, worst, decisions, exit_code=ExitCode.OK)
    return replace(warned, reason=f"{warned.reason}; this only warns (inconclusive: warn)")


def _measured(decision: Decision) -> RuleKey:
    """Return the measure that a rule such as `semantic.min` bounds, or the rule itself; where and of whom."""
    measure = decision.rule if decision.rule == RISE_RULE else decision.rule.partition(".")[0]
    return measure, decision.scope, decision.model


def _said(
    answer: GateAnswer, worst: Sequence[Decision], decisions: Sequence[Decision], *, exit_code: ExitCode
) -> GateResult:
    reason = worst[0].reason
    if len(worst) > 1:
        reason += f" (and {len(worst) - 1} more {'rule' if len(worst) == 2 else 'rules'}: {_ALSO[answer]})"
    return GateResult(answer=answer, reason=reason, exit_code=exit_code, decisions=tuple(decisions))


def _only_warns(suite: str | None, overall: GateEntry | None, suites: Mapping[str, GateEntry | None]) -> bool:
    """Return whether an inconclusive answer does not block: the suite's own word, else the overall one."""
    for entry in (suites.get(suite) if suite is not None else None, overall):
        if isinstance(entry, GateSpec) and entry.inconclusive is not None:
            return entry.inconclusive == "warn"
    return False
