"""Trial records for the analysis tests, built directly: nothing here was ever answered by a model."""

from __future__ import annotations

from dataclasses import replace

from swapgate.errors import ErrorKind
from swapgate.records import (
    Answer,
    CheckResult,
    Finding,
    JudgeSample,
    Response,
    Run,
    Trial,
    TrialError,
    Usage,
    Verdict,
)


def trial(
    case: str = "c1",
    *,
    suite: str = "s",
    model: str = "new",
    structural: bool = True,
    semantic: bool | None = None,
    reason: str = "the summary is wrong",
    **fields: object,
) -> Trial:
    """Return an answered trial; with `semantic` it has one judge's verdict."""
    finding = Finding(message="text after the JSON object")
    check = CheckResult(
        check="json",
        kind="structural",
        passed=structural,
        findings=() if structural else (finding,),
        facts={"json_kind": "bare" if structural else "trailing", "recoverable": not structural},
    )
    verdicts = () if semantic is None else (verdict(semantic, reason=reason),)
    record = Trial(
        suite=suite, case=case, model=model, answer=answer(model), checks=(check,), verdicts=verdicts
    )
    return replace(record, **fields)


def answer(model: str = "new", *, cost_usd: float | None = 0.01, **fields: object) -> Answer:
    response = Response(text="{}", usage=Usage(tokens_in=100, tokens_out=20), latency_s=1.0)
    return replace(Answer(response=response, model=model, cost_usd=cost_usd), **fields)


def verdict(passed: bool | None, *, judge: str = "meaning", reason: str = "", **fields: object) -> Verdict:
    sample = JudgeSample(status="valid", raw="{}", answer=answer("judge-model", cost_usd=0.002))
    record = Verdict(
        judge=judge,
        model="judge-model",
        definition_hash="0" * 64,
        status="scored",
        passed=passed,
        scores={"accuracy": 5.0 if passed else 2.0},
        reason=reason,
        samples=(sample,),
    )
    return replace(record, **fields)


def errored(case: str = "c1", kind: ErrorKind = ErrorKind.TIMEOUT, **fields: object) -> Trial:
    """Return a trial whose model never answered."""
    error = TrialError(kind=kind, message="no answer")
    return replace(trial(case), answer=None, checks=(), error=error, **fields)


def many(passed: int, missed: int, **fields: object) -> list[Trial]:
    """Return trials of different cases with a verdict each, those that pass first."""
    return [trial(f"c{i}", semantic=i < passed, **fields) for i in range(passed + missed)]


def run(**fields: object) -> Run:
    return replace(Run(id="r1", started_at="2026-04-01T00:00:00Z", models=()), **fields)
