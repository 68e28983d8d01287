"""A pytest session with --dry-run: collects, says what a run would take, runs no test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swapgate.driving.collect import CaseItem
from swapgate.driving.workers import is_controller
from swapgate.engine.workspace import Workspace
from swapgate.errors import StoreError, UsageError

if TYPE_CHECKING:
    from swapgate.engine.forecast import Forecast


class DryRun:
    """Takes the place of pytest's loop, as --collect-only does: no test runs, and the exit code is 0."""

    def __init__(self, config: pytest.Config, workspace: Workspace) -> None:
        self._config = config
        self._workspace = workspace
        self._forecast: Forecast | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Refuse workers: what they would be asked is counted in one process."""
        if is_controller(self._config):
            raise pytest.UsageError("--dry-run counts in one process, and calls nothing: leave out -n")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Count instead of running; errors of collection are left to pytest, which reports them."""
        option = self._config.option
        if option.collectonly or (session.testsfailed and not option.continue_on_collection_errors):
            return None
        from swapgate.runs.foretelling import foretell

        jobs = [item.job for item in session.items if isinstance(item, CaseItem)]
        try:
            self._forecast = foretell(self._workspace, jobs)
        except (UsageError, StoreError) as exc:
            raise pytest.UsageError(str(exc)) from exc
        return True

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the forecast."""
        if self._forecast is None:
            return
        from swapgate.runs.forecast_lines import forecast_lines

        terminalreporter.section("swapgate", sep="=")
        for line in forecast_lines(self._forecast, self._workspace.settings):
            terminalreporter.write_line(line)
