"""pytest's protocol for a trial: one phase and one report instead of three, where nobody looks at the others.

Setup, teardown and the capturing around them take longer than everything else that a trial costs pytest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import pluggy
import pytest

from swapgate.driving.collect import CaseItem

# What these do before and after a test concerns Python functions and fixtures alone.
_INDIFFERENT = ("_pytest", "_hypothesis_pytestplugin", "pytest_asyncio", "xdist")
# What these options show or do hangs on the phases.
_PHASED_OPTIONS = ("usepdb", "setupshow", "setuponly", "setupplan", "xmlpath")


class TrialProtocol:
    """Runs trials that nobody but swapgate touches; leaves every other item to pytest.

    `prints` tells whether the run executes the user's own code, whose output pytest captures in its phases.
    """

    def __init__(self, config: pytest.Config, prints: Callable[[], bool]) -> None:
        self._config = config
        self._prints = prints
        self._is_short: bool | None = None

    @pytest.hookimpl
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a trial in its call phase alone."""
        if not isinstance(item, CaseItem) or not item.is_prefetched() or not self._may_be_short():
            return None
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        call = pytest.CallInfo.from_call(
            item.runtest, when="call", reraise=(pytest.exit.Exception, KeyboardInterrupt)
        )
        report = self._reporting(hook)(item=item, call=call)
        hook.pytest_runtest_logreport(report=report)
        # What an ordinary test before this one has set up, and the next one does not need.
        item.session._setupstate.teardown_exact(nextitem)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _reporting(self, hook: pluggy.HookRelay) -> pluggy.HookCaller:
        """Return what makes the report: without tmp_path's part in it where no conftest is left out anyway.

        What that notes of every item stays to the end, and takes as much memory as the report.
        """
        return self._without_tmp_path if hook is self._config.hook else hook.pytest_runtest_makereport

    @cached_property
    def _without_tmp_path(self) -> pluggy.HookCaller:
        plugins = self._config.pluginmanager
        return plugins.subset_hook_caller("pytest_runtest_makereport", [plugins.get_plugin("tmpdir")])

    def _may_be_short(self) -> bool:
        if self._is_short is None:
            option = self._config.option
            is_phased = any(getattr(option, name, None) for name in _PHASED_OPTIONS)
            self._is_short = not (is_phased or self._prints() or self._is_watched())
        return self._is_short

    def _is_watched(self) -> bool:
        """Whether a plugin or a conftest wants to see the phases of every item."""
        hook = self._config.hook
        phases = (hook.pytest_runtest_setup, hook.pytest_runtest_call, hook.pytest_runtest_teardown)
        watchers = {impl.function.__module__ for phase in phases for impl in phase.get_hookimpls()}
        return any(name.partition(".")[0] not in _INDIFFERENT for name in watchers)
