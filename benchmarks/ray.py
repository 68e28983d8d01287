"""What it costs one process to leave work to Ray: the time of its own core, beside doing the work itself.

A driver that spends as long on sending as on doing gains nothing by a cluster of any size. Times are those of
this process's core alone, so that a busy machine changes little.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.retrieval import NullIndex, lay
from benchmarks.table import Row, run
from swapgate.records import Json, Response
from swapgate.retrieval.ledger import Ledger
from swapgate.retrieval.on_ray import spread
from swapgate.retrieval.opening import read_index_workspace
from swapgate.retrieval.reindex import Filling, reindex
from swapgate.shadow.comparing.replayed import open_hands
from swapgate.shadow.plan import open_plan
from swapgate.shadow.records import Exchange, answered
from swapgate.spec.settings import Settings, resolve_settings

BATCH = 128
TOGETHER = 32
ANSWER = "The function returns early when the list is empty, which hides the error that a caller should see. "
EMBED = """\
import numpy as np

VECTORS = np.random.default_rng(1).normal(size=(1024, 256)).astype(np.float32)

def embed(texts):
    return VECTORS[: len(texts)]
"""
INDEX = f"""\
migration: bench
old: {{sqlite: {{path: old.db}}, embed: {{model: wordllama}}}}
new: {{sqlite: {{path: new.db}}, embed: {{call: "ready:embed", dimensions: 256}}}}
source: {{jsonl: docs.jsonl}}
reindex: {{batch: {BATCH}}}
"""


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield every goal's row."""
    print(f"load on this machine before: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(sys.path[0]) / "evals"), sys.path[0]])
        here, there = write(root), resolve_settings(root, {"ray": "local"}, {})
        count = 500 if quick else 3_000
        ours, theirs = compared(here, count), compared(there, count)
        yield Row(
            goal="an exchange compared on workers: the driver's time of a core, of comparing it here",
            value=theirs / ours,
            limit="<= 0.5",
            beside={"microseconds": 1e6 * theirs, "here": 1e6 * ours},
        )
        chunks = 10_000 if quick else 100_000
        lay(root / "docs.jsonl", chunks)
        yield Row(
            goal="chunks embedded on workers, embedding and index free: a second of the driver's core",
            value=chunks / filled(there),
            limit=">= 10000",
            beside={"here": chunks / filled(here)},
        )


def write(root: Path) -> Settings:
    """Write a workspace that compares by wordllama and embeds by a function; return its settings."""
    models = {name: {"provider": "openai", "model": name} for name in ("gpt-5.5", "gpt-5.5-mini")}
    files = {
        "config/models.yml": json.dumps({"models": models}),
        "config/shadow.yml": "routes: {review: {control: gpt-5.5, candidate: gpt-5.5-mini}}\n",
        "config/promote.yml": "compare: {review: {similarity: wordllama}}\n",
        "config/index.yml": INDEX,
        "ready.py": EMBED,
    }
    (root / "config").mkdir()
    for name, text in files.items():
        (root / name).write_text(text)
    return resolve_settings(root, {}, {})


def compared(settings: Settings, count: int) -> float:
    """Return the seconds of this process's core for one exchange, as many at once as a replay has."""
    plan = open_plan(settings, settings.root / "config" / "shadow.yml")
    planned = plan.routes["review"]
    exchanges = [exchange(number) for number in range(count)]
    with open_hands(settings, plan) as hands:

        async def all_of(some: Sequence[Exchange]) -> None:
            at_once = asyncio.Semaphore(2 * TOGETHER)

            async def one(each: Exchange) -> Mapping[str, Json] | None:
                async with at_once:
                    return await hands.compare(each, planned)

            found = await asyncio.gather(*map(one, some))
            assert all(stored is not None for stored in found)

        return timed(all_of, exchanges[:TOGETHER], exchanges) / count


def timed(
    work: Callable[[Sequence[Exchange]], Awaitable[None]],
    first: Sequence[Exchange],
    then: Sequence[Exchange],
) -> float:
    """Return the seconds of the core for the second call: the first one loads what is loaded once."""

    async def both() -> float:
        await work(first)
        started = time.process_time()
        await work(then)
        return time.process_time() - started

    return asyncio.run(both())


def exchange(number: int) -> Exchange:
    """Return an exchange whose two answers differ."""
    texts = (f"{8 * ANSWER}{number}", f"{8 * ANSWER.replace('early', 'late')}{number}")
    control, candidate = (
        answered(name, Response(text=text, finish_reason="stop"))
        for name, text in zip(("old", "new"), texts, strict=True)
    )
    return Exchange(
        key=str(number),
        route="review",
        at="2026-11-26T00:00:00Z",
        api="chat",
        control=control,
        candidate=candidate,
        request={"messages": [{"role": "user", "content": 8 * ANSWER}]},
    )


def filled(settings: Settings) -> float:
    """Return the seconds of this process's core for one pass over the source."""
    workspace = read_index_workspace(settings, None)
    fingerprint = workspace.fingerprint("new")
    path = settings.root / f"ledger-{settings.ray}.db"
    with closing(Ledger(path, fingerprint=fingerprint, source="bench")) as ledger, spread(workspace) as far:

        async def fill() -> float:
            async with workspace.embedder("new") as own:
                filling = Filling(
                    source=workspace.source(NullIndex),
                    chunking=workspace.chunker,
                    embedder=own if far is None or far.embedder is None else far.embedder,
                    index=NullIndex("new"),
                    ledger=ledger,
                    settings=workspace.file.reindex,
                )
                started = time.process_time()
                await reindex(filling, passes=1)
                return time.process_time() - started

        return asyncio.run(fill())


if __name__ == "__main__":
    run(measure, description=__doc__)
