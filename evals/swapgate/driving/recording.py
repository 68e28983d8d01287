"""The record of a session's run: begun before the first trial, fed with every one, workers' too."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from swapgate.driving.one_heap import give_back_what_is_free
from swapgate.driving.trial_reports import RERUN, is_of_trial, take_trial
from swapgate.driving.workers import is_controller, is_worker
from swapgate.engine.workspace import ReadyCase, ReadySuite
from swapgate.errors import StoreError, UsageError
from swapgate.facts import Facts, facts_of

if TYPE_CHECKING:
    from swapgate.driving.progress import LiveLine, WorkersLine
    from swapgate.driving.session import SwapgateSession
    from swapgate.records import Trial
    from swapgate.runs.recorder import Recorder


class Recording:
    """The hooks of the process that has the run's record: the only one, or the controller of workers."""

    def __init__(self, session: SwapgateSession) -> None:
        self._session = session
        self._config = session.config
        self._settings = session.settings
        self._workspace = session.workspace
        self._workers: WorkersLine | None = None
        self._is_open = False

    @pytest.hookimpl
    def pytest_sessionstart(self) -> None:
        """In xdist's controller, find every mistake before the workers start."""
        if not is_controller(self._config) or self._config.option.collectonly:
            return
        if self._settings.ray is not None:
            raise pytest.UsageError(
                "--ray has worker processes of its own, which one process of pytest feeds: leave out -n"
            )
        if self._settings.stop_early:
            raise pytest.UsageError(
                "--stop-early decides in one process, which keeps --concurrency calls in flight: leave out -n"
            )
        from swapgate.runs.before_run import refuse_with_batch

        try:
            refuse_with_batch(self._settings, has_workers=True)
            suites = self._session.discovered()
            self._session.wanted = self._session.count_wanted()
            self.require_ready(suites, [case for suite in suites for case in suite.cases])
        except UsageError as exc:
            raise pytest.UsageError(str(exc)) from exc

    def require_ready(self, suites: Sequence[ReadySuite], cases: Sequence[ReadyCase]) -> None:
        """Check keys and the stored baseline, open the record of the run."""
        from swapgate.runs.locked import require_locked
        from swapgate.runs.prelude import before_trials
        from swapgate.runs.recorder import Recorder

        session = self._session
        specs = self._workspace.models_of(cases)
        require_locked(self._workspace, specs)
        self._workspace.require_ready(specs)
        line = self.new_line()
        try:
            before = before_trials(self._workspace, suites, cases, draw=line.draw)
        finally:
            line.clear()
        session.spent_usd = before.paid_usd
        session.recorder = Recorder(self._workspace, suites, specs, before=before)
        if session.part is not None and session.part.completes is not None:
            from swapgate.runs.rerun import require_baseline

            require_baseline(session.part, session.recorder.baseline)

    def new_line(self) -> LiveLine:
        """Return a live line that knows the budget."""
        from swapgate.driving.progress import LiveLine

        session = self._session
        return LiveLine(self._config, max_cost=self._settings.max_cost, paid_usd=session.spent_usd)

    def begin_record(self, ids: Sequence[str]) -> None:
        """Begin the record of the controller's run, of which the workers have collected these node ids."""
        from swapgate.runs.before_run import warnings_before

        if self._session.recorder is None or self._session.recorder.is_started:
            return
        suites = self._workspace.opened_suites()
        root = self._config.rootpath
        starts = tuple(f"{suite.loaded.path.relative_to(root).as_posix()}::" for suite in suites)
        jobs = [job for suite in suites for job in self._workspace.jobs(suite)]
        planned = sum(node_id.startswith(starts) for node_id in ids)
        if planned or not (self._settings.shard or self._settings.rerun_errors):
            with _refusing():
                self.start(planned=planned, warnings=warnings_before(self._workspace, jobs))
            self.recorder.begin_writing()  # the workers need not wait for it
            self._watch_workers(planned)
        del suites, jobs
        self._let_suites_go()

    def _let_suites_go(self) -> None:
        """Let go of what the workers have read for themselves, before their results take its place."""
        self._workspace.forget_suites()
        gc.collect()  # looking for garbage begins with the end of collection, which workers have alone
        give_back_what_is_free()

    def _watch_workers(self, planned: int) -> None:
        from swapgate.driving.progress import WorkersLine

        self._workers = WorkersLine(self.new_line(), planned=planned)
        self._config.pluginmanager.register(self._workers, "swapgate-workers-line")

    def start(self, *, planned: int, warnings: Sequence[str]) -> None:
        """Begin the record of this many trials."""
        session = self._session
        self.recorder.start(
            planned=planned,
            wanted=session.wanted,
            warnings=warnings,
            part=session.part,
            command=["pytest", *map(str, self._config.invocation_params.args)],
        )

    @property
    def recorder(self) -> Recorder:
        """The run's recorder, which must be there."""
        assert self._session.recorder is not None
        return self._session.recorder

    def take(self, trial: Trial, facts: Facts, text: str) -> bool:
        """Store a trial as it ends, in the engine's thread; a worker's travels on its report instead."""
        if self._session.recorder is None:
            return True
        self.recorder.add(trial, facts, text)
        return facts.outcome != "passed"  # to be explained

    def is_behind(self) -> bool:
        """Whether the history does not follow; a worker has none."""
        return self._session.recorder is not None and self._session.recorder.is_behind()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the trial off the report and store it; remember whether anything else failed."""
        if is_worker(self._config):
            return
        if self._workers is not None:
            self._workers.clear()
        if not is_of_trial(report):
            self._session.has_ordinary_failure |= report.failed
        elif (trial := take_trial(report)) is not None and report.outcome != RERUN:
            self._take_from_worker(trial)

    def _take_from_worker(self, trial: Trial) -> None:
        facts = facts_of(trial)
        self.recorder.add(trial, facts)
        self._require_open_once()
        self._session.misses.note(trial)
        if self._workers is not None:
            self._workers.count(facts)

    def _require_open_once(self) -> None:
        """End the session at its first trial where its history cannot be opened."""
        if not self._is_open:
            self._is_open = True
            with _refusing():
                self.recorder.require_open()


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """End the session with the message where the history cannot be used."""
    try:
        yield
    except StoreError as exc:
        raise pytest.UsageError(str(exc)) from exc
