"""What a migration of an index costs beside embedding and searching: ledger, queue, memory, the router."""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

import numpy as np

from benchmarks.table import Row, run
from swapgate.retrieval import Arm, DualIndexRouter, Fingerprint
from swapgate.retrieval.adapters.memory import MemoryIndex
from swapgate.retrieval.chunking import open_chunker
from swapgate.retrieval.index import Payload, Vectors
from swapgate.retrieval.ledger import Ledger
from swapgate.retrieval.reindex import Filling, reindex
from swapgate.retrieval.sources import open_source
from swapgate.retrieval.verifying.asking import Asked, Ranking
from swapgate.retrieval.verifying.deciding import decide
from swapgate.retrieval.verifying.labels import Labels
from swapgate.retrieval.verifying.queries import Query
from swapgate.retrieval.verifying.scoping import Measured, scopes
from swapgate.retrieval.verifying.valuing import Values, values_of
from swapgate.spec.index import ReindexEntry, SourceEntry
from swapgate.spec.index_verify import SliceVerify, VerifyEntry

SMALL = 20_000
BATCH = 512
FILLED = Fingerprint(provider="none", model="none", dimensions=32)
SERVED = Fingerprint(provider="none", model="none", dimensions=64)


class NullIndex(MemoryIndex):
    """Keeps nothing: what is left is ours."""

    def upsert(self, ids: Sequence[str], vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Take what is written."""


class ReadyEmbedder:
    """Gives the same ready vectors again: what is left is ours."""

    fingerprint = FILLED

    def __init__(self) -> None:
        self._vectors = np.random.default_rng(1).normal(size=(BATCH, 32)).astype(np.float32)

    async def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Return a vector a text."""
        return self._vectors[: len(texts)]


def lay(path: Path, count: int) -> None:
    """Write documents of some twenty words."""
    text = "The connection is closed when the pool is full and nobody waits for it, which was not so before. "
    with path.open("w") as file:
        for number in range(count):
            file.write(json.dumps({"id": f"doc-{number:08}", "text": f"{number} {text}"}) + "\n")


def fill(count: int) -> dict[str, float]:
    """Fill an index in this process, and tell the seconds of its core, and its largest memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lay(root / "docs.jsonl", count)
        source = open_source(SourceEntry(jsonl="docs.jsonl"), root=root, old=_no_index, url=None)
        with closing(Ledger(root / "ledger.db", fingerprint=FILLED, source="bench")) as ledger:
            filling = Filling(
                source=source,
                chunking=open_chunker(None, root=root),
                embedder=ReadyEmbedder(),
                index=NullIndex("new"),
                ledger=ledger,
                settings=ReindexEntry(batch=BATCH),
            )
            started, cpu = time.perf_counter(), time.process_time()
            asyncio.run(reindex(filling, passes=1))
            seconds, core_s = time.perf_counter() - started, time.process_time() - cpu
            assert ledger.counts() == (count, 0)
    return {
        "seconds": seconds,
        "core_s": core_s,
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _no_index() -> MemoryIndex:
    raise AssertionError("the source is a file")


def plain_loop(count: int) -> float:
    """Return the seconds of the loop that one would write: read, embed, upsert; no ledger, no second try."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "docs.jsonl"
        lay(path, count)
        index, embedder = NullIndex("new", FILLED), ReadyEmbedder()
        started = time.process_time()
        with path.open() as file:
            rows: list[dict[str, str]] = []
            for line in file:
                rows.append(json.loads(line))
                if len(rows) == BATCH:
                    vectors = asyncio.run(embedder.embed([row["text"] for row in rows], is_query=False))
                    index.upsert([row["id"] for row in rows], vectors, rows)
                    rows = []
        return time.process_time() - started


def filled_apart(count: int) -> dict[str, float]:
    """Fill an index in a process of its own, whose memory is then its own."""
    code = f"import json, benchmarks.retrieval as b; print(json.dumps(b.fill({count})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True,
                          cwd=Path(__file__).resolve().parents[1])  # fmt: skip
    return json.loads(done.stdout)


