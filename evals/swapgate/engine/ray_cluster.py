"""Ray found, joined or started, quietly, and left as it was. The only module that imports ray, once used.

https://docs.ray.io/en/latest/ray-core/api/doc/ray.init.html
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swapgate.errors import UsageError

LOCAL, HERE = "local", "auto"
_PATIENCE_S = 10.0
_INSTALL = "pip install 'swapgate[ray]'"
_OBJECT_STORE_BYTES = 256 * 1024 * 1024
# Never sent: what runs leave behind, what is not the workspace's, and where people keep their keys.
_LEFT_BEHIND = (".git", ".venv", "node_modules", "__pycache__", "*.gguf", ".env", ".env.*", "*.pem", "*.key")
_ENVIRON = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster that this process is connected to.

    `root` is the workspace's folder as its workers see it; None where each of them has a copy as its working
    directory. `cpus` and `gpus` were free when it was joined.
    """

    ray: Any = field(repr=False)
    address: str
    root: Path | None
    cpus: int
    gpus: int


def require_ray() -> None:
    """Raise UsageError when the package is not installed; nothing is imported."""
    if importlib.util.find_spec("ray") is None:
        raise UsageError(f"--ray needs the package ray, which is not installed. Run: {_INSTALL}")


@contextlib.contextmanager
def connected(address: str, *, root: Path, without: Sequence[Path] = ()) -> Iterator[Cluster]:
    """Join the cluster at an address, or start one on this machine, until the block ends.

    `local` starts one, `auto` joins the one that runs here, all else is where one runs. A cluster elsewhere
    gets a copy of the workspace but for `without`. A process that is connected already stays so. Raises
    UsageError when there is no such cluster or it cannot be joined.
    """
    require_ray()
    with _quiet(), _signals_kept():
        ray = _imported()
        is_ours = not ray.is_initialized()
        try:
            if is_ours:
                _join(ray, address, root=root, without=without)
            is_shared = is_ours and address != LOCAL
            free = ray.available_resources()
            yield Cluster(
                ray=ray,
                address=address,
                root=None if is_shared else root,
                cpus=int(free.get("CPU", 0)),
                gpus=int(free.get("GPU", 0)),
            )
        finally:
            if is_ours:
                leave(ray)


def leave(ray: Any) -> None:
    """Leave a cluster, and end it when it is this process's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.shutdown()
        # Ray does not wait for the processes that it ends, of which Python warns when it forgets them.
        gc.collect()


def _imported() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("ray")


def _require_listening(address: str) -> None:
    """Raise UsageError when nobody listens at `host:port`: Ray itself takes minutes to find that out."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S).close()
    except (OSError, OverflowError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise UsageError(f"--ray={address}: {why[:1].lower()}{why[1:]}. {_fix(address)}") from exc


def _join(ray: Any, address: str, *, root: Path, without: Sequence[Path]) -> None:
    if address not in {LOCAL, HERE}:
        _require_listening(address)
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "configure_logging": False}
    if address == LOCAL:
        options |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    else:
        options["runtime_env"] = {"working_dir": str(root), "excludes": _excluded(root, without)}
    # Ray gives a cluster thirty seconds to start, which a busy machine may not have: it gets them twice.
    for is_last in (address != LOCAL, True):
        try:
            with warnings.catch_warnings(), _environ(_ENVIRON):
                warnings.simplefilter("ignore")
                ray.init(**options)
        except Exception as exc:  # Ray has no class of its own for this, and raises Exception itself
            if is_last:
                told = str(exc).strip().partition("\n")[0].rstrip(".")
                raise UsageError(f"--ray={address}: {told or type(exc).__name__}. {_fix(address)}") from exc
            leave(ray)
        else:
            return


def _fix(address: str) -> str:
    if address == LOCAL:
        return "Ray could not be started on this machine: is it busy? Run it again, or without --ray"
    if address == HERE:
        return "`ray start --head` starts a cluster here; --ray=local starts one for this run alone"
    return "Is a cluster there, with the same versions of Ray and Python?"


def _excluded(root: Path, without: Sequence[Path]) -> list[str]:
    """Return what is not sent, in the words of .gitignore; what a database keeps beside its file neither."""
    inside = [path.relative_to(root) for path in without if path != root and path.is_relative_to(root)]
    own = [pattern for path in inside for pattern in (f"/{path.as_posix()}", f"/{path.as_posix()}-*")]
    return [*_LEFT_BEHIND, *own]


@contextlib.contextmanager
def _environ(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray from writing into this process's output: what matters to a trial stands in its record."""
    worker: Any = _imported()._private.worker
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    # What the nodes say of a lost worker is printed on stdout, for which Ray has no switch.
    printing = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *_args, **_kwargs: None
    try:
        yield
    finally:
        worker.print_to_stdstream = printing
        logger.setLevel(level)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Put back what Ray takes: SIGTERM is this process's own affair."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
