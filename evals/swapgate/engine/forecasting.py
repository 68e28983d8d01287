"""A run walked through without a call: which answers are at hand, and how large the other requests are."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from swapgate.checks import Subject
from swapgate.checks.build import UserCheckFailed, run_checks
from swapgate.engine.ask import reads_stored
from swapgate.engine.call import response_cost
from swapgate.engine.canaries import wanted_canaries
from swapgate.engine.estimate import CHARS_PER_TOKEN, Estimator, Expected
from swapgate.engine.executor import is_user_code
from swapgate.engine.forecast import ESCALATION, JUDGE, Forecast, Row, Tally, expected_usd, total_of
from swapgate.engine.judged import needs_structure, rival_model, why_inapplicable
from swapgate.engine.trial import blank_trial, judge_request, render_case, request_of
from swapgate.engine.workspace import Job, ReadySuite, Workspace
from swapgate.errors import PromptError, ProviderError, RecordingMissing, UsageError
from swapgate.judging.escalation import Escalating
from swapgate.judging.judge import Judge
from swapgate.judging.load import AnyJudge
from swapgate.judging.prompt import TemplateError
from swapgate.judging.subject import Judged, answer_text
from swapgate.memory.cache import CACHE_FILE, request_key
from swapgate.memory.prices import cost_usd
from swapgate.memory.stored_responses import StoredResponses
from swapgate.providers import Provider
from swapgate.providers.http_client import open_http
from swapgate.providers.open import open_provider
from swapgate.providers.services import has_batches
from swapgate.records import Answer, Request, Response, Rival
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import Settings
from swapgate.values import Value, replace

if TYPE_CHECKING:
    import httpx

# What a judge is told, beside its own reply, when that cannot be used.
_AGAIN_TOKENS = 500


def forecast(workspace: Workspace, jobs: Sequence[Job], *, before: Sequence[Job] = ()) -> Forecast:
    """Return what these trials would call, take and cost; nothing is called, created or changed.

    `before` are trials of another run whose answers are judged again first: calls, and no trials of this run.
    Raises UsageError for mistakes in the workspace's files, StoreError for a cache that cannot be read.
    """
    settings = workspace.settings
    stored = StoredResponses(settings.state_dir / CACHE_FILE, recordings=settings.recordings)
    with contextlib.closing(stored):
        return asyncio.run(_forecast(workspace, jobs, before, stored))


async def _forecast(
    workspace: Workspace, jobs: Sequence[Job], before: Sequence[Job], stored: StoredResponses
) -> Forecast:
    settings = workspace.settings
    asked = dict.fromkeys(job.model for job in jobs if job.again is None)
    specs = workspace.models_of((job.case for job in (*before, *jobs)), also=asked)
    # A task without settings of its own is asked for by its name, and is a model of another one.
    named = {spec.name: spec for spec in specs.values()}
    batched = {name for name, spec in named.items() if settings.is_batched and has_batches(spec)}
    notes = list(_why_not_ready(workspace, specs))
    async with open_http(concurrency=1, timeout_s=settings.timeout_s) as http:
        answers = _Answers(_opened(named, settings, http), stored, settings)
        walk = _Walk(specs, answers, Estimator(stored.samples()), batched=batched)
        canaries = wanted_canaries(_suites(jobs), [job.case for job in jobs])
        for job in (*jobs, *before, *(one.job for one in canaries)):
            await walk.add(job)
        await asyncio.gather(*(provider.close() for provider in answers.providers.values()))
    rows = tuple(tally.row() for tally in walk.tallies.values())
    waits = tuple(dict.fromkeys(row.model for row in rows if row.to_send and row.model in batched))
    return Forecast(
        trials=len(jobs),
        rows=rows,
        total=total_of(rows),
        seconds=None if waits else _seconds(rows, named, walk.estimator, settings),
        unpriced=tuple(dict.fromkeys(row.model for row in rows if row.to_send and row.cost_usd is None)),
        batched=waits,
        notes=(*notes, *walk.notes()),
    )


def _why_not_ready(workspace: Workspace, specs: Mapping[str, ModelSpec]) -> Iterator[str]:
    try:
        workspace.require_ready(specs)
    except UsageError as exc:
        yield from str(exc).splitlines()


def _opened(
    specs: Mapping[str, ModelSpec], settings: Settings, http: httpx.AsyncClient
) -> dict[str, Provider]:
    """Return the providers that can say whether an answer is at hand."""
    opened = {}
    for name, spec in specs.items():
        # To open it is to import the user's own code, whose answers are not read from the cache.
        if spec.provider != "python" or spec.cache:
            with contextlib.suppress(UsageError):  # told by `require_ready`, or by the run itself
                opened[name] = open_provider(spec, http=http, root=settings.root)
    return opened


class _Answers:
    """The answers that a run would find without a call: stored, recorded, or asked for by another trial."""

    def __init__(
        self, providers: Mapping[str, Provider], stored: StoredResponses, settings: Settings
    ) -> None:
        self.providers = providers
        self._stored = stored
        self._mode = settings.cache
        self._asked: set[str] = set()

    @property
    def may_call(self) -> bool:
        """Whether what is not at hand would be called for."""
        return self._mode != "replay"

    async def find(self, spec: ModelSpec, request: Request) -> Response | None:
        """Return the answer, None where there is none; a recorded model without it raises ProviderError."""
        provider = self.providers.get(spec.name)
        if provider is None:
            return None
        if spec.provider == "recorded":
            return await provider.complete(request)
        if not provider.is_recordable or not reads_stored(spec, provider, self._mode):
            return None
        return self._stored.get(request_key(request, provider))

    def is_repeated(self, spec: ModelSpec, request: Request) -> bool:
        """Whether the same has been asked before in this run, so that its answer will be in the cache."""
        provider = self.providers.get(spec.name)
        if provider is None or not reads_stored(spec, provider, self._mode):
            return False
        key = request_key(request, provider)
        is_known = key in self._asked
        self._asked.add(key)
        return is_known


class _Found(Value):
    """One answer: at hand, or expected to have so many tokens."""

    response: Response | None = None
    tokens_out: int = 0


class _Walk:
    """Goes through the trials as a run does and counts what it would ask."""

    def __init__(
        self,
        specs: Mapping[str, ModelSpec],
        answers: _Answers,
        estimator: Estimator,
        *,
        batched: Collection[str] = (),
    ) -> None:
        self.estimator = estimator
        self._batched = batched
        self.tallies: dict[tuple[str, str], Tally] = {}
        self._specs = specs
        self._answers = answers
        self._problems: Counter[str] = Counter()

    async def add(self, job: Job) -> None:
        """Count what one trial asks: its model, then its judges; these alone where the answer is stored."""
        if job.again is not None:
            answer = job.again.begun(blank_trial(job)).answer
            if answer is not None and job.again.error is None:
                asked = [j for j in job.case.judges if job.again.kept(j.spec.judge) is None]
                for judge in asked:
                    await self._judge(job, judge, _Found(response=answer.response))
            return
        spec = self._specs[job.model]
        try:
            request = request_of(job, spec, render_case(job, spec))
        except PromptError as exc:
            self._problems[f"a prompt cannot be rendered: {exc}"] += 1
            return
        found = await self._ask(spec, request, role=job.role)
        if found is None:
            return
        for judge in job.case.judges:
            await self._judge(job, judge, found)

    def notes(self) -> list[str]:
        """Return what would go wrong, each with how often."""
        return [f"{text} ({count} times)" if count > 1 else text for text, count in self._problems.items()]

    async def _ask(
        self, spec: ModelSpec, request: Request, *, role: str, is_stand_in: bool = False
    ) -> _Found | None:
        """Count one call, return its answer; None where there will be none."""
        tally = self._tally(spec, role)
        try:
            response = None if is_stand_in else await self._answers.find(spec, request)
        except ProviderError:
            self._problems[f"{spec.name} has no recorded answer: an error of its trial"] += 1
            return None
        if response is not None:
            tally.cached += 1
            tally.saved.append(0.0 if spec.provider == "recorded" else response_cost(spec, response))
            return _Found(response=response)
        if not self._answers.may_call:
            self._problems[f"--replay: a response of {spec.name} is not recorded, an error of its trial"] += 1
            return None
        is_judge = role in {JUDGE, ESCALATION}
        expected = self.estimator.expect(spec, request, role="judge" if is_judge else "model")
        if not is_stand_in and self._answers.is_repeated(spec, request):
            tally.cached += 1
            tally.saved.append(expected_usd(spec, expected, is_batch=tally.is_batched))
        else:
            tally.sent.append(_twice(expected) if is_judge else expected)
        return _Found(tokens_out=expected.tokens_out)

    async def _judge(self, job: Job, judge: AnyJudge, found: _Found) -> None:
        """Count the calls of one judge, about the answer or about one of its length."""
        if not isinstance(judge, Judge) or why_inapplicable(job, judge):
            return
        structure = _structure(job, found.response, self._specs.get(job.model))
        if needs_structure(job, judge) and structure is False:
            return
        rival = await self._rival(job, judge)
        case = job.case.placed.case
        judged = Judged(
            output=_text(found),
            variables=case.input,
            messages=tuple(case.messages),
            expected=case.expected,
            rival=_text(rival) if rival is not None else None,
        )
        if judged.is_trivial:
            return
        is_at_most = needs_structure(job, judge) and structure is None
        is_stand_in = found.response is None or (rival is not None and rival.response is None)
        await self._count(job, judge, judged, JUDGE, is_at_most=is_at_most, is_stand_in=is_stand_in)
        if not isinstance(judge, Escalating):
            return
        is_sure = None if is_stand_in else await self._is_sure(job, judge, found, rival)
        if is_sure is not True:
            is_at_most |= is_sure is None
            await self._count(
                job, judge.second, judged, ESCALATION, is_at_most=is_at_most, is_stand_in=is_stand_in
            )

    async def _count(
        self, job: Job, judge: Judge, judged: Judged, role: str, *, is_at_most: bool, is_stand_in: bool
    ) -> None:
        """Count the calls of one judge, or of one stage of it."""
        try:
            requests = judge.requests(judged, suite=job.suite.name, case=job.case.placed.case.id)
        except TemplateError as exc:
            self._problems[str(exc)] += 1
            return
        for request in requests:
            spec = self._specs[request.model]
            self._tally(spec, role).is_at_most |= is_at_most
            await self._ask(spec, judge_request(spec, request), role=role, is_stand_in=is_stand_in)

    async def _rival(self, job: Job, judge: Judge) -> _Found | None:
        """Return the answer that a pairwise judge compares with; one of no baseline is a call of its own."""
        name = rival_model(job, judge)
        if name is None:
            return None
        spec = self._specs[name]
        try:
            request = request_of(job, spec, render_case(job, spec))
        except PromptError as exc:
            self._problems[f"a prompt cannot be rendered: {exc}"] += 1
            return None
        if name != job.baseline:
            return await self._ask(spec, request, role="judge")
        try:
            response = await self._answers.find(spec, request)
        except ProviderError:
            return None  # told where the baseline's own trial is counted
        return _Found(
            response=response, tokens_out=self.estimator.expect(spec, request, role="model").tokens_out
        )

    async def _is_sure(self, job: Job, judge: Escalating, found: _Found, rival: _Found | None) -> bool | None:
        """Return whether the first stage's stored replies decide alone; None where some are missing."""
        assert found.response is not None

        async def stored(model: str, request: Request) -> Answer:
            response = await self._answers.find(
                self._specs[model], judge_request(self._specs[model], request)
            )
            if response is None:
                raise RecordingMissing(model)
            return Answer(response=response, model=model)

        case = job.case.placed.case
        try:
            verdict = await judge.first.judge(
                variables=case.input,
                messages=case.messages,
                expected=case.expected,
                response=found.response,
                ask=stored,
                suite=job.suite.name,
                case=case.id,
                repeat=job.repeat,
                rival=Rival(name=rival_model(job, judge) or "", text=_text(rival)) if rival else None,
            )
        except RecordingMissing:
            return None
        return not judge.why_unsure(verdict)

    def _tally(self, spec: ModelSpec, role: str) -> Tally:
        made = Tally(spec=spec, role=role, is_batched=spec.name in self._batched)
        return self.tallies.setdefault((spec.name, role), made)


