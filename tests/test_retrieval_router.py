"""The router between two indexes: who serves, what is written, what a failure does, what nobody notices."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from processes import PATIENCE_S, wait_for
from retrieval_here import NEW, OLD, ToyEmbedder
from swapgate.errors import StoreError, UsageError
from swapgate.retrieval import (
    Arm,
    AsyncArm,
    AsyncDualIndexRouter,
    AwaitedEmbedder,
    AwaitedIndex,
    DualIndexRouter,
    FingerprintError,
    Phase,
    StateStore,
    Threshold,
    VectorIndexError,
)
from swapgate.retrieval.adapters.memory import MemoryIndex
from swapgate.retrieval.index import Hit, Payload, Vector, Vectors
from swapgate.retrieval.metrics import tally

TEXTS = ["red apple", "green apple", "red car", "blue car", "blue sky"]
WAY = ["dual_write", "backfill", "verify", "shadow_read", "canary", "promoted", "bake", "retired"]


class Index(MemoryIndex):
    """A memory index that can be made to fail or to take its time."""

    failure: Exception | None = None
    delay_s = 0.0
    held: threading.Event | None = None
    searches = 0

    def search(self, vector: Vector, k: int) -> list[Hit]:
        self.searches += 1
        self._suffer()
        return super().search(vector, k)

    def upsert(self, ids: list[str], vectors: Vectors, payloads: list[Payload]) -> None:
        self._suffer()
        super().upsert(ids, vectors, payloads)

    def delete(self, ids: list[str]) -> None:
        self._suffer()
        super().delete(ids)

    def _suffer(self) -> None:
        time.sleep(self.delay_s)
        if self.held is not None:
            assert self.held.wait(PATIENCE_S)
        if self.failure is not None:
            raise self.failure


class Scene:
    """Two indexes with the same texts, each with its own embedding."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.old, self.new = Index("old", OLD), Index("new", NEW)
        self.embed_old, self.embed_new = ToyEmbedder(OLD), ToyEmbedder(NEW)
        for index, embedder in ((self.old, self.embed_old), (self.new, self.embed_new)):
            index.upsert(TEXTS, embedder.embed(TEXTS, is_query=False), [{"text": t} for t in TEXTS])
            embedder.asked.clear()

    def arms(self) -> tuple[Arm, Arm]:
        return Arm(index=self.old, embedder=self.embed_old), Arm(index=self.new, embedder=self.embed_new)

    def router(self, **settings: object) -> DualIndexRouter:
        old, new = self.arms()
        given = {"refresh_s": 0.05, **settings}
        return DualIndexRouter(old, new, state=self.state, name="docs", **given)  # type: ignore[arg-type]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "indexes.db")


@pytest.fixture
def router(scene: Scene) -> Iterator[DualIndexRouter]:
    with scene.router() as router:
        yield router


def to(router: DualIndexRouter, phase: str, share: float | None = None) -> None:
    """Go the whole way to a phase."""
    if phase == "rolled_back":
        router.rollback(why="test")
        return
    for step in WAY[: WAY.index(phase) + 1]:
        router.move(step, share=(share or 0.5) if step == "canary" else None, why="test")


def test_until_the_canary_the_old_index_serves_with_its_own_embedding(
    scene: Scene, router: DualIndexRouter
) -> None:
    for phase in ["plan", "dual_write", "backfill", "verify"]:
        if phase != "plan":
            router.move(phase, why="test")
        found = router.search("red apple", 2)
        assert (found.served_by, found.hits[0].id, len(found.hits)) == ("old", "red apple", 2)
    assert scene.embed_new.asked == [] and scene.new.searches == 0
    assert set(scene.embed_old.asked) == {("red apple", True)}


