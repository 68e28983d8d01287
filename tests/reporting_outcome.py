"""A run made up for the tests of reports: two candidates, a baseline, misses, errors, hostile texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from swapgate.analysis.compare import Comparison, Difference, Flip
from swapgate.analysis.gate import Decision, GateResult
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.summary import CheckCount, Rate, Summary
from swapgate.errors import ErrorKind, ExitCode
from swapgate.records import (
    Answer,
    CheckResult,
    Evidence,
    Finding,
    JudgeSample,
    Message,
    ModelIdentity,
    Response,
    Run,
    Trial,
    TrialError,
    Usage,
    Verdict,
)

BASELINE, CANDIDATE, OTHER = "model-old", "model-new", "vendor/model-mini"
SUITES = ("code_review", "summaries")
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


def made_up_outcome(*, cases: int = 8, long_text: int = 0) -> RunOutcome:
    """Return a finished run of three models on two suites of `cases` cases each (8: 48 trials)."""
    trials = [
        _trial(suite, number, model, long_text=long_text)
        for suite in SUITES
        for number in range(cases)
        for model in (BASELINE, CANDIDATE, OTHER)
    ]
    summaries = tuple(
        _summary(trials, model, suite) for model in (BASELINE, CANDIDATE, OTHER) for suite in (None, *SUITES)
    )
    return RunOutcome(
        run=_run(len(trials)),
        trials=trials[::-1],
        summaries=summaries,
        comparisons=(_comparison(trials, CANDIDATE), _comparison(trials, OTHER)),
        gate=_gate(),
        warnings=("model-mini is a floating alias: pin a dated id",),
    )


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
    )


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
        tags=("security",) if number % 2 else ("style", "python"),
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


def _summary(trials: Sequence[Trial], model: str, suite: str | None) -> Summary:
    mine = [t for t in trials if t.model == model and suite in (None, t.suite)]
    answered = [t for t in mine if t.answer is not None]
    priced = model != OTHER
    return Summary(
        model=model,
        suite=suite,
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
    differences = tuple(
        Difference(
            measure="semantic",
            suite=suite,
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
        )
        for suite in (None, *SUITES)
    )
    return Comparison(
        candidate=candidate,
        baseline=BASELINE,
        differences=differences,
        regressed=tuple(Flip(suite=s, case=c, repeat=1, reason=f"reviewer: {HOSTILE}") for s, c in worse),
        fixed=tuple(Flip(suite=s, case=c, repeat=1, reason="passes now") for s, c in better),
        unpaired=2,
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
