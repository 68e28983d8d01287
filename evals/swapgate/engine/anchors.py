"""Anchors chosen from a run's answers, and asked about anew: every reading is a call of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from swapgate.engine.again import Again
from swapgate.engine.judging_only import Draw, judge_only
from swapgate.engine.workspace import Job, ReadyCase, ReadySuite, Workspace
from swapgate.facts.amounts import list_price, served_ids
from swapgate.judging.judge import Judge
from swapgate.records import Answer, Response, Trial, content_hash, total
from swapgate.spec.anchors import Anchor, Reading
from swapgate.spec.suite import Case, LoadedSuite, PlacedCase, Suite
from swapgate.values import Value, replace

_MODEL = "anchor"


class Read(Value):
    """What the judge says of one anchor now; without a verdict `reading` is None and `problem` says why."""

    anchor: Anchor
    reading: Reading | None
    problem: str = ""
    reason: str = ""
    served: tuple[str, ...] = ()
    cost_usd: float | None = None


def chosen(judge: Judge, trials: Iterable[Trial], cases: Sequence[ReadyCase], *, count: int) -> list[Anchor]:
    """Return up to `count` of the answers, as many that passed as that failed where there are so many.

    They are chosen by a hash of their place, so that a second choice from the same run is the same, and of
    different cases first. An answer is left out where code alone decided on it, and where its case has
    changed: what the judge was shown is not known any more.
    """
    known = {(case.placed.case.id, case.content_hash): case for case in cases}
    passed: list[Anchor] = []
    failed: list[Anchor] = []
    for trial in _spread(trials):
        verdict = next((v for v in trial.verdicts if v.judge == judge.spec.judge), None)
        case = known.get((trial.case, trial.case_hash or ""))
        is_judged = verdict is not None and verdict.status == "scored" and verdict.samples
        if case is None or not is_judged or verdict is None or trial.answer is None:
            continue
        (passed if verdict.passed else failed).append(_anchor(judge, trial, case, trial.answer))
    fails = min(len(failed), max(count - len(passed), count // 2))
    return [*failed[:fails], *passed[: count - fails]]


def ask_anchors(
    workspace: Workspace,
    judge: Judge,
    anchors: Sequence[Anchor],
    *,
    draw: Draw = lambda _progress: None,
    spent_usd: float = 0.0,
) -> tuple[list[Read], float]:
    """Ask the judge about each anchor and return what it says, with what was paid for it in US dollars.

    The workspace's cache mode decides whether a stored reply may stand for a call.
    """
    jobs = [_job(judge, anchor, number, workspace.settings.root) for number, anchor in enumerate(anchors)]
    judged = judge_only(workspace, jobs, draw=draw, spent_usd=spent_usd)
    trials = [finished.trial for finished in judged.finished]
    pairs = zip(anchors, trials, strict=True)
    return [_read(anchor, trial) for anchor, trial in pairs if trial is not None], judged.paid_usd


def frozen(anchors: Sequence[Anchor], readings: Sequence[Sequence[Read]]) -> Iterator[Anchor]:
    """Yield the anchors that every pass gave a verdict on, with these readings and the ids served."""
    for place, anchor in enumerate(anchors):
        said = [one[place] for one in readings]
        verdicts = tuple(read.reading for read in said if read.reading is not None)
        if len(verdicts) == len(said):
            served = tuple(sorted({name for read in said for name in read.served}))
            yield anchor.model_copy(update={"readings": verdicts, "served": served})


def _spread(trials: Iterable[Trial]) -> list[Trial]:
    """Return trials in an arbitrary order that is always the same: one of each case, then the others."""
    turns: dict[tuple[str, str], int] = {}
    placed: list[tuple[int, int, Trial]] = []
    for trial in sorted(trials, key=lambda t: content_hash([t.suite, t.case, t.model, t.repeat])):
        turn = turns[trial.suite, trial.case] = turns.get((trial.suite, trial.case), -1) + 1
        placed.append((turn, len(placed), trial))
    return [trial for _turn, _place, trial in sorted(placed, key=lambda one: one[:2])]


def _anchor(judge: Judge, trial: Trial, case: ReadyCase, answer: Answer) -> Anchor:
    written = case.placed.case
    return Anchor(
        suite=trial.suite,
        case=trial.case,
        cluster=trial.cluster,
        input=written.input,
        messages=written.messages,
        expected=written.expected,
        output=answer.response.text,
        tool_calls=answer.response.tool_calls,
        readings=(Reading(passed=False),),  # until it has been asked
        judge_hash=judge.definition_hash,
    )


def _job(judge: Judge, anchor: Anchor, number: int, root: Path) -> Job:
    """Return the job that judges an anchor: a case of its own, whatever the suite has become since."""
    case = Case(id=anchor.case, input=anchor.input, messages=anchor.messages, expected=anchor.expected)
    placed = PlacedCase(case=case, path=root, line=number + 1)
    loaded = LoadedSuite(path=root, suite=Suite(suite=anchor.suite), cases=(placed,))
    ready = ReadyCase(placed=placed, checks=(), judges=(judge,), content_hash="")
    suite = ReadySuite(root=root, loaded=loaded, prompt=None, decoding_schema=None, cases=(ready,))
    response = Response(text=anchor.output, tool_calls=anchor.tool_calls)
    answer = Answer(response=response, model=_MODEL, from_cache=True, cost_usd=0.0)
    trial = Trial(suite=anchor.suite, case=anchor.case, model=_MODEL, answer=answer)
    return Job(suite=suite, case=ready, model=_MODEL, repeat=1, role="candidate", again=Again(trial=trial))


def _read(anchor: Anchor, trial: Trial) -> Read:
    answers = [answer for verdict in trial.verdicts for answer in verdict.answers]
    verdict = next(iter(trial.verdicts), None)
    read = Read(anchor=anchor, reading=None, served=served_ids(answers), cost_usd=list_price(answers))
    if verdict is None or verdict.passed is None:
        return replace(read, problem=trial.error.message if trial.error else "no verdict")
    reading = Reading(passed=verdict.passed, scores=dict(verdict.scores))
    return replace(read, reading=reading, reason=verdict.reason)


def cost_of(reads: Iterable[Read]) -> float | None:
    """Return the list price of what was asked; None when a price is unknown."""
    return total([read.cost_usd for read in reads])
