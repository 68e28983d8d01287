"""The hooks of a session that runs a part of its run: which of the collected trials are its own."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from swapgate.driving.collect import CaseItem
from swapgate.driving.workers import is_controller, is_worker, refusal
from swapgate.errors import StoreError, UsageError
from swapgate.records import Shard, adapter
from swapgate.runs.parts import Part

if TYPE_CHECKING:
    from swapgate.driving.session import SwapgateSession
    from swapgate.engine.workspace import Job

_COMPLETES, _SHARD = "swapgate_completes", "swapgate_shard"


class PartHooks:
    """Finds the session's part: a shard from what was collected, what to run again from the history."""

    def __init__(self, session: SwapgateSession) -> None:
        self._session = session
        self._config = session.config
        self._settings = session.settings

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """In xdist's controller, find the run that is completed: soon its own record is the last one."""
        if is_controller(self._config) and self._settings.rerun_errors:
            try:
                self._session.part = self._completion()
            except (UsageError, StoreError) as exc:
                raise pytest.UsageError(str(exc)) from exc

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell each worker which run is completed."""
        part = self._session.part
        if part is not None and part.completes is not None:
            node.workerinput[_COMPLETES] = part.completes.id

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Keep the session's own trials, once all others have selected and sorted."""
        yield
        if session.testsfailed:
            return  # a suite that could not be read ends the session anyway
        try:
            own = self._own_trials(items)
        except (UsageError, StoreError) as exc:
            self._session.part = Part()
            items.clear()  # pytest goes on to say what was selected
            raise refusal(self._config, str(exc)) from exc
        others = [item for item in items if id(item) not in own]
        items[:] = [item for item in items if id(item) in own]
        if others:
            self._config.hook.pytest_deselected(items=others)

    def _own_trials(self, items: Sequence[pytest.Item]) -> set[int]:
        """Return the ids of the items to run; ordinary tests belong to every shard, and to no completion."""
        trials = [item for item in items if isinstance(item, CaseItem)]
        if not trials:
            return {id(item) for item in items}
        part = self._session.part = self._part([item.job for item in trials])
        if is_worker(self._config) and part.shard is not None:
            told = adapter(Shard).dump_json(part.shard).decode()
            self._config.workeroutput[_SHARD] = told  # type: ignore[attr-defined]
        wanted = set(part.jobs)
        own = {id(item) for item in trials if item.job in wanted}
        others = [] if self._settings.rerun_errors else [i for i in items if not isinstance(i, CaseItem)]
        return own | {id(item) for item in others}

    def _part(self, jobs: Sequence[Job]) -> Part:
        """Return the session's part of the collected trials."""
        if self._settings.rerun_errors:
            from swapgate.runs.rerun import rest_of

            return rest_of(self._completion(), jobs)
        from swapgate.runs.shards import shard_part

        assert self._settings.shard is not None
        number, count = self._settings.shard
        return shard_part(jobs, number=number, count=count)

    def _completion(self) -> Part:
        """Return what the last run lacks; a worker is told which run that is."""
        from swapgate.runs.rerun import completion

        option = self._config.option
        has_ids = any("::" in arg for arg in self._config.args)
        run_id = self._config.workerinput[_COMPLETES] if is_worker(self._config) else None  # type: ignore[attr-defined]
        return completion(
            self._session.workspace,
            self._session.discovered(),
            is_selection=bool(option.keyword or option.markexpr or option.deselect or has_ids),
            run_id=run_id,
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Learn from a worker what the whole selection is: the controller has collected nothing."""
        text = getattr(node, "workeroutput", {}).get(_SHARD)
        if text is not None:
            self._session.part = Part(shard=adapter(Shard).validate_json(text))

    @pytest.hookimpl
    def pytest_report_collectionfinish(self) -> str:
        """Say what of the whole is run here."""
        part = self._session.part
        return f"swapgate: {part.told}" if part is not None and part.whole else ""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let the whole of the run decide on pytest's own code: an empty part ends well."""
        part, outcome = self._session.part, self._session.outcome
        if part is None or is_worker(self._config):
            return
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and part.is_void:
            session.exitstatus = pytest.ExitCode.OK
        is_unjudged = outcome is not None and outcome.gate.answer == "not_judged"
        if session.exitstatus == pytest.ExitCode.OK and is_unjudged and part.has_missed:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int | pytest.ExitCode
    ) -> None:
        """Say what was run of the whole where workers collected it, and nothing else says so."""
        part = self._session.part
        if part is None or not is_controller(self._config) or exitstatus == pytest.ExitCode.USAGE_ERROR:
            return
        if part.is_void or part.completes is not None:
            terminalreporter.write_line(f"swapgate: {part.told}")
