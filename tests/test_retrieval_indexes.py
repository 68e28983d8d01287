"""One contract for every vector store, and what each says when something is wrong."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_here import OLD, postgres, toy_vector
from swapgate.errors import UsageError
from swapgate.retrieval.adapters.memory import MemoryIndex
from swapgate.retrieval.adapters.pgvector import Columns, PgvectorIndex
from swapgate.retrieval.adapters.qdrant import QdrantIndex, open_client
from swapgate.retrieval.adapters.sqlite import SqliteIndex
from swapgate.retrieval.fingerprint import Distance, Fingerprint, FingerprintError, Threshold, require_same
from swapgate.retrieval.index import VectorIndex, VectorIndexError

STORES = ["memory", "sqlite", "qdrant", "qdrant-path", "pgvector"]
TEXTS = ["red apple", "green apple", "red car", "blue car", "blue sky"]
Opener = Callable[[str], VectorIndex]


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """What opens an index of a name in one of the stores."""
    opened: list[VectorIndex] = []

    def open_index(name: str) -> VectorIndex:
        kind = request.param
        if kind == "memory":
            index: VectorIndex = MemoryIndex(name)
        elif kind == "sqlite":
            index = SqliteIndex(name, tmp_path / f"{name}.db")
        elif kind == "pgvector":
            table = f"{name}_{os.urandom(4).hex()}"
            index = PgvectorIndex(name, request.getfixturevalue("postgres_url"), table)
        else:
            path = tmp_path / name if kind == "qdrant-path" else None
            index = QdrantIndex(name, open_client(path=path), name)
        opened.append(index)
        return index

    yield open_index
    for index in opened:
        index.close()


@pytest.fixture
def index(opener: Opener) -> VectorIndex:
    """An index with a few entries."""
    return filled(opener("docs"), OLD)


def vectors(texts: list[str], fingerprint: Fingerprint = OLD) -> np.ndarray:
    return np.stack([toy_vector(text, fingerprint.model, fingerprint.dimensions) for text in texts])


def filled(index: VectorIndex, fingerprint: Fingerprint) -> VectorIndex:
    index.create(fingerprint)
    index.upsert(TEXTS, vectors(TEXTS, fingerprint), [{"text": text, "n": n} for n, text in enumerate(TEXTS)])
    return index


def test_the_nearest_come_first_with_their_cosines_and_payloads(index: VectorIndex) -> None:
    hits = index.search(vectors(["red apple"])[0], 3)
    assert (hits[0].id, len(hits)) == ("red apple", 3)
    assert hits[0].score == pytest.approx(1.0, abs=1e-5)
    assert hits[0].payload == {"text": "red apple", "n": 0}
    expected = float(vectors(["red apple"])[0] @ vectors([hits[1].id])[0])
    assert hits[1].score == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("distance", ["cosine", "dot", "euclid"])
def test_every_distance_has_scores_that_are_better_when_greater(opener: Opener, distance: Distance) -> None:
    fingerprint = replace(OLD, distance=distance)
    index = opener("other")
    if isinstance(index, SqliteIndex) and distance == "dot":
        with pytest.raises(UsageError, match="sqlite-vec has no dot distance"):
            index.create(fingerprint)
        return
    index.create(fingerprint)
    stored = vectors(TEXTS) * np.float32([[1], [2], [1], [3], [1]])
    index.upsert(TEXTS, stored, [{} for _ in TEXTS])
    query = vectors(["red apple"])[0]
    if distance == "euclid":
        expected = -np.linalg.norm(stored - query, axis=1)
    else:
        expected = stored @ query / (np.linalg.norm(stored, axis=1) if distance == "cosine" else 1)
    hits = index.search(query, 5)
    assert [hit.id for hit in hits] == [TEXTS[i] for i in np.argsort(-expected)]
    assert [hit.score for hit in hits] == pytest.approx(sorted(expected, reverse=True), abs=1e-4)


def test_an_entry_is_replaced_deleted_and_never_there_twice(index: VectorIndex) -> None:
    index.upsert(["red car", "new"], vectors(["blue moon", "new"]), [{"text": "moon"}, {}])
    assert index.count() == 6
    assert index.search(vectors(["blue moon"])[0], 1)[0].payload == {"text": "moon"}
    index.delete(["red car", "never there"])
    index.delete(["red car"])
    assert index.count() == 5
    assert "red car" not in {hit.id for hit in index.search(vectors(["blue moon"])[0], 10)}


def test_fetching_gives_back_what_was_stored(index: VectorIndex) -> None:
    found = {one.id: one for one in index.fetch(["blue sky", "red car", "absent"])}
    assert sorted(found) == ["blue sky", "red car"]
    assert found["blue sky"].vector == pytest.approx(vectors(["blue sky"])[0], abs=1e-6)
    assert found["blue sky"].vector.dtype == np.float32
    assert found["red car"].payload == {"text": "red car", "n": 2}


def test_scanning_gives_every_entry_once(index: VectorIndex) -> None:
    many = [f"entry {number}" for number in range(23)]
    index.upsert(many, vectors(many), [{} for _ in many])
    found: list[str] = []
    page, after = index.scan(None, 5)
    while True:
        found += [one.id for one in page]
        if after is None:
            break
        page, after = index.scan(after, 5)
    assert sorted(found) == sorted(TEXTS + many)


def test_a_stamp_survives_and_is_never_mixed(index: VectorIndex) -> None:
    assert index.stamp() == OLD
    index.create(replace(OLD, dimensions=99))  # there is one: nothing changes
    assert index.stamp() == OLD and index.count() == len(TEXTS)
    require_same("docs", stamped=index.stamp(), wanted=OLD)
    other = replace(OLD, model="toy-9", query_prefix="query: ")
    with pytest.raises(
        FingerprintError, match=r"docs: made with another embedding .* model 'toy-1', not 'toy-9'; "
    ):
        require_same("docs", stamped=index.stamp(), wanted=other)
    index.put_stamp(other)
    assert index.stamp() == other


def test_an_index_that_is_not_there_has_no_stamp(opener: Opener) -> None:
    index = opener("none")
    assert index.stamp() is None
    with pytest.raises(FingerprintError, match=r"none: no fingerprint says .* `swapgate index stamp`"):
        require_same("none", stamped=None, wanted=OLD)


def test_vectors_of_another_dimension_are_refused(index: VectorIndex) -> None:
    with pytest.raises(VectorIndexError, match=r"docs: "):
        index.upsert(["x"], np.ones((1, 7), dtype=np.float32), [{}])
    assert index.count() == len(TEXTS)


def test_a_search_for_none_or_for_more_than_there_are(index: VectorIndex) -> None:
    assert len(index.search(vectors(["red"])[0], 100)) == len(TEXTS)
    index.build()
    assert len(index.search(vectors(["red"])[0], 100)) == len(TEXTS)


def test_a_vector_of_no_length_is_like_nothing_and_breaks_nothing(index: VectorIndex) -> None:
    index.upsert(["empty"], np.zeros((1, OLD.dimensions), dtype=np.float32), [{}])
    hits = {hit.id: hit.score for hit in index.search(vectors(["red apple"])[0], 10)}
    assert hits["red apple"] == pytest.approx(1.0, abs=1e-5)
    assert hits.get("empty", 0.0) == pytest.approx(0.0, abs=1e-6)
    assert all(np.isfinite(hit.score) for hit in index.search(np.zeros(OLD.dimensions, dtype=np.float32), 3))


def test_ids_and_payloads_of_any_text_come_back_as_they_were(index: VectorIndex) -> None:
    odd = ["", "a'b\"c", "日本語", "x" * 300, "new\nline", "{curly} %s"]
    index.upsert(odd, vectors([f"odd {n}" for n in range(len(odd))]), [{"text": one} for one in odd])
    assert {one.id: one.payload["text"] for one in index.fetch(odd)} == {one: one for one in odd}


def test_threads_write_and_search_at_once(index: VectorIndex) -> None:
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for number in range(3):
                ids = [f"{name}-{number}-{n}" for n in range(10)]
                index.upsert(ids, vectors(ids), [{} for _ in ids])
                assert index.search(vectors(ids[:1])[0], 1)[0].id == ids[0]
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=write, args=(f"thread{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert index.count() == len(TEXTS) + 3 * 3 * 10


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["put", "drop", "build"]), st.integers(0, 30)), max_size=80))
def test_a_memory_index_agrees_with_a_plain_dictionary(steps: list[tuple[str, int]]) -> None:
    index, plain = MemoryIndex("m", replace(OLD, dimensions=2, distance="dot")), {}
    for turn, (what, number) in enumerate(steps):
        if what == "put":
            plain[str(number)] = float(turn)
            index.upsert([str(number)], np.float32([[turn, 1]]), [{"turn": turn}])
        elif what == "drop":
            plain.pop(str(number), None)
            index.delete([str(number)])
        else:
            index.build()
    hits = index.search(np.float32([1, 0]), 50)
    assert {hit.id: hit.score for hit in hits} == plain
    assert [hit.score for hit in hits] == sorted(plain.values(), reverse=True)
    assert index.count() == len(plain)


def test_a_table_that_was_there_before_is_used_by_its_own_columns(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("CREATE TABLE legacy (chunk_id bigint PRIMARY KEY, v vector(16), meta jsonb)")
        row = "[" + ",".join(map(str, vectors(["red apple"])[0].tolist())) + "]"
        connection.execute("INSERT INTO legacy VALUES (7, %s, %s)", (row, '{"text": "red apple"}'))
    columns = Columns(id="chunk_id", vector="v", payload="meta")
    index = PgvectorIndex("old", postgres_url, "legacy", columns=columns)
    assert index.stamp() is None
    index.put_stamp(OLD)
    assert index.stamp() == OLD
    assert index.search(vectors(["apple red"])[0], 1)[0].id == "7"
    assert [one.id for one in index.scan(None, 10)[0]] == ["7"]
    assert [one.payload["text"] for one in index.fetch(["7"])] == ["red apple"]
    index.close()


def test_a_graph_finds_more_than_its_own_limit(postgres_url: str) -> None:
    index = PgvectorIndex("graph", postgres_url, "graph")
    index.create(OLD)
    many = [f"entry {number}" for number in range(300)]
    index.upsert(many, vectors(many), [{} for _ in many])
    index.build()
    assert len(index.search(vectors(["entry 5"])[0], 100)) == 100
    index.close()


def test_servers_that_are_down_are_told_as_such() -> None:
    down = PgvectorIndex("docs", "postgresql://ann:hunter2@127.0.0.1:1/none", "chunks")
    with pytest.raises(
        VectorIndexError, match=r"docs: PostgreSQL table 'chunks': connection .*refused"
    ) as raised:
        down.search(vectors(["red"])[0], 3)
    assert "hunter2" not in str(raised.value)
    index = QdrantIndex("docs", open_client(url="http://127.0.0.1:1", api_key=None), "chunks")
    with pytest.raises(VectorIndexError, match=r"docs: Qdrant collection 'chunks': .*refused"):
        index.count()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Qdrant leaves a file open
def test_a_folder_of_qdrant_that_is_in_use_is_said_to_be(tmp_path: Path) -> None:
    first = open_client(path=tmp_path / "q")
    with pytest.raises(VectorIndexError, match="already accessed by another instance"):
        open_client(path=tmp_path / "q")
    first.close()


def test_a_threshold_is_bound_to_its_embedding() -> None:
    floor = Threshold(value=0.75, fingerprint=OLD.digest)
    floor.require(OLD, "old")
    with pytest.raises(FingerprintError, match=r"new: the threshold 0.75 was tuned for the embedding"):
        floor.require(replace(OLD, model="toy-2"), "new")
