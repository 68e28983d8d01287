"""Interleaved lists: a fair draft, clicks credited across processes, and what they say."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_here import NEW, OLD, ToyEmbedder
from swapgate.retrieval import (
    Arm,
    AsyncArm,
    AsyncDualIndexRouter,
    AwaitedEmbedder,
    AwaitedIndex,
    DualIndexRouter,
    Hit,
    StateStore,
)
from swapgate.retrieval.adapters.memory import MemoryIndex
from swapgate.retrieval.interleaving import AsyncInterleaver, Interleaver, preference_of, team_draft
from swapgate.retrieval.interleaving.records import Click, Impression, add_clicks, clicks, impressions
from swapgate.spec.index_verify import PreferenceVerify

TEXTS = {f"doc-{n}": f"word{n} of subject{n % 5}" for n in range(40)}
TO_CANARY = ("dual_write", "backfill", "verify", "shadow_read", "canary")
rankings = st.lists(st.integers(0, 30).map(str), unique=True, max_size=12)


def hits(ids: list[str]) -> list[Hit]:
    return [Hit(one, 1.0 - place / 100) for place, one in enumerate(ids)]


@settings(max_examples=60)
@given(old=rankings, new=rankings, key=st.text(max_size=8), k=st.integers(0, 15))
def test_a_draft_holds_nothing_twice_and_both_sides_best(
    old: list[str], new: list[str], key: str, k: int
) -> None:
    drafted = team_draft(hits(old), hits(new), key=key, k=k)
    ids = [one.hit.id for one in drafted]
    assert len(ids) == len(set(ids)) == min(k, len({*old, *new}))
    assert drafted == team_draft(hits(old), hits(new), key=key, k=k)
    for side, ranking in (("old", old), ("new", new)):
        mine = [one.hit.id for one in drafted if one.side == side]
        assert mine == sorted(mine, key=ranking.index)
    # Until one side has nothing left, neither is ever two picks ahead.
    ahead = 0
    for place, one in enumerate(drafted):
        ahead += 1 if one.side == "new" else -1
        left = [set(ranking) - set(ids[:place]) for ranking in (old, new)]
        assert abs(ahead) <= 1 or not all(left)


def test_no_side_is_favoured_at_any_place() -> None:
    old, new = hits([f"o{n}" for n in range(10)]), hits([f"n{n}" for n in range(10)])
    firsts: Counter[int] = Counter()
    for number in range(2000):
        for place, one in enumerate(team_draft(old, new, key=f"key {number}", k=10)):
            firsts[place] += one.side == "new"
    # Four standard errors of a fair coin thrown 2,000 times.
    assert all(abs(count - 1000) < 4 * 22.4 for count in firsts.values())


def test_the_same_rankings_give_that_ranking() -> None:
    ranking = hits([str(n) for n in range(10)])
    assert [one.hit for one in team_draft(ranking, ranking, key="any", k=10)] == ranking


def arm(fingerprint, name: str) -> Arm:  # type: ignore[no-untyped-def]
    embedder = ToyEmbedder(fingerprint)
    index = MemoryIndex(name, fingerprint)
    vectors = embedder.embed(list(TEXTS.values()), is_query=False)
    index.upsert(list(TEXTS), vectors, [{"text": text} for text in TEXTS.values()])
    return Arm(index=index, embedder=embedder)


class Broken:
    """An index that answers nothing."""

    def __init__(self, index: MemoryIndex) -> None:
        self.name = index.name
        self.stamp = index.stamp

    def search(self, vector: object, k: int) -> list[Hit]:
        raise RuntimeError("down")


def test_only_those_whom_the_new_index_serves_see_interleaved_lists(tmp_path: Path) -> None:
    with (
        closing(StateStore(tmp_path / "s.db")) as store,
        DualIndexRouter(arm(OLD, "old"), arm(NEW, "new"), state=store, name="docs") as router,
        Interleaver(router) as interleaver,
    ):
        assert interleaver.search("word3 of subject3", key="ann").impression is None
        for phase in TO_CANARY:
            router.move(phase, share=0.25 if phase == "canary" else None, why="x")
            if phase == "shadow_read":
                assert interleaver.search("word3 of subject3", key="ann").impression is None
        shown = {key: interleaver.search("word3 of subject3", 5, key=key) for key in map(str, range(200))}
        seen = {key for key, one in shown.items() if one.impression is not None}
        assert seen == {key for key in shown if router.migration.side(key) == "new"}
        assert 20 < len(seen) < 80
        served = router.metrics().counts
        assert served["queries_new"] == len(seen)
        assert served["queries_old"] == len(shown) - len(seen) + 2
        one = shown[next(iter(seen))]
        assert len({hit.id for hit in one.hits}) == 5
        interleaver.credit(one.impression, [one.hits[0].id])
        interleaver.credit(None, ["doc-1"])
        interleaver.log.flush()
        stored = {kept.id: kept for kept in impressions(store, "docs")}
        assert len(stored) == len(seen)
        assert {*stored[one.impression].old, *stored[one.impression].new} == {hit.id for hit in one.hits}
        assert list(clicks(store, "docs")) == [Click(impression=one.impression, item=one.hits[0].id)]


def test_a_broken_index_is_served_around(tmp_path: Path) -> None:
    new = arm(NEW, "new")
    broken = Arm(index=Broken(new.index), embedder=new.embedder)  # type: ignore[arg-type]
    with (
        DualIndexRouter(arm(OLD, "old"), broken, state=tmp_path / "s.db", name="docs") as router,
        Interleaver(router) as interleaver,
    ):
        for phase in (*TO_CANARY, "promoted"):
            router.move(phase, share=0.5 if phase == "canary" else None, why="x")
        found = interleaver.search("word3 of subject3", 5, key="ann")
        assert found.impression is None
        assert found.hits[0].id == "doc-3"


def test_the_asynchronous_interleaver_does_the_same(tmp_path: Path) -> None:
    async def search() -> None:
        arms = [
            AsyncArm(index=AwaitedIndex(one.index), embedder=AwaitedEmbedder(one.embedder))
            for one in (arm(OLD, "old"), arm(NEW, "new"))
        ]
        async with (
            AsyncDualIndexRouter(*arms, state=tmp_path / "s.db", name="docs") as router,
            AsyncInterleaver(router) as interleaver,
        ):
            for phase in (*TO_CANARY, "promoted"):
                await router.move(phase, share=0.5 if phase == "canary" else None, why="x")
            found = await interleaver.search("word3 of subject3", 5, key="ann")
            assert found.impression is not None
            interleaver.credit(found.impression, [found.hits[0].id])

    asyncio.run(search())
    with closing(StateStore(tmp_path / "s.db")) as store:
        [shown] = impressions(store, "docs")
        [click] = clicks(store, "docs")
    assert click.impression == shown.id


def test_clicks_are_credited_by_another_process(tmp_path: Path) -> None:
    with closing(StateStore(tmp_path / "s.db")) as store:
        add_clicks(store, "docs", [Click(impression="a", item="doc-1")])
    with closing(StateStore(tmp_path / "s.db")) as store:
        assert [one.item for one in clicks(store, "docs")] == ["doc-1"]


# One process that has imported everything and opened an interleaver, and its children, who go on with it.
CHILDREN = """
import os, sys
from test_interleaving import TO_CANARY, DualIndexRouter, Interleaver, NEW, OLD, arm
router = DualIndexRouter(arm(OLD, "old"), arm(NEW, "new"), state=sys.argv[1], name="docs")
for phase in (*TO_CANARY, "promoted"):
    router.move(phase, share=0.5 if phase == "canary" else None, why="x")
