"""What checks and judges say of one answer, as the conventions' events of evaluations."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.records import CheckResult, Json, Trial, Verdict
from swapgate.reporting.otel import names
from swapgate.reporting.otel.signals import Event, known


def evaluations(trial: Trial, *, at_ns: int, with_reasons: bool) -> tuple[Event, ...]:
    """Return an event for each check, each judge and each score of a judge.

    `with_reasons` also tells why: reasons quote the answer, and are as private as it is.
    """
    shared = {names.RESPONSE_ID: trial.answer.response.request_id if trial.answer else None}
    left_out = set() if with_reasons else {names.EVALUATION_EXPLANATION}
    return tuple(
        Event(
            name=names.EVALUATION,
            at_ns=at_ns,
            attributes=known({**shared, **{k: v for k, v in said.items() if k not in left_out}}),
        )
        for said in _said(trial)
    )


def _said(trial: Trial) -> Iterator[dict[str, Json]]:
    yield from map(_of_check, trial.checks)
    for verdict in trial.verdicts:
        yield _of_judge(verdict)
        for criterion, score in sorted(verdict.scores.items()):
            yield {
                names.EVALUATION_NAME: f"{verdict.judge}.{criterion}",
                names.EVALUATION_VALUE: float(score),
                "swapgate.evaluator": "judge",
            }


def _of_check(check: CheckResult) -> dict[str, Json]:
    return {
        names.EVALUATION_NAME: check.check,
        names.EVALUATION_LABEL: "pass" if check.passed else "fail",
        names.EVALUATION_EXPLANATION: "; ".join(finding.message for finding in check.findings) or None,
        "swapgate.evaluator": f"{check.kind} check",
    }


def _of_judge(verdict: Verdict) -> dict[str, Json]:
    label = verdict.status if verdict.passed is None else "pass" if verdict.passed else "fail"
    return {
        names.EVALUATION_NAME: verdict.judge,
        names.EVALUATION_LABEL: label,
        names.EVALUATION_EXPLANATION: verdict.reason or None,
        names.ERROR_TYPE: "judge" if verdict.status == "error" else None,
        "swapgate.evaluator": "judge",
        "swapgate.judge.definition_hash": verdict.definition_hash,
    }
