"""What pytester needs to know about this package, and what the shell may have left to its children."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import hypothesis.internal.observability
import pytest
from _pytest.fixtures import FixtureFunctionDefinition, FixtureManager

import swapgate
from swapgate.checks.jsonschema_import import import_jsonschema

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

# A time for each example says how busy the machine is, not how the code does.
hypothesis.settings.register_profile("swapgate", deadline=None)
hypothesis.settings.load_profile("swapgate")

_EXTENSIONS = (
    "genai_prices",
    "httpx_aiohttp",
    "scipy.special",
    "sqlalchemy.dialects.sqlite",
    "xdist.scheduler",
)

_PLUGINS = ("swapgate.plugin", "xdist.plugin", "xdist.looponfail")

# A shell without job control ignores SIGINT for what it runs in the background, and children inherit that:
# tests that press Ctrl-C would press it in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# pytest rewrites a package's assertions in every process that may not keep the result: half a second each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Files of few tests that take long, most of them for the processes they start: the first to be given out, so
# that no worker is left alone with one at the end.
_LONG = frozenset(
    {
        "test_batch_runs",
        "test_benchmarks",
        "test_faults",
        "test_index_demo",
        "test_live_runs",
        "test_many_processes",
        "test_ray_runs",
        "test_scale",
    }
)


def pytest_configure(config: pytest.Config) -> None:
    """Import all that tests import, but not where others run them: xdist's workers wait for that process.

    pytester forgets every module that a run in this process imported first: C extensions do not survive that,
    and importing them again for every test would take most of the time.
    """
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    import_jsonschema()
    for name in _EXTENSIONS:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(swapgate.__path__, "swapgate."):
        if not module.name.endswith(("__main__", "local_server")):
            importlib.import_module(module.name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put files that take long first, then those of many tests; a run without workers keeps its order."""
    if hasattr(config, "workerinput"):
        sizes = Counter(item.path for item in items)
        items.sort(key=lambda item: (item.path.stem not in _LONG, -sizes[item.path]))


def pytest_collection_finish() -> None:
    """Keep no bytecode of what tests write: another version of it may be as long and of the same second.

    And look no more for garbage among all that is loaded by now: that takes half a second each time.
    """
    sys.dont_write_bytecode = True
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Give each file to one worker: what its tests share, a cluster or a database, is started once.

    One file alone is spread as xdist does it, and so is everything where `--dist` says how.
    """
    is_one_file = len(config.args) == 1 and not Path(config.args[0]).is_dir()
    if is_one_file or config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # the workers' order is the one meant
    return LoadFileScheduling(config, log)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Hand a session of this process its plugins; workers and other processes find them as users' do.

    To look for them pytest reads what all of 150 packages have installed, a fifth of such a session's time.
    Another fifth goes into its search for fixtures through all that its own modules import.
    """
    in_process = pytester.inline_run
    registered = FixtureManager.pytest_plugin_registered

    def pytest_plugin_registered(fixtures: FixtureManager, plugin: object, plugin_name: str) -> None:
        if _holds_fixtures(plugin):
            registered(fixtures, plugin, plugin_name)

    def inline_run(*args: Any, plugins: Iterable[Any] = (), **options: Any) -> pytest.HookRecorder:
        if any(str(argument).startswith("-n") for argument in args):
            return in_process(*args, plugins=plugins, **options)
        with monkeypatch.context() as patch:
            patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
            patch.setattr(FixtureManager, "pytest_plugin_registered", pytest_plugin_registered)
            return in_process(*args, plugins=(*plugins, *map(importlib.import_module, _PLUGINS)), **options)

    monkeypatch.setattr(pytester, "inline_run", inline_run)
    return pytester


def _holds_fixtures(plugin: object) -> bool:
    holders = (plugin,) if isinstance(plugin, ModuleType) else type(plugin).__mro__
    return any(
        type(held) is FixtureFunctionDefinition for holder in holders for held in vars(holder).values()
    )
