"""A trial's judges: who is asked, what a pairwise judge compares with, and what becomes of failures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from swapgate.checks import Subject
from swapgate.checks.build import UserCheckFailed
from swapgate.engine.executor import RunChecks, RunJudge
from swapgate.engine.workspace import Job
from swapgate.errors import ErrorKind, NotAsked, PromptError, ProviderError
from swapgate.judging.code_judge import CodeJudge
from swapgate.judging.judge import Ask, Judge
from swapgate.judging.load import AnyJudge
from swapgate.judging.subject import answer_text
from swapgate.records import Answer, Rival, Trial, TrialError, Verdict
from swapgate.values import Value, replace

NO_BASELINE = (
    "it compares with the baseline's answer, and there is no model for a baseline in this run: "
    "name one with --baseline=MODEL"
)
NO_STORED_RIVAL = "it compares with another model's answer, and none is stored beside this one"
STRUCTURE_FAILED = "the structure failed, so the meaning was not judged"


class UserCode(Value):
    """How the user's own checks and judges are run, and those of how many trials at once."""

    run: RunChecks
    judge: RunJudge
    at_once: asyncio.Semaphore


class Askers(Value):
    """How a trial's judges ask their models, and how another model is asked what the trial's was asked."""

    judge: Ask
    rival: Callable[[str], Awaitable[Answer]]


def needs_structure(job: Job, judge: AnyJudge) -> bool:
    """Whether a judge is asked about structurally right answers alone."""
    return (judge.spec.when or job.suite.loaded.suite.judge_when) == "structure_passes"


def rival_model(job: Job, judge: AnyJudge) -> str | None:
    """Return the model whose answer a judge compares with, None where it compares with none."""
    if judge.against in {None, "reference"}:
        return None
    return job.baseline if judge.against == "baseline" else judge.against


def why_inapplicable(job: Job, judge: AnyJudge) -> str:
    """Return why a judge has nothing to say of a trial, an empty string when it has."""
    if judge.against in {None, "reference"}:
        return ""
    if job.again is not None:
        return "" if job.again.rival(judge.spec.judge) is not None else NO_STORED_RIVAL
    if judge.against == "baseline" and job.role == "baseline":
        return "it compares with the baseline's answer, which this is"
    rival = rival_model(job, judge)
    if rival is None:
        return NO_BASELINE
    return f"it compares with the answer of {rival}, which this is" if rival == job.model else ""


async def judged(trial: Trial, job: Job, judge: AnyJudge, askers: Askers, user_code: UserCode) -> Trial:
    """Return the trial with one more verdict, and with an error when there is none to be had."""
    source = f"judge:{judge.spec.judge}"
    if job.again is not None and (kept := job.again.kept(judge.spec.judge)) is not None:
        return replace(trial, verdicts=(*trial.verdicts, kept), error=_verdict_error(kept, source))
    try:
        verdict = await _verdict(trial, job, judge, askers, user_code)
    except NotAsked as exc:
        return replace(trial, error=TrialError(kind=exc.kind, message=str(exc), source=source))
    except UserCheckFailed as exc:
        verdict = judge.undecided(str(exc))
        error = TrialError(kind=ErrorKind.USER_CODE, message=str(exc), source=source)
        return replace(trial, verdicts=(*trial.verdicts, verdict), error=error)
    error_or_none = _verdict_error(verdict, source)
    return replace(trial, verdicts=(*trial.verdicts, verdict), error=error_or_none)


async def _verdict(trial: Trial, job: Job, judge: AnyJudge, askers: Askers, user_code: UserCode) -> Verdict:
    assert trial.answer is not None
    if reason := why_inapplicable(job, judge):
        return judge.inapplicable(reason)
    if needs_structure(job, judge) and not trial.structural_passed:
        return judge.skipped(STRUCTURE_FAILED)
    if isinstance(judge, CodeJudge):
        async with user_code.at_once:
            return await user_code.judge(job, judge, subject_of(trial, job))
    try:
        rival = await _rival(job, judge, askers)
    except (ProviderError, PromptError) as exc:
        return judge.undecided(f"there is no answer of {rival_model(job, judge)} to compare with: {exc}")
    return await _asked(trial, job, judge, askers, rival)


async def _asked(trial: Trial, job: Job, judge: Judge, askers: Askers, rival: Rival | None) -> Verdict:
    assert trial.answer is not None
    return await judge.judge(
        variables=job.case.placed.case.input,
        messages=job.case.placed.case.messages,
        expected=trial.expected,
        response=trial.answer.response,
        ask=askers.judge,
        suite=trial.suite,
        case=trial.case,
        repeat=trial.repeat,
        rival=rival,
    )


async def _rival(job: Job, judge: Judge, askers: Askers) -> Rival | None:
    """Return the other model's answer to the same case and repeat.

    It is asked for like the baseline's own trial asks: whichever comes first makes the call, and no trial
    waits for another.
    """
    name = rival_model(job, judge)
    if job.again is not None:
        return job.again.rival(judge.spec.judge)
    if name is None:
        return None
    answer = await askers.rival(name)
    return Rival(name=name, text=answer_text(answer.response), answer=answer, is_shared=name == job.baseline)


def subject_of(trial: Trial, job: Job) -> Subject:
    """Return what a trial's checks, and the judges that are code, look at."""
    assert trial.answer is not None
    return Subject(
        response=trial.answer.response,
        expected=trial.expected,
        variables=job.case.placed.case.input,
        cost_usd=trial.answer.cost_usd,
    )


def _verdict_error(verdict: Verdict, source: str) -> TrialError | None:
    if verdict.status != "error":
        return None
    return TrialError(kind=ErrorKind.JUDGE, message=verdict.reason, source=source)
