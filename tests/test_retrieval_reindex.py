"""Filling an index: passes, resuming, what cannot be embedded, what changes meanwhile, what is refused."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_here import NEW, OLD, ToyEmbedder, toy_vector
from swapgate.errors import ErrorKind, ProviderError, SpecError, StoreError, UsageError
from swapgate.retrieval import AwaitedEmbedder, Fingerprint, FingerprintError, VectorIndexError
from swapgate.retrieval.adapters.memory import MemoryIndex
from swapgate.retrieval.chunking import Chunk, Document, by_words, digest_of, open_chunker
from swapgate.retrieval.contents import examine
from swapgate.retrieval.embedded import embed_chunks
from swapgate.retrieval.index import Payload, Vectors
from swapgate.retrieval.ledger import Ledger
from swapgate.retrieval.phases import Phase
from swapgate.retrieval.reindex import Filling, Progress, Reindexed, reindex
from swapgate.retrieval.repairing import repair
from swapgate.retrieval.sources import Source
from swapgate.retrieval.state import StateStore
from swapgate.spec.index import ChunkEntry, ReindexEntry


class Corpus:
    """A source in memory that can be changed between and during passes."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.during: Callable[[str], None] = lambda _id: None

    def source(self) -> Source:
        def read() -> Iterator[Document]:
            for one, text in list(self.texts.items()):
                self.during(one)
                yield Document(one, text, {"lang": "en"})

        return Source(name="corpus", read=read, count=lambda: len(self.texts))


class Embedder(ToyEmbedder):
    """A toy embedding that refuses texts with `poison`, and does what `meanwhile` says."""

    def __init__(self, fingerprint: Fingerprint = NEW) -> None:
        super().__init__(fingerprint)
        self.meanwhile: Callable[[Sequence[str]], None] = lambda _texts: None

    def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        self.meanwhile(texts)
        if any("poison" in text for text in texts):
            raise ProviderError("too long", kind=ErrorKind.CONTEXT_LENGTH)
        return super().embed(texts, is_query=is_query)

    @property
    def counts(self) -> Counter[str]:
        return Counter(text for text, _is_query in self.asked)


class Scene:
    """A corpus, a new index and a ledger."""

    def __init__(self, folder: Path, texts: dict[str, str]) -> None:
        self.corpus = Corpus(texts)
        self.embedder = Embedder()
        self.index = MemoryIndex("new")
        self.path = folder / "ledger.db"
        self.seen: list[Progress] = []

    def ledger(self) -> Ledger:
        return Ledger(self.path, fingerprint=self.embedder.fingerprint, source="corpus")

    def fill(self, *, passes: int | None = None, **written: object) -> Reindexed:
        values = {"batch": 8, "concurrency": 2, **written}
        with closing(self.ledger()) as ledger:
            filling = Filling(
                source=self.corpus.source(),
                chunking=open_chunker(None, root=Path()),
                embedder=AwaitedEmbedder(self.embedder),
                index=self.index,
                ledger=ledger,
                settings=ReindexEntry(**values),  # type: ignore[arg-type]
                draw=lambda progress: self.seen.append(replace(progress)),
            )
            return asyncio.run(reindex(filling, passes=passes))

    def held(self) -> dict[str, object]:
        """What the index holds: id to text."""
        return {one.id: one.payload["text"] for one in self.index.scan(None, 100_000)[0]}


def texts(count: int) -> dict[str, str]:
    return {f"doc-{number}": f"text number {number}" for number in range(count)}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, texts(100))


def test_every_text_is_embedded_once_and_the_second_pass_is_quiet(scene: Scene) -> None:
    done = scene.fill()
    assert scene.held() == scene.corpus.texts
    assert set(scene.embedder.counts.values()) == {1} and len(scene.embedder.asked) == 100
    assert [(p.written, p.unchanged) for p in done.passes] == [(100, 0), (0, 100)] and done.is_quiet
    assert scene.index.stamp() == NEW
    assert scene.index.fetch(["doc-7"])[0].payload == {"lang": "en", "text": "text number 7"}
    assert scene.seen[-1].total == 100


