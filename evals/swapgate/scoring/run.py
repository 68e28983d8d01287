"""One scoring from its files to its summary: the parts that are missing are made, the others are read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from swapgate.engine.workspace import Workspace
from swapgate.errors import UsageError
from swapgate.scoring.inputs import Chunk, cut, read
from swapgate.scoring.parts import DonePart, Parts, chunk_bytes_of, describe, short_hash
from swapgate.scoring.pool import open_pool
from swapgate.scoring.scorer import cases_of
from swapgate.scoring.summary import ScoreSummary, summarise_parts
from swapgate.spec.settings import Settings

_LARGEST_CHUNK, _SMALLEST_CHUNK = 4 * 1024 * 1024, 256 * 1024
_CHUNKS_A_PROCESS = 8
SUMMARY_FILE = "summary.json"
_SUMMARY_FORMAT = "1.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """A finished scoring: its folder, how many of its parts were there already, and what they add up to."""

    folder: Path
    parts: int
    reused: int
    summary: ScoreSummary


def score_files(
    files: Sequence[Path],
    suites: Sequence[Path],
    settings: Settings,
    *,
    model: str | None = None,
    out: Path | None = None,
    processes: int | None = None,
    on_progress: Callable[[float], None] = lambda _share: None,
) -> Scoring:
    """Score recorded outputs by the checks of their cases; raise UsageError before anything is written.

    `processes` (None: one for each CPU) is for this machine; on Ray there is one for each free CPU.
    `on_progress` takes the share of bytes that is done.
    """
    workspace = Workspace(settings)
    ready = [workspace.suite(path) for path in suites]
    if not ready:
        raise UsageError("no suite to score by: name one with --suite")
    processes = processes or os.cpu_count() or 1
    size = sum(file.stat().st_size for file in files)
    chunk_bytes = (chunk_bytes_of(out) if out else None) or _chunk_bytes(size, processes)
    hashes = {suite.name: suite.loaded.content_hash for suite in ready}
    manifest = describe(files, hashes, model=model, chunk_bytes=chunk_bytes, root=settings.root)
    chunks = list(cut(files, chunk_bytes=chunk_bytes, root=settings.root))
    parts = Parts(out or settings.reports_dir / f"scores-{short_hash(manifest)}", manifest)
    done = {part.number: part for chunk in chunks if (part := parts.done(chunk)) is not None}
    reused = len(done)
    if reused < len(chunks):
        for part in _made(chunks, done, parts, suites, settings, model=model, processes=processes):
            done[part.number] = part
            on_progress(len(done) / len(chunks))
    summary = summarise_parts(parts, [done[chunk.number] for chunk in chunks], cases_of(ready))
    _write_summary(parts.folder / SUMMARY_FILE, summary)
    return Scoring(folder=parts.folder, parts=len(chunks), reused=reused, summary=summary)


def _made(
    chunks: Sequence[Chunk],
    done: dict[int, DonePart],
    parts: Parts,
    suites: Sequence[Path],
    settings: Settings,
    *,
    model: str | None,
    processes: int,
) -> Iterator[DonePart]:
    """Yield the parts that were missing, as they are written."""
    missing = [chunk for chunk in chunks if chunk.number not in done]
    firsts = _FirstLines(chunks, done)
    with open_pool(settings, suites, model=model, processes=min(processes, len(missing))) as pool:
        for chunk, part in pool.score(missing, lambda chunk: read(chunk, first_line=firsts.of(chunk))):
            yield parts.add(chunk, part)


class _FirstLines:
    """The number of each chunk's first line; those in front of it are counted at most once."""

    def __init__(self, chunks: Sequence[Chunk], done: dict[int, DonePart]) -> None:
        self._chunks = chunks
        self._lines = {number: part.lines for number, part in done.items()}
        self._firsts: dict[int, int] = {}

    def of(self, chunk: Chunk) -> int:
        """Return the number of a chunk's first line in its file."""
        if chunk.start == 0:
            self._firsts[chunk.number] = 1
        if chunk.number not in self._firsts:
            before = self._chunks[chunk.number - 1]
            self._firsts[chunk.number] = self.of(before) + self._count(before)
        return self._firsts[chunk.number]

    def _count(self, chunk: Chunk) -> int:
        if chunk.number not in self._lines:
            self._lines[chunk.number] = read(chunk, first_line=1).lines.count(b"\n")
        return self._lines[chunk.number]


def _chunk_bytes(size: int, processes: int) -> int:
    """Return chunks that keep all processes busy to the end, and are still worth their way."""
    return max(_SMALLEST_CHUNK, min(_LARGEST_CHUNK, size // (processes * _CHUNKS_A_PROCESS)))


def _write_summary(path: Path, summary: ScoreSummary) -> None:
    value = {"format": _SUMMARY_FORMAT, **asdict(summary)}
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
