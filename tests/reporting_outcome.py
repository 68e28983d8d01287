"""A run made up for the tests of reports: two candidates, a baseline, misses, errors, hostile texts.

Its numbers are made up one by one, and need not agree with each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from swapgate.analysis.compare import Comparison, Difference, Flip
from swapgate.analysis.covariates import CovariateFinding
from swapgate.analysis.decision import Decision, GateResult
from swapgate.analysis.distributions import Spread
from swapgate.analysis.matrix import Cell, Standing
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.quarantine import Quarantine, QuarantinedCase
from swapgate.analysis.ranking import Rank
from swapgate.analysis.rates import Rate
from swapgate.analysis.repeatability import AmongK, FlakyCase, Repeatability
from swapgate.analysis.scopes import OVERALL, Scope
from swapgate.analysis.shifts import AmountShift, BlindPassChange, ScoreShift
from swapgate.analysis.summary import CheckCount, Summary
from swapgate.errors import ErrorKind, ExitCode
from swapgate.facts import facts_of
from swapgate.records import (
    Answer,
    CheckResult,
    Evidence,
    Finding,
    JudgeCalibration,
    JudgeLabel,
    JudgeSample,
    Message,
    ModelIdentity,
    Response,
    Run,
    Shard,
    StoppedRule,
    Stopping,
    Trial,
    TrialError,
    Usage,
    Verdict,
)
from swapgate.stats.distribution import DistributionComparison, RateDistribution
from swapgate.stats.interval import Interval

BASELINE, CANDIDATE, OTHER = "model-old", "model-new", "vendor/model-mini"
SUITES = ("code_review", "summaries")
TAGS = ("security", "style")
HOSTILE = (
    "</script><script>document.title='OWNED'</script><img src=x onerror=\"document.title='OWNED'\">"
    " | cell | `code` ```fence``` <b>bold</b> @octocat #1 https://evil.example/ [link](javascript:alert(1))"
    " $x$\n# heading\n\x1b[31mred\x1b[0m \x00 \x07 \u202eoverride\u202c \ud800 \u2028 &amp; <!-- -->"
    " {{ 7 * 7 }} \\| **x**"
)
DIFF = """\
-    cursor.execute("SELECT * FROM users WHERE name = %s", (name,))
+    cursor.execute(f"SELECT * FROM users WHERE name = '{name}'")
"""


def of_many_suites(number: int) -> RunOutcome:
    """Return it with many suites more: of one the gate failed, one became worse, the last are the lowest."""
    outcome = made_up_outcome()
    names = [f"suite-{n:03d}" for n in range(number)]
    one = next(s for s in outcome.summaries if s.model == CANDIDATE and s.suite == "summaries")
    parts = tuple(
        replace(one, suite=name, semantic=replace(one.semantic, rate=1 - n / 10_000))
        for n, name in enumerate(names)
    )
    passed = next(d for d in outcome.gate.decisions if d.answer == "pass")
    decisions = [*outcome.gate.decisions, *(replace(passed, suite=name) for name in names)]
    decisions += [replace(passed, suite=name, answer="fail") for name in names[123:124]]
    comparison = outcome.comparisons[0]
    same = replace(comparison.differences[0], prompt=None, tag=None, p_value=0.5, p_adjusted=None)
    differences = [replace(same, suite=name) for name in names]
    differences[200:201] = [replace(one, p_value=0.001, estimate=-0.5) for one in differences[200:201]]
    comparison = replace(comparison, differences=(*comparison.differences, *differences))
    return replace(
        outcome,
        run=replace(outcome.run, suites=(*outcome.run.suites, *names)),
        summaries=(*outcome.summaries, *parts),
        gate=replace(outcome.gate, decisions=tuple(decisions)),
        comparisons=(comparison,),
        matrix=(),
        warnings=tuple(f"few cases on {name}" for name in names),
    )


def made_up_outcome(*, cases: int = 8, long_text: int = 0) -> RunOutcome:
    """Return a finished run of three models on two suites of `cases` cases each (8: 48 trials)."""
    trials = [
        _trial(suite, number, model, long_text=long_text)
        for suite in SUITES
        for number in range(cases)
        for model in (BASELINE, CANDIDATE, OTHER)
    ]
    summaries = tuple(
        _summary(trials, model, scope)
        for model in (BASELINE, CANDIDATE, OTHER)
        for scope in (OVERALL, *map(Scope, SUITES), *(Scope(tag=tag) for tag in (*TAGS, HOSTILE)))
    )
    return RunOutcome(
        run=_run(len(trials)),
        facts=[facts_of(trial) for trial in trials],
        trials=trials[::-1],
        summaries=summaries,
        comparisons=(_comparison(trials, CANDIDATE), _comparison(trials, OTHER)),
        gate=_gate(),
        ranking=_ranking(),
        matrix=_matrix(),
        spreads=_spreads(),
        covariates=_covariates(),
        repeatability=_repeatability(),
        warnings=("model-mini is a floating alias: pin a dated id",),
        quarantine=Quarantine(
            cases=(QuarantinedCase(suite="summaries", case="case-004", passed=1, trials=3),),
            gate="fail",
            reason="model-new is worse than model-old",
        ),
    )


def with_response(trial: Trial, text: str) -> Trial:
    """Return the trial with another answer, where it has one; what was said of it stays."""
    if trial.answer is None:
        return trial
    return replace(trial, answer=replace(trial.answer, response=replace(trial.answer.response, text=text)))


def _run(planned: int) -> Run:
    return Run(
        id="2026-05-04-101500-a1b2c3",
        started_at="2026-05-04T10:15:00Z",
        finished_at="2026-05-04T10:19:30Z",
        models=tuple(
            ModelIdentity(
                name=name, provider="example", model=f"{name}-2026-04-01", params={"temperature": 0.1}
            )
            for name in (CANDIDATE, OTHER, BASELINE)
        ),
        judges=(ModelIdentity(name="reviewer", provider="example", model="judge-model-2026-01-01"),),
        baseline=BASELINE,
        suites=SUITES,
        planned=planned,
        is_complete=True,
        git_commit="0123456789abcdef0123456789abcdef01234567",
        git_dirty=True,
        versions={"swapgate": "0.1.0", "python": "3.11.7"},
        seed=7,
        calibrations=(_calibration(),),
        stopping=_stopping(),
        shard=Shard(number=2, count=3, plan="c0ffee", sizes=(16, 16, 16)),
        merged=("2026-05-04-100000-000001",),
        completes="2026-05-04-090000-000002",
    )


def _calibration() -> JudgeCalibration:
    told = [(True, True)] * 6 + [(False, False)] * 4 + [(True, False)] * 2 + [(False, True)]
    labels = [
        JudgeLabel(model=CANDIDATE, verdict=verdict, truth=truth, cluster=f"case-{number:03d}")
        for number, (verdict, truth) in enumerate(told)
    ]
    return JudgeCalibration(judge="reviewer", design="random", labels=tuple(labels))


def _stopping() -> Stopping:
    rule = StoppedRule(
        rule="margin",
        measure="semantic",
        model=CANDIDATE,
        answer="fail",
        look=2,
        trials=14,
        confidence=0.9,
        low=-0.46,
        high=-0.26,
    )
    return Stopping(looks=5, seed=7, planned_cases=16, cases=16, rules=(rule,))


def _trial(suite: str, number: int, model: str, *, long_text: int) -> Trial:
    kind = _kind(number, model)
    text = '{"recommendation": "request_changes", "summary": "The query is built from user input."}'
    if number == 1 and suite == SUITES[0] and model == CANDIDATE:
        text = HOSTILE
    answer = Answer(
        model=model,
        response=Response(
            text=text + "x" * long_text,
            usage=Usage(tokens_in=812 + number, tokens_out=96),
            model_served=f"{model}-2026-04-01",
            latency_s=0.8 + number / 10,
        ),
        from_cache=number % 2 == 0,
        cost_usd=None if model == OTHER else 0.0021,
    )
    failed = TrialError(kind=ErrorKind.TIMEOUT, message="no answer within 120 s: " + HOSTILE)
    return Trial(
        suite=suite,
        case=f"case-{number:03d}",
        model=model,
        role="baseline" if model == BASELINE else "candidate",
        path=f"cases/{suite}.yml",
        line=10 + 5 * number,
        tags=("security",) if number % 2 else ("style", "python", *([HOSTILE] if number == 0 else [])),
        prompt="code_review",
        messages=(
            Message(role="system", content="You review code. Answer with one JSON object."),
            Message(role="user", content=f"Case {number}:\n{DIFF}"),
        ),
        expected={"recommendation": "request_changes", "summary": "The query is open to SQL injection."},
        answer=None if kind == "errored" else answer,
        checks=() if kind == "errored" else _checks(kind, text),
        verdicts=() if kind == "errored" else (_verdict(kind, text),),
        error=failed if kind == "errored" else None,
    )


def _kind(number: int, model: str) -> str:
    if model == BASELINE:
        return "blind" if number % 8 == 6 else "passed"
    return ("passed", "blind", "missed", "passed", "errored", "passed", "passed", "blind")[number % 8]


def _checks(kind: str, text: str) -> tuple[CheckResult, ...]:
    outside = Finding(message="text outside the object", pointer="", wanted="one JSON object", got=text[:200])
    enum = Finding(
        message="not an allowed value", pointer="/recommendation", wanted="approve or comment", got="'maybe'"
    )
    ok = kind != "missed"
    return (
        CheckResult(
            check="json",
            kind="structural",
            passed=ok,
            findings=() if ok else (outside,),
            facts={"json_kind": "bare" if ok else "wrapped"},
        ),
        CheckResult(check="enum", kind="structural", passed=ok, findings=() if ok else (enum,)),
    )


def _verdict(kind: str, text: str) -> Verdict:
    if kind == "missed":
        return Verdict(
            judge="reviewer",
            model="judge-model",
            definition_hash="d1",
            status="skipped",
            reason="the structure failed",
        )
    passed = kind == "passed"
    scores = {"factual_accuracy": 5.0 if passed else 2.0, "relevance": 4.0}
    why = "names the injection" if passed else f"praises the query as safe, which it is not: {text}"
    sample = JudgeSample(
        status="valid",
        raw='{"factual_accuracy": 2} ' + text,
        scores=scores,
        reasoning=why,
        evidence=(
            Evidence(quote="built from user input", is_verbatim=True),
            Evidence(quote="is safe", is_verbatim=False),
        ),
        answer=Answer(model="judge-model", response=Response(text="{}"), cost_usd=0.0007),
    )
    return Verdict(
        judge="reviewer",
        model="judge-model",
        definition_hash="d1",
        status="scored",
        passed=passed,
        scores=scores,
        reason="" if passed else why,
        samples=(sample,),
    )


def _rate(passed: int, n: int) -> Rate:
    """Return a rate whose interval is made up: eight points on either side."""
    if n == 0:
        return Rate(passed=0, n=0, clusters=0, rate=None, low=None, high=None)
    share = passed / n
    return Rate(
        passed=passed, n=n, clusters=n, rate=share, low=max(share - 0.08, 0.0), high=min(share + 0.08, 1.0)
    )


def _summary(trials: Sequence[Trial], model: str, scope: Scope) -> Summary:
    mine = [t for t in trials if t.model == model and scope.holds(facts_of(t))]
    answered = [t for t in mine if t.answer is not None]
    priced = model != OTHER
    return Summary(
        model=model,
        suite=scope.suite,
        tag=scope.tag,
        role=mine[0].role,
        trials=len(mine),
        errored=len(mine) - len(answered),
        structural=_rate(sum(t.structural_passed is True for t in answered), len(answered)),
        semantic=_rate(sum(t.semantic_passed is True for t in answered), len(answered)),
        blind_pass=_rate(sum(t.is_blind_pass for t in answered), len(answered)),
        tokens_in=815 * len(answered),
        tokens_out=96 * len(answered),
        cost_usd=0.0021 * len(answered) if priced else None,
        judge_tokens_in=1200 * len(answered),
        judge_tokens_out=150 * len(answered),
        judge_cost_usd=0.0007 * len(answered),
        paid_usd=0.0014 * len(answered) if priced else None,
        latency_p50_s=1.1,
        latency_p95_s=1.48,
        from_cache=len(answered) // 2,
        fallbacks=0,
        recoverable_json=1.0 if model != BASELINE else None,
        json_kinds=dict(Counter(str(t.checks[0].facts["json_kind"]) for t in answered)),
        errors={"timeout": len(mine) - len(answered)} if len(mine) > len(answered) else {},
        checks=tuple(_check_count(name, answered) for name in ("json", "enum", "reviewer")),
        counted=len(answered),
        judge_counted=len(answered),
    )


def _check_count(name: str, answered: Sequence[Trial]) -> CheckCount:
    is_judge = name == "reviewer"
    passed = [t.semantic_passed if is_judge else t.structural_passed for t in answered]
    kind = "judge" if is_judge else "structural"
    return CheckCount(name=name, kind=kind, passed=passed.count(True), n=len(answered))


def _comparison(trials: Sequence[Trial], candidate: str) -> Comparison:
    passed = {(t.suite, t.case, t.model): t.outcome == "passed" for t in trials if t.outcome != "errored"}
    pairs = sorted((s, c) for s, c, m in passed if m == candidate)
    worse = [p for p in pairs if passed[*p, BASELINE] and not passed[*p, candidate]]
    better = [p for p in pairs if passed[*p, candidate] and not passed[*p, BASELINE]]
    both = sum(passed[*p, BASELINE] and passed[*p, candidate] for p in pairs)
    estimate = (len(better) - len(worse)) / len(pairs)
    overall = Difference(
        measure="semantic",
        candidate=candidate,
        baseline=BASELINE,
        pairs=len(pairs),
        clusters=len(pairs),
        both=both,
        only_candidate=len(better),
        only_baseline=len(worse),
        neither=len(pairs) - both - len(better) - len(worse),
        estimate=estimate,
        low=estimate - 0.1,
        high=estimate + 0.1,
        confidence=0.9,
        p_value=0.0312,
        margin=0.05,
        p_noninferior=0.41,
    )
    tags = (
        replace(
            overall, tag="security", pairs=7, clusters=7, estimate=-0.43, low=-0.7, high=-0.1, p_value=0.02
        ),
        replace(overall, tag="style", pairs=7, clusters=7, estimate=0.0, low=-0.3, high=0.3, p_value=0.75),
        replace(
            overall, tag=HOSTILE, pairs=2, clusters=1, low=None, high=None, p_value=None, note="one cluster"
        ),
    )
    return Comparison(
        candidate=candidate,
        baseline=BASELINE,
        differences=(overall, *(replace(overall, suite=suite) for suite in SUITES), *tags),
        regressed=tuple(Flip(suite=s, case=c, repeat=1, reason=f"reviewer: {HOSTILE}") for s, c in worse),
        fixed=tuple(Flip(suite=s, case=c, repeat=1, reason="passes now") for s, c in better),
        unpaired=2,
        blind_pass=(_blind_pass(), replace(_blind_pass(), suite=SUITES[0])),
        scores=_scores(),
        amounts=_amounts(),
    )


def _blind_pass() -> BlindPassChange:
    return BlindPassChange(
        baseline_hits=2,
        baseline_counted=16,
        candidate_hits=4,
        candidate_counted=12,
        clusters=14,
        baseline_rate=0.125,
        candidate_rate=0.333,
        estimate=0.208,
        low=0.021,
        high=0.402,
        confidence=0.9,
        p_value=0.041,
    )


def _scores() -> tuple[ScoreShift, ...]:
    accuracy = ScoreShift(
        criterion="reviewer.factual_accuracy",
        levels=(1.0, 2.0, 3.0, 4.0, 5.0),
        baseline_counts=(0, 2, 0, 3, 9),
        candidate_counts=(1, 5, 2, 2, 4),
        pairs=14,
        baseline_mean=4.36,
        candidate_mean=3.21,
        difference=-1.14,
        low=-1.9,
        high=-0.39,
        confidence=0.9,
        p_value=0.012,
    )
    flat = replace(
        accuracy,
        criterion=f"reviewer.{HOSTILE}",
        levels=(4.0,),
        baseline_counts=(14,),
        candidate_counts=(14,),
        baseline_mean=4.0,
        candidate_mean=4.0,
        difference=0.0,
        low=None,
        high=None,
        p_value=None,
        note="no variation",
    )
    return (accuracy, flat, replace(accuracy, suite=SUITES[0]))


def _amounts() -> tuple[AmountShift, ...]:
    tokens = AmountShift(
        amount="tokens_out",
        pairs=14,
        baseline_mean=96.0,
        candidate_mean=131.0,
        ratio=131 / 96,
        difference=35.0,
        low=20.0,
        high=50.0,
        confidence=0.9,
        p_value=0.0004,
    )
    cost = replace(
        tokens, amount="cost_usd", baseline_mean=0.0021, candidate_mean=0.0012, ratio=4 / 7,
        difference=-0.0009, low=-0.0011, high=-0.0007, p_value=0.003,
    )  # fmt: skip
    latency = replace(
        tokens, amount="latency_s", baseline_mean=1.1, candidate_mean=1.1, ratio=1.0, difference=0.0,
        low=None, high=None, p_value=None, note="no variation",
    )  # fmt: skip
    return (tokens, cost, latency, replace(tokens, suite=SUITES[0]))


def _ranking() -> tuple[Rank, ...]:
    first = Rank(
        place=1, model=BASELINE, role="baseline", measure="semantic", rate=0.875, to_next=0.286, low=0.18,
        high=0.39, p_value=0.031, p_adjusted=0.047, is_separated=True,
    )  # fmt: skip
    second = Rank(
        place=2, model=CANDIDATE, role="candidate", measure="semantic", rate=0.571, to_next=0.02, low=-0.1,
        high=0.14, p_value=0.7, p_adjusted=0.7, is_separated=False,
    )  # fmt: skip
    return (first, second, Rank(place=3, model=OTHER, role="candidate", measure="semantic", rate=0.551))


def _matrix() -> tuple[Cell, ...]:
    return (
        *_prompt("code_review", 16, "worse", -0.29, "better", 0.2),
        *_prompt("summarise", 16, "not separated", -0.06, "not separated", 0.0),
        *_prompt(HOSTILE, 4, "too few", -0.25, "too few", -0.5),
    )


def _prompt(
    prompt: str, n: int, mine: Standing, estimate: float, others: Standing, other: float
) -> tuple[Cell, ...]:
    base = Cell(
        prompt=prompt,
        model=BASELINE,
        structural=_rate(n, n),
        semantic=_rate(3 * n // 4, n),
        measure="semantic",
        standing="baseline",
    )
    return (base, _cell(base, CANDIDATE, mine, estimate), _cell(base, OTHER, others, other))


def _cell(base: Cell, model: str, standing: Standing, estimate: float) -> Cell:
    n = base.semantic.n
    return replace(
        base,
        model=model,
        semantic=_rate(round((0.75 + estimate) * n), n),
        standing=standing,
        estimate=estimate,
        low=estimate - 0.1,
        high=estimate + 0.1,
        p_value=0.01,
        p_adjusted=0.02 if standing in {"worse", "better"} else 0.6,
    )


def _spreads() -> tuple[Spread, ...]:
    prompts = DistributionComparison(
        baseline=_distribution(0.85, 0.04, (0, 0, 0, 0, 0, 0, 1, 2, 12, 8)),
        candidate=_distribution(0.62, 0.18, (1, 1, 2, 2, 3, 3, 2, 2, 4, 3)),
        units=23,
        clusters=230,
        mean_difference=-0.23,
        spread_difference=0.14,
        p_value=0.012,
        mean_p_value=0.004,
        spread_p_value=0.03,
        shape_p_value=0.2,
        permutations=2000,
    )
    none = DistributionComparison(baseline=None, candidate=None, units=2, clusters=1, note="one cluster only")
    over = {"candidate": CANDIDATE, "baseline": BASELINE, "measure": "semantic"}
    return (
        Spread(**over, unit="prompt", comparison=prompts),
        Spread(**over, unit="tag", comparison=replace(prompts, p_value=0.44)),
        Spread(**over, unit="case", comparison=none, suite=SUITES[0]),
    )


def _distribution(mean: float, spread: float, counts: tuple[int, ...]) -> RateDistribution:
    quantiles = tuple(min(max(mean + step * spread, 0.0), 1.0) for step in (-2, -1, 0, 1, 2))
    return RateDistribution(
        rates=quantiles, quantiles=quantiles, mean=mean, sd=spread, between_sd=spread, counts=counts
    )


def _covariates() -> tuple[CovariateFinding, ...]:
    threshold = CovariateFinding(
        model=CANDIDATE,
        baseline=None,
        measure="structural",
        covariate="tokens_in",
        answer="threshold",
        cases=16,
        rate=0.09,
        p_value=0.001,
        p_adjusted=0.004,
        slope=_interval(0.002, 0.001),
        cut=815.0,
        cut_low=813.0,
        cut_high=817.0,
        below=_interval(0.041, 0.02),
        above=_interval(0.148, 0.05),
    )
    trend = replace(
        threshold, answer="trend, no threshold", covariate=HOSTILE, cut=None, below=None, above=None
    )
    unknown = replace(trend, covariate="files", answer="not separated", p_value=0.3, p_adjusted=0.41)
    few = replace(
        unknown, measure="check json", answer="too few failures", p_value=None, p_adjusted=None,
        note="2 failing cases: fewer than 5",
    )  # fmt: skip
    between = replace(threshold, baseline=BASELINE, below=_interval(0.0, 0.05), above=_interval(0.11, 0.06))
    return (threshold, trend, unknown, few, between)


def _interval(estimate: float, half: float) -> Interval:
    return Interval(estimate=estimate, low=estimate - half, high=estimate + half, confidence=0.95)


def _repeatability() -> tuple[Repeatability, ...]:
    wavers = Repeatability(
        model=CANDIDATE,
        role="candidate",
        measure="semantic",
        repeats=5,
        cases=16,
        between=0.62,
        among=(_among(2, 0.7, 0.4), _among(5, 0.92, 0.21)),
        flaky=(
            FlakyCase(suite=SUITES[0], case="case-003", passed=3, repeats=5),
            FlakyCase(suite=SUITES[1], case=HOSTILE, passed=4, repeats=5),
        ),
    )
    steady = replace(wavers, model=BASELINE, role="baseline", between=None, flaky=(), note="no variation")
    return (wavers, steady)


def _among(k: int, some: float, every: float) -> AmongK:
    return AmongK(
        k=k,
        at_least_one=some,
        at_least_one_low=some - 0.1,
        at_least_one_high=some + 0.05,
        all_of=every,
        all_of_low=every - 0.1,
        all_of_high=every + 0.1,
    )


def _gate() -> GateResult:
    return GateResult(
        answer="fail",
        reason="model-new is worse than model-old by 35.7 points [-45.7, -25.7], more than the margin of 5.0",
        exit_code=ExitCode.FAILED,
        decisions=(
            Decision(
                rule="margin",
                suite=None,
                model=CANDIDATE,
                answer="fail",
                reason="-35.7 points [-45.7, -25.7], margin 5.0",
                value=-0.357,
                low=-0.457,
                high=-0.257,
                limit=-0.05,
            ),
            Decision(
                rule="semantic",
                suite="summaries",
                model=OTHER,
                answer="inconclusive",
                reason="the interval [49.1, 65.1] holds the limit 60.0",
                value=0.571,
                low=0.491,
                high=0.651,
                limit=0.6,
                needed_cases=180,
                needed_cost_usd=0.51,
            ),
            Decision(
                rule="structural",
                suite=None,
                model=CANDIDATE,
                answer="pass",
                reason="85.7% is at least 80.0%",
                value=0.857,
                limit=0.8,
            ),
        ),
        notes=("judge uncalibrated: reviewer has no calibration file",),
    )
