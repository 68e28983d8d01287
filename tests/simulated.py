"""An event loop whose time jumps, and servers with limits in it: minutes of calls in milliseconds."""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from swapgate.engine.budget import Budget
from swapgate.engine.call import Called, Caller, OpenModel
from swapgate.engine.learned_pace import Account
from swapgate.engine.pace import Pace
from swapgate.engine.slots import Slots
from swapgate.errors import ErrorKind, ProviderError
from swapgate.records import Message, Request, Response, Usage
from swapgate.spec.models import Limits, ModelSpec

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: what would be waited is added to the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits and nothing will ever happen")
        self.now += max(0.0, timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A loop in which waiting takes no time. Only for what never touches the network."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def simulate(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


class Limit(Protocol):
    """What a server allows: None, or the seconds until it would allow one more."""

    def ask(self, at: float) -> float | None: ...


@dataclass
class FixedWindow:
    """So many calls in each window of the clock; `phase` is how far into a window the run begins."""

    calls: int
    window_s: float = 1.0
    phase: float = 0.0
    _window: int = -1
    _used: int = 0

    def ask(self, at: float) -> float | None:
        window = math.floor((at + self.phase) / self.window_s)
        if window != self._window:
            self._window, self._used = window, 0
        if self._used < self.calls:
            self._used += 1
            return None
        return (window + 1) * self.window_s - self.phase - at


@dataclass
class SlidingWindow:
    """So many calls in any span of the window's length."""

    calls: int
    window_s: float = 1.0
    _taken: deque[float] = field(default_factory=deque)

    def ask(self, at: float) -> float | None:
        while self._taken and self._taken[0] <= at - self.window_s:
            self._taken.popleft()
        if len(self._taken) < self.calls:
            self._taken.append(at)
            return None
        return self._taken[0] + self.window_s - at


@dataclass
class TokenBucket:
    """So many calls a second, and as many at once as the bucket holds."""

    rate: float
    holds: float
    level: float = math.inf
    _at: float = 0.0

    def level_at(self, at: float) -> float:
        self.level = min(self.holds, self.level + (at - self._at) * self.rate)
        self._at = at
        return self.level

    def ask(self, at: float, units: float = 1) -> float | None:
        if self.level_at(at) >= units:
            self.level -= units
            return None
        return (units - self.level) / self.rate


RetryAfter = Callable[[float], float | None]
TELLS: dict[str, RetryAfter] = {
    "whole seconds": lambda wait_s: float(math.ceil(wait_s)),
    "exactly": lambda wait_s: wait_s,
    "nothing": lambda _wait_s: None,
}
Latency = Callable[["Server"], float]


class Server:
    """A provider in simulated time. `seen` holds when each call came and whether it was accepted."""

    is_recordable = True
    reads_cache = True
    needs_variables = False

    def __init__(
        self,
        limit: Limit | None = None,
        *,
        retry_after: RetryAfter = TELLS["nothing"],
        latency_s: Callable[[Server], float] = lambda _server: 0.2,
        failure: Callable[[Request], ProviderError | None] = lambda _request: None,
        seed: int = 0,
    ) -> None:
        self.identity = {"protocol": "simulated"}
        self.random = random.Random(seed)
        self.seen: list[tuple[float, bool]] = []
        self.at_once = 0
        self.most_at_once = 0
        self._limit = limit
        self._retry_after = retry_after
        self._latency_s = latency_s
        self._failure = failure

    async def complete(self, request: Request) -> Response:
        await asyncio.sleep(self.random.uniform(0.0005, 0.004))  # the network, with some jitter
        wait_s = self._limit.ask(now()) if self._limit is not None else None
        self.seen.append((now(), wait_s is None))
        if wait_s is not None:
            await asyncio.sleep(0.003)
            raise ProviderError(
                "HTTP 429", kind=ErrorKind.RATE_LIMIT, status=429, retry_after_s=self._retry_after(wait_s)
            )
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self._latency_s(self))
        finally:
            self.at_once -= 1
        if (error := self._failure(request)) is not None:
            raise error
        return Response(text="ok", usage=Usage(tokens_in=20, tokens_out=10))

    async def close(self) -> None:
        """Nothing is held."""

    @property
    def rejected(self) -> int:
        return sum(not is_accepted for _at, is_accepted in self.seen)


