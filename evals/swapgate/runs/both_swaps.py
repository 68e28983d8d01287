"""Four arms as one ordinary run: both models asked on what both indexes find, each answer judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from swapgate.engine.opened import open_engine
from swapgate.engine.workspace import Job, ReadySuite, Workspace
from swapgate.retrieval.answering.joint import Terms, judge_both
from swapgate.retrieval.answering.observations import Arm, Role, observe
from swapgate.retrieval.answering.questions import Questions, arm_jobs, arm_suites, read_questions
from swapgate.retrieval.answering.relevance import ToJudge, found_by, judged, labelled, to_judge
from swapgate.retrieval.answering.report import JointReport
from swapgate.retrieval.answering.retrieving import retrieve
from swapgate.retrieval.answering.worst import read_worst, worst_first
from swapgate.retrieval.index import SIDES
from swapgate.runs.before_run import warnings_before
from swapgate.runs.prelude import before_trials
from swapgate.runs.recorder import Recorder
from swapgate.spec.index_answers import AnswersEntry
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.engine.judging_only import Draw
    from swapgate.facts import Facts
    from swapgate.records import Run, Trial
    from swapgate.retrieval.answering.texts import Retrieved
    from swapgate.retrieval.index import Side, VectorIndex
    from swapgate.retrieval.opening import IndexWorkspace
    from swapgate.retrieval.verifying.asking import Draw as DrawQueries
    from swapgate.spec.settings import Settings

_NOT_JUDGED = "it holds both indexes' answers: `swapgate index answers` decides"


class Planned(Value):
    """All that is known before a model is asked."""

    indexes: IndexWorkspace
    workspace: Workspace
    questions: Questions
    retrieved: Retrieved
    to_judge: Sequence[ToJudge]

    @property
    def entry(self) -> AnswersEntry:
        """What is written."""
        return self.questions.entry


def workspace_of(settings: Settings, entry: AnswersEntry) -> Workspace:
    """Return the workspace in which the control stands beside the candidate; every question is asked.

    Its gate is none: what is decided here is not what a suite's run is held to.
    """
    return Workspace(
        replace(
            settings,
            models=(entry.candidate,),
            baseline=entry.control,
            gate=None,
            stop_early=False,
            shard=None,
            rerun_errors=False,
        )
    )


def plan(
    indexes: IndexWorkspace,
    index: Callable[[Side], VectorIndex],
    entry: AnswersEntry,
    *,
    is_dry: bool = False,
    draw: DrawQueries = lambda _what, _done, _all: None,
) -> Planned:
    """Read the questions and ask both indexes; mistakes in the files are found before anything is paid."""
    workspace = workspace_of(indexes.settings, entry)
    questions = read_questions(workspace, entry)
    if not is_dry:
        _require_models(workspace, questions)
    retrieved = retrieve(
        indexes, index, questions.queries, k=entry.k, max_errors=entry.max_errors, is_dry=is_dry, draw=draw
    )
    found = retrieved if retrieved.stood_in else labelled(retrieved, questions)
    return Planned(
        indexes=indexes,
        workspace=workspace,
        questions=questions,
        retrieved=found,
        to_judge=to_judge(found, questions),
    )


def jobs_of(planned: Planned) -> list[Job]:
    """Return every call to be expected, those of the judge of the retrieval first."""
    suites = arm_suites(planned.questions, planned.retrieved)
    answers = arm_jobs(planned.workspace, suites, planned.questions, planned.retrieved)
    return [*(one.job for one in planned.to_judge), *answers]


def answer_all(
    planned: Planned, *, most_worst: int, draw: Draw = lambda _progress: None, command: Sequence[str] = ()
) -> JointReport:
    """Ask both models on both indexes' texts, store that as a run, and say which swap broke what.

    A call that was answered is never made again: the same command goes on where it was ended.
    """
    workspace, questions, entry = planned.workspace, planned.questions, planned.entry
    retrieved = judged(planned.retrieved, list(planned.to_judge), workspace, draw=draw)
    suites = arm_suites(questions, retrieved)
    jobs = arm_jobs(workspace, suites, questions, retrieved)
    told = [*warnings_before(workspace, jobs), *retrieved.notes]
    spent_usd = retrieved.paid_usd
    facts, run, trials, paid_usd = _run(
        workspace, suites, jobs, told, spent_usd=spent_usd, draw=draw, command=command
    )
    arms = _arms(questions, entry)
    faithfulness = None if questions.faithfulness is None else questions.faithfulness.spec.judge
    found = {name: found_by(retrieved, name) for name in retrieved.texts}
    observations = observe(facts, arms, found, faithfulness=faithfulness)
    joint = judge_both(observations, _terms(entry))
    wanted = worst_first(observations, joint, most=most_worst)
    return JointReport(
        migration=planned.indexes.name,
        suite=questions.suite.name,
        embeddings=_embeddings(planned.indexes),
        models={"control": entry.control, "candidate": entry.candidate},
        run=run.id,
        joint=joint,
        worst=tuple(read_worst(wanted, trials if wanted else (), arms, questions, retrieved)),
        k=entry.k,
        repeats=workspace.settings.repeats,
        same_texts=retrieved.same,
        paid_usd=paid_usd,
        notes=tuple(told),
    )


def _run(
    workspace: Workspace,
    suites: Sequence[ReadySuite],
    jobs: Sequence[Job],
    warnings: Sequence[str],
    *,
    spent_usd: float,
    draw: Draw,
    command: Sequence[str],
) -> tuple[Sequence[Facts], Run, Sequence[Trial], float]:
    """Run the jobs as a run of the history, which no gate judges; return what it holds, and what was paid."""
    settings = workspace.settings
    cases = [case for suite in suites for case in suite.cases]
    specs = workspace.models_of(cases)
    before = before_trials(workspace, suites[:1], suites[0].cases, draw=draw)
    spent_usd += before.paid_usd
    recorder = Recorder(workspace, suites, specs, before=before)

    opening = open_engine(
        settings, specs, cases, take=recorder.take, is_behind=recorder.is_behind, spent_usd=spent_usd
    )
    with opening as engine:
        recorder.start(planned=len(jobs), wanted=len(jobs), warnings=warnings, command=command)
        recorder.require_open()
        engine.plan(jobs)
        with recorder.ended_when_stopped():
            facts = [engine.wait(job, meanwhile=draw).facts for job in jobs]
        paid_usd = spent_usd + engine.progress().cost_usd
        outcome = recorder.finish(why_not_judged=_NOT_JUDGED)
    if recorder.problem is not None:
        raise recorder.problem
    return facts, outcome.run, outcome.trials, paid_usd


def _require_models(workspace: Workspace, questions: Questions) -> None:
    judges = [judge for case in questions.cases for judge in case.judges]
    judges += [one for one in (questions.faithfulness, questions.retrieval) if one is not None]
    names = [name for name, _role in workspace.roles()]
    names += sorted({name for judge in judges for name in judge.models})
    workspace.require_ready({name: workspace.model(name) for name in names})


def _arms(questions: Questions, entry: AnswersEntry) -> Mapping[tuple[str, str], Arm]:
    models: dict[Role, str] = {"control": entry.control, "candidate": entry.candidate}
    return {
        (questions.suite_name(side), name): Arm(side, role) for side in SIDES for role, name in models.items()
    }


def _terms(entry: AnswersEntry) -> Terms:
    return Terms(
        margin=entry.margin,
        slices=entry.slices,
        slice_questions=entry.slice_questions,
        max_errors=entry.max_errors,
    )


def _embeddings(indexes: IndexWorkspace) -> dict[Side, str]:
    """Return what each side's embedding is called; two of one name are told apart by their fingerprints."""
    prints = {side: indexes.fingerprint(side) for side in SIDES}
    names = {side: f"{one.model} ({one.dimensions:,})" for side, one in prints.items()}
    if names["old"] != names["new"]:
        return names
    return {side: f"{name}, {prints[side].digest}" for side, name in names.items()}