interleaver = Interleaver(router)
for number in range(5):
    if not os.fork():
        for turn in range(10):
            shown = interleaver.search("word3 of subject3", 5, key=f"{number} {turn}")
            interleaver.credit(shown.impression, [shown.hits[0].id])
        interleaver.close()
        router.close()
        os._exit(0)
sys.exit(sum(os.wait()[1] for _ in range(5)))
"""


def test_processes_that_were_forked_go_on_with_an_interleaver(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", CHILDREN, str(tmp_path / "s.db")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with closing(StateStore(tmp_path / "s.db")) as store:
        shown = {one.id for one in impressions(store, "docs")}
        assert len(shown) == 50
        assert {one.impression for one in clicks(store, "docs")} == shown


def lists(outcomes: list[float], *, a_user: int = 1) -> tuple[list[Impression], list[Click]]:
    """Lists that the new index won (1), lost (0) or tied (0.5), so many a user."""
    shown = [
        Impression(id=str(n), at="", version=1, key_hash=str(n // a_user), old=("o1", "o2"), new=("n1", "n2"))
        for n in range(len(outcomes))
    ]
    clicked = []
    for n, outcome in enumerate(outcomes):
        items = {1.0: ["n1"], 0.0: ["o2"], 0.5: ["n1", "o1"]}[outcome]
        clicked += [Click(impression=str(n), item=item) for item in items]
    return shown, clicked


def decided(outcomes: list[float], *, a_user: int = 1, more: list[Click] = []) -> object:  # noqa: B006
    shown, clicked = lists(outcomes, a_user=a_user)
    return preference_of(shown, clicked + more, PreferenceVerify(), migration="docs", version=1)


def test_what_clicks_say() -> None:
    worse = decided([0.0] * 80 + [1.0] * 40)
    assert (worse.verdict, worse.old_won, worse.new_won) == ("failed", 80, 40)
    assert worse.p_worse < 0.001
    even = decided([0.0, 1.0] * 400)
    assert even.verdict == "passed"
    assert even.preference.estimate == 0.5
    few = decided([1.0] * 10)
    assert few.verdict == "inconclusive"
    assert "100 lists wanted" in few.reason
    nothing = decided([])
    assert (nothing.verdict, nothing.p_worse) == ("inconclusive", None)
    assert "no list was clicked" in nothing.reason


def test_many_lists_of_one_user_are_not_many_users() -> None:
    outcomes = [float(n // 40 % 2) for n in range(400)]
    apart, together = decided(outcomes), decided(outcomes, a_user=40)
    width = [one.preference.high - one.preference.low for one in (apart, together)]
    assert width[1] > 4 * width[0]


def test_clicks_on_nothing_that_was_shown_count_for_nobody() -> None:
    strange = [Click(impression="gone", item="o1"), Click(impression="0", item="elsewhere")]
    twice = [Click(impression="0", item="n1")]
    found = decided([1.0] * 5, more=strange + twice)
    assert (found.strangers, found.new_won, found.clicked) == (2, 5, 5)


@settings(max_examples=10, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_the_test_keeps_its_level_where_nobody_is_preferred(seed: int) -> None:
    rng = random.Random(seed)
    found = [decided([rng.choice([0.0, 0.5, 1.0]) for _ in range(30)]).p_worse for _ in range(20)]
    # Seven or more of twenty below 0.05 happen once in 30,000 times.
    assert sum(p <= 0.05 for p in found if p is not None) < 7


def test_a_database_that_is_gone_costs_the_clicks_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        DualIndexRouter(arm(OLD, "old"), arm(NEW, "new"), state=tmp_path / "s.db", name="docs") as router,
        Interleaver(router) as interleaver,
    ):
        with router.store.database.begin() as connection:
            connection.exec_driver_sql("DROP TABLE swapgate_clicks")
        interleaver.credit("some", ["doc-1"])
        interleaver.log.flush()
        assert interleaver.log.lost == 1