class TokenServer(Server):
    """A server with a bucket of a minute's tokens, which it tells as OpenAI does to whom it `tells`.

    A request must fit with its input, or with the most that it may be answered with (`counts_most`), as those
    count who give nothing back. What is answered is counted when it is. A character is a third of a token.
    """

    def __init__(self, tokens_a_minute: int, *, counts_most: bool = False, seed: int = 0) -> None:
        super().__init__(seed=seed, latency_s=lambda server: server.random.uniform(0.5, 1.5))
        self.tells: Callable[[Mapping[str, str]], None] = lambda _headers: None
        self.counted = self.rejected_calls = 0
        self._bucket = TokenBucket(tokens_a_minute / 60, holds=tokens_a_minute)
        self._counts_most = counts_most

    async def complete(self, request: Request) -> Response:
        tokens_in = int(len(request.messages[0].content) / 3 * self.random.uniform(0.95, 1.05))
        tokens_out = int(self.random.lognormvariate(4.6, 0.8))
        await asyncio.sleep(self.random.uniform(0.0005, 0.004))
        at_first = tokens_in + (int(str(request.params["max_tokens"])) if self._counts_most else 0)
        if (wait_s := self._bucket.ask(now(), at_first)) is not None:
            self.rejected_calls += 1
            self._tell()
            raise ProviderError("HTTP 429", kind=ErrorKind.RATE_LIMIT, status=429, retry_after_s=wait_s)
        await asyncio.sleep(self._latency_s(self))
        later = 0 if self._counts_most else tokens_out
        self._bucket.level -= later
        self.counted += at_first + later
        self._tell()
        return Response(text="ok", usage=Usage(tokens_in=tokens_in, tokens_out=tokens_out))

    @property
    def holds(self) -> float:
        return self._bucket.holds

    def _tell(self) -> None:
        level = max(0.0, self._bucket.level_at(now()))
        said = {
            "limit": f"{self._bucket.holds:.0f}",
            "remaining": f"{level:.0f}",
            "reset": f"{(self._bucket.holds - level) / self._bucket.rate:.3f}s",
        }
        self.tells({f"x-ratelimit-{name}-tokens": value for name, value in said.items()})


async def ask_for_tokens(
    server: TokenServer, *, calls: int, concurrency: int, seed: int, tells: bool = True, **limits: float
) -> tuple[float, float]:
    """Ask with prompts of very different lengths.

    Return which share of the rate was used, after the bucket was empty, and which of the calls were rejected.
    """
    run, lengths = Run(concurrency=concurrency, seed=seed), random.Random(seed)
    model = run.open(server, **limits)
    if tells:
        server.tells = lambda headers: model.pace.heard(headers, now())
    texts = ["x" * int(lengths.lognormvariate(7.3, 0.5)) for _call in range(calls)]
    asked = [
        Request(model="m", messages=(Message(role="user", content=text),), params={"max_tokens": 1000})
        for text in texts
    ]
    answers = await gathered(run.caller.call(model, one, is_judge=False) for one in asked)
    assert [type(answer) for answer in answers] == [Called] * calls
    held = 0.0 if limits else server.holds
    used = (server.counted - held) / (now() * server.holds / 60)
    return used, server.rejected_calls / (calls + server.rejected_calls)


class Run:
    """A caller with its slots, and models on simulated servers."""

    def __init__(
        self, *, concurrency: int = 16, retries: int = 4, hedge: float | None = None, seed: int = 0
    ) -> None:
        self.slots = Slots(concurrency)
        self.disk_is_behind = False
        self.caller = Caller(
            slots=self.slots,
            retries=retries,
            budget=Budget(),
            hedge=hedge,
            is_behind=lambda: self.disk_is_behind,
        )
        self.retries = retries
        self.random = random.Random(seed)

    def open(self, server: Server, *, account: Account | None = None, **limits: float) -> OpenModel:
        pace = Pace(
            Limits.model_validate(limits),
            most=self.slots.size,
            retries=self.retries,
            jitter=self.random,
            ramps=True,
            account=account,
        )
        return OpenModel(
            spec=ModelSpec(name="m", provider="openai", model="m"),
            provider=server,
            pace=pace,
            may_hedge=True,
        )

    async def ask(self, model: OpenModel, text: str = "hello", *, is_judge: bool = False) -> Called:
        request = Request(model="m", messages=(Message(role="user", content=text),))
        return await self.caller.call(model, request, is_judge=is_judge)

    async def ask_many(self, model: OpenModel, count: int, **how: Any) -> list[Any]:
        return await gathered(self.ask(model, f"case {n}", **how) for n in range(count))