def test_a_later_run_embeds_what_changed_and_removes_what_is_gone(scene: Scene) -> None:
    scene.fill()
    scene.embedder.asked.clear()
    scene.corpus.texts |= {"doc-3": "another text", "doc-100": "a new one"}
    del scene.corpus.texts["doc-50"]
    done = scene.fill()
    assert scene.held() == scene.corpus.texts
    assert sorted(scene.embedder.counts) == ["a new one", "another text"]
    assert (done.written, done.removed) == (2, 1)


def test_changes_during_the_backfill_are_caught_up(scene: Scene) -> None:
    """What a router does to the source and the index while they are filled, behind the reading's back."""
    scene.index.create(NEW)

    def change(one: str) -> None:
        if one == "doc-60" and "doc-10" in scene.corpus.texts:
            del scene.corpus.texts["doc-10"]  # was read already, and may be written after this
            scene.index.delete(["doc-10"])
            scene.corpus.texts["doc-20"] = "newer"

    scene.corpus.during = change
    done = scene.fill()
    assert done.is_quiet and len(done.passes) == 3
    assert scene.held() == scene.corpus.texts and "doc-10" not in scene.held()
    assert scene.held()["doc-20"] == "newer"


def test_a_source_that_never_rests_is_said_to_be_restless(scene: Scene) -> None:
    turns = iter(range(1000))

    def change(one: str) -> None:
        if one == "doc-99":
            scene.corpus.texts["doc-0"] = f"text of turn {next(turns)}"

    scene.corpus.during = change
    done = scene.fill(passes=3)
    assert not done.is_quiet and len(done.passes) == 3


def test_a_failure_loses_nothing_that_was_embedded_and_is_taken_up_again(scene: Scene) -> None:
    calls: list[int] = []

    def fail(_texts: Sequence[str]) -> None:
        calls.append(1)
        if len(calls) == 6:
            raise ProviderError("down", kind=ErrorKind.CONNECTION)

    scene.embedder.meanwhile = fail
    with pytest.raises(ProviderError, match="down"):
        scene.fill()
    embedded = set(scene.embedder.counts)
    assert set(scene.held().values()) == embedded and 0 < len(embedded) < 100
    scene.fill()
    assert scene.held() == scene.corpus.texts
    assert set(scene.embedder.counts.values()) == {1}


def test_a_cancelled_run_writes_what_is_in_flight(scene: Scene) -> None:
    async def cancelled() -> None:
        with closing(scene.ledger()) as ledger:
            filling = Filling(
                source=scene.corpus.source(), chunking=open_chunker(None, root=Path()),
                embedder=AwaitedEmbedder(scene.embedder), index=scene.index, ledger=ledger,
                settings=ReindexEntry(batch=8, concurrency=2),
            )  # fmt: skip
            task = asyncio.create_task(reindex(filling))
            while not scene.embedder.asked:  # noqa: ASYNC110 - it is another thread that asks
                await asyncio.sleep(0.001)
            task.cancel()
            await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert set(scene.held().values()) == set(scene.embedder.counts)
    scene.fill()
    assert set(scene.embedder.counts.values()) == {1} and scene.held() == scene.corpus.texts


def test_a_batch_is_halved_until_the_text_that_cannot_be_embedded_is_alone(scene: Scene) -> None:
    scene.corpus.texts |= {"doc-13": "poison one", "doc-77": "poison two"}
    done = scene.fill()
    assert len(scene.held()) == 98 and not {"doc-13", "doc-77"} & scene.held().keys()
    with closing(scene.ledger()) as ledger:
        letters = list(ledger.dead_letters())
    assert [(one.id, one.kind, one.reason) for one in letters] == [
        ("doc-13", "context_length", "too long"), ("doc-77", "context_length", "too long"),
    ]  # fmt: skip
    assert set(scene.embedder.counts.values()) == {1}
    assert done.passes[-1].dead == 2


