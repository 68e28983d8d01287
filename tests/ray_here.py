"""One small cluster of Ray for the tests that need one: Ray takes its seconds to start."""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from swapgate.engine.ray_cluster import leave

IS_MISSING = importlib.util.find_spec("ray") is None
needs_ray = pytest.mark.skipif(IS_MISSING and os.environ.get("CI") != "true", reason="not installed: ray")

_OPTIONS: dict[str, Any] = {
    "address": "local",
    "num_cpus": 2,
    "include_dashboard": False,
    "log_to_driver": False,
    "configure_logging": False,
    "object_store_memory": 128 * 1024 * 1024,
}


@contextmanager
def small_cluster() -> Iterator[str]:
    """Start a cluster of two CPUs that this process stays connected to; yield its address."""
    if IS_MISSING:
        pytest.fail("no ray: what runs on Ray must be tested in CI; install swapgate[ray]")
    before = dict(os.environ)
    paths = [str(Path(__file__).parents[1] / "evals"), os.environ.get("PYTHONPATH", "")]
    os.environ |= {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "RAY_USAGE_STATS_ENABLED": "0"}
    os.environ |= {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

        logging.getLogger("ray").setLevel(logging.CRITICAL)
        try:
            try:
                ray.init(**_OPTIONS)
            except (
                Exception
            ):  # a machine that is busy with all other tests may need more time than Ray gives it
                leave(ray)
                ray.init(**_OPTIONS)
            yield ray.get_runtime_context().gcs_address
        finally:
            leave(ray)
            os.environ.clear()
            os.environ |= before
