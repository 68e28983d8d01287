"""What pytester needs to know about this package, and what the shell may have left to its children."""

import importlib
import pkgutil
import signal

import hypothesis.internal.observability
import pytest

import swapgate

# A time for each example says how busy the machine is, not how the code does.
hypothesis.settings.register_profile("swapgate", deadline=None)
hypothesis.settings.load_profile("swapgate")

_EXTENSIONS = (
    "genai_prices",
    "httpx_aiohttp",
    "jsonschema",
    "scipy.special",
    "sqlalchemy.dialects.sqlite",
    "xdist.scheduler",
)

# A shell without job control ignores SIGINT for what it runs in the background, and children inherit that:
# tests that press Ctrl-C would press it in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Import all that tests import, but not where others run them: xdist's workers wait for that process.

    pytester forgets every module that a run in this process imported first: C extensions do not survive that,
    and importing them again for every test would take most of the time.
    """
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    for name in _EXTENSIONS:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(swapgate.__path__, "swapgate."):
        if not module.name.endswith(("__main__", "local_server")):
            importlib.import_module(module.name)