def test_each_key_stays_with_its_index_and_is_embedded_for_it(scene: Scene, router: DualIndexRouter) -> None:
    to(router, "canary", 0.25)
    keys = [f"user-{number}" for number in range(400)]
    first = {key: router.search("red apple", key=key).served_by for key in keys}
    again = {key: router.search("blue sky", key=key).served_by for key in keys}
    router.move("canary", share=0.5, why="more")
    later = {key: router.search("red apple", key=key).served_by for key in keys}
    assert first == again
    assert 0.17 < sum(side == "new" for side in first.values()) / 400 < 0.33
    assert all(later[key] == "new" for key in keys if first[key] == "new")
    assert scene.old.searches + scene.new.searches == 1200  # every query had vectors of the right width


def test_promotion_and_rollback_hold_for_every_key_at_once(scene: Scene, router: DualIndexRouter) -> None:
    to(router, "canary", 0.05)
    router.promote(why="verified")
    assert {router.search("red car", key=str(n)).served_by for n in range(50)} == {"new"}
    router.rollback(why="the medical slice is worse", who="ann")
    assert {router.search("red car", key=str(n)).served_by for n in range(50)} == {"old"}
    with StateStoreOf(scene) as store:
        last = store.changes("docs")[-1]
    assert (last.phase, last.was, last.who, last.why) == (
        Phase.ROLLED_BACK, Phase.PROMOTED, "ann", "the medical slice is worse",
    )  # fmt: skip


class StateStoreOf:
    """The store of a scene, opened for a block."""

    def __init__(self, scene: Scene) -> None:
        self.store = StateStore(scene.state)

    def __enter__(self) -> StateStore:
        return self.store

    def __exit__(self, *_: object) -> None:
        self.store.close()


def test_writes_reach_both_indexes_until_the_old_one_is_retired(
    scene: Scene, router: DualIndexRouter
) -> None:
    router.upsert(["1"], ["first"])
    assert (scene.old.count(), scene.new.count()) == (6, 5)
    to(router, "bake")
    router.upsert(["2"], ["second"], [{"lang": "en"}])
    router.delete(["red car"])
    assert (scene.old.count(), scene.new.count()) == (6, 5)
    assert scene.old.fetch(["2"])[0].payload == {"lang": "en", "text": "second"}
    assert ("second", False) in scene.embed_old.asked and ("second", False) in scene.embed_new.asked
    router.move("retired", why="baked")
    router.upsert(["3"], ["third"])
    assert (scene.old.count(), scene.new.count()) == (6, 6)
    with pytest.raises(UsageError, match="a rollback would lose"):
        router.rollback(why="too late")


def test_after_a_rollback_nothing_that_was_written_is_lost(scene: Scene, router: DualIndexRouter) -> None:
    to(router, "promoted")
    router.upsert(["late"], ["written while the new index served"])
    router.rollback(why="worse")
    assert router.search("written while the new index served", 1).hits[0].id == "late"


def test_a_write_that_one_index_missed_is_noted_and_the_caller_goes_on(
    scene: Scene, router: DualIndexRouter
) -> None:
    to(router, "dual_write")
    scene.new.failure = VectorIndexError("new: down")
    written = router.upsert(["x", "y"], ["one", "two"])
    assert (written.sides, written.unmirrored) == (("old",), "new")
    router.delete(["red car"])
    with StateStoreOf(scene) as store:
        repairs = {r.id: r.reason for r in store.repairs("docs", "new")}
    assert sorted(repairs) == ["red car", "x", "y"]
    assert repairs["x"] == "VectorIndexError: new: down" and "left alone" in repairs["red car"]
    assert router.metrics().counts["unmirrored_new"] == 3


def test_a_write_that_the_serving_index_refuses_is_raised_and_written_nowhere(
    scene: Scene, router: DualIndexRouter
) -> None:
    to(router, "dual_write")
    scene.old.failure = VectorIndexError("old: down")
    with pytest.raises(VectorIndexError, match="old: down"):
        router.upsert(["x"], ["one"])
    assert scene.new.count() == len(TEXTS)


