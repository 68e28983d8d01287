"""Daemon threads: for the user's code, so that nothing has to wait for it, for imports, for an event loop."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Args = TypeVarTuple("Args")
_Ended = tuple[T | None, BaseException | None]
_LONGEST_LOADING_S = 10.0


async def in_daemon_thread(function: Callable[[*Args], T], *args: *Args, timeout_s: float | None) -> T:
    """Return what the function returns in a daemon thread of its own, or raise what it raises.

    Raises TimeoutError after `timeout_s` seconds (None: no limit). Python cannot end a thread: a call that
    was given up runs on, and its result is dropped. KeyboardInterrupt and SystemExit would end the event
    loop and arrive as RuntimeError, so the function should turn them into an error of its own.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[_Ended[T]] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: T | None, error: BaseException | None) -> None:
        if not ended.done():
            ended.set_result((value, error))

    def call() -> None:
        value, error = None, None
        try:
            value = context.run(function, *args)
        except BaseException as exc:
            error = exc
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            loop.call_soon_threadsafe(settle, value, error)

    # Not of an executor: the interpreter joins an executor's threads when it exits.
    threading.Thread(target=call, name=f"swapgate-{_name(function)}", daemon=True).start()
    async with asyncio.timeout(timeout_s):
        value, error = await ended
    if error is not None:
        raise error if isinstance(error, Exception) else RuntimeError(type(error).__name__) from error
    return value  # type: ignore[return-value] # without an error it is the function's


def load_beside(load: Callable[[], object], *, name: str) -> threading.Thread:
    """Let a thread of this name load modules, and the process not end before it has.

    Python crashes if it ends while a thread loads extension modules, so it waits, but not for ever. What
    cannot be loaded is for whoever wants it then to find out.
    """

    def loading() -> None:
        with contextlib.suppress(Exception):
            load()

    thread = threading.Thread(target=loading, name=name, daemon=True)
    thread.start()
    atexit.register(thread.join, _LONGEST_LOADING_S)
    return thread


def load_unbroken(load: Callable[[], object], *, name: str) -> None:
    """Let a thread of this name load modules and wait for it: Ctrl-C breaks off the waiting, and no import.

    numpy cannot be imported again once its import was broken off.
    """
    load_beside(load, name=name).join()


@contextlib.contextmanager
def loop_in_thread(name: str) -> Iterator[asyncio.AbstractEventLoop]:
    """Yield an event loop that runs in a thread of this name until the block ends, and its tasks with it."""
    loop, is_over = asyncio.new_event_loop(), asyncio.Event()

    def serve() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(is_over.wait())

    thread = threading.Thread(target=serve, name=name, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()


def message_of(exc: BaseException) -> str:
    """Return an exception's message; also its `__str__` may be the user's and raise."""
    try:
        return str(exc)
    except BaseException:
        return "(its message cannot be read)"


def _name(function: object) -> str:
    return str(getattr(function, "__name__", "call"))