def _text(found: _Found) -> str:
    """Return the answer, or a text of its length."""
    if found.response is not None:
        return answer_text(found.response)
    return "word " * max(1, found.tokens_out * CHARS_PER_TOKEN // 5)


def _twice(expected: Expected) -> Expected:
    """Return a judge's call with the most that it takes when its reply must be asked for once more."""
    most_in = 2 * expected.most_in + expected.most_out + _AGAIN_TOKENS
    return replace(expected, most_in=most_in, most_out=2 * expected.most_out)


def _suites(jobs: Sequence[Job]) -> list[ReadySuite]:
    return list({job.suite.name: job.suite for job in jobs}.values())


def _structure(job: Job, response: Response | None, spec: ModelSpec | None) -> bool | None:
    """Return whether an answer's structure passes; None where that is not known without running user code."""
    if job.again is not None and not job.again.runs_checks:
        return all(check.passed for check in job.again.trial.checks if check.kind == "structural")
    if response is None or any(map(is_user_code, job.case.checks)):
        return None
    case = job.case.placed.case
    subject = Subject(
        response=response,
        expected=case.expected,
        variables=case.input,
        cost_usd=cost_usd(spec, response.usage) if spec is not None else None,
    )
    try:
        results = run_checks(job.case.checks, subject)
    except UserCheckFailed:
        return None
    return all(result.passed for result in results if result.kind == "structural")


def _seconds(
    rows: Sequence[Row], specs: Mapping[str, ModelSpec], estimator: Estimator, settings: Settings
) -> float | None:
    """Return how long the calls take: all of them within `concurrency`, each model within its limits."""
    busy_s, bounds_s = 0.0, [0.0]
    for name in dict.fromkeys(row.model for row in rows if row.to_send):
        own = [row for row in rows if row.model == name]
        calls = sum(row.to_send for row in own)
        latency_s, limits = estimator.latency_s(name), specs[name].limits
        if latency_s is None:
            return None
        busy_s += calls * latency_s
        bounds_s.append(calls * latency_s / (limits.concurrency or calls))
        if limits.requests_per_minute:
            bounds_s.append(calls * 60 / limits.requests_per_minute)
        if limits.tokens_per_minute:
            tokens = sum(row.tokens_in + row.tokens_out for row in own)
            bounds_s.append(tokens * 60 / limits.tokens_per_minute)
    return max(busy_s / settings.concurrency, *bounds_s)
