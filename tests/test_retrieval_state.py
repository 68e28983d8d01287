"""The state of a migration: its phases, the split of keys, and many processes that share one database."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_here import NEW, OLD, postgres
from swapgate.errors import StoreError, UsageError
from swapgate.retrieval.metrics import Counters, tally
from swapgate.retrieval.phases import Migration, Phase, place, require_allowed
from swapgate.retrieval.records import Reader, ShadowRead
from swapgate.retrieval.state import MigrationChanged, StateStore

FORWARD = ["dual_write", "backfill", "verify", "shadow_read", "canary", "promoted", "bake", "retired"]


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where the state lies."""
    if request.param == "sqlite":
        return tmp_path / "indexes.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(where: Path | str) -> Iterator[StateStore]:
    store = StateStore(where)
    yield store
    store.close()


def begun(store: StateStore, name: str) -> Migration:
    return store.create(name, old=OLD, new=NEW, who="ann", why="the old model is retired")


def test_what_processes_counted_is_summed_by_version_and_outlives_them(store: StateStore) -> None:
    counters = Counters()
    for version in range(1, 12):
        counters.served("new", 0.01, version=version)
        counters.served("old", 0.01, meant="new", version=version)
    now = begun(store, "counted")
    for name in ("a", "b"):
        store.beat(now.name, Reader(reader=name, version=1, beat=1, metrics=counters.as_json()))
    store.leave(now.name, "a")
    found = tally(store.counted(now.name), 11)
    assert (found.served["new"], found.missed["new"], found.missed["old"]) == (2, 2, 0)
    assert tally(store.counted(now.name), 3).served["new"] == 0, "only the last versions are kept"
    store.beat(now.name, Reader(reader="a", version=1, beat=9, metrics=counters.as_json()))
    assert tally(store.counted(now.name), 11).served["new"] == 2, "one that was taken for dead counts once"
    store.leave(now.name, "a")
    for phase in (Phase.DUAL_WRITE, Phase.BACKFILL, Phase.VERIFY):
        now = store.change(now, phase, who="x", why="y")
    store.leave(now.name, "b")
    assert store.counted(now.name) == [], "who ended at versions before the last two is forgotten"


def test_a_migration_goes_through_its_phases_with_who_and_why(store: StateStore) -> None:
    now = begun(store, "whole")
    for phase in FORWARD:
        share = 0.05 if phase == "canary" else None
        now = store.change(now, Phase(phase), share=share, who="bob", why=f"on to {phase}")
    assert (now.phase, now.share, now.version) == (Phase.RETIRED, 1.0, 9)
    changes = store.changes("whole")
    assert [c.phase for c in changes] == ["plan", *FORWARD]
    assert [c.was for c in changes] == [None, "plan", *FORWARD[:-1]]
    assert {c.who for c in changes[1:]} == {"bob"} and changes[0].why == "the old model is retired"


def test_a_migration_that_is_begun_twice_is_one(store: StateStore) -> None:
    assert begun(store, "twice") == begun(store, "twice")
    assert len(store.changes("twice")) == 1


@pytest.mark.parametrize("phase", [*Phase])
def test_a_rollback_is_allowed_from_where_the_old_index_is_whole(phase: Phase) -> None:
    if phase in {Phase.PLAN, Phase.RETIRED, Phase.ROLLED_BACK}:
        with pytest.raises(UsageError, match=r"nothing to roll back|rolled back already|lose"):
            require_allowed(phase, Phase.ROLLED_BACK)
    else:
        require_allowed(phase, Phase.ROLLED_BACK)


def test_a_phase_cannot_be_skipped(store: StateStore) -> None:
    now = begun(store, "skipping")
    with pytest.raises(UsageError, match=r"promoted cannot follow plan. After plan comes dual_write$"):
        store.change(now, Phase.PROMOTED, who="ann", why="in a hurry")
    with pytest.raises(UsageError, match="--why"):
        store.change(now, Phase.DUAL_WRITE, who="ann", why=" ")
    assert store.get("skipping") == now


def test_of_two_changes_at_once_one_is_refused(store: StateStore) -> None:
    now = begun(store, "raced")
    store.change(now, Phase.DUAL_WRITE, who="ann", why="first")
    with pytest.raises(MigrationChanged, match="somebody else"):
        store.change(now, Phase.DUAL_WRITE, who="bob", why="second")
    assert store.get("raced").phase == "dual_write"


def test_an_unknown_migration_is_named_with_the_nearest(store: StateStore) -> None:
    begun(store, "documents")
    with pytest.raises(UsageError, match=r"no migration 'document'.* Did you mean 'documents'\?"):
        store.get("document")


@pytest.mark.parametrize("phase", [*Phase])
def test_both_indexes_are_written_until_the_old_one_is_retired(phase: Phase) -> None:
    migration = at(phase)
    expected = {Phase.PLAN: {"old"}, Phase.RETIRED: {"new"}}.get(phase, {"old", "new"})
    assert set(migration.writes) == expected


