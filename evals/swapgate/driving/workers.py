"""What differs under xdist: who is who, which share a worker has, and when the controller's record begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from swapgate.driving.collect import CaseItem

if TYPE_CHECKING:
    from swapgate.driving.distribute import StaticShares
    from swapgate.driving.session import SwapgateSession

_REFUSAL = "swapgate_refusal"
_STOPPED = "swapgate_stopped"
_PROBLEMS = "swapgate_problems"


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker."""
    return hasattr(config, "workerinput")


def is_controller(config: pytest.Config) -> bool:
    """Whether this process hands the tests to workers and runs none itself."""
    return not is_worker(config) and config.pluginmanager.hasplugin("dsession")


def processes(config: pytest.Config) -> int:
    """Return how many processes run this session's trials at once."""
    return int(config.workerinput["workercount"]) if is_worker(config) else 1  # type: ignore[attr-defined]


def own_trials(items: Sequence[pytest.Item], config: pytest.Config) -> list[CaseItem]:
    """Return the trials that this process knows it will run: all of them, or a worker's share."""
    if is_worker(config):
        from swapgate.driving.distribute import own_share

        has_shares = config.workerinput["swapgate_shares"]  # type: ignore[attr-defined]
        items = own_share(items, config) if has_shares else ()
    return [item for item in items if isinstance(item, CaseItem)]


def let_go_of_others(items: Sequence[CaseItem], own: Sequence[CaseItem], config: pytest.Config) -> None:
    """Drop what other workers' trials were made from; one that comes here after all is read again."""
    if is_worker(config) and config.workerinput["swapgate_shares"]:  # type: ignore[attr-defined]
        kept = set(map(id, own))
        for item in items:
            if id(item) not in kept:
                item.let_go()


def refusal(config: pytest.Config, message: str) -> pytest.UsageError:
    """Return the error that refuses to run; a worker tells its controller, which is who shows it."""
    if is_worker(config):
        config.workeroutput[_REFUSAL] = message  # type: ignore[attr-defined]
    return pytest.UsageError(message)


def tell_controller(config: pytest.Config, message: str) -> None:
    """Leave word of what ended this worker, for its controller to end the session by."""
    config.workeroutput[_STOPPED] = message  # type: ignore[attr-defined]


class WorkerHooks:
    """The hooks that only matter under xdist."""

    def __init__(self, session: SwapgateSession) -> None:
        self._session = session

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell each worker what was paid before, and whether it has a share of its own.

        Any other --dist than load hands out items one by one.
        """
        node.workerinput["swapgate_shares"] = self._session.config.getvalue("dist") == "load"
        node.workerinput["swapgate_spent_usd"] = self._session.spent_usd

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> StaticShares | None:
        """Give every worker its whole share at once, so that it can run ahead."""
        if config.getvalue("dist") != "load":
            return None
        from swapgate.driving.distribute import StaticShares

        return StaticShares(config, log)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        """Learn how many trials the workers found; the first one starts the record."""
        self._session.recording.begin_record(ids)

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        """In a worker, leave word of what it could not store, for its controller to tell."""
        config = self._session.config
        if is_worker(config):
            config.workeroutput[_PROBLEMS] = self._session.problems  # type: ignore[attr-defined]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Refuse to run when a worker has, end when one was ended: the others share what it met."""
        said = getattr(node, "workeroutput", {})
        self._session.problems += said.get(_PROBLEMS, ())
        if (message := said.get(_REFUSAL)) is not None:
            raise pytest.UsageError(message)
        if (message := said.get(_STOPPED)) is not None:
            raise self._session.stop(message)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """In a worker without a share, start the trial at hand and the one after it."""
        if is_worker(self._session.config):
            trials = [own for own in (item, nextitem) if isinstance(own, CaseItem)]
            self._session.running.prefetch(trials)
