"""A run that may stop early: the order of its cases, when it looks, and which trials are still wanted."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, groupby
from math import fsum
from operator import is_not
from typing import TypeVar

from swapgate.analysis.quarantine import without_quarantined
from swapgate.analysis.scopes import Scope
from swapgate.analysis.stopping import Monitor, Rules
from swapgate.engine.workspace import Job, Workspace
from swapgate.facts import Facts
from swapgate.records import Stopping, TrialRole
from swapgate.spec.calibration_files import calibration_path
from swapgate.spec.settings import Settings
from swapgate.spec.suite import interval_of
from swapgate.stats.looks import planned_looks, random_order
from swapgate.values import Value

Item = TypeVar("Item")
# With a look after every case one is taken when the trials have grown by this share: a look takes a time that
# grows with the trials, and its answer is the same when it comes a little late.
GROWTH = 0.02


def shuffled(items: Sequence[Item], job_of: Callable[[Item], Job], *, seed: int) -> list[Item]:
    """Return the items in random order of their clusters; a case's models and repeats stay side by side."""
    order = random_order([job_of(item).cluster for item in items], seed=seed)
    return [items[i] for i in order]


def early_stop(workspace: Workspace, jobs: Sequence[Job], stored: Sequence[Facts]) -> EarlyStop | None:
    """Return who decides when a run ends; None when it goes to its end.

    `stored` are the facts of a baseline that is not run beside.
    """
    if not workspace.settings.stop_early or why_not(workspace, jobs):
        return None
    baseline = stored[0].model if stored else workspace.baseline_model
    return EarlyStop(workspace.settings, jobs, seed=workspace.seed, baseline=baseline, stored=stored)


def why_not(workspace: Workspace, jobs: Sequence[Job]) -> str:
    """Return why a run that was asked to stop early will not, or an empty string."""
    settings = workspace.settings
    if not settings.stop_early:
        return ""
    judges = dict.fromkeys(judge.spec.judge for job in jobs for judge in job.case.judges)
    if calibrated := [name for name in judges if calibration_path(settings.judges_dir, name)]:
        return (
            f"--stop-early goes by verdicts as they are, and {', '.join(calibrated)} is calibrated: "
            "the run goes to its end"
        )
    if interval_of(settings.gate) == "exact":
        return "--stop-early knows no exact intervals, which the gate asks for: the run goes to its end"
    suites = {job.suite.name: job.suite.loaded.suite.gate for job in jobs}
    rules = Rules(overall=settings.gate, suites=suites, baseline=settings.baseline)
    if not rules.watched and not rules.whole:
        return "--stop-early has no rule to look at (a margin, a rate on: interval): the run goes to its end"
    if any(map(is_not, jobs, shuffled(jobs, lambda job: job, seed=workspace.seed))):
        return (
            "--stop-early needs its own random order, and another plugin or an option such as --ff has put "
            "the cases into another one: the run goes to its end"
        )
    return ""