def test_dead_letters_are_left_alone_until_their_text_changes_or_they_are_raised(scene: Scene) -> None:
    scene.corpus.texts["doc-13"] = "poison"
    scene.fill()
    scene.embedder.asked.clear()
    tries: list[int] = []
    scene.embedder.meanwhile = lambda given: tries.append(len(given))
    scene.fill()
    assert tries == []
    with closing(scene.ledger()) as ledger:
        ledger.raise_the_dead()
    scene.fill()
    assert tries == [1]
    scene.corpus.texts["doc-13"] = "well again"
    scene.fill()
    assert scene.held()["doc-13"] == "well again"
    with closing(scene.ledger()) as ledger:
        assert list(ledger.dead_letters()) == []


def test_too_many_dead_letters_end_the_run(scene: Scene) -> None:
    scene.corpus.texts |= {f"doc-{n}": f"poison {n}" for n in range(60)}
    with pytest.raises(UsageError, match=r"chunks could not be embedded, more than `max_dead: 0.1` allows"):
        scene.fill(max_dead=0.1)


def test_a_source_that_lacks_too_much_removes_nothing(scene: Scene) -> None:
    scene.fill()
    everything = dict(scene.corpus.texts)
    scene.corpus.texts = texts(30)
    with pytest.raises(UsageError, match=r"lacks 70 of 100 chunks .* Nothing was removed"):
        scene.fill()
    assert scene.held() == everything
    scene.fill(max_removed=0.8)
    assert scene.held() == texts(30)


def test_vectors_that_cannot_be_compared_are_not_stored(scene: Scene) -> None:
    sick = {"text number 4": np.nan, "text number 5": np.inf, "text number 6": 0.0}

    class Sick(Embedder):
        def embed(self, given: Sequence[str], *, is_query: bool) -> Vectors:
            made = super().embed(given, is_query=is_query)
            for row, text in zip(made, given, strict=True):
                if text in sick:
                    row[:] = sick[text]
            return made

    scene.embedder = Sick()
    scene.fill()
    assert len(scene.held()) == 97
    with closing(scene.ledger()) as ledger:
        assert {one.id: one.kind for one in ledger.dead_letters()} == dict.fromkeys(
            ["doc-4", "doc-5", "doc-6"], "vector"
        )


def test_vectors_of_another_width_end_the_run_at_once(scene: Scene) -> None:
    class Wide(Embedder):
        def embed(self, given: Sequence[str], *, is_query: bool) -> Vectors:
            return np.ones((len(given), 7), dtype=np.float32)

    scene.embedder = Wide()
    with pytest.raises(FingerprintError, match=r"shape \(\d+, 7\) for \d+ texts, and `dimensions: 24`"):
        scene.fill()
    with closing(scene.ledger()) as ledger:
        assert ledger.counts() == (0, 0)


def test_a_ledger_of_another_embedding_or_source_is_refused(scene: Scene) -> None:
    scene.fill()
    other = replace(NEW, passage_prefix="passage: ")
    with pytest.raises(FingerprintError, match=r"begun otherwise: passage_prefix '', not 'passage: '"):
        Ledger(scene.path, fingerprint=other, source="corpus")
    with pytest.raises(FingerprintError, match="source 'corpus', not 'another'"):
        Ledger(scene.path, fingerprint=NEW, source="another")


def test_an_index_of_another_embedding_is_not_filled(scene: Scene) -> None:
    scene.index.create(OLD)
    with pytest.raises(FingerprintError, match="new: made with another embedding"):
        scene.fill()


