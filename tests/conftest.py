"""What pytester needs to know about this package, and what the shell may have left to its children."""

import importlib
import pkgutil
import signal

import genai_prices  # noqa: F401
import httpx_aiohttp  # noqa: F401
import hypothesis.internal.observability
import jsonschema  # noqa: F401
import scipy.special  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401
import xdist.scheduler  # noqa: F401

import swapgate

# A time for each example says how busy the machine is, not how the code does.
hypothesis.settings.register_profile("swapgate", deadline=None)
hypothesis.settings.load_profile("swapgate")

# pytester forgets every module that a run in this process imported first: C extensions do not survive that,
# and importing them again for every test would take most of the time.
for module in pkgutil.walk_packages(swapgate.__path__, "swapgate."):
    if not module.name.endswith(("__main__", "local_server")):
        importlib.import_module(module.name)

# A shell without job control ignores SIGINT for what it runs in the background, and children inherit that:
# tests that press Ctrl-C would press it in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
