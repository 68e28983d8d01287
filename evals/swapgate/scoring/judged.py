"""Chunks scored with their judges, by an engine in this process, as a run does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.engine.executor import ThisProcess
from swapgate.engine.opened import open_engine
from swapgate.engine.runner import Engine
from swapgate.engine.workspace import Job, Workspace
from swapgate.providers import Provider
from swapgate.providers.recorded import RecordedOutput, recorded_response
from swapgate.records import Json, Request, Response, Trial, total
from swapgate.scoring.inputs import Chunk
from swapgate.scoring.pool import Read, Scored
from swapgate.scoring.scorer import Found, Said, ScoredPart, Scorer, by_checks, filled, findings_of
from swapgate.spec.models import ModelSpec

if TYPE_CHECKING:
    import httpx

    from swapgate.providers._wire import Heard

_GIVEN = "given"
_Place = tuple[str, str, int]


class JudgePool:
    """One engine for each chunk, whose trials are answered by what was recorded.

    What the judges answer is cached as that of a run.
    """

    def __init__(self, workspace: Workspace, scorer: Scorer) -> None:
        self._workspace = workspace
        self._scorer = scorer

    def score(self, chunks: Iterable[Chunk], read: Read) -> Iterator[Scored]:
        """Yield each chunk with its part."""
        for chunk in chunks:
            part = ScoredPart()
            found = list(self._scorer.find(read(chunk), part))
            trials = self._trials(found)
            part.judge_cost_usd = total([trial.judge_cost_usd for trial in trials.values()])
            results = ((one, _said(one, trials.get(id(one)))) for one in found)
            yield chunk, filled(part, results)

    def _trials(self, found: Sequence[Found]) -> dict[int, Trial]:
        """Return the trial of each output; of several for one case and repeat the first alone is judged."""
        given: dict[str, dict[_Place, RecordedOutput]] = {}
        jobs: dict[int, Job] = {}
        for one in found:
            place = (one.known.suite.name, one.output.case, one.output.repeat)
            answers = given.setdefault(_given(one.model), {})
            if answers.setdefault(place, one.output) is one.output:
                jobs[id(one)] = _job(one)
        executor = _Given(self._workspace, given)
        models = self._models(given, found)
        with open_engine(self._workspace.settings, models, executor=executor) as engine:
            engine.plan(jobs.values())
            return {name: _result(engine, job) for name, job in jobs.items()}

    def _models(self, given: Iterable[str], found: Iterable[Found]) -> dict[str, ModelSpec]:
        judges = {
            name
            for one in found
            for judge in one.known.case.judges
            for name in self._workspace.models_of_judge(judge)
        }
        specs = {name: ModelSpec(name=name, provider="recorded", model=name) for name in given}
        return specs | {name: self._workspace.model(name) for name in judges}


class _Given(ThisProcess):
    """Opens the judges' models, and has the recorded outputs answer for all others."""

    def __init__(self, workspace: Workspace, given: Mapping[str, Mapping[_Place, RecordedOutput]]) -> None:
        super().__init__(timeout_s=workspace.settings.timeout_s)
        self._given = given

    def open_provider(
        self, spec: ModelSpec, *, http: httpx.AsyncClient, root: Path, heard: Heard | None = None
    ) -> Provider:
        """Return the provider of a model."""
        if spec.name in self._given:
            return _GivenProvider(self._given[spec.name])
        return super().open_provider(spec, http=http, root=root, heard=heard)


class _GivenProvider:
    """Answers with the output of a chunk."""

    is_recordable = False
    reads_cache = False
    needs_variables = False

    def __init__(self, outputs: Mapping[_Place, RecordedOutput]) -> None:
        self._outputs = outputs
        self.identity: Mapping[str, Json] = {"protocol": _GIVEN}

    async def complete(self, request: Request) -> Response:
        """Return the output of the case and repeat."""
        return recorded_response(self._outputs[request.suite, request.case, request.repeat])

    async def close(self) -> None:
        """Nothing is held."""


def _given(model: str) -> str:
    """Return a name that no model of the catalogue has: a judge's may be among those that answered."""
    return f"{_GIVEN}/{model}"


def _job(found: Found) -> Job:
    known = found.known
    return Job(
        suite=known.suite,
        case=known.case,
        model=_given(found.model),
        repeat=found.output.repeat,
        role="candidate",
    )


def _result(engine: Engine, job: Job) -> Trial:
    finished = engine.wait(job)
    assert finished.trial is not None
    return finished.trial


def _said(found: Found, trial: Trial | None) -> Said:
    """Return what a trial says; an output that is there again is not judged again, and does not count."""
    if trial is None:
        return by_checks(found)
    if trial.error is not None:
        return Said(error=f"{trial.error.source}: {trial.error.message}")
    verdicts = {f"judge:{v.judge}": v.passed is True for v in trial.verdicts if v.status == "scored"}
    reasons: dict[str, Json] = {
        f"judge:{v.judge}": [v.reason]
        for v in trial.verdicts
        if (v.passed is False or v.status == "unscored") and v.reason
    }
    failed = {r.check: findings_of(r) for r in trial.checks if not r.passed}
    return Said(
        structural=trial.structural_passed,
        semantic=trial.semantic_passed,
        checks={r.check: r.passed for r in trial.checks} | verdicts,
        findings=failed | reasons,
    )
