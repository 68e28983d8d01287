"""In the process: a callable that answers as the control does, while the candidate is called beside it."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar

from swapgate.daemon import message_of
from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.records import content_hash
from swapgate.shadow.answers import read_answer, read_call
from swapgate.shadow.keeping import Compare, Keeping
from swapgate.shadow.mirror import observed
from swapgate.shadow.records import Exchange, Leg, answered
from swapgate.shadow.sampling import is_drawn, unit_hash
from swapgate.shadow.store import SHADOW_FILE
from swapgate.spec.shadow import Redaction
from swapgate.values import Value, replace

P = ParamSpec("P")
T = TypeVar("T")
_LOG = logging.getLogger("swapgate.shadow")


class _Call(Value):
    """What a call returned, or raised, and the seconds that it took."""

    value: Any = None
    error: BaseException | None = None
    seconds: float


class ShadowDeployment(Generic[P, T]):
    """Wraps an async callable: the control answers every call, the candidate is called beside some of them.

    Use it as an async context manager, or call `close`: what is at hand is finished then. What the candidate
    does, be it to fail or to hang, is nobody's but the record's. It runs in the same event loop, in a task of
    its own and without the caller's context; code that blocks the loop blocks the application.

    Parameters
    ----------
    control, candidate
        Take the same arguments and return an answer: a text, what an official client returns (not a stream),
        a dict in a wire format, or a `swapgate.records.Response`. Any other value counts as its JSON.
    route
        Its name in the records.
    names
        What the two models are called in the records; other names begin another comparison.
    store
        The SQLite file; `swapgate shadow status` and the like read it.
    share, again_share
        Which share of the calls is mirrored, and of those, which the control answers a second time.
    unit, tags
        Given a call's arguments: whom sampling keeps together, and slices as `name:value`.
    content, redact
        Whether texts are stored, and what is taken out of them before.
    concurrency, queue, timeout_s
        How many calls are made beside the application, may wait for that, and how long one may take.
    compare
        Given an exchange with its content, what is to be stored of a comparison; in a thread of its own.
    """

    def __init__(
        self,
        control: Callable[P, Awaitable[T]],
        candidate: Callable[P, Awaitable[Any]],
        *,
        route: str = "shadow",
        names: tuple[str, str] = ("control", "candidate"),
        store: Path | str = Path(".swapgate") / SHADOW_FILE,
        share: float = 1.0,
        again_share: float = 0.0,
        unit: Callable[P, str | None] | None = None,
        tags: Callable[P, Sequence[str]] | None = None,
        content: bool = False,
        redact: Redaction | None = None,
        concurrency: int = 16,
        queue: int = 256,
        timeout_s: float = 120.0,
        compare: Compare | None = None,
    ) -> None:
        _check(control=control, candidate=candidate, share=share, again_share=again_share)
        self._control = control
        self._candidate = candidate
        self._route = route
        self._names = names
        self._share = share
        self._again_share = again_share
        self._unit = unit
        self._tags = tags
        self._most = queue + concurrency
        self._at_once = asyncio.Semaphore(concurrency)
        self._timeout_s = timeout_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._setup = content_hash([*names])[:16]
        self._keeping = Keeping(
            Path(store), content=content, redaction=redact or Redaction(), compare=compare
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the control returns, or raise what it raises."""
        call = await _made(self._control, args, kwargs)
        try:
            self._mirror(call, args, kwargs)
        except Exception:
            # Nothing of swapgate's, nor of `unit` and `tags`, may reach the application.
            _LOG.exception("a call of %s is not recorded", self._route)
            self._keeping.count(self._route, "unreadable")
        if call.error is not None:
            raise call.error
        answer: T = call.value
        return answer

    async def close(self, *, drain_s: float = 30.0) -> None:
        """Finish what is at hand, for so many seconds at most, and close the store; StoreError."""
        if self._tasks:
            _done, late = await asyncio.wait(self._tasks, timeout=drain_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await asyncio.to_thread(self._keeping.close)

    def _mirror(self, call: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Begin what is done beside the application, where the call is drawn."""
        self._keeping.count(self._route, "seen")
        key = secrets.token_hex(12)
        unit = self._unit(*args, **kwargs) if self._unit is not None else None
        if isinstance(call.error, asyncio.CancelledError):
            self._keeping.count(self._route, "client_left")
        elif not is_drawn(key if unit is None else unit, self._share, salt=self._route):
            self._keeping.count(self._route, "not_sampled")
        elif len(self._tasks) >= self._most:
            self._keeping.count(self._route, "shed")
        else:
            beside = self._beside(key, unit, call, args, kwargs)
            # An empty context: what traces the caller's request must not see the candidate's.
            task = asyncio.create_task(beside, context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _beside(
        self, key: str, unit: str | None, call: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        try:
            exchange = self._observed(key, unit, call, args, kwargs)
        except Exception:
            _LOG.exception("a call of %s is not recorded", self._route)
            self._keeping.count(self._route, "unreadable")
            return
        self._keeping.count(self._route, "mirrored" if call.error is None else "control_failed")
        if call.error is not None:
            self._keeping.put(exchange)
            return
        self._keeping.put(replace(exchange, state="waiting"), lease_s=self._timeout_s)
        try:
            async with self._at_once:
                again = self._leg(self._control, 0, args, kwargs) if exchange.wants_again else _nobody()
                candidate, second = await asyncio.gather(self._leg(self._candidate, 1, args, kwargs), again)
        except asyncio.CancelledError:
            self._keeping.put(replace(exchange, state="lost"))
            raise
        self._keeping.put(replace(exchange, candidate=candidate, again=second))

    async def _leg(
        self, function: Callable[P, Awaitable[Any]], place: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Leg:
        name = self._names[place]
        started = perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                return _leg(name, await _made(function, args, kwargs))
        except TimeoutError:
            said = f"{name}: no answer within {self._timeout_s:g} s"
            return Leg(
                model=name, error_kind=ErrorKind.TIMEOUT, error=said, latency_s=perf_counter() - started
            )

    def _observed(
        self, key: str, unit: str | None, call: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Exchange:
        return observed(
            read_call(args, kwargs),
            key=key,
            route=self._route,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            api="call",
            control=_leg(self._names[0], call),
            setup=self._setup,
            tags=tuple(sorted(self._tags(*args, **kwargs))) if self._tags is not None else (),
            unit=None if unit is None else unit_hash(unit),
            source="process",
            wants_again=is_drawn(key, self._again_share, salt="again"),
        )


async def _made(
    function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> _Call:
    started = perf_counter()
    try:
        made = function(*args, **kwargs)
        if not inspect.isawaitable(made):
            raise UsageError(
                f"ShadowDeployment: {function!r} is not async. "
                "Wrap it: `async def f(x): return await asyncio.to_thread(plain, x)`"
            )
        value = await made
    except (Exception, asyncio.CancelledError) as exc:
        return _Call(error=exc, seconds=perf_counter() - started)
    return _Call(value=value, seconds=perf_counter() - started)


def _leg(name: str, call: _Call) -> Leg:
    """Return the leg of a call; an answer in a broken wire format is an error of the model's."""
    error = call.error
    if isinstance(error, asyncio.CancelledError):
        raise error
    if error is None:
        try:
            return replace(answered(name, read_answer(call.value), status=None), latency_s=call.seconds)
        except ProviderError as exc:
            error = exc
    kind = error.kind if isinstance(error, ProviderError) else ErrorKind.USER_CODE
    status = getattr(error, "status_code", None)
    return Leg(
        model=name,
        status=status if isinstance(status, int) else None,
        error_kind=kind,
        error=f"{type(error).__name__}: {message_of(error)}",
        latency_s=call.seconds,
    )


async def _nobody() -> None:
    return None


def _check(*, share: float, again_share: float, **functions: Any) -> None:
    for name, value in (("share", share), ("again_share", again_share)):
        if not 0 <= value <= 1:
            raise UsageError(f"ShadowDeployment: {name} must be from 0 to 1, got {value!r}")
    for name, function in functions.items():
        if not callable(function):
            raise UsageError(f"ShadowDeployment: {name} must be an async function, got {function!r}")
