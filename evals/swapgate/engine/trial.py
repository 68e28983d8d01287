"""One trial: render, ask, check, judge; whatever happens ends as a record."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

from swapgate.checks.build import UserCheckFailed, run_checks
from swapgate.engine.executor import is_user_code
from swapgate.engine.judged import Askers, UserCode, judged, subject_of
from swapgate.engine.workspace import Job
from swapgate.errors import ErrorKind, NotAsked, ProviderError
from swapgate.providers.services import gives_logprobs
from swapgate.records import Answer, CheckResult, Json, Request, Trial, TrialError, once_for_each
from swapgate.spec.covariates import case_covariates
from swapgate.spec.models import ModelSpec
from swapgate.spec.prompts import PromptError, Rendered, render
from swapgate.spec.token_limits import params_over
from swapgate.values import replace


class Ask(Protocol):
    """Answers a request by the name of a model; see engine.ask.Asker."""

    async def ask(self, model: str, request: Request, *, is_judge: bool = False) -> Answer:
        """Return the answer, or raise ProviderError or NotAsked."""
        ...


async def run_trial(job: Job, *, models: Mapping[str, ModelSpec], asker: Ask, user_code: UserCode) -> Trial:
    """Return the record of one trial. Never raises but for cancellation: errors are part of the record."""
    trial = blank_trial(job)
    if job.again is not None:
        begun = job.again.begun(trial)
        return begun if begun.error else await _scored(begun, job, _askers(job, models, asker), user_code)
    try:
        rendered = render_case(job, models[job.model])
    except PromptError as exc:
        return replace(trial, error=TrialError(kind=ErrorKind.PROMPT, message=str(exc)))
    with_prompt = partial(replace, trial, messages=rendered.messages, prompt_hash=rendered.hash)
    try:
        answer = await asker.ask(job.model, request_of(job, models[job.model], rendered))
    except NotAsked as exc:
        return with_prompt(error=TrialError(kind=exc.kind, message=str(exc)))
    except ProviderError as exc:
        return await _with_fallback(with_prompt(), job, models=models, asker=asker, error=exc)
    return await _scored(with_prompt(answer=answer), job, _askers(job, models, asker), user_code)


async def _scored(trial: Trial, job: Job, askers: Askers, user_code: UserCode) -> Trial:
    """Return the trial with its checks run and its judges asked."""
    try:
        if job.again is None or job.again.runs_checks:
            trial = replace(trial, checks=await _checked(trial, job, user_code))
    except UserCheckFailed as exc:
        return replace(
            trial, error=TrialError(kind=ErrorKind.USER_CODE, message=str(exc), source=f"check:{exc.check}")
        )
    for judge in job.case.judges:
        trial = await judged(trial, job, judge, askers, user_code)
        if trial.error is not None:
            break
    return trial


async def _checked(trial: Trial, job: Job, user_code: UserCode) -> tuple[CheckResult, ...]:
    """Return what the checks say; where the executor has it when one of them is the user's and may block."""
    subject = subject_of(trial, job)
    if not any(map(is_user_code, job.case.checks)):
        return run_checks(job.case.checks, subject)
    async with user_code.at_once:
        return await user_code.run(job, subject)


def _askers(job: Job, models: Mapping[str, ModelSpec], asker: Ask) -> Askers:
    """Return how a judge asks its model, and how it has another model answer the case."""

    async def judge(model: str, request: Request) -> Answer:
        return await asker.ask(model, judge_request(models[model], request), is_judge=True)

    async def rival(model: str) -> Answer:
        rendered = render_case(job, models[model])
        return await asker.ask(model, request_of(job, models[model], rendered))

    return Askers(judge=judge, rival=rival)


def judge_request(spec: ModelSpec, request: Request) -> Request:
    """Return a judge's request with the catalogue's parameters under its own, `unset` taken out."""
    top_logprobs = request.top_logprobs if request.top_logprobs and gives_logprobs(spec) else 0
    params = _under(spec, request.params)
    return replace(request, model=spec.model, params=params, top_logprobs=top_logprobs)


@once_for_each
def _under(spec: ModelSpec, params: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return a model's own parameters with others over them, `unset` taken out."""
    return {k: v for k, v in params_over(spec.params, params).items() if k not in spec.unset}


async def _with_fallback(
    trial: Trial, job: Job, *, models: Mapping[str, ModelSpec], asker: Ask, error: ProviderError
) -> Trial:
    """Return the errored trial; where a fallback answers, with its answer kept as such: it does not count."""
    trial = replace(trial, error=TrialError(kind=error.kind, message=str(error)))
    name = models[job.model].fallback
    tried = {job.model}
    while name is not None and name in models and name not in tried:
        tried.add(name)
        try:
            rendered = render_case(job, models[name])
            answer = await asker.ask(name, request_of(job, models[name], rendered))
        except (ProviderError, NotAsked, PromptError):
            name = models[name].fallback
            continue
        return _fallen_back(trial, replace(answer, is_fallback=True, fallback_reason=str(error)))
    return trial


def _fallen_back(trial: Trial, answer: Answer) -> Trial:
    assert trial.error is not None
    message = (
        f"{trial.error.message} (the fallback {answer.model} answered; that does not count for {trial.model})"
    )
    return replace(trial, answer=answer, error=replace(trial.error, message=message))


def blank_trial(job: Job, error: TrialError | None = None) -> Trial:
    """Return the record of a trial of which nothing is known yet, or only why it failed."""
    placed = job.case.placed
    return Trial(
        suite=job.suite.name,
        case=placed.case.id,
        model=job.model,
        repeat=job.repeat,
        role=job.role,
        path=relative_path(placed.path, job.suite.root),
        line=placed.line,
        tags=placed.case.tags,
        cluster=placed.case.cluster,
        prompt=job.suite.prompt.prompt if job.suite.prompt else None,
        expected=placed.case.expected,
        case_hash=job.case.content_hash,
        covariates=case_covariates(placed.case),
        error=error,
        quarantine=job.case.quarantine,
    )


@lru_cache(maxsize=1024)
def relative_path(path: Path, root: Path) -> str:
    """Return the path as seen from the workspace: records never carry the machine's own paths."""
    return Path(os.path.relpath(path, root)).as_posix()


def render_case(job: Job, model: ModelSpec) -> Rendered:
    """Return the prompt of a trial as this model gets it; raises PromptError."""
    case = job.case.placed.case
    return render(job.suite.prompt, model=model, variables=case.input, messages=case.messages)


def request_of(job: Job, model: ModelSpec, rendered: Rendered) -> Request:
    """Return the request of a trial."""
    case = job.case.placed.case
    return Request(
        model=model.model,
        messages=rendered.messages,
        params=rendered.params,
        output_schema=job.suite.decoding_schema if rendered.output == "schema" else None,
        json_mode=rendered.output == "json",
        tools=job.suite.loaded.suite.tools,
        variables=case.input,
        repeat=job.repeat,
        suite=job.suite.name,
        case=case.id,
    )