def test_empty_texts_and_ids_that_are_there_twice_are_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"a": "one", "b": "  ", "c": "three"})

    def read() -> Iterator[Document]:
        yield from (Document(one, text, {}) for one, text in scene.corpus.texts.items())
        yield Document("a", "again", {})

    scene.corpus.source = lambda: Source(name="corpus", read=read, count=lambda: None)  # type: ignore[method-assign]
    scene.fill()
    assert scene.held() == {"a": "one", "c": "three"}
    with closing(scene.ledger()) as ledger:
        assert {one.id: one.kind for one in ledger.dead_letters()} == {"a": "twice", "b": "empty"}
    scene.corpus.texts = {"a": "", "b": "now full", "c": "three"}
    scene.fill()
    assert scene.held() == {"b": "now full", "c": "three"}


def test_an_index_that_is_down_for_a_moment_is_waited_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swapgate.retrieval.writing._PAUSES_S", (0.01, 0.01))
    failures = iter([VectorIndexError("new: down")] * 2)
    plain = scene.index.upsert

    def upsert(ids: list[str], vectors: Vectors, payloads: list[Payload]) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        plain(ids, vectors, payloads)

    monkeypatch.setattr(scene.index, "upsert", upsert)
    scene.fill()
    assert scene.held() == scene.corpus.texts and set(scene.embedder.counts.values()) == {1}


def test_an_index_that_stays_down_ends_the_run_with_what_to_do(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swapgate.retrieval.writing._PAUSES_S", (0.01, 0.01))

    def down(*_given: object) -> None:
        raise VectorIndexError("new: down")

    monkeypatch.setattr(scene.index, "upsert", down)
    with pytest.raises(StoreError, match=r"new: down. It was tried 3 times. .* it goes on where it stopped"):
        scene.fill()
    monkeypatch.undo()
    scene.fill()
    assert scene.held() == scene.corpus.texts


def test_what_is_in_flight_is_bounded(scene: Scene) -> None:
    """Embedded and not yet written are at most `concurrency` batches: what a kill may cost twice."""
    written = threading.Semaphore(0)
    most: list[int] = []

    def look(_texts: Sequence[str]) -> None:
        most.append(len(scene.embedder.asked) - scene.index.count())

    scene.embedder.meanwhile = look
    scene.fill(batch=5, concurrency=3)
    assert max(most) <= 15
    written.release()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(alphabet="ab é\n", max_size=6), max_size=40),
    st.integers(2, 9),
    st.integers(0, 8),
)
def test_chunks_by_words_lose_no_word_and_are_no_longer_than_asked(
    words: list[str], size: int, overlap: int
) -> None:
    text = " ".join(words)
    overlap = min(overlap, size - 1)
    parts = by_words(text, words=size, overlap=overlap)
    if len(text.split()) <= size:
        assert parts == [text]
        return
    assert all(0 < len(part.split()) <= size for part in parts)
    kept = parts[0].split()
    for part in parts[1:]:
        assert part.split()[:overlap] == kept[len(kept) - overlap :]
        kept += part.split()[overlap:]
    assert kept == text.split()


def test_chunks_of_a_document_are_numbered(tmp_path: Path) -> None:
    chunker = open_chunker(ChunkEntry(words=2), root=tmp_path)
    assert [c.id for c in chunker.chunks(Document("d", "one two three", {}))] == ["d#0", "d#1"]
    assert [c.id for c in chunker.chunks(Document("d", "one two", {}))] == ["d"]
    assert chunker.name == "words 2"


def test_a_users_exception_is_one_texts_fault(tmp_path: Path) -> None:
    class Users(ToyEmbedder):
        def embed(self, given: Sequence[str], *, is_query: bool) -> Vectors:
            if "b" in given:
                raise KeyError("b")
            return super().embed(given, is_query=is_query)

    chunks = [Chunk(one, one, {}, digest_of(one, {})) for one in "abc"]
    found = asyncio.run(embed_chunks(AwaitedEmbedder(Users(NEW)), chunks, list("abc")))
    assert sorted(chunk.id for chunk in found.chunks) == ["a", "c"]
    assert [(letter.id, letter.kind, letter.reason) for letter, _chunk in found.dead] == [
        ("b", "user_code", "KeyError: 'b'")
    ]


