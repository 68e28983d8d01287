"""Drawn exchanges shown to a pairwise judge: both answers, without names, in both orders.

The judge, its calls and the cache are those of runs; an order that decides is a tie (`judging/kinds`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from swapgate.engine.again import Again
from swapgate.engine.judging_only import Draw
from swapgate.engine.runner import Engine, Progress
from swapgate.engine.workspace import Job, ReadyCase, ReadySuite, Workspace
from swapgate.errors import ErrorKind, UsageError
from swapgate.judging.judge import Judge
from swapgate.judging.subject import answer_text
from swapgate.records import Answer, Response, Rival, Trial, content_hash
from swapgate.shadow.comparing.asked import messages_of
from swapgate.shadow.comparing.drawing import is_judgeable
from swapgate.shadow.comparing.likeness import UNCOMPARED, Comparison, from_stored, to_stored
from swapgate.shadow.records import Exchange, Leg, Stored
from swapgate.shadow.replay import LEASE_S, RENEW_EVERY_S
from swapgate.shadow.store import ShadowStore
from swapgate.spec.judge_kinds import PairwiseSpec
from swapgate.spec.suite import Case, LoadedSuite, PlacedCase, Suite
from swapgate.values import Value, replace

_SUITE = "shadow"
_REFERENCE = "reference"
_AT_ONCE = 256  # exchanges in memory: more than an engine has calls in flight
_PAUSE_S = 0.2
_EVEN = 0.5


@dataclass(slots=True, kw_only=True)
class Preferences:
    """What the judge says of drawn exchanges: how often the candidate is better or worse.

    `judged_now` are those that it had not judged before, `unasked` those that the budget left out. `errors`
    says by key why there is no verdict.
    """

    drawn: int = 0
    judged_now: int = 0
    better: int = 0
    even: int = 0
    worse: int = 0
    unasked: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    def add(self, preference: float) -> None:
        """Count one verdict."""
        self.better += preference > _EVEN
        self.even += preference == _EVEN
        self.worse += preference < _EVEN


class _Pair(Value):
    """An exchange with what comparing it said, and its two answers."""

    exchange: Exchange
    comparison: Comparison
    control: Leg
    candidate: Leg


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


class PairJudging:
    """Asks a judge about exchanges that it has not judged yet, and stores each verdict as it is known.

    Any number of processes may, and each exchange is judged by one of them: it is leased, as a replay leases
    what it asks. Only some are in memory at once. Nothing is compared here: see UNCOMPARED.
    """

    def __init__(
        self,
        engine: Engine,
        store: ShadowStore,
        judge: Judge,
        *,
        root: Path,
        draw: Draw = lambda _progress: None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._judge = judge
        self._root = root
        self._draw = draw
        self._asked: deque[tuple[_Pair, Job]] = deque()
        self._renewed_at = time.monotonic()
        self._is_spent = False
        self.done = Preferences()

    def run(self, keys: Iterable[str]) -> Preferences:
        """Ask until each has a verdict, or the budget is spent; what is in the cache costs nothing."""
        waiting, held = deque(keys), deque[str]()
        self.done.drawn = len(waiting)
        try:
            while waiting or held or self._asked:
                held += self._begin(waiting)
                if self._asked:
                    self._settle(*self._asked[0])
                elif self._is_spent:
                    break
                else:
                    time.sleep(_PAUSE_S)  # another process, perhaps a dead one, has what is left
                    waiting, held = held, deque()
        finally:
            self._give_back([pair.exchange.key for pair, _job in self._asked])
        self.done.unasked += len(waiting) + len(held)
        return self.done

    def _begin(self, waiting: deque[str]) -> list[str]:
        """Ask about as many as may be in hand; return those that another process has in hand."""
        held = []
        while waiting and len(self._asked) < _AT_ONCE and not self._is_spent:
            key = waiting.popleft()
            if self._is_known(self._store.get(key)):
                continue
            taken = self._store.take(key, lease_s=LEASE_S)
            if taken is None:
                held.append(key)
            elif self._is_known(taken):  # the other process had just judged it
                self._give_back([key])
            else:
                pair = _pair(taken)
                job = _job(pair, self._judge, self._root)
                self._asked.append((pair, job))
                self._engine.plan([job])
        return held

    def _is_known(self, stored: Stored | None) -> bool:
        """Count an exchange that has its verdict; one that was deleted meanwhile has nothing to judge."""
        if stored is None or not is_judgeable(stored.exchange):
            return True
        known = None if stored.comparison is None else from_stored(stored.comparison)
        if known is None or known.preference is None or known.judged_by != self._judge.definition_hash:
            return False
        self.done.add(known.preference)
        return True

    def _settle(self, pair: _Pair, job: Job) -> None:
        finished = self._engine.wait(job, meanwhile=self._meanwhile)
        self._renew_when_due()
        self._asked.popleft()
        assert finished.trial is not None
        trial, key = finished.trial, pair.exchange.key
        verdict = next(iter(trial.verdicts), None)
        score = None if verdict is None else verdict.scores.get("score")
        if score is not None:
            judged = replace(pair.comparison, preference=score, judged_by=self._judge.definition_hash)
            self._store.set_comparison(key, to_stored(judged))
            self.done.judged_now += 1
            self.done.add(score)
            return
        self._give_back([key])
        if trial.error is not None and trial.error.kind is ErrorKind.BUDGET:
            self._is_spent = True
            self.done.unasked += 1
        else:
            self.done.errors[key] = trial.error.message if trial.error else "the judge came to no score"

    def _meanwhile(self, progress: Progress) -> None:
        self._draw(progress)
        self._renew_when_due()

    def _renew_when_due(self) -> None:
        if time.monotonic() - self._renewed_at > RENEW_EVERY_S:
            self._store.renew([pair.exchange.key for pair, _job in self._asked], lease_s=LEASE_S)
            self._renewed_at = time.monotonic()

    def _give_back(self, keys: Sequence[str]) -> None:
        self._store.renew(keys, lease_s=0)


def _pair(stored: Stored) -> _Pair:
    exchange = stored.exchange
    assert exchange.control is not None and exchange.candidate is not None
    known = Comparison(basis=UNCOMPARED) if stored.comparison is None else from_stored(stored.comparison)
    return _Pair(exchange=exchange, comparison=known, control=exchange.control, candidate=exchange.candidate)


def _job(one: _Pair, judge: Judge, root: Path) -> Job:
    """Return the job that shows a stored pair to the judge, as rejudging does with a run's."""
    name = content_hash(one.exchange.key)[:16]
    placed = PlacedCase(case=Case(id=name, messages=messages_of(one.exchange)), path=root, line=1)
    case = ReadyCase(placed=placed, checks=(), judges=(judge,), content_hash=name)
    loaded = LoadedSuite(path=root, suite=Suite(suite=_SUITE), cases=(placed,))
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


def _words(leg: Leg) -> str:
    return answer_text(_response(leg))


def _response(leg: Leg) -> Response:
    return Response(
        text=leg.text or "", tool_calls=leg.tool_calls, finish_reason=leg.finish_reason or "other"
    )
