"""The history as the pages ask for it: never written, what is costly kept for runs that have ended."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from swapgate.analysis.outcome import RunOutcome
from swapgate.errors import UsageError
from swapgate.facts import Facts
from swapgate.memory.history import EVERY_RUN, Choice, History, StoredTrials
from swapgate.records import PromotedRun, Run, Tally, Trial
from swapgate.reporting import find_reporter
from swapgate.runs.concluded import concluded
from swapgate.runs.stored import StoredRun, join, one_model, refuse_other_judges
from swapgate.spec.settings import Settings
from swapgate.values import replace
from swapgate.viewing.links import Answered
from swapgate.viewing.problems import Refused

# Comparisons and reports that are kept; the least lately used goes first.
_KEPT = 16
# Suites of runs whose endings are kept: some hundred bytes a case.
_KEPT_ENDINGS = 60
# Runs that a search by a word goes through.
_SEARCHED = 5_000
_Made = TypeVar("_Made")


class Ending(NamedTuple):
    """How one trial ended, and why."""

    case: str
    model: str
    role: str
    standing: str
    reason: str


class Archive:
    """Reads one history for as long as the pages are served."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._history = History(settings.history, is_read_only=True)
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._endings: OrderedDict[tuple[str, str], list[Ending]] = OrderedDict()
        # One comparison at a time: two would take twice as long each.
        self._making = Lock()
        self._folder = TemporaryDirectory(prefix="swapgate-view-")

    def close(self) -> None:
        """Release the database and the reports that were made."""
        self._history.close()
        self._folder.cleanup()

    # Runs

    def heads(self, choice: Choice, word: str | None, *, limit: int, offset: int) -> tuple[list[Run], int]:
        """Return a page of the chosen runs, the newest first, and how many there are."""
        if word is None:
            return self._history.heads(choice, limit=limit, offset=offset), self._history.count_runs(choice)
        found = [run for run in self._history.heads(choice, limit=_SEARCHED) if _mentions(run, word)]
        return found[offset : offset + limit], len(found)

    def names(self) -> tuple[list[str], list[str]]:
        """Return the models and the suites of the newest runs, sorted."""
        heads = self._history.heads(EVERY_RUN, limit=200)
        models = {model.name for run in heads for model in run.models}
        return sorted(models), sorted({suite for run in heads for suite in run.suites})

    def tallies(self, runs: Sequence[Run]) -> dict[str, list[Tally]]:
        """Return how each of the runs ended, by suite and model."""
        return dict(self._history.tallies([run.id for run in runs]))

    def run(self, name: str) -> Run:
        """Return a run by its id, the beginning of one, or `latest`; Refused where there is none."""
        with told(404):
            return self._history.find(name)

    def newest(self, limit: int) -> list[Run]:
        """Return the newest runs."""
        return self._history.heads(EVERY_RUN, limit=limit)

    def heads_of(self, run_ids: Collection[str]) -> dict[str, Run]:
        """Return some runs by their ids."""
        return {run.id: run for run in self._history.heads(EVERY_RUN, limit=_SEARCHED) if run.id in run_ids}

    def before(self, run: Run, *, suite: str | None = None, limit: int = 1) -> list[Run]:
        """Return the whole runs that came before one, the newest first."""
        choice = Choice(suite=suite or next(iter(run.suites), None), until=run.started_at, is_whole=True)
        return self._history.heads(choice, limit=limit)

    def baselines(self) -> list[PromotedRun]:
        """Return the promoted runs."""
        return self._history.baselines()

    # Trials

    def facts(self, run_id: str, *, suite: str | None = None) -> list[Facts]:
        """Return the facts of a run, or of one of its suites."""
        return self._history.facts(run_id, suite=suite)

    def endings(self, run: Run, suite: str) -> list[Ending]:
        """Return how each trial of a run's suite ended; kept, since a page needs those of many runs."""
        kept = self._endings.get((run.id, suite))
        if kept is not None:
            return kept
        found = [
            Ending(one.case, one.model, one.role, standing(one), one.reason)
            for one in self._history.facts(run.id, suite=suite)
        ]
        if run.finished_at is not None:
            self._endings[run.id, suite] = found
            _forget_oldest(self._endings, _KEPT_ENDINGS)
        return found

    def case_facts(self, suite: str, case: str, *, limit: int) -> list[tuple[str, Facts]]:
        """Return what one case came to in the newest runs of its suite."""
        return self._history.case_facts(suite, case, Choice(suite=suite), limit=limit)

    def trial(self, suite: str, case: str, answered: Answered) -> Trial:
        """Return one trial whole; Refused where there is none."""
        found = self._history.trials(answered.run, suite=suite, case=case, model=answered.model)
        for trial in found:
            if trial.repeat == answered.repeat:
                return trial
        raise Refused(404, f"No answer {answered.text} to {suite}/{case} is stored")

    # What is made of them

    def comparison(self, baseline: str, candidate: str) -> tuple[StoredRun, StoredRun, RunOutcome]:
        """Return what `swapgate compare` says of two runs, each named by its id or as `MODEL@RUN`."""
        before, after = self._stored(baseline), self._stored(candidate)

        def make() -> tuple[StoredRun, StoredRun, RunOutcome]:
            with told(400):
                refuse_other_judges(before, [after])
                return before, after, join(before, [after])

        return self._once(("comparison", before.name, after.name), make, (before.run, after.run))

    def report(self, run_id: str) -> Path:
        """Return the path of a run's HTML report, made now or kept from before."""
        run = self.run(run_id)

        def make() -> Path:
            folder = Path(self._folder.name) / run.id
            warnings: list[str] = []
            trials = StoredTrials(self._settings.history, run.id, is_read_only=True)
            outcome = concluded(run, trials, self._settings, warn=warnings.append)
            # What is said of the run belongs on its page: nobody reads the terminal meanwhile.
            outcome = replace(outcome, warnings=(*outcome.warnings, *warnings))
            return find_reporter("html").write(outcome, folder)

        return self._once(("report", run.id), make, (run,))

    def _stored(self, name: str) -> StoredRun:
        model, at, wanted = name.rpartition("@")
        run = self.run(wanted)
        with told(400):
            return one_model(run, self._history.facts(run.id), model=model if at and model else None)

    def _once(self, key: Hashable, make: Callable[[], _Made], runs: Sequence[Run]) -> _Made:
        """Return what was made before of runs that have ended, or make it."""
        with self._making:
            if key in self._kept:
                self._kept.move_to_end(key)
                kept: _Made = self._kept[key]
                return kept
            made = make()
            if all(run.finished_at is not None for run in runs):
                self._kept[key] = made
                _forget_oldest(self._kept, _KEPT)
            return made


def standing(facts: Facts) -> str:
    """Return how a trial ended, with blind passes told apart from other misses."""
    return "blind" if facts.outcome == "missed" and facts.is_blind_pass else facts.outcome


def _forget_oldest(kept: OrderedDict[Any, Any], most: int) -> None:
    for old in list(islice(kept, max(len(kept) - most, 0))):
        # Another thread may have been faster.
        kept.pop(old, None)


@contextmanager
def told(status: int) -> Iterator[None]:
    """Turn what a user named wrongly into an answer with this status."""
    try:
        yield
    except Refused:
        raise
    except UsageError as exc:
        raise Refused(status, str(exc)) from exc


def _mentions(run: Run, word: str) -> bool:
    names = (run.id, run.git_commit or "", run.started_at, *run.suites, *(model.name for model in run.models))
    return any(word.casefold() in name.casefold() for name in names)
