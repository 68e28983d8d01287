"""The end of a session: the gate decides, reports are written, and the exit code is the gate's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from swapgate.driving.one_heap import give_back_what_is_free
from swapgate.driving.workers import is_worker
from swapgate.errors import ExitCode
from swapgate.reporting import ReportsFailed, write_reports
from swapgate.reporting.hosting import placed

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.driving.session import SwapgateSession
    from swapgate.runs.recorder import Recorder


_BROKEN_OFF = (
    "swapgate: interrupted while the run was concluded, so there is no verdict. What was answered is in the "
    "cache: the same command again costs nothing for it"
)


class Ending:
    """The hook of a session's end, in the process that has the run's record."""

    def __init__(self, session: SwapgateSession) -> None:
        self._session = session
        self._settings = session.settings

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
        """Conclude the run; Ctrl-C, or another one, ends that in one line, as pytest.exit does."""
        recorder = self._session.recorder
        if is_worker(self._session.config) or recorder is None or not recorder.is_started:
            return
        try:
            self._conclude(session, recorder, exitstatus)
        except KeyboardInterrupt:  # of which pytest would show the traceback, so late
            raise pytest.exit.Exception(_BROKEN_OFF, pytest.ExitCode.INTERRUPTED) from None

    def _conclude(
        self, session: pytest.Session, recorder: Recorder, exitstatus: int | pytest.ExitCode
    ) -> None:
        """Decide, write the reports, and let the gate's code take the place of pytest's where it may."""
        ours = self._session
        is_regular = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        ended = recorder.end(
            why_not_judged=self._why_not_judged(session, recorder, is_regular=is_regular),
            stopping=ours.early.conclude() if ours.early is not None else None,
            shard=ours.part.shard if ours.part is not None else None,
        )
        with ours.interruptions.may_break_off():
            self._tell(session, recorder, recorder.conclude(ended), is_regular=is_regular)

    def _tell(
        self, session: pytest.Session, recorder: Recorder, outcome: RunOutcome, *, is_regular: bool
    ) -> None:
        ours = self._session
        give_back_what_is_free()  # what deciding took lies between what stays
        ours.outcome = placed(outcome, self._settings, os.environ)
        self._tell_junit(outcome)
        self._write_reports(ours.outcome, recorder)
        if recorder.problem is not None and not any(
            told.startswith(str(recorder.problem)) for told in ours.problems
        ):
            ours.problems.append(str(recorder.problem))
        shard = outcome.run.shard
        has_answer = outcome.gate.answer != "not_judged"
        # The misses of a shard are judged with those of the others: they do not fail its job.
        is_whole_shard = shard is not None and not shard.problem
        if is_regular and not ours.has_ordinary_failure and (has_answer or is_whole_shard):
            session.exitstatus = outcome.gate.exit_code
        if ours.stopped_by is not None:  # nobody has interrupted it
            session.exitstatus = ExitCode.INTERNAL_ERROR

    def _why_not_judged(self, session: pytest.Session, recorder: Recorder, *, is_regular: bool) -> str | None:
        """Return why the trials at hand are no ground for a decision, or None when they are."""
        if self._session.stopped_by is not None:
            return "the run was stopped: a file of its state cannot be used"
        if not is_regular:
            by = self._session.interruptions.by
            return "the session was interrupted" + (f" by {by}" if by is not None else "")
        stopped = session.shouldfail or session.shouldstop
        if stopped:
            return f"the session stopped early ({stopped})"
        if self._settings.shard is not None:
            return None  # the record says so itself
        return "partial selection" if recorder.planned < self._session.wanted else None

    def _tell_junit(self, outcome: RunOutcome) -> None:
        """Add the gate's answer to the file of --junitxml, which pytest writes after this."""
        from _pytest.junitxml import xml_key

        if (xml := self._session.config.stash.get(xml_key, None)) is not None:
            from swapgate.reporting.report_junit import gate_properties

            for name, value in gate_properties(outcome).items():
                xml.add_global_property(name, value)

    def _write_reports(self, outcome: RunOutcome, recorder: Recorder) -> None:
        """Write what is asked for; what cannot be written is told, and is not the end of the verdict."""
        folder = self._settings.reports_dir / outcome.run.id
        try:
            self._session.reports = write_reports(
                outcome, folder, self._settings.formats, is_stored=recorder.problem is None
            )
        except ReportsFailed as exc:
            self._session.reports = list(exc.written)
            self._session.problems += exc.problems
