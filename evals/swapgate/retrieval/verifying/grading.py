"""A judge grades a pool: one text at a time, from 0 on, and is held against what people said.

The judge, its calls and the cache are those of runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor
from pathlib import Path

from swapgate.engine.again import Again
from swapgate.engine.judging_only import Draw, judge_only
from swapgate.engine.workspace import Job, ReadyCase, ReadySuite, Workspace
from swapgate.errors import UsageError
from swapgate.judging.judge import Judge
from swapgate.records import Answer, Response, Trial
from swapgate.retrieval.verifying.labels import Labels
from swapgate.retrieval.verifying.pooling import Pool, Pooled
from swapgate.spec.judges import RubricSpec
from swapgate.spec.suite import Case, LoadedSuite, PlacedCase, Suite
from swapgate.stats.agreement import cohen_kappa
from swapgate.stats.interval import Interval
from swapgate.values import Value, replace

_SUITE = "index-verification"
_DOCUMENT = "document"
_HIGHEST = 10


class Grader(Value):
    """A judge that gives one grade from 0 to `highest`; `passes_from` is the lowest that passes its rule."""

    judge: Judge
    criterion: str
    highest: int
    passes_from: int


class Agreement(Value):
    """How a judge's grades stand to people's on the same texts. `kappa` is Cohen's with quadratic weights."""

    checked: int
    kappa: Interval
    exact: float
    within_one: float


class Grades(Value):
    """The judge's grades by query and entry; what it failed to grade; what was paid now."""

    labels: Labels
    asked: int
    failed: int
    first_error: str | None
    paid_usd: float
    agreement: Agreement | None


def find_grader(workspace: Workspace, name: str) -> Grader:
    """Return a judge that grades from 0 on; UsageError for any other."""
    judge = workspace.judge(name)
    fix = "a judge of kind rubric with one criterion, `scale: [0, 3]`, grades results"
    if not isinstance(judge, Judge) or not isinstance(judge.spec, RubricSpec):
        raise UsageError(f"verify: judge: {name!r} is of kind {judge.spec.kind}: {fix}")
    scales = {criterion: one.scale for criterion, one in judge.spec.criteria.items()}
    criterion, scale = next(iter(scales.items()))
    if len(scales) != 1 or scale is None or scale[0] != 0 or scale[1] > _HIGHEST:
        raise UsageError(f"verify: judge: {name!r} has other criteria: {fix}")
    highest = scale[1]
    passing = [grade for grade in range(highest + 1) if judge.rule.evaluate({criterion: grade})]
    if not passing or passing[0] == 0 or passing != list(range(passing[0], highest + 1)):
        raise UsageError(
            f"verify: judge: {name!r} passes the grades {passing}: wanted all from one on, as in "
            f"`pass: {criterion} >= 2`"
        )
    return Grader(judge=judge, criterion=criterion, highest=highest, passes_from=passing[0])


def is_binary(labels: Labels, grader: Grader) -> bool:
    """Whether people said yes or no where the judge grades finer: its grades then count by its rule.

    Raises UsageError where people's grades go beyond the judge's.
    """
    if labels.highest > grader.highest:
        raise UsageError(
            f"verify: the labels go up to {labels.highest}, and the judge {grader.judge.spec.judge!r} up to "
            f"{grader.highest}: give both the same scale"
        )
    return bool(labels.grades) and labels.highest <= 1 < grader.highest


def graded(
    workspace: Workspace,
    grader: Grader,
    found: Pool,
    people: Labels,
    *,
    draw: Draw = lambda _progress: None,
) -> Grades:
    """Have the judge grade the pool; what it has graded before is in the cache and costs nothing."""
    texts = list({one.key: one for one in (*found.unlabelled, *found.labelled)}.values())
    if not texts:
        return Grades(labels=Labels(), asked=0, failed=0, first_error=None, paid_usd=0.0, agreement=None)
    workspace.require_ready({name: workspace.model(name) for name in grader.judge.models})
    jobs = [_job(one, grader.judge, workspace.settings.root) for one in texts]
    judged = judge_only(workspace, jobs, draw=draw)
    known: dict[str, int] = {}
    errors: list[str] = []
    for one, finished in zip(texts, judged.finished, strict=True):
        assert finished.trial is not None
        grade = _grade(finished.trial, grader, binary=is_binary(people, grader))
        if grade is None:
            error = finished.trial.error
            errors.append(error.message if error else "the judge came to no grade")
        else:
            known[one.key] = grade
    return Grades(
        labels=Labels(grades=_by_query(found.unlabelled, known)),
        asked=len(texts),
        failed=len(errors),
        first_error=errors[0] if errors else None,
        paid_usd=judged.paid_usd,
        agreement=agreement(_pairs(found.labelled, known, people)),
    )


def together(people: Labels, judge: Labels) -> Labels:
    """Return people's labels, and the judge's where there are none."""
    queries = {**people.grades, **judge.grades}
    merged = {query: {**judge.of(query), **people.of(query)} for query in queries}
    return replace(people, grades=merged)


def agreement(pairs: Sequence[tuple[int, int]]) -> Agreement | None:
    """Return how a judge's grades stand to people's, None without a pair."""
    if not pairs:
        return None
    people, judge = [[float(pair[who]) for pair in pairs] for who in (0, 1)]
    categories = [float(grade) for grade in range(int(max(*people, *judge)) + 1)]
    return Agreement(
        checked=len(pairs),
        kappa=cohen_kappa(people, judge, weights="quadratic", categories=categories),
        exact=sum(a == b for a, b in pairs) / len(pairs),
        within_one=sum(abs(a - b) <= 1 for a, b in pairs) / len(pairs),
    )


def _pairs(labelled: Sequence[Pooled], known: Mapping[str, int], people: Labels) -> list[tuple[int, int]]:
    return [(people.of(one.query.id)[one.id], known[one.key]) for one in labelled if one.key in known]


def _by_query(pooled: Sequence[Pooled], known: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return the grades of entries: of one with two texts the better grade."""
    grades: dict[str, dict[str, int]] = {}
    for one in pooled:
        if one.key in known:
            of_query = grades.setdefault(one.query.id, {})
            of_query[one.id] = max(of_query.get(one.id, 0), known[one.key])
    return grades


def _grade(trial: Trial, grader: Grader, *, binary: bool) -> int | None:
    verdict = next(iter(trial.verdicts), None)
    score = None if verdict is None else verdict.scores.get(grader.criterion)
    if verdict is None or verdict.status != "scored" or score is None:
        return None
    grade = floor(score + 0.5)
    return int(grade >= grader.passes_from) if binary else grade


def _job(one: Pooled, judge: Judge, root: Path) -> Job:
    """Return the job that shows one text to the judge as the answer to its query."""
    name = one.key[:16]
    case = Case(id=name, input={"query": one.query.text})
    placed = PlacedCase(case=case, path=root, line=1)
    ready = ReadyCase(placed=placed, checks=(), judges=(judge,), content_hash=name)
    loaded = LoadedSuite(path=root, suite=Suite(suite=_SUITE), cases=(placed,))
    answer = Answer(response=Response(text=one.text), model=_DOCUMENT, from_cache=True)
    trial = Trial(suite=_SUITE, case=name, model=_DOCUMENT, answer=answer)
    return Job(
        suite=ReadySuite(root=root, loaded=loaded, prompt=None, decoding_schema=None, cases=(ready,)),
        case=ready,
        model=_DOCUMENT,
        repeat=1,
        role="candidate",
        again=Again(trial=trial),
    )