async def gathered(calls: Any) -> list[Any]:
    """Return the results of all calls; an exception in the place of a result."""
    awaited: list[Awaitable[Any]] = list(calls)
    return await asyncio.gather(*awaited, return_exceptions=True)


async def two_models(
    one: Limit,
    other: Limit,
    retry_after: RetryAfter,
    *,
    seed: int,
    calls: tuple[int, int],
    concurrency: int = 16,
) -> tuple[float, float]:
    """Ask two models of one account; return the seconds it took, and the earlier end over the later."""
    run, account = Run(concurrency=concurrency, seed=seed), Account()
    ends = []

    async def ask(limit: Limit, count: int, server_seed: int) -> None:
        server = Server(limit, retry_after=retry_after, seed=server_seed)
        answers = await run.ask_many(run.open(server, account=account), count)
        assert [type(answer) for answer in answers] == [Called] * count
        ends.append(now())

    await asyncio.gather(ask(one, calls[0], seed), ask(other, calls[1], seed + 100))
    return max(ends), min(ends) / max(ends)


OVERLOADED = ProviderError("HTTP 529", kind=ErrorKind.SERVER, status=529)
TOO_MANY = ProviderError("HTTP 429", kind=ErrorKind.RATE_LIMIT, status=429)


async def refusing(
    share: float,
    *,
    calls: int,
    concurrency: int,
    seed: int = 0,
    is_quick: bool = False,
    error: ProviderError = OVERLOADED,
    limit: Limit | None = None,
) -> tuple[int, float, float]:
    """Ask a server that refuses a share of the calls, by chance, as late as it answers or at once.

    Return how many calls were lost, the seconds it took, and the attempts a call.
    """
    server = Server(limit, seed=seed)

    def drawn(_request: Request) -> ProviderError | None:
        return error if server.random.random() < share else None

    answered = server.complete

    async def complete(request: Request) -> Response:
        if drawn(request) is None:
            return await answered(request)
        server.seen.append((now(), False))
        await asyncio.sleep(0.005)
        raise error

    if is_quick:
        server.complete = complete  # type: ignore[method-assign]
    else:
        server._failure = drawn
    run = Run(concurrency=concurrency, seed=seed)
    answers = await run.ask_many(run.open(server), calls)
    lost = sum(not isinstance(answer, Called) for answer in answers)
    return lost, now(), len(server.seen) / calls


async def crowded(borne: int, *, calls: int, concurrency: int, seed: int = 0) -> tuple[int, float, float]:
    """Ask a server that refuses, with 529, what exceeds so many calls at once; return as `refusing` does."""
    server = Server(seed=seed, latency_s=lambda one: 0.2 * one.random.lognormvariate(0, 0.3))
    answered = server.complete
    inside = 0

    async def complete(request: Request) -> Response:
        nonlocal inside
        if inside >= borne:
            server.seen.append((now(), False))
            raise ProviderError("HTTP 529", kind=ErrorKind.SERVER, status=529)
        inside += 1
        try:
            return await answered(request)
        finally:
            inside -= 1

    server.complete = complete  # type: ignore[method-assign]
    run = Run(concurrency=concurrency, seed=seed)
    answers = await run.ask_many(run.open(server), calls)
    lost = sum(not isinstance(answer, Called) for answer in answers)
    return lost, now(), len(server.seen) / calls


async def turning_seconds_away(error: ProviderError | None, *, hedge: float | None) -> tuple[float, int]:
    """Ask a server with stragglers that turns a call away with this error while the same one is on its way.

    Return the seconds that 500 calls took, and how many were turned away.
    """
    server = Server(latency_s=lambda one: 3.0 if len(one.seen) % 20 == 10 else 0.2)
    answered, inside, away = server.complete, set[str](), 0

    async def complete(request: Request) -> Response:
        nonlocal away
        text = request.messages[0].content
        if error is not None and text in inside:
            away += 1
            await asyncio.sleep(0.005)
            raise error
        inside.add(text)
        try:
            return await answered(request)
        finally:
            inside.discard(text)

    server.complete = complete  # type: ignore[method-assign]
    run = Run(concurrency=8, hedge=hedge)
    answers = await run.ask_many(run.open(server), 500)
    assert [type(answer) for answer in answers] == [Called] * 500
    return now(), away
