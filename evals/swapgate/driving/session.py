"""One pytest session: starts the engine, receives every trial, decides, reports, sets the exit code."""

from __future__ import annotations

import contextlib
import os
import shlex
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swapgate.driving.collect import CaseItem, SuiteFile
from swapgate.driving.trial_reports import is_of_trial, take_trial
from swapgate.driving.workers import is_controller, is_worker, own_trials, processes, refusal
from swapgate.engine.workspace import Job, ReadyCase, ReadySuite, Workspace
from swapgate.errors import StoreError, UsageError
from swapgate.facts import Facts, facts_of
from swapgate.records import Trial
from swapgate.reporting import find_reporter, write_reports
from swapgate.reporting.format import count

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.driving.progress import LiveLine
    from swapgate.engine.runner import Engine, Finished
    from swapgate.memory.cache import ResponseCache
    from swapgate.runs.early_stop import EarlyStop
    from swapgate.runs.parts import Part
    from swapgate.runs.recorder import Recorder

_SLICE_S = 0.1
_LONGEST_HEAD_START_S = 0.5
_LOOK_S = 0.005
_MISSES_EXPLAINED = 3
_TO_EXPLAIN = {"missed", "unscored"}


class SwapgateSession:
    """The hooks that a session with a model under test needs, in a worker of xdist as in the one process."""

    def __init__(self, config: pytest.Config, workspace: Workspace) -> None:
        self.config = config
        self.workspace = workspace
        self.settings = workspace.settings
        self.outcome: RunOutcome | None = None
        self.part: Part | None = None
        self.spent_usd = 0.0  # of the budget, before the first trial
        self._engine: Engine | None = None
        self._early: EarlyStop | None = None
        self._prefetched: set[int] = set()
        self._line: LiveLine | None = None
        self._recorder: Recorder | None = None
        self._wanted = 0
        self._is_prepared = False
        self._has_ordinary_failure = False
        self._reports: list[Path] = []
        self._problems: list[str] = []
        self._warnings: list[str] = []
        self._misses: list[Trial] = []

    # Collection

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

    @pytest.hookimpl
    def pytest_report_header(self) -> list[str]:
        """Say what is under test."""
        roles = [self._under_test(name, role) for name, role in self.workspace.roles()]
        batched = "; in batches" if self.settings.is_batched else ""
        lines = [f"swapgate: {', '.join(roles)}; cache {self.settings.cache}{batched}"]
        return lines + [f"swapgate: {note}" for note in self.workspace.catalogue.notes]

    def _under_test(self, name: str, role: str) -> str:
        """Return a model's name, with its role and the hash of its file where it has them."""
        from swapgate.providers.open import file_sha256

        facts = [role] if role == "baseline" else []
        with contextlib.suppress(UsageError):  # told before the first call, with the way to mend it
            if (file_hash := file_sha256(self.workspace.model(name), self.settings.root)) is not None:
                facts.append(f"sha256 {file_hash[:12]}")
        return f"{name} ({', '.join(facts)})" if facts else name

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Find what of the run can hardly be decided; --strict-plan then refuses to run it."""
        jobs = self._judged_together(session.items)
        if not jobs:
            return
        from swapgate.runs.before_run import require_enough, warnings_before

        try:
            self._warnings = warnings_before(self.workspace, jobs)
            self._wanted = self._count_wanted()
            is_judged = len(jobs) >= self._wanted and not self.config.option.collectonly
            if is_judged and not session.testsfailed:
                require_enough(self.workspace, jobs)
        except UsageError as exc:
            raise refusal(self.config, str(exc)) from exc

    def _judged_together(self, items: Iterable[pytest.Item]) -> Sequence[Job]:
        """Return the selected trials, of which this session may run a part."""
        if self.part is not None:
            return self.part.whole
        return [item.job for item in items if isinstance(item, CaseItem)]

    @pytest.hookimpl
    def pytest_report_collectionfinish(self, items: Sequence[pytest.Item]) -> list[str]:
        """Say what will be run, and what of it can hardly be decided, before the first call."""
        jobs = [item.job for item in items if isinstance(item, CaseItem)]
        if not jobs:
            folders = ", ".join(folder.name for folder in self.settings.cases_dirs)
            is_asked = bool(self.config.option.swapgate_model) and self.part is None
            return [f"swapgate: warning: no case is selected; suites lie in {folders}"] if is_asked else []
        cases = len({(job.suite.name, job.case.placed.case.id) for job in jobs})
        size = f"{count(len(jobs), 'trial')} of {count(cases, 'case')}"
        judges = sorted({f"{j.spec.judge} ({j.shown})" for job in jobs for j in job.case.judges})
        judged = f"; judged by {', '.join(judges)}" if judges else "; no judge"
        at_once = f"{self.settings.concurrency} calls at once{self._on_ray(jobs)}"
        head = f"swapgate: {size}, {at_once}{judged}"
        return [head, *(f"swapgate: warning: {text}" for text in self._warnings)]

    def _on_ray(self, jobs: Sequence[Job]) -> str:
        """Say that a run takes place on Ray: starting it takes some seconds."""
        from swapgate.runs.before_run import uses_ray

        return f", on Ray ({self.settings.ray})" if uses_ray(self.workspace, jobs) else ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the trials of a run that may stop early into random order, before everything else."""
        if self.settings.stop_early and not is_worker(self.config):
            from swapgate.runs.early_stop import shuffled

            trials = [item for item in items if isinstance(item, CaseItem)]
            others = [item for item in items if not isinstance(item, CaseItem)]
            items[:] = [*shuffled(trials, lambda item: item.job, seed=self.workspace.seed), *others]

    # Running

    @pytest.hookimpl
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """In xdist's controller, find every mistake before the workers start."""
        if not is_controller(self.config) or self.config.option.collectonly:
            return
        if self.settings.ray is not None:
            raise pytest.UsageError(
                "--ray has worker processes of its own, which one process of pytest feeds: leave out -n"
            )
        if self.settings.stop_early:
            raise pytest.UsageError(
                "--stop-early decides in one process, which keeps --concurrency calls in flight: leave out -n"
            )
        from swapgate.runs.before_run import refuse_with_batch

        try:
            refuse_with_batch(self.settings, has_workers=True)
            suites = self.discovered()
            self._wanted = self._count_wanted()
            self._require_ready(suites, [case for suite in suites for case in suite.cases])
        except UsageError as exc:
            raise pytest.UsageError(str(exc)) from exc

    def discovered(self) -> list[ReadySuite]:
        """Return the suites named on the command line."""
        paths = [Path(self.config.invocation_params.dir, arg.partition("::")[0]) for arg in self.config.args]
        return [self.workspace.suite(path) for path in self.workspace.suite_files(paths)]

    def _count_wanted(self) -> int:
        """Return how many trials the paths of the command line hold, selected or not."""
        try:
            return sum(self.workspace.count_jobs(suite) for suite in self.discovered())
        except UsageError:
            return 0  # its collector has told of it, and an ordinary failure keeps pytest's code

    def _require_ready(self, suites: Sequence[ReadySuite], cases: Sequence[ReadyCase]) -> None:
        """Check keys and the stored baseline, open the record of the run."""
        from swapgate.driving.progress import LiveLine
        from swapgate.runs.prelude import before_trials
        from swapgate.runs.recorder import Recorder

        specs = self.workspace.models_of(cases)
        self.workspace.require_ready(specs)
        line = LiveLine(self.config)
        try:
            before = before_trials(self.workspace, suites, cases, draw=line.draw)
        finally:
            line.clear()
        self.spent_usd = before.paid_usd
        self._recorder = Recorder(self.workspace, suites, specs, before=before)
        if self.part is not None and self.part.completes is not None:
            from swapgate.runs.rerun import require_baseline

            require_baseline(self.part, self._recorder.baseline)

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
        option = self.config.option
        if is_controller(self.config) or option.collectonly or self.settings.dry_run:
            return False
        if session.testsfailed and not option.continue_on_collection_errors:
            return False
        return any(isinstance(item, CaseItem) for item in session.items)

    @contextlib.contextmanager
    def _running(self, session: pytest.Session) -> Iterator[None]:
        from swapgate.driving.progress import LiveLine
        from swapgate.engine.ray_executor import executing
        from swapgate.engine.runner import Engine
        from swapgate.memory.cache import CACHE_FILE, ResponseCache
        from swapgate.runs.before_run import refuse_with_batch

        refuse_with_batch(self.settings, maxfail=bool(self.config.getvalue("maxfail")))
        items = [item for item in session.items if isinstance(item, CaseItem)]
        jobs = self._judged_together(items)
        suites = list({job.suite.name: job.suite for job in jobs}.values())
        cases = [job.case for job in jobs]
        specs = self.workspace.models_of(cases)
        if not is_worker(self.config):
            self._require_ready(suites, cases)
        cache = ResponseCache(self.settings.state_dir / CACHE_FILE, recordings=self.settings.recordings)
        with self._closing(cache), executing(self.settings, specs, cases) as executor:
            self._line = LiveLine(self.config)
            self._engine = Engine(
                self.settings,
                specs,
                cache,
                share=processes(self.config),
                window=self._window(),
                take=self._take,
                executor=executor,
                spent_usd=self._paid_before(),
            )
            try:
                with self._engine:
                    if not is_worker(self.config):
                        self._start_record(planned=len(items), warnings=self._warnings)
                    self._prefetched = {id(item.job) for item in items if item.is_prefetched()}
                    self._early = self._begin_looks([item.job for item in items])
                    if self._early is None:
                        self.prefetch(own_trials(session.items, self.config))
                    if not is_worker(self.config):
                        self._let_calls_begin()
                        self._recorder_is_open.require_open()
                    yield
            finally:
                self._line.clear()

    def _let_calls_begin(self) -> None:
        """Leave the processor to the engine until the first calls are on their way: the history can wait."""
        assert self._engine is not None
        ended = time.monotonic() + _LONGEST_HEAD_START_S
        while not self._engine.is_waiting() and time.monotonic() < ended:
            time.sleep(_LOOK_S)

    def _paid_before(self) -> float:
        """Return what of the budget was paid before the first trial; a worker is told so."""
        return self.config.workerinput["swapgate_spent_usd"] if is_worker(self.config) else self.spent_usd  # type: ignore[attr-defined]

    def _begin_looks(self, jobs: Sequence[Job]) -> EarlyStop | None:
        """Return who decides when to stop: nobody in a worker, nor where nothing will be judged."""
        if not self.settings.stop_early or is_worker(self.config) or len(jobs) < self._wanted:
            return None
        from swapgate.runs.early_stop import early_stop

        return early_stop(self.workspace, jobs, self._recorder_is_open.baseline)

    @contextlib.contextmanager
    def _closing(self, cache: ResponseCache) -> Iterator[None]:
        """Close the cache at the end; what it could not store is told, and is not the end of the verdict."""
        try:
            yield
        finally:
            try:
                cache.close()
            except StoreError as exc:
                self._problems.append(str(exc))

    @property
    def _recorder_is_open(self) -> Recorder:
        assert self._recorder is not None
        return self._recorder

    def _window(self) -> int | None:
        """Return how far to run ahead: little with -x or --maxfail, where the rest may never be wanted."""
        return self.settings.concurrency if self.config.getvalue("maxfail") else None

    def prefetch(self, trials: Iterable[CaseItem]) -> None:
        """Start trials ahead of their turn, but for those that pytest may skip."""
        if self._engine is not None:
            self._engine.plan(item.job for item in trials if item.is_prefetched())

    def begin_record(self, ids: Sequence[str]) -> None:
        """Begin the record of the controller's run, of which the workers have collected these node ids."""
        from swapgate.runs.before_run import warnings_before

        if self._recorder is None or self._recorder.is_started:
            return
        suites = self.workspace.opened_suites()
        root = self.config.rootpath
        starts = tuple(f"{suite.loaded.path.relative_to(root).as_posix()}::" for suite in suites)
        jobs = [job for suite in suites for job in self.workspace.jobs(suite)]
        planned = sum(node_id.startswith(starts) for node_id in ids)
        if planned or not (self.settings.shard or self.settings.rerun_errors):
            self._start_record(planned=planned, warnings=warnings_before(self.workspace, jobs))

    def _start_record(self, *, planned: int, warnings: Sequence[str]) -> None:
        start = self._recorder_is_open.start
        typed = ["pytest", *map(str, self.config.invocation_params.args)]
        start(planned=planned, wanted=self._wanted, warnings=warnings, part=self.part, command=typed)

    def _take(self, trial: Trial, facts: Facts, text: str) -> bool:
        """Store a trial as it ends, in the engine's thread; a worker's travels on its report instead."""
        if self._recorder is None:
            return True
        self._recorder.add(trial, facts, text)
        return facts.outcome != "passed"  # to be explained

    def _prepare_end(self) -> None:
        """Load what the end needs while the last answers are on their way.

        In a thread that Ctrl-C does not reach: numpy cannot be imported again once its import was broken off.
        """
        self._is_prepared = True
        if not is_worker(self.config):
            threading.Thread(target=self._load_end, name="swapgate-end", daemon=True).start()

    def _load_end(self) -> None:
        from importlib import import_module

        import_module("swapgate.analysis.outcome")
        for name in self.settings.formats:
            find_reporter(name)

    def runs_user_code(self) -> bool:
        """Whether a model or a check of this session is code of the user's or of another package."""
        from swapgate.engine.executor import is_user_code
        from swapgate.providers.open import is_user_provider

        suites = self.workspace.opened_suites()
        checks = {id(check): check for suite in suites for case in suite.cases for check in case.checks}
        specs = self.workspace.models_of(case for suite in suites for case in suite.cases)
        return any(map(is_user_code, checks.values())) or any(map(is_user_provider, specs.values()))

    def wait(self, job: Job) -> Finished:
        """Return the finished trial of a job, waiting in short slices so that Ctrl-C is seen."""
        assert self._engine is not None
        if self._early is not None:
            admitted = self._early.admit(job)
            if admitted is None:
                pytest.skip(f"stopped early: {self._early.why_skipped(job)}")
            self._engine.plan(one for one in admitted if id(one) in self._prefetched)
        self._engine.plan([job])
        if not self._is_prepared and self._engine.is_draining():
            self._prepare_end()
        while (finished := self._engine.result(job, timeout_s=_SLICE_S)) is None:
            if self._line is not None:
                self._line.draw(self._engine.progress())
        if self._early is not None:
            self._early.add(finished.facts)
        if finished.trial is not None:
            self._note_miss(finished.trial)
        return finished

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the trial off the report and store it; remember whether anything else failed."""
        if is_worker(self.config):
            return
        if self._line is not None:
            self._line.clear()
        if not is_of_trial(report):
            self._has_ordinary_failure |= report.failed
        elif (trial := take_trial(report)) is not None:
            self._recorder_is_open.add(trial, facts_of(trial))
            self._note_miss(trial)

    def _note_miss(self, trial: Trial) -> None:
        """Keep the first misses, a case once, to be explained at the end."""
        is_miss = trial.role == "candidate" and trial.outcome in _TO_EXPLAIN
        is_told = any((trial.suite, trial.case) == (told.suite, told.case) for told in self._misses)
        if is_miss and not is_told and len(self._misses) < _MISSES_EXPLAINED:
            self._misses.append(trial)

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected is no miss."""
        self._has_ordinary_failure |= report.failed

    # The end

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
        """Decide, write the reports, and let the gate's code take the place of pytest's where it may."""
        if is_worker(self.config) or self._recorder is None or not self._recorder.is_started:
            return
        is_regular = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        self.outcome = self._recorder.finish(
            why_not_judged=self._why_not_judged(session, is_regular=is_regular),
            stopping=self._early.conclude() if self._early is not None else None,
            shard=self.part.shard if self.part is not None else None,
        )
        try:
            self._write_reports(self.outcome)
        except StoreError as exc:
            self._problems.append(str(exc))
        if self._recorder.problem is not None:
            self._problems.append(str(self._recorder.problem))
        shard = self.outcome.run.shard
        has_answer = self.outcome.gate.answer != "not_judged"
        # The misses of a shard are judged with those of the others: they do not fail its job.
        is_whole_shard = shard is not None and not shard.problem
        if is_regular and not self._has_ordinary_failure and (has_answer or is_whole_shard):
            session.exitstatus = self.outcome.gate.exit_code

    def _why_not_judged(self, session: pytest.Session, *, is_regular: bool) -> str | None:
        """Return why the trials at hand are no ground for a decision, or None when they are."""
        if not is_regular:
            return "the session was interrupted"
        stopped = session.shouldfail or session.shouldstop
        if stopped:
            return f"the session stopped early ({stopped})"
        if self.settings.shard is not None:
            return None  # the record says so itself
        return "partial selection" if self._recorder_is_open.planned < self._wanted else None

    def _batches_said(self) -> list[str]:
        """Return what became of the run's batches, and how to pick up those that are still running."""
        batches = self._engine.batches if self._engine is not None else None
        if batches is None:
            return []
        if batches.left is None:
            return batches.said
        from swapgate.runs.manifest import without_secrets

        typed = map(str, self.config.invocation_params.args)
        command = shlex.join(["pytest", *without_secrets(list(typed), os.environ)])
        where = ", ".join(batches.left.services)
        return [
            *batches.said,
            f"{count(batches.left.requests, 'request')} still running at {where}: `{command}` picks them up, "
            "`swapgate batch cancel --all` ends them",
        ]

    def _write_reports(self, outcome: RunOutcome) -> None:
        if formats := self.settings.formats:
            self._reports = write_reports(outcome, self.settings.reports_dir / outcome.run.id, formats)

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the summary and the gate's answer."""
        for problem in self._problems:
            terminalreporter.write_line(f"swapgate: {problem}", red=True)
        for line in self._batches_said():
            terminalreporter.write_line(f"swapgate: batch: {line}")
        if self.outcome is None:
            return
        from swapgate.reporting.terminal.explain import explain_trial
        from swapgate.reporting.terminal.summary import write_summary

        verbose = self.config.get_verbosity()
        terminalreporter.section("swapgate", sep="=")
        explained: Iterable[Trial] = self._misses if verbose <= 0 else _missed(self.outcome)
        for trial in explained if verbose >= 0 else ():
            for line in explain_trial(trial):
                terminalreporter.write_line(line)
        write_summary(
            self.outcome,
            terminalreporter.write_line,
            verbose=verbose,
            width=terminalreporter._tw.fullwidth,
            reports=[_short(path, self.config.invocation_params.dir) for path in self._reports],
        )


def _missed(outcome: RunOutcome) -> Iterator[Trial]:
    return (t for t in outcome.trials if t.role == "candidate" and t.outcome in _TO_EXPLAIN)


def _short(path: Path, start: Path) -> Path:
    return path.relative_to(start) if path.is_relative_to(start) else path
