"""Canaries as jobs: shown to a judge as answers to real cases of its own, and what it made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from swapgate.engine.again import Again
from swapgate.engine.judging_only import Draw, judge_only
from swapgate.engine.workspace import Job, ReadyCase, ReadySuite, Workspace
from swapgate.errors import UsageError
from swapgate.facts.amounts import list_price, price_paid
from swapgate.judging.canaries import Canary, canaries
from swapgate.judging.judge import Judge
from swapgate.judging.load import AnyJudge
from swapgate.judging.subject import Judged
from swapgate.records import Answer, CanaryResult, JudgeCanaries, Response, Trial, content_hash
from swapgate.values import Value

# A judge sees its canaries on several cases: one odd case must not decide for all of them.
_CASES = 3
_MODEL = "canary"


class CanaryJob(Value):
    """A canary, its judge, and the job that shows the one to the other."""

    judge: Judge
    canary: Canary
    job: Job


def judges_of(suites: Iterable[ReadySuite]) -> dict[str, AnyJudge]:
    """Return the judges of the suites' cases by name."""
    return {judge.spec.judge: judge for suite in suites for case in suite.cases for judge in case.judges}


def tried(judge: AnyJudge) -> Judge:
    """Return a judge that can be shown answers one at a time; UsageError for any other."""
    if isinstance(judge, Judge) and judge.against is None:
        return judge
    name, kind = judge.spec.judge, judge.spec.kind
    raise UsageError(
        f"judge {name!r} is of kind {kind}: only judges that ask a model about one answer can be tried so"
    )


def canary_jobs(judge: Judge, suites: Sequence[ReadySuite], *, cases: int = 1) -> list[CanaryJob]:
    """Return each canary of a judge on so many cases; the cases are the same ones in every run.

    Another case in a suite rarely changes them, so that what was asked before is in the cache.
    """
    places = _places(judge, suites)[: max(_CASES, cases)]
    if not places:
        return []
    found = []
    names = dict.fromkeys(canary.name for suite, case in places for canary in _on(judge, case))
    for number, name in enumerate(names):
        for turn in range(min(cases, len(places))):
            suite, case = places[(number + turn) % len(places)]
            for canary in _on(judge, case):
                if canary.name == name:
                    found.append(CanaryJob(judge=judge, canary=canary, job=_job(judge, canary, suite, case)))
    return found


def wanted_canaries(suites: Sequence[ReadySuite], cases: Iterable[ReadyCase]) -> list[CanaryJob]:
    """Return the canaries that a run of these cases begins with; they are shown on any case of the suites."""
    judges = {judge.spec.judge: judge for case in cases for judge in case.judges if judge.wants_canaries}
    return [job for judge in judges.values() for job in canary_jobs(tried(judge), suites)]


def run_canaries(
    workspace: Workspace,
    jobs: Sequence[CanaryJob],
    *,
    draw: Draw = lambda _progress: None,
    spent_usd: float = 0.0,
) -> tuple[tuple[JudgeCanaries, ...], float]:
    """Ask the judges about the canaries; return what they said, and what was paid for it in US dollars.

    They are asked live also where a run goes in batches: it waits for them.
    """
    if not jobs:
        return (), 0.0

    live = Workspace(replace(workspace.settings, batch=False))
    judged = judge_only(live, [one.job for one in jobs], draw=draw, spent_usd=spent_usd)
    by_judge: dict[str, list[CanaryResult]] = {}
    for one, finished in zip(jobs, judged.finished, strict=True):
        assert finished.trial is not None
        by_judge.setdefault(one.judge.spec.judge, []).append(_result(one.canary, finished.trial))
    judges = {one.judge.spec.judge: one.judge for one in jobs}
    found = tuple(
        JudgeCanaries(
            judge=name,
            definition_hash=judges[name].definition_hash,
            blocks=judges[name].spec.canaries != "warn",
            results=tuple(results),
        )
        for name, results in by_judge.items()
    )
    return found, judged.paid_usd


def _places(judge: Judge, suites: Sequence[ReadySuite]) -> list[tuple[ReadySuite, ReadyCase]]:
    """Return the cases of a judge in an order that is arbitrary, and always the same."""
    own = [(s, c) for s in suites for c in s.cases if any(j.spec.judge == judge.spec.judge for j in c.judges)]
    return sorted(own, key=lambda place: content_hash([place[0].name, place[1].placed.case.id]))


def _on(judge: Judge, case: ReadyCase) -> Iterator[Canary]:
    written = case.placed.case
    judged = Judged(
        output="", variables=written.input, messages=tuple(written.messages), expected=written.expected
    )
    yield from canaries(judge, judged)


def _job(judge: Judge, canary: Canary, suite: ReadySuite, case: ReadyCase) -> Job:
    answer = Answer(response=Response(text=canary.output), model=_MODEL, from_cache=True, cost_usd=0.0)
    trial = Trial(suite=suite.name, case=case.placed.case.id, model=_MODEL, answer=answer)
    return Job(
        suite=suite,
        case=replace(case, judges=(judge,), checks=()),
        model=_MODEL,
        repeat=1,
        role="candidate",
        again=Again(trial=trial),
    )


def _result(canary: Canary, trial: Trial) -> CanaryResult:
    """Return what a judge made of a canary; a verdict that there is none of is no failed one."""
    answers = [answer for verdict in trial.verdicts for answer in verdict.answers]
    passed = next((verdict.passed for verdict in trial.verdicts), None)
    said = trial.verdicts[0].reason if trial.verdicts else ""
    return CanaryResult(
        canary=canary.name,
        kind=canary.kind,
        suite=trial.suite,
        case=trial.case,
        output=canary.output,
        outcome="error" if trial.error or passed is None else "passed" if passed else "failed",
        reason=trial.error.message if trial.error else said,
        cost_usd=list_price(answers),
        paid_usd=price_paid(answers),
    )
