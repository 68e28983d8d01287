"""Trial records for the analysis tests, built directly: nothing here was ever answered by a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from swapgate.analysis.outcome import RunOutcome, conclude
from swapgate.analysis.pairs import Pairs, pair_up
from swapgate.analysis.table import ModelTrials, by_model
from swapgate.errors import ErrorKind
from swapgate.facts import Facts, facts_of
from swapgate.records import (
    Answer,
    CheckResult,
    Finding,
    JudgeCalibration,
    JudgeLabel,
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


def facts(trials: Iterable[Trial]) -> list[Facts]:
    return [facts_of(t) for t in trials]


def models(trials: Iterable[Trial]) -> list[ModelTrials]:
    return by_model(facts(trials))


def results(
    passes: Iterable[bool], *, model: str = "new", role: str = "candidate", clusters: Sequence[str] = ()
) -> list[Facts]:
    """Return the facts of one model's trials of the cases c0, c1 and so on; made for thousands of them."""
    right, wrong = (facts_of(trial(semantic=is_right, model=model, role=role)) for is_right in (True, False))
    return [
        (right if is_right else wrong)._replace(
            case=f"c{n}", cluster=f"s/{clusters[n] if clusters else f'c{n}'}"
        )
        for n, is_right in enumerate(passes)
    ]


def run(**fields: object) -> Run:
    return replace(Run(id="r1", started_at="2026-04-01T00:00:00Z", models=()), **fields)


def old(case: str = "c1", **fields: Any) -> Trial:
    """Return a trial of the baseline `old`."""
    return trial(case, model="old", role="baseline", **fields)


def both(case: str, ours: bool | None, theirs: bool | None, **fields: Any) -> list[Trial]:
    """Return a case as `new` and as `old` answered it, with a verdict each."""
    return [trial(case, semantic=ours, **fields), old(case, semantic=theirs, **fields)]


def paired(table: tuple[int, int, int, int], *, prefix: str = "c", **fields: Any) -> list[Trial]:
    """Return two models' trials with this table: both pass, only the candidate, only the baseline, none."""
    results = [(True, True)] * table[0] + [(True, False)] * table[1] + [(False, True)] * table[2]
    results += [(False, False)] * table[3]
    return [one for i, result in enumerate(results) for one in both(f"{prefix}{i}", *result, **fields)]


def pairs_of(trials: Iterable[Trial], *, candidate: str = "new", baseline: str = "old") -> Pairs:
    return pair_up(by_model(facts(trials)), candidate=candidate, baseline=baseline)


def concluded(trials: Iterable[Trial], *, gate: object = None, **fields: Any) -> RunOutcome:
    """Return what is said of a whole run of these trials; `suite_gates` are those of its suites."""
    trials = list(trials)
    baseline = next((t.model for t in trials if t.role == "baseline"), None)
    settings = {"gate": gate, "suite_gates": fields.pop("suite_gates", {})}
    fields = {"baseline": baseline, "planned": len(trials), "is_complete": True, **fields}
    return conclude(run(settings=settings, **fields), trials)


def labels(
    right_passed: int, right_failed: int, wrong_passed: int, wrong_failed: int, *, model: str | None = None
) -> list[JudgeLabel]:
    """Return labels of a judge's verdicts, by what people say and by what the judge said."""
    kinds = [(True, True)] * right_passed + [(False, True)] * right_failed
    kinds += [(True, False)] * wrong_passed + [(False, False)] * wrong_failed
    return [
        JudgeLabel(model=model, verdict=verdict, truth=truth, cluster=f"{model}-{i}")
        for i, (verdict, truth) in enumerate(kinds)
    ]


def calibration(*rows: Iterable[JudgeLabel], judge: str = "meaning", **fields: Any) -> JudgeCalibration:
    found = tuple(one for part in rows for one in part)
    return replace(JudgeCalibration(judge=judge, design="random", labels=found), **fields)
