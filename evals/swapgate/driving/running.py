"""The engine around pytest's loop: started before the first trial, asked for each, closed after the last."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

from swapgate.daemon import load_beside
from swapgate.driving.collect import CaseItem
from swapgate.driving.one_heap import give_back_what_is_free
from swapgate.driving.workers import is_controller, is_worker, let_go_of_others, own_trials, processes
from swapgate.engine.workspace import Job, ReadyCase
from swapgate.errors import StoreError, UsageError
from swapgate.values import replace

if TYPE_CHECKING:
    from swapgate.driving.progress import HeldWords, LiveLine
    from swapgate.driving.recording import Recording
    from swapgate.driving.session import SwapgateSession
    from swapgate.engine.runner import Engine, Finished, Progress
    from swapgate.runs.early_stop import EarlyStop
    from swapgate.spec.models import ModelSpec

_LONGEST_HEAD_START_S = 0.5
_LOOK_S = 0.005
# Trials: the texts of so many are some ten megabytes, and giving those back takes a few milliseconds.
_GIVE_BACK_AFTER = 500


class Running:
    """The hooks of running, in a worker of xdist as in the one process; xdist's controller runs nothing."""

    def __init__(self, session: SwapgateSession, recording: Recording) -> None:
        self._session = session
        self._recording = recording
        self._config = session.config
        self._settings = session.settings
        self._workspace = session.workspace
        self._engine: Engine | None = None
        self._line: LiveLine | None = None
        self._held: HeldWords | None = None
        # With --stop-early alone, all trials in order, and the place of each.
        self._trials: Sequence[CaseItem] = ()
        self._places: dict[CaseItem, int] = {}
        self._is_prepared = False
        self._last: tuple[Job, Finished] | None = None
        self._over: CaseItem | None = None
        self._let_go = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Run the engine around pytest's own loop."""
        if not self._has_something_to_run(session):
            return (yield)
        try:
            with self._running(session):
                return (yield)
        except (UsageError, StoreError) as exc:
            raise pytest.UsageError(str(exc)) from exc

    def _has_something_to_run(self, session: pytest.Session) -> bool:
        option = self._config.option
        if is_controller(self._config) or option.collectonly or self._settings.dry_run:
            return False
        if session.testsfailed and not option.continue_on_collection_errors:
            return False
        return any(isinstance(item, CaseItem) for item in session.items)

    @contextlib.contextmanager
    def _running(self, session: pytest.Session) -> Iterator[None]:
        from swapgate.runs.before_run import refuse_with_batch

        refuse_with_batch(self._settings, maxfail=bool(self._config.getvalue("maxfail")))
        items = [item for item in session.items if isinstance(item, CaseItem)]
        specs = self._made_ready(items)
        self._line = self._recording.new_line()
        if self._settings.is_batched:
            from swapgate.driving.progress import HeldWords

            self._held = HeldWords(self._config, self._line)
        try:
            with self._opened(items, specs) as self._engine:
                try:
                    self._begin(session, items)
                    yield
                finally:
                    self._session.interruptions.begin_end()
        finally:
            self._line.clear()
            if self._engine is not None:
                self._session.batches = self._engine.batches
            give_back_what_is_free()  # deciding and reporting want no less than the last calls did

    def _opened(
        self, items: Sequence[CaseItem], specs: Mapping[str, ModelSpec]
    ) -> contextlib.AbstractContextManager[Engine]:
        """Return the engine of this session, to be entered."""
        from swapgate.engine.opened import open_engine

        return open_engine(
            self._settings,
            specs,
            self._cases(items),
            share=processes(self._config),
            window=self._window(),
            take=self._recording.take,
            is_behind=self._recording.is_behind,
            spent_usd=self._paid_before(),
            # It is no reason to keep the verdict from anybody.
            tell_unstored=lambda exc: self._session.problems.append(str(exc)),
        )

    def _whole(self, items: Sequence[CaseItem]) -> Sequence[Job]:
        """Return the trials of which this session may run a part."""
        part = self._session.part
        return part.whole if part is not None else [item.job for item in items]

    def _cases(self, items: Sequence[CaseItem]) -> Iterator[ReadyCase]:
        """Yield the cases of these trials, none of which is held for it."""
        for job in self._whole(items):
            yield job.case

    def _made_ready(self, items: Sequence[CaseItem]) -> dict[str, ModelSpec]:
        """Return the models that may be asked; refuse what cannot be run, and open the record."""
        jobs = self._whole(items)
        suites = list({job.suite.name: job.suite for job in jobs}.values())
        cases = [job.case for job in jobs]
        specs = self._workspace.models_of(cases)
        if not is_worker(self._config):
            self._recording.require_ready(suites, cases)
        self._session.runs_user_code = _runs_user_code(cases, specs)
        return specs

    def _begin(self, session: pytest.Session, items: Sequence[CaseItem]) -> None:
        """Begin the first calls, then the record."""
        assert self._engine is not None
        self._hold_cases_once(items)
        self._session.early = self._begin_looks([item.job for item in items])
        if self._session.early is None:
            own = own_trials(session.items, self._config)
            self.prefetch(own)
            let_go_of_others(items, own, self._config)
        else:
            self._trials = items
            self._places = {item: place for place, item in enumerate(items)}
        if not is_worker(self._config):
            try:
                self._let_calls_begin()
            finally:  # an interrupted run has a record too
                self._recording.start(planned=len(items), warnings=self._session.warnings)
            self._open_record()

    def _open_record(self) -> None:
        """Open the record, and do not leave it half open where that is interrupted.

        pytest then parses the sources that it came by. Until Python 3.11.8 two threads that parse at once
        break each other (gh-106905), and a thread that loads a database's package does.
        """
        recorder = self._recording.recorder
        try:
            recorder.require_open()
        except KeyboardInterrupt:
            self._session.interruptions.begin_end()
            with contextlib.suppress(StoreError):  # the end tells of it
                recorder.require_open()
            raise

    def _hold_cases_once(self, items: Sequence[CaseItem]) -> None:
        """Leave each case to its own trials, to go with the last of them: its texts are most of a run."""
        jobs = [item.job for item in items]
        bare = {
            id(suite): suite.without_cases() for suite in {id(job.suite): job.suite for job in jobs}.values()
        }
        for item, job in zip(items, jobs, strict=True):
            item.job = replace(job, suite=bare[id(job.suite)])
        self._workspace.forget_suites()
        if self._session.part is not None:
            self._session.part = self._session.part.without_cases()

    def _let_calls_begin(self) -> None:
        """Leave the processor to the engine until the first calls are on their way: the record can wait."""
        assert self._engine is not None
        ended = time.monotonic() + _LONGEST_HEAD_START_S
        while not self._engine.is_waiting() and time.monotonic() < ended:
            time.sleep(_LOOK_S)

    def _paid_before(self) -> float:
        """Return what of the budget was paid before the first trial; a worker is told so."""
        if is_worker(self._config):
            told: float = self._config.workerinput["swapgate_spent_usd"]  # type: ignore[attr-defined]
            return told
        return self._session.spent_usd

    def _begin_looks(self, jobs: Sequence[Job]) -> EarlyStop | None:
        """Return who decides when to stop: nobody in a worker, nor where nothing will be judged."""
        is_partial = len(jobs) < self._session.wanted
        if not self._settings.stop_early or is_worker(self._config) or is_partial:
            return None
        from swapgate.runs.early_stop import early_stop

        return early_stop(self._workspace, jobs, self._recording.recorder.baseline)

    def _window(self) -> int | None:
        """Return how far to run ahead: little with -x or --maxfail, where the rest may never be wanted."""
        return self._settings.concurrency if self._config.getvalue("maxfail") else None

    # Trials

    def prefetch(self, trials: Iterable[CaseItem]) -> None:
        """Start trials ahead of their turn, but for those that pytest may skip."""
        if self._engine is not None:
            self._engine.plan(item.job for item in trials if item.is_prefetched())

    def wait(self, item: CaseItem) -> Finished:
        """Return the finished trial of an item, waiting in short slices so that Ctrl-C is seen.

        A plugin that runs failures again gets the same trial: asked until it passes, a model would be judged
        by its best answer.
        """
        assert self._engine is not None
        if self._last is not None and self._last[0] is item.job:
            return self._last[1]
        early = self._session.early
        if early is not None:
            self._admit(item, early)
        job = item.job
        self._engine.plan([job])
        if not self._is_prepared and self._engine.is_draining():
            self._prepare_end()
        try:
            finished = self._engine.wait(job, meanwhile=self._tell)
        except StoreError as exc:
            # pytest would read the source of every line that this error came by.
            raise self._session.stop(str(exc)) from None
        self._tell_held()
        if early is not None:
            early.add(finished.facts)
        if finished.trial is not None:
            self._session.misses.note(finished.trial)
        self._last = (job, finished)
        return finished

    def _tell(self, progress: Progress) -> None:
        """Say how far the run is while a trial is waited for."""
        self._tell_held()
        if self._line is not None:
            self._line.draw(progress)

    def _tell_held(self) -> None:
        batches = self._engine.batches if self._engine is not None else None
        if self._held is not None and batches is not None:
            self._held.tell(batches.held)

    def _admit(self, item: CaseItem, early: EarlyStop) -> None:
        """Start what is wanted now; skip the item when it is not."""
        place = self._places[item]
        admitted = early.admit(place)
        if admitted is None:
            self.over(item)
            pytest.skip(f"stopped early: {early.why_skipped(place)}")
        self.prefetch(self._trials[one] for one in admitted)

    def over(self, item: CaseItem) -> None:
        """Let go of what the trial before this one was made from: this one may be run again."""
        if self._over is not None and self._over is not item:
            self._over.let_go()
            self._let_go += 1
            if self._let_go % _GIVE_BACK_AFTER == 0:
                give_back_what_is_free()
        self._over = item

    def _prepare_end(self) -> None:
        """Load what the end needs while the last answers are on their way.

        In a thread that Ctrl-C does not reach: numpy cannot be imported again once its import was broken off.
        """
        self._is_prepared = True
        if not is_worker(self._config):
            load_beside(self._load_end, name="swapgate-end")

    def _load_end(self) -> None:
        from importlib import import_module

        from swapgate.reporting import find_reporter

        import_module("swapgate.analysis.outcome")
        give_back_what_is_free()  # what reading modules leaves lies in pages that texts had given back
        for name in self._settings.formats:
            find_reporter(name)
        give_back_what_is_free()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self) -> None:
        """Take the live line away before pytest writes."""
        if self._line is not None:
            self._line.clear()


def _runs_user_code(cases: Iterable[ReadyCase], specs: Mapping[str, ModelSpec]) -> bool:
    """Whether a check of these cases or one of the models is code of the user's or of another package."""
    from swapgate.engine.executor import is_user_code
    from swapgate.providers.open import is_user_provider

    checks = {id(check): check for case in cases for check in case.checks}
    return any(map(is_user_code, checks.values())) or any(map(is_user_provider, specs.values()))
