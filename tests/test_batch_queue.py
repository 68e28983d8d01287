"""The queue before the batch APIs, and what it remembers: when it sends, how it waits, who sends what."""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processes import PATIENCE_S
from swapgate.engine.batch import BatchQueue
from swapgate.engine.batch_follow import Pacing
from swapgate.engine.call import OpenModel
from swapgate.engine.pace import Pace
from swapgate.errors import ErrorKind, ProviderError, StoreError
from swapgate.memory.batches import BatchStore, StoredRequest
from swapgate.memory.cache import ResponseCache
from swapgate.providers.batch import BatchLimits, BatchLine, BatchStatus, Outcome, SentFacts
from swapgate.records import Message, Request, Response
from swapgate.spec.models import Limits, ModelSpec
from swapgate.values import replace


@dataclass
class Desk:
    """A batch API in memory, behind the same Protocol as the real ones."""

    limits: BatchLimits = field(default_factory=lambda: BatchLimits(requests=100, bytes=100_000))
    takes_mark: bool = True
    key_byte: int = 1
    looks: list[BatchStatus | ProviderError] = field(default_factory=lambda: [BatchStatus(state="ended")])
    batches: list[list[str]] = field(default_factory=list)
    answers: Callable[[str], Outcome] = lambda key: Response(text=f"answer to {key}")
    looked: int = 0
    refusals: list[ProviderError] = field(default_factory=list)

    def line(self, custom_id: str, request: Request) -> BatchLine:
        return BatchLine(custom_id=custom_id, content=b"x" * 10, facts=SentFacts(written={}))

    async def submit(self, lines: Sequence[BatchLine], *, mark: str) -> str:
        if self.refusals:
            raise self.refusals.pop(0)
        self.batches.append([line.custom_id for line in lines])
        return f"b{len(self.batches)}"

    async def status(self, batch_id: str) -> BatchStatus:
        self.looked += 1
        told = self.looks[min(self.looked, len(self.looks)) - 1]
        if isinstance(told, ProviderError):
            raise told
        return told

    async def results(
        self, batch_id: str, facts: Mapping[str, SentFacts]
    ) -> AsyncGenerator[tuple[str, Outcome], None]:
        for key in reversed(self.batches[int(batch_id[1:]) - 1]):
            yield key, self.answers(key)

    async def cancel(self, batch_id: str) -> None:
        pass

    async def find(self, mark: str, *, since_s: float, requests: int, known: Collection[str]) -> str | None:
        return None


class Idle:
    """A provider that nobody calls."""

    identity: Mapping[str, Any] = {}
    is_recordable = reads_cache = True
    needs_variables = False

    async def complete(self, request: Request) -> Response:
        raise AssertionError("called live")

    async def close(self) -> None:
        pass


QUICK = Pacing(
    deadline_s=60, quiet_s=0.01, longest_gather_s=0.2, first_poll_s=0.001, longest_poll_s=0.002, lease_s=1
)


async def ask_all(
    root: Path,
    desk: Desk,
    keys: Iterable[str],
    *,
    pacing: Pacing = QUICK,
    is_busy: Callable[[], bool] = lambda: False,
    pause_s: float = 0.0,
    held: list[str] | None = None,
    store: type[BatchStore] = BatchStore,
    queue_of: type[BatchQueue] = BatchQueue,
) -> list[Response | BaseException | None]:
    """Ask for every key at once, or with pauses between; return what came of each."""
    opened = OpenModel(
        spec=ModelSpec(name="candidate", provider="openai", model="m"),
        provider=Idle(),
        pace=Pace(Limits(), most=4),
        batches=desk,
    )
    with closing(ResponseCache(root / "cache.db")) as cache:
        queue = queue_of(store(root / "batches.db"), cache, pacing=pacing, is_busy=is_busy)
        asked = []
        for key in keys:
            request = Request(model="m", messages=(Message(role="user", content=key),))
            asked.append(asyncio.create_task(queue.ask(key, opened, request, {}, reads_cache=True)))
            await asyncio.sleep(pause_s)
        try:
            return await asyncio.gather(*asked, return_exceptions=True)
        finally:
            if held is not None:
                held += queue.held
            await queue.close()


