"""A sample of exchanges shown to a pairwise judge: both answers, without names, in both orders.

The judge, its calls and the cache are those of runs; an order that decides is a tie (`judging/kinds`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from swapgate.engine.again import Again
from swapgate.engine.judging_only import Draw, judge_only
from swapgate.engine.workspace import Job, ReadyCase, ReadySuite, Workspace
from swapgate.errors import UsageError
from swapgate.judging.judge import Judge
from swapgate.judging.subject import answer_text
from swapgate.records import Answer, Response, Rival, Trial, content_hash
from swapgate.shadow.comparing.asked import messages_of
from swapgate.shadow.comparing.likeness import Comparison
from swapgate.shadow.records import Exchange, Leg
from swapgate.spec.judge_kinds import PairwiseSpec
from swapgate.spec.suite import Case, LoadedSuite, PlacedCase, Suite

_SUITE = "shadow"
_REFERENCE = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToJudge:
    """An exchange with what comparing it said, and its two answers."""

    exchange: Exchange
    comparison: Comparison
    control: Leg
    candidate: Leg


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The comparisons with the judge's word, by key; why others have none; what was paid."""

    comparisons: dict[str, Comparison]
    errors: dict[str, str]
    paid_usd: float


def find_pairwise(workspace: Workspace, name: str) -> Judge:
    """Return a judge that compares two answers; UsageError for any other."""
    judge = workspace.judge(name)
    if not isinstance(judge, Judge) or not isinstance(judge.spec, PairwiseSpec):
        raise UsageError(
            f"judge {name!r} is of kind {judge.spec.kind}: two answers are compared by one of kind pairwise"
        )
    if judge.spec.against == _REFERENCE:
        raise UsageError(
            f"judge {name!r} compares with a reference, and traffic has none: `against: baseline`"
        )
    return judge


def sample(found: Iterable[ToJudge], *, size: int, seed: int) -> list[ToJudge]:
    """Return the exchanges that a seed draws: always the same, and more of them where the size grows."""
    return sorted(found, key=lambda one: content_hash([seed, one.exchange.key]))[:size]


def judgeable(pairs: Iterable[tuple[Exchange, Comparison]]) -> Iterator[ToJudge]:
    """Yield the exchanges whose words are at hand and that both answered, one of them at least with words."""
    for exchange, comparison in pairs:
        control, candidate = exchange.control, exchange.candidate
        if control is None or candidate is None or not messages_of(exchange):
            continue
        if control.has_answer and candidate.has_answer and _has_words(control) and _has_words(candidate):
            yield ToJudge(exchange=exchange, comparison=comparison, control=control, candidate=candidate)


def judge_preferences(
    workspace: Workspace, judge: Judge, found: Sequence[ToJudge], *, draw: Draw = lambda _progress: None
) -> Preferences:
    """Ask the judge about the exchanges that it has not judged yet; what is in the cache costs nothing."""
    asked = [one for one in found if one.comparison.judged_by != judge.definition_hash]
    if not asked:
        return Preferences(comparisons={}, errors={}, paid_usd=0.0)
    workspace.require_ready({name: workspace.model(name) for name in judge.models})
    jobs = [_job(one, judge, workspace.settings.root) for one in asked]
    judged = judge_only(workspace, jobs, draw=draw)
    comparisons, errors = {}, {}
    for one, finished in zip(asked, judged.finished, strict=True):
        assert finished.trial is not None
        verdict = next(iter(finished.trial.verdicts), None)
        score = None if verdict is None else verdict.scores.get("score")
        if verdict is None or score is None:
            error = finished.trial.error
            errors[one.exchange.key] = error.message if error else "the judge came to no score"
            continue
        comparisons[one.exchange.key] = replace(
            one.comparison,
            preference=score,
            judged_by=judge.definition_hash,
        )
    return Preferences(comparisons=comparisons, errors=errors, paid_usd=judged.paid_usd)


def _job(one: ToJudge, judge: Judge, root: Path) -> Job:
    """Return the job that shows a stored pair to the judge, as rejudging does with a run's."""
    name = content_hash(one.exchange.key)[:16]
    placed = PlacedCase(case=Case(id=name, messages=messages_of(one.exchange)), path=root, line=1)
    case = ReadyCase(placed=placed, checks=(), judges=(judge,), content_hash=name)
    loaded = LoadedSuite(path=root, suite=Suite(suite=_SUITE), cases=(placed,), content_hash=name)
    suite = ReadySuite(root=root, loaded=loaded, prompt=None, decoding_schema=None, cases=(case,))
    rival = Rival(name=one.control.model, text=_words(one.control))
    answer = Answer(response=_response(one.candidate), model=one.candidate.model, from_cache=True)
    trial = Trial(
        suite=_SUITE,
        case=name,
        model=one.candidate.model,
        answer=answer,
        verdicts=(replace(judge.inapplicable(""), rival=rival),),
    )
    return Job(
        suite=suite,
        case=case,
        model=one.candidate.model,
        repeat=1,
        role="candidate",
        again=Again(trial=trial),
    )


def _has_words(leg: Leg) -> bool:
    return bool(leg.text or leg.tool_calls)


def _words(leg: Leg) -> str:
    return answer_text(_response(leg))


def _response(leg: Leg) -> Response:
    return Response(
        text=leg.text or "", tool_calls=leg.tool_calls, finish_reason=leg.finish_reason or "other"
    )