def examined(scene: Scene, old: MemoryIndex | None = None) -> list[str]:
    with closing(scene.ledger()) as ledger:
        opening = None if old is None else lambda: old
        return examine(scene.index, ledger, max_alike=0.01, old=opening).problems


def put(scene: Scene, one: str, vector: np.ndarray, text: str = "text number 1") -> None:
    scene.index.upsert([one], vector.reshape(1, -1).astype(np.float32), [{"text": text, "lang": "en"}])


def test_a_well_filled_index_passes_its_examination(scene: Scene) -> None:
    scene.fill()
    assert examined(scene) == []


def test_what_is_wrong_with_an_index_is_found(scene: Scene) -> None:
    scene.fill()
    scene.index.delete(["doc-9", "doc-10"])
    put(scene, "doc-1", np.full(24, np.nan))
    put(scene, "doc-2", np.zeros(24), "text number 2")
    put(scene, "doc-3", toy_vector("text number 3", "toy-2", 24), "a text that was changed")
    put(scene, "stranger", toy_vector("x", "toy-2", 24), "x")
    problems = examined(scene)
    assert problems == [
        "2 chunks of the ledger are not in the index",
        "1 entries hold another text than the source (as 'doc-3')",
        "1 vector with NaN or infinity, 1 of no length (as 'doc-1', 'doc-2')",
    ]


def test_what_routers_wrote_to_both_indexes_since_is_no_fault(scene: Scene) -> None:
    scene.fill()
    old = MemoryIndex("old", OLD)
    held = [(one, str(text)) for one, text in scene.held().items() if one not in {"doc-8", "doc-9"}]
    old.upsert(
        [one for one, _text in held],
        np.ones((len(held), 16), dtype=np.float32),
        [{"text": "newer" if one == "doc-3" else text} for one, text in held],
    )
    scene.index.delete(["doc-8", "doc-9"])
    put(scene, "doc-3", toy_vector("newer", "toy-2", 24), "newer")
    assert len(examined(scene)) == 2  # nobody else to ask
    assert examined(scene, old) == []
    put(scene, "doc-4", toy_vector("wrong", "toy-2", 24), "wrong")
    scene.index.delete(["doc-7"])  # the old index has it
    assert examined(scene, old) == [
        "1 chunk of the ledger are not in the index",
        "1 entries hold another text than the source (as 'doc-3', 'doc-4')",
    ]


@pytest.mark.parametrize(
    ("vector", "problem"),
    [
        (lambda text: np.ones(24), "all vectors are the same: the embedding tells no texts apart"),
        (
            lambda text: toy_vector(text.split()[0] + str(len(text)), "toy-2", 24),
            "100.0% of the vectors belong to several texts, more than `max_alike: 0.01` allows",
        ),
    ],
)
def test_an_embedding_that_tells_no_texts_apart_is_found(
    scene: Scene, vector: Callable[[str], np.ndarray], problem: str
) -> None:
    class Dull(Embedder):
        def embed(self, given: Sequence[str], *, is_query: bool) -> Vectors:
            return np.stack([vector(text) for text in given]).astype(np.float32)

    scene.embedder = Dull()
    scene.fill()
    assert examined(scene) == [problem]


def test_vectors_that_should_have_length_one_and_do_not_are_found(scene: Scene) -> None:
    scene.embedder = Embedder(replace(NEW, normalised=True))
    scene.fill()
    put(scene, "doc-1", 3 * toy_vector("text number 1", "toy-2", 24))
    assert examined(scene) == ["1 vector not of length 1, though `normalise` is written"]