def texts(responses: Sequence[Response | BaseException | None]) -> list[str]:
    return [r.text if isinstance(r, Response) else repr(r) for r in responses]


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        (BatchLimits(requests=4, bytes=10_000), [4, 4, 2]),
        (BatchLimits(requests=100, bytes=34), [3, 3, 3, 1]),
        (BatchLimits(requests=100, bytes=10_000), [10]),
    ],
)
def test_batch_is_sent_when_it_is_full_and_the_rest_when_nobody_asks(
    tmp_path: Path, limits: BatchLimits, sizes: list[int]
) -> None:
    desk = Desk(limits=limits)
    keys = [f"k{n}" for n in range(10)]
    assert texts(asyncio.run(ask_all(tmp_path, desk, keys))) == [f"answer to {key}" for key in keys]
    assert sorted(map(len, desk.batches)) == sorted(sizes)


def test_requests_that_come_while_calls_are_under_way_wait_for_each_other(tmp_path: Path) -> None:
    keys = [f"k{n}" for n in range(5)]
    under_way = list(keys)

    def as_calls_end() -> Iterator[str]:
        for key in keys:
            yield key
            under_way.remove(key)

    desk, patient = Desk(), replace(QUICK, longest_gather_s=60)
    asking = ask_all(
        tmp_path, desk, as_calls_end(), pacing=patient, pause_s=0.03, is_busy=lambda: bool(under_way)
    )
    assert len(asyncio.run(asking)) == 5
    assert [len(batch) for batch in desk.batches] == [5]


def test_calls_that_take_long_keep_nobody_waiting_for_ever(tmp_path: Path) -> None:
    desk = Desk()
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"], is_busy=lambda: True))) == ["answer to k"]


def test_looks_come_ever_later_and_faults_of_the_service_are_waited_out(tmp_path: Path) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    running = BatchStatus(state="running")
    fault = ProviderError("down", kind=ErrorKind.SERVER, status=503)
    desk = Desk(looks=[running, fault, running, running, running, running, BatchStatus(state="ended")])
    pacing = Pacing(deadline_s=1e6, quiet_s=0.0, first_poll_s=5, longest_poll_s=20, lease_s=1e6, sleep=sleep)
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"], pacing=pacing))) == ["answer to k"]
    assert [wait for wait in waits if 5 <= wait <= 20] == [5, 7.5, 11.25, 16.875, 20, 20]


FULL = ProviderError("too many batches", kind=ErrorKind.RATE_LIMIT, status=429)
AWAY = ProviderError("down", kind=ErrorKind.SERVER, status=503)


def test_service_that_has_no_room_is_asked_again_and_nothing_is_called_live(tmp_path: Path) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    pacing = Pacing(deadline_s=1e6, quiet_s=0.0, first_poll_s=5, longest_poll_s=20, lease_s=1e6, sleep=sleep)
    asked_to_wait = ProviderError("later", kind=ErrorKind.RATE_LIMIT, status=429, retry_after_s=19)
    desk = Desk(refusals=[FULL, AWAY, asked_to_wait, *[AWAY] * 2_000])
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"], pacing=pacing))) == ["answer to k"]
    assert [wait for wait in waits if 5 <= wait <= 20][:6] == [5, 7.5, 19, 16.875, 20, 20]
    assert desk.batches == [["k"]]


@pytest.mark.parametrize("passed_s", [59, 61])
def test_deadline_ends_the_asking_again(tmp_path: Path, passed_s: float) -> None:
    now = 1_000.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += passed_s if seconds == 50 else 0
        await asyncio.sleep(0)

    pacing = replace(QUICK, deadline_s=60, first_poll_s=50, longest_poll_s=50, clock=lambda: now, sleep=sleep)
    desk = Desk(refusals=[FULL, FULL] if passed_s > 60 else [FULL])
    found = asyncio.run(ask_all(tmp_path, desk, ["k"], pacing=pacing))
    assert found == [None] if passed_s > 60 else texts(found) == ["answer to k"]


