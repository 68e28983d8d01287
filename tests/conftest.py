"""What pytester needs to know about this package."""

import importlib
import pkgutil

import genai_prices  # noqa: F401
import httpx_aiohttp  # noqa: F401
import hypothesis.internal.observability  # noqa: F401
import jsonschema  # noqa: F401
import scipy.special  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401
import xdist.scheduler  # noqa: F401

import swapgate

# pytester forgets every module that a run in this process imported first: C extensions do not survive that,
# and importing them again for every test would take most of the time.
for module in pkgutil.walk_packages(swapgate.__path__, "swapgate."):
    if not module.name.endswith(("__main__", "local_server")):
        importlib.import_module(module.name)