def repaired(scene: Scene, store: StateStore, old: MemoryIndex, new: MemoryIndex) -> tuple[int, int, int]:
    sides = {"old": old, "new": new}
    done = asyncio.run(
        repair(store, "docs", "new", index=lambda side: sides[side], embedder=AwaitedEmbedder(scene.embedder))
    )
    return done.written, done.deleted, done.left


def test_writes_that_one_index_missed_are_made_up_for(scene: Scene, tmp_path: Path) -> None:
    old, new = MemoryIndex("old", OLD), MemoryIndex("new", NEW)
    many = [f"late {number}" for number in range(450)]
    old.upsert(many, np.ones((450, 16), dtype=np.float32), [{"text": one, "n": 1} for one in many])
    old.upsert(["bare"], np.ones((1, 16), dtype=np.float32), [{"no": "text"}])
    new.upsert(["gone"], np.ones((1, 24), dtype=np.float32), [{"text": "was deleted"}])
    with closing(StateStore(tmp_path / "indexes.db")) as store:
        store.create("docs", old=OLD, new=NEW, who="ann", why="test")
        store.note_repairs("docs", "new", [*many, "gone", "bare"], "down")
        assert repaired(scene, store, old, new) == (450, 1, 1)
        assert [one.id for one in store.repairs("docs", "new")] == ["bare"]
    assert new.count() == 450 and new.fetch(["late 7"])[0].payload == {"text": "late 7", "n": 1}


def test_a_write_during_a_repair_is_not_undone_by_it(scene: Scene, tmp_path: Path) -> None:
    old, new = MemoryIndex("old", OLD), MemoryIndex("new", NEW)
    old.upsert(["a"], np.ones((1, 16), dtype=np.float32), [{"text": "first"}])

    def newer(given: Sequence[str]) -> None:
        if list(given) == ["first"]:
            for index in (old, new):
                width = 16 if index is old else 24
                index.upsert(["a"], np.ones((1, width), dtype=np.float32), [{"text": "second"}])

    scene.embedder.meanwhile = newer
    with closing(StateStore(tmp_path / "indexes.db")) as store:
        store.create("docs", old=OLD, new=NEW, who="ann", why="test")
        store.note_repairs("docs", "new", ["a"], "down")
        assert repaired(scene, store, old, new) == (1, 0, 0)
    assert new.fetch(["a"])[0].payload == {"text": "second"}


def test_a_clock_that_jumps_changes_the_order_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(["2026-03-01T00:00:00+00:00", "2019-01-01T00:00:00+00:00", "2031-01-01T00:00:00+00:00"])
    monkeypatch.setattr("swapgate.retrieval.state.now_text", lambda: next(times))
    with closing(StateStore(tmp_path / "indexes.db")) as store:
        now = store.create("docs", old=OLD, new=NEW, who="ann", why="test")
        now = store.change(now, Phase.DUAL_WRITE, who="ann", why="a clock set back")
        now = store.change(now, Phase.BACKFILL, who="ann", why="and forth")
        assert [c.phase for c in store.changes("docs")] == ["plan", "dual_write", "backfill"]
        assert store.get("docs").phase == "backfill"


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    from swapgate.retrieval.sources import open_source
    from swapgate.spec.index import SourceEntry

    (tmp_path / "docs.jsonl").write_text('{"id": 1, "text": "one"}\n{"id": 2, "tex": "two"}\n')
    source = open_source(SourceEntry(jsonl="docs.jsonl"), root=tmp_path, old=lambda: None, url=None)  # type: ignore[arg-type, return-value]
    with pytest.raises(SpecError, match=r"docs.jsonl:2: the field 'text' is not there. Did you mean 'tex'\?"):
        list(source.read())
    (tmp_path / "docs.jsonl").write_text('{"id": 1, "text": "one"}\n{"id": 2, \n')
    with pytest.raises(SpecError, match=r"docs.jsonl:2: not valid JSON"):
        list(source.read())