class EarlyStop:
    """Decides trial by trial what is still worth a call, and holds no case for it.

    `jobs` are all trials in the order of the run, in which they also come back: each is called by its place,
    counted from 0. `stored` are the facts of a baseline that is not run beside, `baseline` its name or that
    of the model that is.
    """

    def __init__(
        self,
        settings: Settings,
        jobs: Sequence[Job],
        *,
        seed: int,
        baseline: str | None,
        stored: Iterable[Facts] = (),
    ) -> None:
        self._trials = _described(jobs)
        self._planned_cases = len({_case(job) for job in jobs})
        self._seed = seed
        self._looks = settings.looks if isinstance(settings.looks, int) else None
        self._ahead = settings.concurrency
        self._ends = _cluster_ends(jobs)
        if self._looks is not None:
            sizes = [end - start for start, end in zip([0, *self._ends], self._ends, strict=False)]
            self._ends = list(planned_looks(sizes, self._looks))
        self._stored, self._own = list(stored), list[Facts]()
        self._is_started = bytearray(len(jobs))
        self._horizon = self._looked = 0
        self._passed = self._whole = 0
        self._skipped: Counter[str] = Counter()  # by model
        self._candidates = list(dict.fromkeys(job.model for job in jobs if job.role == "candidate"))
        suites = {job.suite.name: job.suite.loaded.suite.gate for job in jobs}
        self._monitor = Monitor(
            Rules(overall=settings.gate, suites=suites, baseline=baseline),
            self._candidates,
            looks_in=None if self._looks is None else self._looks_in,
        )

    def admit(self, place: int) -> list[int] | None:
        """Look where a look is due, and return the places to start now; None when this one is not wanted.

        To be asked for every place in order, before its result is waited for.
        """
        if self._is_due(place):
            self._looked = place
            self._monitor.look(without_quarantined([*self._stored, *self._own[: self._whole]]))
        if not self._is_started[place] and not self._is_wanted(place):
            self._skipped[self._trials[place].model] += 1
            return None
        return self._start(place)

    def why_skipped(self, place: int) -> str:
        """Return why a trial is not wanted any more."""
        return self._monitor.stopped.get(self._trials[place].model, "every candidate is decided")

    def add(self, facts: Facts) -> None:
        """Take a finished trial."""
        self._own.append(facts)

    def conclude(self) -> Stopping:
        """Return how it went; the candidates that are still open get their last look."""
        self._monitor.look(without_quarantined([*self._stored, *self._own]), is_last=True)
        return Stopping(
            looks=self._looks,
            seed=self._seed,
            planned_cases=self._planned_cases,
            cases=len({(f.suite, f.case) for f in self._own}),
            stopped=dict(self._monitor.stopped),
            rules=self._monitor.answers,
            saved_trials=self._skipped.total(),
            saved_usd=self._saved_usd(),
        )

    def _start(self, place: int) -> list[int]:
        """Return the trials up to the next look, or as many as may be under way, but for those started."""
        later = bisect_right(self._ends, place)
        next_end = self._ends[later] if later < len(self._ends) else len(self._trials)
        horizon = next_end if self._looks is not None else max(next_end, place + self._ahead)
        new = [one for one in range(self._horizon, min(horizon, len(self._trials))) if self._is_wanted(one)]
        self._horizon = max(self._horizon, horizon)
        for one in new:
            self._is_started[one] = True
        return new

    def _is_due(self, place: int) -> bool:
        """Whether a look's place has been passed since the last one: its own trial may have been skipped.

        What a look sees ends there, so that it never sees a part of a cluster.
        """
        passed = bisect_right(self._ends, place)
        if passed > self._passed:
            self._passed, self._whole = passed, len(self._own)
        if not passed or self._ends[passed - 1] <= self._looked:
            return False
        return self._looks is not None or place - self._looked >= GROWTH * place

    def _is_wanted(self, place: int) -> bool:
        """Whether a trial can still change the gate's answer: its model's, or for a baseline anybody's."""
        trial = self._trials[place]
        if trial.role == "candidate":
            return trial.model not in self._monitor.stopped
        return any(model not in self._monitor.stopped for model in self._candidates)

    def _looks_in(self, scope: Scope) -> list[int]:
        """Return how many trials of one candidate lie in a scope at each planned look."""
        inside = (one.model == self._candidates[0] and one.is_in(scope) for one in self._trials)
        counts = list(accumulate(inside, initial=0))
        return sorted({counts[end] for end in self._ends} - {0})

    def _saved_usd(self) -> float | None:
        """Return what the skipped trials would have cost, at each model's mean of this run."""
        parts = []
        for model, skipped in self._skipped.items():
            amounts = [(f.cost_usd, f.judge_cost_usd) for f in self._own if f.model == model]
            known = [own + judge for own, judge in amounts if own is not None and judge is not None]
            if not known:
                return None
            parts.append(fsum(known) / len(known) * skipped)
        return fsum(parts)


class _Planned(Value, kw_only=False):
    """What of a trial decides whether it is wanted, alike for many of them."""

    model: str
    role: TrialRole
    suite: str
    prompt: str | None
    tags: tuple[str, ...]
    is_quarantined: bool

    def is_in(self, scope: Scope) -> bool:
        return (
            not self.is_quarantined
            and scope.suite in {None, self.suite}
            and scope.prompt in {None, self.prompt}
            and (scope.tag is None or scope.tag in self.tags)
        )


def _described(jobs: Iterable[Job]) -> list[_Planned]:
    """Return what is planned, the same object for all that are alike."""
    known: dict[_Planned, _Planned] = {}
    return [known.setdefault(one, one) for one in map(_planned, jobs)]


def _planned(job: Job) -> _Planned:
    prompt, case = job.suite.prompt, job.case
    name = prompt.prompt if prompt else None
    return _Planned(
        job.model, job.role, job.suite.name, name, case.placed.case.tags, case.quarantine is not None
    )


def _cluster_ends(jobs: Sequence[Job]) -> list[int]:
    """Return the places behind the last trial of each cluster."""
    return list(accumulate(len(list(group)) for _, group in groupby(jobs, key=lambda job: job.cluster)))


def _case(job: Job) -> tuple[str, str]:
    return job.suite.name, job.case.placed.case.id