class ServedEmbedder:
    """One vector for every query."""

    fingerprint = SERVED

    def __init__(self) -> None:
        self._vector = np.random.default_rng(2).normal(size=(1, 64)).astype(np.float32)

    def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Return a vector a text."""
        return self._vector


def router_overhead(phase: str, queries: int, *, pause_s: float = 0.0) -> tuple[float, float]:
    """Return the microseconds that a router adds to a search of its index, and those of the search."""
    index = MemoryIndex("index", SERVED)
    some = np.random.default_rng(3).normal(size=(2_000, 64)).astype(np.float32)
    index.upsert([str(n) for n in range(2_000)], some, [{} for _ in range(2_000)])
    embedder = ServedEmbedder()
    arm = Arm(index=index, embedder=embedder)

    def direct(_key: str) -> None:
        index.search(embedder.embed(["query"], is_query=True)[0], 10)

    way = ["dual_write", "backfill", "verify", "shadow_read", "canary"]
    with (
        tempfile.TemporaryDirectory() as folder,
        DualIndexRouter(arm, arm, state=Path(folder) / "s.db", name="bench", most_waiting=16) as router,
    ):
        for step in way[: way.index(phase) + 1] if phase in way else []:
            router.move(step, share=0.5 if step == "canary" else None, why="benchmark")
        # By turns of a hundred: a slow moment of the machine hits both. What the shadow does meanwhile counts
        # as the router's, so the shadow is let finish before the index alone is measured.
        routed, plain = [], []
        for turn in range(0, queries, 100):
            numbers = range(turn, turn + 100)
            routed += timed(lambda key: router.search("query", 10, key=key), numbers, pause_s)
            router.drain()
            plain += timed(direct, numbers, pause_s)
    return 1e6 * float(np.median(routed) - np.median(plain)), 1e6 * float(np.median(plain))


def timed(call: Callable[[str], object], numbers: range, pause_s: float) -> list[float]:
    """Return the seconds of each call, made with pauses between."""
    found = []
    for number in numbers:
        started = time.perf_counter()
        call(str(number))
        found.append(time.perf_counter() - started)
        if pause_s:
            time.sleep(pause_s)
    return found


def verification(queries: int, results: int) -> dict[str, float]:
    """Return the seconds of everything that follows once both indexes have answered, and of its parts."""
    rng = np.random.default_rng(4)
    grades, asked = {}, []
    for number in range(queries):
        judged = {f"doc-{n}": int(rng.integers(0, 4)) for n in range(60)}
        name = f"q-{number}"
        grades[name] = judged
        found = [
            Ranking(ids=_ranking(rng, results), scores=tuple(np.linspace(1, 0, results))) for _ in range(2)
        ]
        slices = (f"field:{number % 20}", f"language:{number % 3}")
        asked.append(Asked(query=Query(id=name, text=name, slices=slices), old=found[0], new=found[1]))
    settings = VerifyEntry(metrics={"nDCG@10": 0.05, "R@100": 0.05, "Success@10": None, "RR@10": None})
    random_pairs = {side: np.sort(rng.normal(size=200_000)) for side in ("old", "new")}
    started, wall = time.process_time(), time.perf_counter()
    values = values_of(asked, Labels(grades=grades), settings, relevant_from=2)
    measured_s = time.process_time() - started
    parts = scopes(
        Measured(asked=asked, counted=asked, values=values, settings=settings, random_pairs=random_pairs)
    )
    decide(parts, doubts=[])
    return {
        "core_s": time.process_time() - started,
        "seconds": time.perf_counter() - wall,
        "measures": measured_s,
    }


def failed_share(experiments: int, *, loss: float) -> tuple[float, float]:
    """Return how often a verification of 20 slices fails, and how often the slice that loses is named.

    Measures of 600 queries are made up: two thirds are the same in both indexes, as real ones are.
    """
    names = [f"slice-{number:02}" for number in range(20)]
    asked = [
        Asked(query=Query(id=str(n), text=str(n), slices=(names[n % 20],)), old=Ranking(), new=Ranking())
        for n in range(600)
    ]
    in_first = np.array([n % 20 == 0 for n in range(600)])
    failed = named = 0
    for seed in range(experiments):
        rng = np.random.default_rng(seed)
        old = rng.choice([0.0, 0.4, 0.6, 1.0], size=600)
        new = np.where(rng.random(600) < 2 / 3, old, rng.choice([0.0, 0.4, 0.6, 1.0], size=600))
        new = np.where(in_first, np.maximum(new - loss, 0.0), new)
        values = Values(
            plain={"old": {"nDCG@10": old}, "new": {"nDCG@10": new}},
            condensed=None,
            unjudged={"old": np.zeros(600), "new": np.zeros(600)},
            clusters=None,
        )
        settings = VerifyEntry(metrics={"nDCG@10": 0.05}, slices=SliceVerify(margin=None), seed=seed)
        parts = scopes(
            Measured(
                asked=asked,
                counted=asked,
                values=values,
                settings=settings,
                random_pairs={"old": np.empty(0), "new": np.empty(0)},
            )
        )
        verdict, _reasons = decide(parts, doubts=[])
        failed += verdict == "failed"
        named += parts[1].answer == "fail"
    return failed / experiments, named / experiments


def _ranking(rng: np.random.Generator, results: int) -> tuple[str, ...]:
    return tuple(f"doc-{n}" for n in rng.permutation(3 * results)[:results].tolist())


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield chunks a second of a core, the growth of memory, and the microseconds of the router."""
    large = 200_000 if quick else 2_100_000
    few, many = filled_apart(SMALL), filled_apart(large)
    yield Row(
        goal=f"reindex {large:,} chunks, embedding and index free, chunks per second of a core",
        value=large / many["core_s"],
        limit=">= 50000",
        beside={"per second": large / many["seconds"], "plain loop": SMALL / plain_loop(SMALL)},
    )
    yield Row(
        goal=f"memory of a reindexing, {SMALL:,} to {large:,} chunks, MB more",
        value=many["MB"] - few["MB"],
        limit="<= 50",
        beside={f"{SMALL:,}": few["MB"], f"{large:,}": many["MB"]},
    )
    took = verification(1_000, 100)
    yield Row(
        goal="verification of 1,000 queries x 100 results, 23 slices, 4 measures, seconds",
        value=took["seconds"],
        limit="<= 5",
        beside={"of a core": took["core_s"], "the measures alone": took["measures"]},
    )
    some = 40 if quick else 400
    yield Row(
        goal="an index as good as the old one fails, 20 slices of 30 queries, share",
        value=failed_share(some, loss=0.0)[0],
        limit="<= 0.05",
    )
    yield Row(
        goal="one slice of 30 queries that loses 0.5 of nDCG is named, share",
        value=failed_share(some, loss=0.5)[1],
        limit=">= 0.9",
        beside={"loses 0.3": failed_share(some, loss=0.3)[1]},
    )
    # Without pauses the shadow's search shares the interpreter with the next query: that is shown beside.
    for phase, pause_s in (("plan", 0.0), ("canary", 0.0), ("shadow_read", 0.002)):
        queries = 2_000 if quick or pause_s else 10_000
        added, search = router_overhead(phase, queries, pause_s=pause_s)
        beside = {"without pauses": router_overhead(phase, 2_000)[0]} if pause_s else {}
        rate = ", under 500 queries a second" if pause_s else ""
        yield Row(
            goal=f"router in the phase {phase}{rate}, microseconds more than its index",
            value=added,
            limit="<= 50",
            beside={"search": search, **beside},
        )


if __name__ == "__main__":
    run(measure, description=__doc__ or "")