def test_a_canary_whose_index_fails_is_served_by_the_old_one(scene: Scene, router: DualIndexRouter) -> None:
    to(router, "promoted")
    scene.new.failure = VectorIndexError("new: down")
    started = time.monotonic()
    found = [router.search("red apple", 1, key=str(n)) for n in range(20)]
    seconds = time.monotonic() - started
    assert {(f.served_by, f.fell_back, f.hits[0].id) for f in found} == {("old", True, "red apple")}
    assert scene.new.searches <= 1 + seconds / 0.5  # left alone for half a second, at first
    assert router.metrics().counts["fallbacks"] == 20
    scene.new.failure = None
    wait_for(lambda: router.search("red apple").served_by == "new")


def test_when_both_fail_the_first_failure_is_told(scene: Scene, router: DualIndexRouter) -> None:
    to(router, "promoted")
    scene.new.failure, scene.old.failure = VectorIndexError("new: down"), VectorIndexError("old: down too")
    with pytest.raises(VectorIndexError, match=r"^new: down$"):
        router.search("red apple")


def test_without_falling_back_a_failure_is_the_callers(scene: Scene) -> None:
    with scene.router(falls_back=False) as router:
        to(router, "promoted")
        scene.new.failure = VectorIndexError("new: down")
        with pytest.raises(VectorIndexError, match="new: down"):
            router.search("red apple")


def test_an_index_that_is_not_filled_yet_never_serves(scene: Scene, router: DualIndexRouter) -> None:
    to(router, "backfill")
    scene.old.failure = VectorIndexError("old: down")
    with pytest.raises(VectorIndexError, match="old: down"):
        router.search("red apple")
    assert scene.new.searches == 0


def test_a_shadow_read_records_both_answers_and_not_the_query(scene: Scene, router: DualIndexRouter) -> None:
    to(router, "shadow_read")
    found = router.search("red apple", 2, key="ann")
    assert router.drain()
    with StateStoreOf(scene) as store:
        (read,) = store.shadow_reads("docs")
    assert read.served == tuple(hit.id for hit in found.hits) and read.served_by == found.served_by == "old"
    assert read.shadow[0] == "red apple" and len(read.shadow) == 2
    assert read.served_scores[0] == pytest.approx(1.0) and read.outcome == "answered"
    assert read.query is None and "ann" not in read.key_hash and read.version == found.version


def test_a_query_is_stored_where_that_is_asked_for(scene: Scene) -> None:
    with scene.router(keeps_queries=True) as router:
        to(router, "shadow_read")
        router.search("red apple")
    with StateStoreOf(scene) as store:
        assert [read.query for read in store.shadow_reads("docs")] == ["red apple"]


def test_a_shadow_that_fails_or_hangs_reaches_nobody(scene: Scene) -> None:
    with scene.router(shadow_threads=1, most_waiting=5) as router:
        to(router, "shadow_read")
        scene.new.failure = VectorIndexError("new: down")
        assert router.search("red apple").served_by == "old"
        router.drain()
        scene.new.failure, scene.new.held = None, threading.Event()
        for _ in range(20):  # all of them while the shadow's first one hangs
            assert router.search("red apple").hits[0].id == "red apple"
        counts = router.metrics().counts
        assert counts["shadow_failed"] == 1 and counts["shadow_dropped"] >= 14
        assert counts["queries_old"] == 21
        scene.new.held.set()
        assert router.drain()
    with StateStoreOf(scene) as store:
        reads = list(store.shadow_reads("docs"))
    assert reads[0].outcome == "failed" and reads[0].error == "VectorIndexError: new: down"
    assert len(reads) == 1 + 20 - counts["shadow_dropped"]


def test_results_below_a_threshold_are_left_out_and_it_is_bound_to_its_embedding(scene: Scene) -> None:
    old, new = scene.arms()
    floor = Threshold(value=0.99, fingerprint=OLD.digest)
    with DualIndexRouter(replace(old, min_score=floor), new, state=scene.state, name="docs") as router:
        assert [hit.id for hit in router.search("red apple").hits] == ["red apple"]
    with pytest.raises(FingerprintError, match=r"new: the threshold 0.99 was tuned for"):
        DualIndexRouter(old, replace(new, min_score=floor), state=scene.state, name="docs")