def at(phase: Phase, share: float = 0.0) -> Migration:
    return Migration(
        name="m", phase=phase, share=share, version=1, salt="s", old=OLD, new=NEW, changed_at="2026-01-01"
    )


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_who_is_at_a_small_share_stays_at_a_greater_one(key: str, one: float, other: float) -> None:
    small, great = sorted((one, other))
    if at(Phase.CANARY, small).side(key) == "new":
        assert at(Phase.CANARY, great).side(key) == "new"
    assert at(Phase.CANARY, small).side(key) == at(Phase.CANARY, small).side(key)


def test_keys_are_spread_evenly_and_anew_by_each_salt() -> None:
    keys = [f"user-{number}" for number in range(20_000)]
    first = [place("one", key) < 0.05 for key in keys]
    second = [place("two", key) < 0.05 for key in keys]
    assert 0.045 < sum(first) / len(keys) < 0.055
    both = sum(a and b for a, b in zip(first, second, strict=True))
    assert both / len(keys) < 0.005


def test_repairs_are_settled_unless_they_were_noted_again(store: StateStore) -> None:
    begun(store, "mended")
    store.note_repairs("mended", "new", ["a", "b"], "index down")
    seen = store.repairs("mended", "new")
    store.note_repairs("mended", "new", ["b"], "index down again")
    store.settle_repairs("mended", seen)
    assert [r.id for r in store.repairs("mended", "new")] == ["b"]
    assert store.count_repairs("mended") == {"old": 0, "new": 1}


def test_evidence_and_shadow_reads_are_kept_in_order(store: StateStore) -> None:
    begun(store, "proved")
    store.add_evidence("proved", "contents", version=3, passed=False, record={"nan": 2})
    store.add_evidence("proved", "contents", version=4, passed=True, record={"nan": 0})
    assert [(e.version, e.passed) for e in store.evidence("proved", "contents")] == [(3, False), (4, True)]
    read = ShadowRead(
        at="2026-01-01", version=4, key_hash="ab", query=None, served_by="old", served=("1",),
        served_scores=(0.5,), served_s=0.01, outcome="failed", error="down",
    )  # fmt: skip
    store.add_shadow_reads("proved", [read])
    assert list(store.shadow_reads("proved")) == [read]
    assert store.count_shadow_reads("proved") == 1


def test_waiting_ends_when_every_living_process_has_seen_the_change(store: StateStore) -> None:
    begun(store, "seen")
    store.beat("seen", Reader(reader="quick", version=2, beat=1))
    store.beat("seen", Reader(reader="dead", version=1, beat=7))
    store.beat("seen", Reader(reader="slow", version=1, beat=1))

    def live() -> None:
        for beat in range(2, 8):
            time.sleep(0.1)
            store.beat("seen", Reader(reader="slow", version=2 if beat == 7 else 1, beat=beat))

    thread = threading.Thread(target=live)
    thread.start()
    silent = store.wait_until_seen("seen", 2, silence_s=0.45)
    thread.join()
    assert [r.reader for r in silent] == ["dead"]
    assert {r.reader: r.version for r in store.readers("seen")} == {"dead": 1, "quick": 2, "slow": 2}


# One process that has imported everything, and its twenty children: they share the store as it was opened.
RACE = """
import os, sys
from retrieval_here import NEW, OLD
from swapgate.retrieval.phases import Phase
from swapgate.retrieval.state import MigrationChanged, StateStore
store = StateStore(sys.argv[1])
store.create("race", old=OLD, new=NEW, who="parent", why="race")
for number in range(20):
    if not os.fork():
        won = 0
        while won < 2:
            now = store.get("race")
            to = Phase.DUAL_WRITE if now.phase is Phase.PLAN else Phase.PLAN
            try:
                store.change(now, to, who=f"p{number}", why="race")
                won += 1
            except MigrationChanged:
                pass
        os._exit(0)
sys.exit(sum(os.wait()[1] for _ in range(20)))
"""


def test_twenty_processes_change_one_migration_and_no_change_is_lost(where: Path | str) -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", RACE, str(where)], check=True, timeout=60, env=environ)
    with closing(StateStore(where)) as store:
        changes = store.changes("race")
    assert [c.version for c in changes] == list(range(1, 42))
    assert Counter(c.who for c in changes[1:]) == {f"p{number}": 2 for number in range(20)}
    assert all(later.was == earlier.phase for earlier, later in pairwise(changes))


def test_a_state_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    wrong = tmp_path / "indexes.db"
    wrong.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(
        StoreError, match=r"indexes.db: the state of the migration cannot be used: file is not"
    ):
        StateStore(wrong)


def test_an_address_with_a_password_is_never_shown() -> None:
    with pytest.raises(StoreError) as raised:
        StateStore("postgresql://ann:hunter2@127.0.0.1:1/none")
    assert "hunter2" not in str(raised.value) and str(raised.value).startswith("PostgreSQL: ")
