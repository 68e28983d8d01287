"""What several processes ask at once is asked by one of them: claims on keys, and who waits for whom."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from processes import wait_for
from simulated import Run, Server
from swapgate.engine.ask import Asker
from swapgate.engine.claiming import Claim
from swapgate.errors import ErrorKind, ProviderError, StoreError
from swapgate.memory.cache import ResponseCache, request_key
from swapgate.memory.claims import KEPT_S, Claims
from swapgate.records import Answer, Message, Request, Response, hash_of
from swapgate.spec.settings import CacheMode

KEY, OTHER = hash_of("key"), hash_of("other")
ELSEWHERE = """\
import sys
from pathlib import Path
from swapgate.memory.claims import Claims
claims = Claims(Path(sys.argv[1]))
print(*[claims.take(key) for key in sys.argv[2:]], flush=True)
sys.stdin.read()
"""


class Elsewhere:
    """Another process, which has claimed what it could until it ends."""

    def __init__(self, path: Path, *keys: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", ELSEWHERE, str(path), *keys],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "evals")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.took = self._process.stdout.readline().split()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.claims"


@pytest.fixture
def claims(path: Path) -> Iterator[Claims]:
    with closing(Claims(path)) as claims:
        yield claims


def test_key_is_claimed_by_one_process_until_that_is_killed(path: Path, claims: Claims) -> None:
    other = Elsewhere(path, KEY)
    assert other.took == ["True"]
    assert (claims.is_free(KEY), claims.take(KEY)) == (False, False)
    assert (claims.is_free(OTHER), claims.take(OTHER)) == (True, True)
    other.kill()
    assert (claims.is_free(KEY), claims.take(KEY)) == (True, True)


def test_claims_of_one_process_outlive_the_end_of_another_user_in_it(path: Path, claims: Claims) -> None:
    """Closing any descriptor of a file takes all locks on it from a process."""
    assert claims.take(KEY)
    with closing(Claims(path)) as second:
        assert (second.is_free(KEY), second.take(KEY), second.take(OTHER)) == (False, False, True)
    other = Elsewhere(path, KEY, OTHER)
    assert other.took == ["False", "True"]
    other.kill()


def test_what_is_stored_stays_claimed_for_a_moment(path: Path) -> None:
    now = 0.0
    with closing(Claims(path, clock=lambda: now)) as claims, closing(Claims(path)) as other:
        assert claims.take(KEY)
        claims.release_soon([KEY])
        now = KEPT_S - 0.1
        assert claims.take(OTHER)
        assert not other.is_free(KEY)
        now = KEPT_S
        claims.take(OTHER)
        assert other.take(KEY)


def test_what_cannot_be_stored_is_claimed_no_longer(cache_file: Path) -> None:
    cache = ResponseCache(cache_file)
    with closing(Claims(cache_file.with_suffix(".claims"))) as other:
        cache.put(OTHER, Response(text="stored"), {})
        cache.flush()
        assert cache.claims.take(KEY)
        cache_file.unlink()
        cache.put(KEY, Response(text="lost"), {})
        wait_for(lambda: other.is_free(KEY))
        with pytest.raises(StoreError):
            cache.close()


def test_where_nothing_can_be_locked_everything_is_granted(tmp_path: Path) -> None:
    with closing(Claims(tmp_path / "absent" / "cache.claims")) as claims:
        assert (claims.is_free(KEY), claims.take(KEY), claims.take(KEY)) == (True, True, True)
        claims.release(KEY)


async def _until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)


class Process:
    """What a run has of its own: cache, slots, model; here several are in one process."""

    def __init__(
        self,
        path: Path,
        server: Server,
        *,
        concurrency: int = 4,
        patience_s: float = 60.0,
        mode: CacheMode = "auto",
        cache: bool | None = None,
    ) -> None:
        self.cache = ResponseCache(path)
        self.run = Run(concurrency=concurrency, retries=0)
        opened = self.run.open(server)
        self.model = replace(opened, spec=opened.spec.model_copy(update={"cache": cache}))
        self.asker = Asker(
            {"m": self.model}, cache=self.cache, mode=mode, caller=self.run.caller, patience_s=patience_s
        )

    async def ask(self, text: str) -> Answer:
        return await self.asker.ask("m", _request(text))


def _request(text: str) -> Request:
    return Request(model="m", messages=(Message(role="user", content=text),))


@pytest.fixture
def cache_file(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


def test_of_two_processes_one_has_the_answer_of_the_other(cache_file: Path) -> None:
    async def main() -> None:
        server = Server(latency_s=lambda _server: 0.2)
        first, second = Process(cache_file, server), Process(cache_file, server)
        with closing(first.cache), closing(second.cache):
            answers = await asyncio.gather(first.ask("a"), second.ask("a"))
        assert len(server.seen) == 1
        assert {answer.from_cache for answer in answers} == {False, True}
        assert first.run.slots.in_flight == second.run.slots.in_flight == 0

    asyncio.run(main())


def test_process_asks_itself_what_failed_elsewhere(cache_file: Path) -> None:
    async def main() -> None:
        failures = iter([ProviderError("HTTP 400", kind=ErrorKind.BAD_REQUEST, status=400)])
        server = Server(failure=lambda _request: next(failures, None))
        first, second = Process(cache_file, server), Process(cache_file, server)
        with closing(first.cache), closing(second.cache):
            told = await asyncio.gather(first.ask("a"), second.ask("a"), return_exceptions=True)
        assert isinstance(told[0], ProviderError)
        assert isinstance(told[1], Answer)
        assert not told[1].from_cache

    asyncio.run(main())


def test_call_that_waits_for_its_turn_keeps_no_other_process_waiting(cache_file: Path) -> None:
    async def main() -> None:
        long = [True]
        server = Server(latency_s=lambda _server: 30.0 if long.pop() else 0.0)
        first, second = Process(cache_file, server, concurrency=1), Process(cache_file, server)
        with closing(first.cache), closing(second.cache):
            holding = asyncio.create_task(first.ask("a"))
            await _until(lambda: server.seen)
            queued = asyncio.create_task(first.ask("b"))
            await _until(lambda: first.run.slots.waiting)
            long += [False]
            assert not (await second.ask("b")).from_cache
            second.cache.flush()
            holding.cancel()
            assert (await queued).from_cache
        assert len(server.seen) == 2

    asyncio.run(main())


def test_process_that_is_suspended_is_waited_for_no_longer_than_a_call_may_take(cache_file: Path) -> None:
    async def main() -> None:
        server = Server(latency_s=lambda _server: 0.0)
        process = Process(cache_file, server, patience_s=0.2)
        key = request_key(_request("a"), process.model.provider)
        with closing(process.cache), closing(Claims(cache_file.with_suffix(".claims"))) as other:
            assert other.take(key)
            assert not (await process.ask("a")).from_cache
            assert not other.is_free(key)

    asyncio.run(main())


def test_answer_that_came_while_a_call_was_queued_is_not_asked_for_again(cache_file: Path) -> None:
    """Its claim is given back some time after it was stored, so that a short time needs no second look."""

    async def main() -> None:
        server = Server(latency_s=lambda _server: 0.0)
        process = Process(cache_file, server)
        with closing(process.cache):
            claim = Claim(process.cache, KEY, patience_s=None)
            with closing(ResponseCache(cache_file)) as other:
                other.put(KEY, Response(text="stored"), {})
            assert claim.take()
            claim.release()
            await asyncio.sleep(KEPT_S / 2 + 0.1)
            assert not claim.take()
            assert process.cache.claims.is_free(KEY)
            answer = await claim.others_answer()
            assert answer is not None
            assert answer.text == "stored"

    asyncio.run(main())


@pytest.mark.parametrize(("cache", "mode"), [(False, "auto"), (None, "live")])
def test_what_reads_no_cache_waits_for_nobody(cache_file: Path, cache: bool | None, mode: CacheMode) -> None:
    async def main() -> None:
        server = Server(latency_s=lambda _server: 0.1)
        processes = [Process(cache_file, server, mode=mode, cache=cache) for _number in range(2)]
        await asyncio.gather(*(process.ask("a") for process in processes))
        for process in processes:
            process.cache.close()
        assert len(server.seen) == 2

    asyncio.run(main())