def test_an_index_of_another_embedding_is_refused_at_every_start(scene: Scene) -> None:
    scene.old.put_stamp(replace(OLD, passage_prefix="passage: "))
    with pytest.raises(FingerprintError, match=r"old: made with another embedding .* passage_prefix"):
        scene.router()


def test_a_migration_of_other_embeddings_is_refused(scene: Scene) -> None:
    scene.router().close()
    scene.embed_new.fingerprint = replace(NEW, normalised=True)
    with pytest.raises(
        FingerprintError, match=r"the new embedding of the migration 'docs' .* normalised True"
    ):
        scene.router()


def test_a_new_index_of_another_embedding_is_written_by_nobody(scene: Scene, router: DualIndexRouter) -> None:
    """It was not there when the router was started, in the phase plan."""
    scene.new.put_stamp(replace(NEW, model="toy-7"))
    to(router, "dual_write")
    assert router.upsert(["x"], ["one"]).unmirrored == "new"
    assert scene.new.count() == len(TEXTS)


def test_a_change_is_seen_by_other_routers_within_moments(scene: Scene) -> None:
    with scene.router() as one, scene.router() as other:
        to(one, "promoted")
        wait_for(lambda: other.search("red apple").served_by == "new")


def test_a_state_that_cannot_be_read_leaves_everything_as_it_was(
    scene: Scene, router: DualIndexRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    to(router, "promoted")
    scene.state.rename(scene.state.with_suffix(".away"))
    scene.state.mkdir()
    router._store.close()
    time.sleep(0.3)
    assert router.search("red apple").served_by == "new"
    assert router.metrics().counts["stale_reads"] >= 1
    scene.old.failure = VectorIndexError("old: down")
    with pytest.raises(StoreError, match=r"1 entries are not in the old index .*Write them again"):
        router.upsert(["x"], ["one"])


def test_wrong_arguments_of_a_write_are_told(router: DualIndexRouter) -> None:
    with pytest.raises(UsageError, match="2 ids, 1 texts and 1 payloads"):
        router.upsert(["a", "b"], ["one"])
    with pytest.raises(UsageError, match="given twice"):
        router.upsert(["a", "a"], ["one", "two"])


def test_threads_share_a_router_through_a_promotion(scene: Scene, router: DualIndexRouter) -> None:
    to(router, "canary", 0.5)
    failures: list[BaseException] = []
    is_over = threading.Event()

    def ask(name: str) -> None:
        try:
            while not is_over.is_set():
                assert router.search("red apple", 1, key=name).hits[0].id == "red apple"
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=ask, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    router.promote(why="good")
    router.rollback(why="bad")
    is_over.set()
    for thread in threads:
        thread.join()
    assert failures == []


# One process that has imported everything and opened a router, and its twenty children, who go on with it.
TWENTY = """
import json, os, sys, time
from pathlib import Path
from test_retrieval_router import Scene
scene = Scene(Path(sys.argv[1]))
router = scene.router(refresh_s=0.2)
for number in range(20):
    if not os.fork():
        sides = []
        until = time.monotonic() + 300
        router.search("red apple", key="k")
        Path(sys.argv[2], f"{number}.ready").touch()
        while time.monotonic() < until and not Path(sys.argv[2], "stop").exists():
            sides.append(router.search("red apple", key="k").served_by)
            time.sleep(0.02)
        seen = router.migration.version
        router.close()
        Path(sys.argv[2], f"{number}.json").write_text(json.dumps([sides[-1], seen, len(sides) + 1]))
        os._exit(0)
sys.exit(sum(os.wait()[1] for _ in range(20)))
"""


def test_twenty_processes_share_a_router_and_see_a_change_within_seconds(
    scene: Scene, tmp_path: Path
) -> None:
    with scene.router() as router:
        to(router, "canary", 0.5)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", TWENTY, str(scene.state), str(tmp_path)]
    with subprocess.Popen(command, env=environ) as parent, StateStoreOf(scene) as store:
        until = time.monotonic() + PATIENCE_S
        while len(list(tmp_path.glob("*.ready"))) < 20 or len(store.readers("docs")) < 21:
            assert time.monotonic() < until and parent.poll() is None
            time.sleep(0.05)
        changed = store.change(store.get("docs"), Phase.PROMOTED, who="ann", why="verified")
        started = time.monotonic()
        assert store.wait_until_seen("docs", changed.version, silence_s=PATIENCE_S) == []
        # Had they not seen it, their silence would have been waited for.
        assert time.monotonic() - started < PATIENCE_S
        time.sleep(0.3)
        (tmp_path / "stop").touch()
        assert parent.wait(timeout=120) == 0
        told = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
        assert [one[:2] for one in told] == [["new", changed.version]] * 20
        # They are gone, and every query is counted at the stage in which it was served.
        stages = [tally(store.counted("docs"), version) for version in (changed.version - 1, changed.version)]
        assert sum(sum(one.served.values()) for one in stages) == sum(asked for _, _, asked in told)
        assert stages[1].served["new"] >= 20 and stages[1].served["old"] == 0


def awaited(scene: Scene, **settings: object) -> AsyncDualIndexRouter:
    old, new = (
        AsyncArm(index=AwaitedIndex(arm.index), embedder=AwaitedEmbedder(arm.embedder, in_thread=False))
        for arm in scene.arms()
    )
    given = {"refresh_s": 0.05, **settings}
    return AsyncDualIndexRouter(old, new, state=scene.state, name="docs", **given)  # type: ignore[arg-type]


def run_async(scene: Scene, story: Callable[[AsyncDualIndexRouter], object], **settings: object) -> None:
    async def whole() -> None:
        async with awaited(scene, **settings) as router:
            await story(router)  # type: ignore[misc]

    asyncio.run(whole())


async def on_to(router: AsyncDualIndexRouter, phase: str) -> None:
    for step in WAY[: WAY.index(phase) + 1]:
        await router.move(step, share=0.5 if step == "canary" else None, why="test")


def test_the_asynchronous_router_does_the_same(scene: Scene) -> None:
    async def story(router: AsyncDualIndexRouter) -> None:
        assert (await router.search("red apple", 1)).served_by == "old"
        await on_to(router, "canary")
        sides = [(await router.search("red apple", key=str(n))).served_by for n in range(60)]
        assert set(sides) == {"old", "new"}
        assert sides == [(await router.search("blue sky", key=str(n))).served_by for n in range(60)]
        await router.upsert(["x"], ["purple rain"])
        await router.delete(["red car"])
        await router.promote(why="good")
        found = await router.search("purple rain", 1)
        assert (found.served_by, found.hits[0].id) == ("new", "x")
        scene.new.failure = VectorIndexError("new: down")
        assert (await router.search("red apple", 1)).fell_back
        await router.rollback(why="bad")
        assert (await router.search("red apple")).served_by == "old"
        assert (await router.upsert(["z"], ["noted"])).unmirrored == "new"

    run_async(scene, story)
    assert (scene.old.count(), scene.new.count()) == (6, 5)
    with StateStoreOf(scene) as store:
        assert [r.id for r in store.repairs("docs", "new")] == ["z"]


def test_an_asynchronous_shadow_is_cut_off_and_outlives_its_caller(scene: Scene) -> None:
    async def story(router: AsyncDualIndexRouter) -> None:
        await on_to(router, "shadow_read")
        scene.new.held = threading.Event()
        for _ in range(5):  # all of them while the shadow hangs
            assert (await router.search("red apple", 1)).hits[0].id == "red apple"
        await router.drain()
        scene.new.held.set()
        counts = router.metrics().counts
        assert (counts["shadow_timeout"], counts["shadow_dropped"]) == (3, 2)
        scene.new.delay_s = 0.05
        caller = asyncio.create_task(router.search("blue sky", 1))
        await caller
        caller.cancel()
        await router.drain()
        assert router.metrics().counts["shadow_answered"] == 1

    run_async(scene, story, shadow_timeout_s=0.2, most_waiting=3)
    with StateStoreOf(scene) as store:
        assert [r.outcome for r in store.shadow_reads("docs")] == ["timeout"] * 3 + ["answered"]
