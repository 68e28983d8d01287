"""One pytest session: what it collects, and what its other rooms know of each other.

`announcing` says what will be run, `recording` has the run's record, `running` the engine, `ending` decides
and reports, `closing` prints what came of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swapgate.driving.collect import CaseItem, SuiteFile
from swapgate.driving.misses import FirstMisses
from swapgate.driving.workers import is_worker, refusal, tell_controller
from swapgate.engine.workspace import Job, ReadySuite, Workspace
from swapgate.errors import UsageError

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.driving.interrupting import Interruptions
    from swapgate.driving.recording import Recording
    from swapgate.driving.running import Running
    from swapgate.engine.batch import BatchQueue
    from swapgate.runs.early_stop import EarlyStop
    from swapgate.runs.parts import Part
    from swapgate.runs.recorder import Recorder


class SwapgateSession:
    """The hooks of collecting, and the state that the session's rooms share.

    A worker of xdist has one too; `recorder` is None there. `wanted` counts the trials that the paths of the
    command line hold, selected or not; so many as `deselected` says were told to be left out. `problems` are
    told at the end, and end nothing; `stopped_by` is what ended the session before its last trial, when that
    was the cache.
    """

    def __init__(self, config: pytest.Config, workspace: Workspace) -> None:
        self.config = config
        self.workspace = workspace
        self.settings = workspace.settings
        self.outcome: RunOutcome | None = None
        self.part: Part | None = None
        self.recording: Recording
        self.running: Running
        self.interruptions: Interruptions
        self.recorder: Recorder | None = None
        self.early: EarlyStop | None = None
        self.batches: BatchQueue | None = None
        self.spent_usd = 0.0  # of the budget, before the first trial
        self.wanted = 0
        self.deselected = 0
        self.has_ordinary_failure = False
        self.runs_user_code = False  # known when the trials begin
        self.stopped_by: str | None = None
        self.reports: list[Path] = []
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.misses = FirstMisses()

    def collect(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Return the collector of a suite file, or None for any other file."""
        if not self.workspace.is_in_cases(path):
            return None
        try:
            if not self.workspace.is_suite_file(path):
                return None
        except UsageError:
            pass
        file: SuiteFile = SuiteFile.from_parent(parent, path=path)
        file.swapgate = self
        return file

    def stop(self, message: str) -> BaseException:
        """Return what ends the session, to be raised; a worker's is told to its controller, who ends it."""
        self.stopped_by = message
        if is_worker(self.config):
            tell_controller(self.config, message)
        return pytest.exit.Exception(message)

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected is no miss."""
        self.has_ordinary_failure |= report.failed

    @pytest.hookimpl
    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Let go of what is not run: pytest keeps these items to the end, to count them."""
        for item in items:
            if isinstance(item, CaseItem):
                item.let_go()
                self.deselected += 1

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the trials of a run that may stop early into random order, before everything else."""
        if self.settings.stop_early and not is_worker(self.config):
            from swapgate.runs.early_stop import shuffled

            trials = [item for item in items if isinstance(item, CaseItem)]
            others = [item for item in items if not isinstance(item, CaseItem)]
            items[:] = [*shuffled(trials, lambda item: item.job, seed=self.workspace.seed), *others]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Find what of the run can hardly be decided; --strict-plan then refuses to run it."""
        jobs = self._judged_together(session.items)
        if not jobs:
            return
        from swapgate.runs.before_run import require_enough, warnings_before

        try:
            self.warnings = warnings_before(self.workspace, jobs)
            self.wanted = self.count_wanted()
            is_judged = len(jobs) >= self.wanted and not self.config.option.collectonly
            if is_judged and not session.testsfailed:
                require_enough(self.workspace, jobs)
        except UsageError as exc:
            raise refusal(self.config, str(exc)) from exc

    def _judged_together(self, items: Iterable[pytest.Item]) -> Sequence[Job]:
        """Return the selected trials, of which this session may run a part."""
        if self.part is not None:
            return self.part.whole
        return [item.job for item in items if isinstance(item, CaseItem)]

    def discovered(self) -> list[ReadySuite]:
        """Return the suites named on the command line."""
        paths = [Path(self.config.invocation_params.dir, arg.partition("::")[0]) for arg in self.config.args]
        return [self.workspace.suite(path) for path in self.workspace.suite_files(paths)]

    def count_wanted(self) -> int:
        """Return how many trials the paths of the command line hold, selected or not."""
        try:
            return sum(self.workspace.count_jobs(suite) for suite in self.discovered())
        except UsageError:
            return 0  # its collector has told of it, and an ordinary failure keeps pytest's code
