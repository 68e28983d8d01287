"""A local model: llama.cpp in a child process, started at the first request, asked in the OpenAI format."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import httpx

from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.providers._failures import excerpt
from swapgate.providers._wire import Wire
from swapgate.providers.credentials import Credentials
from swapgate.providers.openai import OpenAIProvider
from swapgate.providers.weights import require_weights, served_name, weights_sha256
from swapgate.records import Json, Request, Response
from swapgate.spec.models import ModelSpec
from swapgate.values import replace

_START_LIMIT_S = 120.0
_STOP_LIMIT_S = 5.0
_CONTEXT_TOKENS = 4096
_OWN_PARAMS = {"n_ctx", "n_threads"}


class LocalProvider:
    """Asks a GGUF model on this machine. `params` may hold `n_ctx` (tokens a request) and `n_threads`."""

    is_recordable = True
    reads_cache = True
    needs_variables = False

    def __init__(self, spec: ModelSpec, *, http: httpx.AsyncClient, root: Path) -> None:
        slots = spec.limits.concurrency or 1
        self._spec = spec.model_copy(update={"model": served_name(spec)})
        self._http = http
        self._written, self._root = spec, root
        self._numbers = _numbers(spec, slots=slots)
        self._slots = asyncio.Semaphore(slots)
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="swapgate-local")
        self._server: LocalServer | None = None
        self._address: Future[str] | None = None
        self.identity: Mapping[str, Json] = {
            "protocol": "local",
            "file_sha256": weights_sha256(spec, root),
            "unset": [*sorted(spec.unset)],
            "structured_output": spec.structured_output is not False,
        }

    async def complete(self, request: Request) -> Response:
        """Return the response to one request; one attempt. What exceeds the slots waits here."""
        async with self._slots:
            provider = OpenAIProvider(self._spec, self._wire(await self._started()), identity=self.identity)
            params = {name: value for name, value in request.params.items() if name not in _OWN_PARAMS}
            try:
                return await provider.complete(replace(request, params=params))
            except ProviderError as error:
                if error.kind is ErrorKind.CONNECTION and self._server is not None and self._server.has_ended:
                    raise self._crashed() from None
                raise

    async def close(self) -> None:
        """End the child process."""
        server, self._server, self._address = self._server, None, None
        self._starter.shutdown(wait=False)
        if server is not None:
            await asyncio.to_thread(server.stop)

    async def _started(self) -> str:
        """Return the server's address; the first request starts it, the others wait for the same start."""
        if self._address is None:
            weights = require_weights(self._written, self._root)
            command = _command(self._written, weights, self._numbers)
            self._server = LocalServer(f"{self._spec.name} ({weights.name})", command)
            self._address = self._starter.submit(self._server.wait_ready)
        return await asyncio.shield(asyncio.wrap_future(self._address))

    def _wire(self, address: str) -> Wire:
        url = f"{address}/v1/chat/completions"
        return Wire(spec=self._spec, http=self._http, credentials=Credentials(literal={}), url=url)

    def _crashed(self) -> ProviderError:
        """Forget a dead server, so that the next request starts another one."""
        server, self._server, self._address = self._server, None, None
        told = ""
        if server is not None:
            told = server.last_words()
            server.stop()
        message = f"{self._spec.name}: the local model broke off. {told}"
        return ProviderError(message, kind=ErrorKind.SERVER)


class LocalServer:
    """One child process that serves one model."""

    def __init__(self, name: str, command: list[str]) -> None:
        self._name = name
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self._process = subprocess.Popen(  # noqa: S603 - our own module, with arguments that no shell reads
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=_environment()
        )

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def wait_ready(self) -> str:
        """Block until the weights are loaded and return the address; ProviderError when that fails."""
        limit = threading.Timer(_START_LIMIT_S, self._process.kill)
        limit.daemon = True
        limit.start()
        try:
            line = self._process.stdout.readline() if self._process.stdout else b""
        finally:
            limit.cancel()
        if not line:
            message = f"{self._name}: the local model did not start. {self.last_words()}"
            raise ProviderError(message, kind=ErrorKind.INTERNAL)
        return str(json.loads(line)["address"])

    def last_words(self) -> str:
        """Return the end of what the process wrote before it ended, and its exit code."""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        said = f": {excerpt(lines[-1])!r}" if lines else ""
        return f"Its process ended with code {self._end()}{said}"

    def stop(self) -> None:
        """End the process: its input ends, and it is killed when that does not help."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._end()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def _end(self) -> int:
        try:
            return self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _numbers(spec: ModelSpec, *, slots: int) -> dict[str, int]:
    return {
        "--threads": _count(spec, "n_threads", default=_threads()),
        "--ctx": _count(spec, "n_ctx", default=_CONTEXT_TOKENS),
        "--slots": slots,
    }


def _command(spec: ModelSpec, weights: Path, numbers: Mapping[str, int]) -> list[str]:
    options = {"--gguf": weights, "--alias": served_name(spec), **numbers}
    words = [str(word) for option in options.items() for word in option]
    return [sys.executable, "-m", "swapgate.providers.local_server", *words]


def _threads() -> int:
    """Return SWAPGATE_LOCAL_THREADS, else one less than the cores: the engine spins while it works."""
    given = os.environ.get("SWAPGATE_LOCAL_THREADS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, cores - 1)


def _count(spec: ModelSpec, name: str, *, default: int) -> int:
    value = spec.params.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UsageError(
            f"model {spec.name!r}: params.{name} must be a whole number from 1 on, got {value!r}"
        )
    return value


def _environment() -> dict[str, str]:
    """Let the child import the package from where this process has it, also when that is not installed."""
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, "PYTHONPATH": path}