NOBODY = ProviderError("connection refused", kind=ErrorKind.CONNECTION)
BROKE = ProviderError("the connection broke", kind=ErrorKind.CONNECTION, may_be_billed=True)


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


def test_service_that_was_never_reached_is_an_error_after_the_tries_of_a_live_call(tmp_path: Path) -> None:
    desk = Desk(refusals=[NOBODY] * 10)
    pacing = replace(QUICK, deadline_s=1e6, lease_s=1e6, retries=3, sleep=at_once)
    assert asyncio.run(ask_all(tmp_path, desk, ["k", "l"], pacing=pacing)) == [NOBODY, NOBODY]
    assert (len(desk.refusals), desk.batches) == (6, [])
    desk.refusals.clear()
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"]))) == ["answer to k"]


@pytest.mark.parametrize("first", [FULL, BROKE], ids=["an answer", "a connection that broke"])
def test_outage_of_a_service_that_was_there_is_waited_out_and_told_once(
    tmp_path: Path, first: ProviderError
) -> None:
    desk, held = Desk(refusals=[first, *[NOBODY] * 10]), list[str]()
    pacing = replace(QUICK, deadline_s=1e6, lease_s=1e6, retries=0, sleep=at_once)
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"], pacing=pacing, held=held))) == ["answer to k"]
    assert held == [f"candidate: 1 not taken yet, asking again: {first}"]


def test_service_that_is_away_while_a_batch_runs_is_told_after_two_looks(tmp_path: Path) -> None:
    running, held = BatchStatus(state="running"), list[str]()
    desk = Desk(looks=[AWAY, running, *[NOBODY] * 5, BatchStatus(state="ended")])
    pacing = replace(QUICK, deadline_s=1e6, lease_s=1e6, sleep=at_once)
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"], pacing=pacing, held=held))) == ["answer to k"]
    assert held == ["candidate: no word of b1 just now, asking again: connection refused"]


def test_service_that_knows_no_batches_is_called_live_at_once(tmp_path: Path) -> None:
    desk = Desk(refusals=[ProviderError("no such thing", kind=ErrorKind.SERVER, status=501)] * 2)
    assert asyncio.run(ask_all(tmp_path, desk, ["k"])) == [None]


def test_key_that_is_not_accepted_is_an_error_and_the_batch_stays_for_later(tmp_path: Path) -> None:
    desk = Desk(looks=[ProviderError("no such key", kind=ErrorKind.AUTH, status=401)])
    (failure,) = asyncio.run(ask_all(tmp_path, desk, ["k"]))
    assert isinstance(failure, ProviderError)
    desk.looks = [BatchStatus(state="ended")]
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"]))) == ["answer to k"]
    assert desk.batches == [["k"]]


def test_batch_that_the_service_does_not_know_any_more_is_called_live(tmp_path: Path) -> None:
    desk = Desk(looks=[ProviderError("gone", kind=ErrorKind.BAD_REQUEST, status=404)])
    desk.answers = lambda _key: None
    assert asyncio.run(ask_all(tmp_path, desk, ["k"])) == [None]


