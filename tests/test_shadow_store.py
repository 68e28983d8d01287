"""Exchanges on disk: stored once, claimed by one, gone when they are purged, there after a kill."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowing import write_workspace
from swapgate.errors import ErrorKind, SpecError, StoreError
from swapgate.records import Response, ToolCall, Usage, adapter
from swapgate.shadow.plan import open_plan
from swapgate.shadow.records import Count, Exchange, Leg, answered, without_content
from swapgate.shadow.retention import sweep
from swapgate.shadow.spool import JsonlSpool, read_spool
from swapgate.shadow.store import ShadowStore
from swapgate.spec.settings import resolve_settings
from swapgate.storable import storable_text

SECRET = "the user's own words"


def exchange(key: str = "k1", **changes: object) -> Exchange:
    control = answered("old", Response(text=f"answer to {SECRET}", usage=Usage(tokens_in=9, tokens_out=4)))
    made = Exchange(
        key=key,
        route="review",
        at="2026-11-20T10:00:00+00:00",
        api="chat",
        control=control,
        request={"messages": [{"role": "user", "content": SECRET}]},
        tags=("plan:free",),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_an_exchange_is_read_as_it_was_put_with_its_comparison(tmp_path: Path) -> None:
    with closing(ShadowStore(tmp_path / "shadow.db")) as store:
        store.put(exchange(candidate=Leg(model="new", error_kind=ErrorKind.TIMEOUT)), {"decision": False})
        store.flush()
        stored = store.get("k1")
    assert stored is not None
    assert stored.exchange == exchange(candidate=Leg(model="new", error_kind=ErrorKind.TIMEOUT))
    assert stored.comparison == {"decision": False}
    assert (tmp_path / "shadow.db").stat().st_mode & 0o077 == 0


def test_the_last_state_of_a_key_counts_although_both_came_in_one_batch(tmp_path: Path) -> None:
    with closing(ShadowStore(tmp_path / "shadow.db")) as store:
        store.put(exchange(state="waiting"), lease_s=60)
        store.put(exchange(candidate=Leg(model="new", status=200)))
        store.flush()
        assert [s.exchange.state for s in store.exchanges()] == ["whole"]


def test_counts_of_a_day_and_route_add_up(tmp_path: Path) -> None:
    with closing(ShadowStore(tmp_path / "shadow.db")) as store:
        for amount in (2, 3):
            store.count(Count(day="2026-11-20", route="review", what="shed", amount=amount))
        store.count(Count(day="2026-11-21", route="review", what="shed", amount=1))
        store.flush()
        assert [(c.day, c.amount) for c in store.counts(route="review")] == [
            ("2026-11-20", 5),
            ("2026-11-21", 1),
        ]
        assert store.counts(since="2026-11-22") == []


def test_two_processes_never_claim_the_same_and_a_dead_one_gives_back(tmp_path: Path) -> None:
    now = [1000.0]
    path = tmp_path / "shadow.db"
    with (
        closing(ShadowStore(path, clock=lambda: now[0])) as one,
        closing(ShadowStore(path, clock=lambda: now[0])) as two,
    ):
        assert one.add_new(exchange(f"k{n}", state="waiting") for n in range(5)) == 5
        first = {e.key for e in one.claim(3, lease_s=60)}
        second = {e.key for e in two.claim(9, lease_s=60)}
        assert len(first) == 3 and len(second) == 2 and not first & second
        assert two.claim(9, lease_s=60) == []
        now[0] += 61
        one.renew(sorted(first), lease_s=60)
        assert {e.key for e in two.claim(9, lease_s=60)} == second


def test_what_is_there_is_not_added_again(tmp_path: Path) -> None:
    with closing(ShadowStore(tmp_path / "shadow.db")) as store:
        assert store.add_new([exchange("a"), exchange("b")]) == 2
        assert store.add_new([exchange("b", route="other"), exchange("c")]) == 1
        assert [s.exchange.route for s in store.exchanges()] == ["review"] * 3


def test_without_content_nobody_can_ask_again_so_a_dead_process_leaves_it_lost(tmp_path: Path) -> None:
    now = [1000.0]
    with closing(ShadowStore(tmp_path / "shadow.db", clock=lambda: now[0])) as store:
        store.put(without_content(exchange("bare", state="waiting")), lease_s=60)
        store.put(exchange("full", state="waiting"), lease_s=60)
        store.flush()
        assert store.mark_lost() == 0
        now[0] += 61
        assert store.mark_lost() == 1
        assert {s.exchange.key: s.exchange.state for s in store.exchanges()} == {
            "bare": "lost",
            "full": "waiting",
        }
        assert [e.key for e in store.claim(9, lease_s=60)] == ["full"]


def test_exchanges_are_read_in_order_however_many_there_are(tmp_path: Path) -> None:
    with closing(ShadowStore(tmp_path / "shadow.db")) as store:
        store.add_new(
            exchange(f"k{n:04}", at=f"2026-11-{20 + n % 3}T00:00:00+00:00", route="ab"[n % 2])
            for n in range(1001)
        )
        read = [(s.exchange.day, s.exchange.route, s.exchange.key) for s in store.exchanges()]
        assert read == sorted(read) and len(set(read)) == 1001
        only = list(store.exchanges(route="a", since="2026-11-21", until="2026-11-21"))
        assert {(s.exchange.day, s.exchange.route) for s in only} == {("2026-11-21", "a")}


@pytest.mark.parametrize("only_content", [False, True])
def test_purged_words_are_nowhere_in_the_files(tmp_path: Path, only_content: bool) -> None:
    with closing(ShadowStore(tmp_path / "shadow.db")) as store:
        store.put(exchange("old"))
        store.put(exchange("waits", state="waiting"))
        store.put(exchange("new", at="2026-11-25T00:00:00+00:00", request={"messages": []}))
        store.flush()
        assert _bytes_of(tmp_path).count(SECRET.encode()) > 0
        assert store.purge("2026-11-25", only_content=only_content) == 2
        states = {s.exchange.key: s.exchange.state for s in store.exchanges()}
        expected = {"old": "whole", "waits": "lost"} if only_content else {}
        assert states == {**expected, "new": "whole"}
        store.purge("2026-11-26")
    assert SECRET.encode() not in _bytes_of(tmp_path)


def _bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("shadow.db*"))


def test_a_file_of_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "shadow.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"shadow\.db: written by a newer swapgate"):
        ShadowStore(path)


def test_what_was_flushed_is_there_after_kill_9(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from test_shadow_store import exchange
        from swapgate.shadow.store import ShadowStore
        store = ShadowStore(Path(sys.argv[1]))
        for number in range(300):
            store.put(exchange(f"k{number}"))
        store.flush()
        print("flushed", flush=True)
        time.sleep(60)
    """)
    path = tmp_path / "shadow.db"
    arguments = [sys.executable, "-c", script, str(path), str(Path(__file__).parent)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"flushed\n"
        process.send_signal(signal.SIGKILL)
    with closing(ShadowStore(path)) as store:
        assert sum(1 for _ in store.exchanges()) == 300


def test_a_spool_is_read_but_for_the_line_that_its_writer_died_in(tmp_path: Path) -> None:
    with closing(JsonlSpool(tmp_path)) as spool:
        for number in range(3):
            spool.put(exchange(f"k{number}", at=f"2026-11-2{number}T00:00:00+00:00"))
    files = sorted(tmp_path.glob("*.jsonl"))
    assert [f.name[:10] for f in files] == ["2026-11-20", "2026-11-21", "2026-11-22"]
    with files[0].open("a") as file:
        file.write('{"key": "cut o')
    assert [e.key for e in read_spool(tmp_path)] == ["k0", "k1", "k2"]
    with files[0].open("a") as file:
        file.write("\n")
    with pytest.raises(SpecError, match=r"-\w+\.jsonl:2: not an exchange of a spool"):
        list(read_spool(tmp_path))


def test_equal_tool_calls_have_equal_hashes_however_they_are_written() -> None:
    def leg(*calls: tuple[str, str]) -> Leg:
        made = tuple(ToolCall(name=name, arguments=arguments) for name, arguments in calls)
        return answered("m", Response(text="", tool_calls=made))

    one = leg(("find", '{"a": 1, "b": [2]}'))
    assert one.tools_hash == leg(("find", '{"b":[2],"a":1}')).tools_hash
    assert one.tools_hash != leg(("find", '{"a": 2, "b": [2]}')).tools_hash
    assert one.tools_hash != leg(("seek", '{"a": 1, "b": [2]}')).tools_hash
    assert leg(("find", "{cut off")).tools_hash is not None


@given(text=st.text(), arguments=st.text(), tag=st.text(max_size=9))
def test_any_answer_can_be_stored_and_read_again(text: str, arguments: str, tag: str) -> None:
    leg = answered("m", Response(text=text, tool_calls=(ToolCall(name="f", arguments=arguments),)))
    written = storable_text(exchange(candidate=leg, tags=(tag,)))
    assert adapter(Exchange).validate_json(written[1]) == written[0]
    bare = without_content(written[0])
    assert not bare.has_content and bare.candidate is not None
    assert bare.candidate.text is None and bare.candidate.text_hash == leg.text_hash


def test_what_is_older_than_it_may_be_is_dropped_by_itself(tmp_path: Path) -> None:
    path, spooled = tmp_path / "shadow.db", tmp_path / "spooled"
    with closing(ShadowStore(path)) as store, closing(JsonlSpool(spooled)) as spool:
        for days_ago, key in ((1, "new"), (15, "older"), (91, "oldest")):
            at = (datetime(2026, 11, 26, tzinfo=UTC) - timedelta(days=days_ago)).isoformat()
            store.put(exchange(key, at=at))
            spool.put(exchange(key, at=at))
    write_workspace(tmp_path, control="http://127.0.0.1:9", candidate="http://127.0.0.1:9", spool="spooled")
    plan = open_plan(resolve_settings(tmp_path, {}, {}), tmp_path / "config" / "shadow.yml")
    sweep(path, plan, clock=lambda: datetime(2026, 11, 26, 12, tzinfo=UTC))
    with closing(ShadowStore(path)) as store:
        assert {s.exchange.key: s.exchange.has_content for s in store.exchanges()} == {
            "new": True,
            "older": False,
        }
    assert [e.key for e in read_spool(spooled)] == ["new"]
