"""The user's own Python function, sync or async, as a model."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from swapgate.daemon import in_daemon_thread, message_of
from swapgate.errors import ErrorKind, ProviderError, UsageError, nearest
from swapgate.records import Json, Request, Response
from swapgate.spec.models import ModelSpec
from swapgate.storable import Unstorable, storable
from swapgate.values import replace

_THREADS = 64
_BY_NAME = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
_BY_POSITION = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY}
_Call = tuple[tuple[Any, ...], dict[str, Any]]


class PythonProvider:
    """Calls `package.module:function`, found from the workspace's root.

    The function takes the case's variables by name, or one argument: the Request (annotated so, or named
    `request`), else the variables as a dict. It returns text, a dict or list (dumped as JSON), or a Response.
    """

    is_recordable = True
    reads_cache = False
    needs_variables = True

    def __init__(self, spec: ModelSpec, *, root: Path, timeout_s: float | None) -> None:
        self._name = spec.name
        self._root = root
        self._timeout_s = timeout_s
        self._function = _find(spec, root)
        self._parameters = _parameters(spec, self._function)
        self._threads = asyncio.Semaphore(spec.limits.concurrency or _THREADS)
        self.identity: Mapping[str, Json] = {"protocol": "python", "function": spec.model}

    async def complete(self, request: Request) -> Response:
        """Return what the function answers; whatever it raises becomes a ProviderError (user_code)."""
        args, kwargs = _bind(self._name, self._parameters, request)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._call(args, kwargs)
        except TimeoutError:
            message = f"{self._name}: the function gave no answer within {self._timeout_s:g} s"
            raise ProviderError(message, kind=ErrorKind.TIMEOUT) from None
        return _response(self._name, answer, time.perf_counter() - started)

    async def close(self) -> None:
        """Nothing is held: a call that still runs is not waited for."""

    async def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(self._function):
            return await self._awaited(self._function(*args, **kwargs))
        await self._threads.acquire()
        loop = asyncio.get_running_loop()
        answer = await in_daemon_thread(self._called, args, kwargs, loop, timeout_s=None)
        return await self._awaited(answer) if inspect.isawaitable(answer) else answer

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any], loop: asyncio.AbstractEventLoop) -> Any:
        """Call the function, in a thread; a call that was given up counts as a thread until it ends."""
        try:
            return self._function(*args, **kwargs)
        except BaseException as exc:
            raise self._failure(exc) from exc
        finally:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(self._threads.release)

    async def _awaited(self, answer: Any) -> Any:
        try:
            return await answer
        except GeneratorExit:
            raise
        except BaseException as exc:
            if isinstance(exc, asyncio.CancelledError) and _is_being_cancelled():
                raise
            raise self._failure(exc) from exc

    def _failure(self, exc: BaseException) -> ProviderError:
        message = f"{self._name}: {_told(exc, self._root)}"
        return ProviderError(message, kind=ErrorKind.USER_CODE)


def _find(spec: ModelSpec, root: Path) -> Callable[..., Any]:
    """Import the function; UsageError says what is missing."""
    where = f"model {spec.name!r}"
    module_name, _, attribute = spec.model.partition(":")
    if not module_name or not attribute:
        raise UsageError(f"{where}: provider python wants package.module:function, got {spec.model!r}")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        module = importlib.import_module(module_name)
    except BaseException as exc:
        raise UsageError(
            f"{where}: cannot import {module_name!r} from the workspace: {_told(exc, root)}"
        ) from exc
    function: Callable[..., Any] | None = getattr(module, attribute, None)
    if function is None or not callable(function):
        hint = nearest(attribute, [name for name, value in vars(module).items() if callable(value)])
        raise UsageError(f"{where}: {module_name!r} has no function {attribute!r}.{hint}")
    return function


def _parameters(spec: ModelSpec, function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError as exc:
        raise UsageError(
            f"model {spec.name!r}: {spec.model!r} has no signature: wrap it in a function"
        ) from exc


def _bind(name: str, parameters: list[inspect.Parameter], request: Request) -> _Call:
    """Return the arguments that the function's signature asks for."""
    single = [p for p in parameters if p.kind in _BY_POSITION]
    if single and _takes_request(single[0]) and not _wanted(parameters, skip=single[0]):
        return (request,), {}
    variables = dict(request.variables)
    if not _wanted(parameters) - set(variables) and not any(_is_nameless(p) for p in parameters):
        takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
        named = {p.name for p in parameters if p.kind in _BY_NAME}
        return (), {key: value for key, value in variables.items() if takes_any or key in named}
    if single and not _wanted(parameters, skip=single[0]):
        return (variables,), {}
    missing = ", ".join(sorted(_wanted(parameters) - set(variables)))
    message = (
        f"{name}: the function takes {missing}, which the case's input does not have: {sorted(variables)}"
    )
    raise ProviderError(message, kind=ErrorKind.USER_CODE)


def _takes_request(parameter: inspect.Parameter) -> bool:
    written = parameter.annotation
    return written is Request or written in {"Request", "records.Request"} or parameter.name == "request"


def _wanted(parameters: list[inspect.Parameter], *, skip: inspect.Parameter | None = None) -> set[str]:
    """Return the names of the parameters without a default."""
    starred = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return {p.name for p in parameters if p is not skip and p.default is p.empty and p.kind not in starred}


def _is_nameless(parameter: inspect.Parameter) -> bool:
    return parameter.kind is inspect.Parameter.POSITIONAL_ONLY and parameter.default is parameter.empty


def _response(name: str, answer: Any, latency_s: float) -> Response:
    if isinstance(answer, Response):
        return _whole(name, answer if answer.latency_s is not None else replace(answer, latency_s=latency_s))
    if isinstance(answer, str):
        return _whole(name, Response(text=answer, latency_s=latency_s))
    if isinstance(answer, dict | list):
        try:
            text = json.dumps(answer, ensure_ascii=False, allow_nan=False)
            return _whole(name, Response(text=text, latency_s=latency_s))
        except (TypeError, ValueError, RecursionError) as exc:
            message = f"{name}: the function's answer cannot be written as JSON: {exc}"
            raise ProviderError(message, kind=ErrorKind.USER_CODE) from exc
    message = f"{name}: the function must return str, dict or Response, got {type(answer).__name__}"
    raise ProviderError(message, kind=ErrorKind.USER_CODE)


def _whole(name: str, response: Response) -> Response:
    try:
        return storable(response)
    except Unstorable as exc:
        message = f"{name}: the function's Response cannot be stored: {exc}"
        raise ProviderError(message, kind=ErrorKind.USER_CODE) from exc


def _is_being_cancelled() -> bool:
    """Whether a cancellation comes from outside: a time-out or the end of the session."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _told(exc: BaseException, root: Path) -> str:
    """Return an exception's type and message with the last line of the user's own code."""
    frames = traceback.extract_tb(exc.__traceback__)
    own = [f for f in frames if Path(f.filename).is_relative_to(root) and "site-packages" not in f.filename]
    told = ": ".join(part for part in (type(exc).__name__, message_of(exc)) if part)
    if not own:
        return told
    return f"{told} ({Path(own[-1].filename).relative_to(root).as_posix()}:{own[-1].lineno})"