async def interrupted(tmp_path: Path, desk: Desk) -> None:
    """Send a batch, and end before it does."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask_all(tmp_path, desk, ["k"]), 0.5)


def test_batch_of_another_key_is_told_from_one_that_is_gone_and_stays_for_later(tmp_path: Path) -> None:
    """A service does not know the batches of another project, and its answer is the same."""
    desk = Desk(looks=[BatchStatus(state="running")])
    asyncio.run(interrupted(tmp_path, desk))
    desk.key_byte, desk.looks = 2, [ProviderError("gone", kind=ErrorKind.BAD_REQUEST, status=404)]
    (failure,) = asyncio.run(ask_all(tmp_path, desk, ["k"]))
    assert "another key" in str(failure)
    desk.key_byte, desk.looks = 1, [BatchStatus(state="ended")]
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"]))) == ["answer to k"]
    assert desk.batches == [["k"]]


def test_batch_that_may_have_been_sent_with_another_key_is_not_sent_again(tmp_path: Path) -> None:
    with closing(BatchStore(tmp_path / "batches.db")) as store:
        store.claim(stored(["k"]), service="openai", model="candidate", key_byte=1, lease_s=0)
    desk = Desk(key_byte=2)
    (failure,) = asyncio.run(ask_all(tmp_path, desk, ["k"], pacing=replace(QUICK, lease_s=0.01)))
    assert "a run that died: it was sent with another key" in str(failure)
    late = replace(QUICK, lease_s=0.01, clock=lambda: time.time() + 2 * QUICK.deadline_s)
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"], pacing=late))) == ["answer to k"]


def test_past_its_deadline_the_batch_of_another_key_is_called_live(tmp_path: Path) -> None:
    desk = Desk(looks=[BatchStatus(state="running")])
    asyncio.run(interrupted(tmp_path, desk))
    desk.key_byte, desk.looks = 2, [ProviderError("gone", kind=ErrorKind.BAD_REQUEST, status=404)]
    late = replace(QUICK, clock=lambda: time.time() + 2 * QUICK.deadline_s)
    assert asyncio.run(ask_all(tmp_path, desk, ["k"], pacing=late)) == [None]


@pytest.mark.parametrize("status", [404, 400])
def test_batch_that_the_service_does_not_know_yet_is_asked_for_again(tmp_path: Path, status: int) -> None:
    """What was just made may not be known everywhere: to call it live is to pay twice."""
    unknown = ProviderError("no such batch", kind=ErrorKind.BAD_REQUEST, status=status)
    unreadable = ProviderError("<html>", kind=ErrorKind.BAD_RESPONSE)
    running = BatchStatus(state="running")

    class Late(Desk):
        async def results(
            self, batch_id: str, facts: Mapping[str, SentFacts]
        ) -> AsyncGenerator[tuple[str, Outcome], None]:
            if self.looked < len(self.looks):
                raise unknown
            async for one in super().results(batch_id, facts):
                yield one

    desk = Late(looks=[unknown, unknown, unreadable, running, *[unknown] * 4, BatchStatus(state="ended")])
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"]))) == ["answer to k"]


def test_batch_that_is_never_understood_is_an_error_and_stays_for_later(tmp_path: Path) -> None:
    desk = Desk(looks=[ProviderError("<html>", kind=ErrorKind.BAD_RESPONSE)])
    (failure,) = asyncio.run(ask_all(tmp_path, desk, ["k"]))
    assert isinstance(failure, ProviderError)
    desk.looks = [BatchStatus(state="ended")]
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"]))) == ["answer to k"]
    assert desk.batches == [["k"]]


class Fetched(Desk):
    """Whose file of answers comes as `files` say: which of the lines, or a failure."""

    def of(self, *files: Sequence[str] | ProviderError) -> Fetched:
        self.files = list(files)
        return self

    async def results(
        self, batch_id: str, facts: Mapping[str, SentFacts]
    ) -> AsyncGenerator[tuple[str, Outcome], None]:
        told = self.files.pop(0) if len(self.files) > 1 else self.files[0]
        if isinstance(told, ProviderError):
            raise told
        for key in told:
            yield key, Response(text=f"answer to {key}, {len(self.files)} to come")


def test_file_that_is_cut_off_is_read_again_and_the_first_answers_stay(tmp_path: Path) -> None:
    """What a line is missing for is paid all the same."""
    desk = Fetched().of(["b", "b", "a"], ["b"], ["c", "b", "a"])
    found = asyncio.run(ask_all(tmp_path, desk, "abc"))
    assert texts(found) == [f"answer to {key}" for key in ("a, 2 to come", "b, 2 to come", "c, 1 to come")]
    assert texts(asyncio.run(ask_all(tmp_path, desk, "a"))) == texts(found[:1])


def test_line_that_never_comes_is_called_live(tmp_path: Path) -> None:
    found = asyncio.run(ask_all(tmp_path, Fetched().of(["a"]), "ab"))
    assert texts(found) == ["answer to a, 1 to come", "None"]


def test_service_that_is_away_once_the_batch_has_ended_is_waited_for(tmp_path: Path) -> None:
    desk = Fetched().of(*[AWAY] * 30, ["k"])
    pacing = replace(QUICK, deadline_s=1e6, lease_s=1e6, sleep=at_once)
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"], pacing=pacing))) == ["answer to k, 1 to come"]


def test_batch_that_was_made_although_its_answer_cannot_be_read_is_found(tmp_path: Path) -> None:
    class Garbled(Desk):
        async def submit(self, lines: Sequence[BatchLine], *, mark: str) -> str:
            await super().submit(lines, mark=mark)
            raise ProviderError("<html>", kind=ErrorKind.BAD_RESPONSE, status=200)

        async def find(self, mark: str, **_how: object) -> str | None:
            return f"b{len(self.batches)}"

    desk = Garbled()
    assert texts(asyncio.run(ask_all(tmp_path, desk, ["k"]))) == ["answer to k"]
    assert desk.batches == [["k"]]


@pytest.mark.parametrize(("late", "came"), [(2, ["answer to k"]), (9, ["None"])])
def test_results_that_are_not_there_yet_are_asked_for_again(
    tmp_path: Path, late: int, came: list[str]
) -> None:
    """A batch that has ended is paid for: its file may come a moment later, or never."""

    class Late(Desk):
        fetched = 0

        async def results(
            self, batch_id: str, facts: Mapping[str, SentFacts]
        ) -> AsyncGenerator[tuple[str, Outcome], None]:
            self.fetched += 1
            if self.fetched <= late:
                raise ProviderError("no such file", kind=ErrorKind.BAD_REQUEST, status=404)
            async for one in super().results(batch_id, facts):
                yield one

    assert texts(asyncio.run(ask_all(tmp_path, Late(), ["k"]))) == came


def test_broken_store_is_told_to_everybody_who_waits(tmp_path: Path) -> None:
    class Full(Desk):
        async def submit(self, lines: Sequence[BatchLine], *, mark: str) -> str:
            (tmp_path / "batches.db").unlink()
            raise StoreError("the disk is full")

    failures = asyncio.run(ask_all(tmp_path, Full(), ["k", "l"]))
    assert [str(failure) for failure in failures] == ["the disk is full"] * 2


def test_a_lease_that_could_not_be_renewed_once_is_renewed_the_next_time(tmp_path: Path) -> None:
    """Else another process would take a batch over while it is sent, and send it once more."""
    renewed: list[str] = []

    class Busy(BatchStore):
        def renew(self, mark: str, *, lease_s: float) -> None:
            renewed.append(mark)
            if len(renewed) == 1:
                raise StoreError("another process has held it for 30 s")
            super().renew(mark, lease_s=lease_s)

    class Slow(Desk):
        async def submit(self, lines: Sequence[BatchLine], *, mark: str) -> str:
            while len(renewed) < 3:  # noqa: ASYNC110 - what is waited for is in the store
                await asyncio.sleep(0.01)
            return await super().submit(lines, mark=mark)

    asked = ask_all(tmp_path, Slow(), ["k"], pacing=replace(QUICK, lease_s=0.05), store=Busy)
    assert texts(asyncio.run(asyncio.wait_for(asked, PATIENCE_S))) == ["answer to k"]


def test_another_thread_may_ask_how_far_the_batches_are_at_any_moment(tmp_path: Path) -> None:
    """pytest's thread does, while the engine's sends and fetches."""
    failures: list[RuntimeError] = []
    looks = itertools.count()
    desk = Desk(limits=BatchLimits(requests=1, bytes=100))

    class Watched(BatchQueue):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.is_over = threading.Event()
            self.watching = threading.Thread(target=self._watch)
            self.watching.start()

        def _watch(self) -> None:
            while not self.is_over.is_set():
                next(looks)
                try:
                    self.progress()
                except RuntimeError as exc:
                    failures.append(exc)

        async def close(self) -> None:
            self.is_over.set()
            self.watching.join()
            await super().close()

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        asyncio.run(ask_all(tmp_path, desk, map(str, range(100)), queue_of=Watched))
    finally:
        sys.setswitchinterval(interval_s)
    assert not failures
    assert next(looks) > 10


def test_batch_whose_answers_are_all_stored_is_closed_and_one_without_them_is_not(tmp_path: Path) -> None:
    with (
        closing(BatchStore(tmp_path / "batches.db")) as store,
        closing(ResponseCache(tmp_path / "cache.db")) as cache,
    ):
        for keys, batch_id in ((["a", "b"], "b1"), (["c"], "b2"), (["d"], "b3")):
            mark, _mine, _theirs = claim(store, keys)
            store.sent(mark, batch_id)
        for key, batch_id in (("a", "b1"), ("b", "b1"), ("c", "of an earlier run")):
            cache.put(key, Response(text="x", batch_id=batch_id), {})
    asyncio.run(ask_all(tmp_path, Desk(), []))
    with closing(BatchStore(tmp_path / "batches.db")) as store:
        states = {batch.batch_id: batch.state for batch in store.batches()}
    assert states == {"b1": "ended", "b2": "running", "b3": "running"}


# The store


def stored(keys: Sequence[str]) -> list[StoredRequest]:
    return [StoredRequest(key=key, about={}, facts={"written": {}}) for key in keys]


def claim(store: BatchStore, keys: Sequence[str]) -> tuple[str, frozenset[str], Mapping[str, str]]:
    claimed = store.claim(stored(keys), service="openai", model="m", key_byte=1, lease_s=30)
    return claimed.mark, claimed.mine, claimed.theirs


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.sets(st.sampled_from("abcdef"), min_size=1), st.booleans()), max_size=12
    )
)
def test_no_request_is_ever_in_two_open_batches(steps: list[tuple[bool, set[str], bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "batches.db"
        with closing(BatchStore(path)) as one, closing(BatchStore(path)) as other:
            owner: dict[str, str] = {}
            for is_first, keys, is_finished in steps:
                store = one if is_first else other
                mark, mine, theirs = claim(store, sorted(keys))
                assert mine == {key for key in keys if key not in owner}
                assert theirs == {key: owner[key] for key in keys if key in owner}
                owner |= dict.fromkeys(mine, mark)
                if is_finished and mine:
                    store.finish(mark, "ended")
                    owner = {key: held for key, held in owner.items() if held != mark}


def test_sending_is_taken_over_only_from_a_process_that_fell_silent(tmp_path: Path) -> None:
    now = [1000.0]
    with closing(BatchStore(tmp_path / "batches.db", clock=lambda: now[0])) as store:
        mark, _mine, _theirs = claim(store, ["a"])
        assert not store.take_over(mark, lease_s=30)
        now[0] += 29
        store.renew(mark, lease_s=30)
        now[0] += 29
        assert not store.take_over(mark, lease_s=30)
        now[0] += 2
        assert store.take_over(mark, lease_s=30)
        assert not store.take_over(mark, lease_s=30)
        store.sent(mark, "b1")
        now[0] += 100
        assert not store.take_over(mark, lease_s=30)


def test_batches_that_were_over_a_month_ago_are_forgotten_and_running_ones_never(tmp_path: Path) -> None:
    now = [1000.0]
    with closing(BatchStore(tmp_path / "batches.db", clock=lambda: now[0])) as store:
        over, _mine, _theirs = claim(store, ["a"])
        store.finish(over, "ended")
        running, _mine, _theirs = claim(store, ["b"])
        now[0] += 31 * 86400
        store.forget_old()
        assert [batch.mark for batch in store.batches()] == [running]
        assert (store.requests(over), set(store.requests(running))) == ({}, {"b"})


def test_file_of_a_newer_swapgate_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "batches.db"
    with closing(BatchStore(path)) as store:
        store._db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="update swapgate"):
        BatchStore(path)
