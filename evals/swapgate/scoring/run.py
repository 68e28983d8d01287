"""One scoring from its files to its summary: the parts that are missing are made, the others are read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.errors import UsageError
from swapgate.scoring.inputs import Chunk, Text, cut, read
from swapgate.scoring.judged import JudgePool
from swapgate.scoring.parts import DonePart, Parts, describe, short_hash
from swapgate.scoring.pool import Pool, open_pool
from swapgate.scoring.scorer import Scorer
from swapgate.scoring.summary import ScoreSummary, summarise_parts
from swapgate.spec.settings import Settings
from swapgate.values import Value

_LARGEST_CHUNK, _SMALLEST_CHUNK = 4 * 1024 * 1024, 256 * 1024
_CHUNKS_A_PROCESS = 8
SUMMARY_FILE = "summary.json"
_SUMMARY_FORMAT = "1.0.0"


class Scoring(Value):
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
    with_judges: bool = False,
    on_progress: Callable[[float], None] = lambda _share: None,
) -> Scoring:
    """Score recorded outputs by the checks of their cases; raise UsageError before anything is written.

    `processes` (None: one for each CPU) is for this machine; on Ray there is one for each free CPU. Judges
    are asked from this process alone. `on_progress` takes the share of chunks that is done.
    """
    workspace = Workspace(settings)
    ready = [workspace.suite(path) for path in suites]
    if not ready:
        raise UsageError("no suite to score by: name one with --suite")
    judges = _judges(workspace, ready) if with_judges else {}
    hashes = {suite.name: suite.loaded.content_hash for suite in ready}
    manifest = describe(files, hashes, judges, model=model, root=settings.root)
    processes = processes or os.cpu_count() or 1
    parts = Parts(
        out or settings.reports_dir / f"scores-{short_hash(manifest)}",
        manifest,
        chunk_bytes=_SMALLEST_CHUNK if with_judges else _chunk_bytes(files, processes),
    )
    chunks = list(cut(files, chunk_bytes=parts.chunk_bytes, root=settings.root))
    done = {part.number: part for chunk in chunks if (part := parts.done(chunk)) is not None}
    reused = len(done)
    if reused < len(chunks):
        pool = (
            nullcontext(JudgePool(workspace, Scorer(workspace, suites, model=model)))
            if with_judges
            else open_pool(settings, suites, model=model, processes=min(processes, len(chunks) - reused))
        )
        _make_missing(chunks, done, parts, pool, on_progress)
    cases = [(suite.name, case) for suite in ready for case in suite.cases]
    summary = summarise_parts(parts, [done[chunk.number] for chunk in chunks], cases)
    _write_summary(parts.folder / SUMMARY_FILE, summary)
    return Scoring(folder=parts.folder, parts=len(chunks), reused=reused, summary=summary)


def _make_missing(
    chunks: Sequence[Chunk],
    done: dict[int, DonePart],
    parts: Parts,
    opening: AbstractContextManager[Pool],
    on_progress: Callable[[float], None],
) -> None:
    """Score the chunks that are not done, and add each to those that are once it is on disk."""
    reader = _Reader(chunks, done)
    missing = [chunk for chunk in chunks if chunk.number not in done]
    with opening as pool:
        for chunk, scored in pool.score(missing, reader.read):
            done[chunk.number] = parts.add(chunk, scored)
            on_progress(len(done) / len(chunks))


def _judges(workspace: Workspace, suites: Sequence[ReadySuite]) -> dict[str, str]:
    """Return the judges of the suites by the hash of their definition; UsageError when there is none."""
    found = {judge.spec.judge: judge for suite in suites for case in suite.cases for judge in case.judges}
    if not found:
        raise UsageError("--judges: no suite here has a judge")
    asked = {name for judge in found.values() for name in workspace.models_of_judge(judge)}
    workspace.require_ready({name: workspace.model(name) for name in sorted(asked)})
    return {name: judge.definition_hash for name, judge in sorted(found.items())}


class _Reader:
    """Reads chunks in their order, and knows which line each begins with."""

    def __init__(self, chunks: Sequence[Chunk], done: Mapping[int, DonePart]) -> None:
        self._chunks = chunks
        self._lines = {number: part.lines for number, part in done.items()}
        self._firsts: list[int] = []

    def read(self, chunk: Chunk) -> Text:
        """Return a chunk's text. Those before it are done, or have been read."""
        for number in range(len(self._firsts), chunk.number + 1):
            is_first = self._chunks[number].start == 0
            self._firsts.append(1 if is_first else self._firsts[-1] + self._lines[number - 1])
        text = read(chunk, first_line=self._firsts[chunk.number])
        self._lines[chunk.number] = text.lines.count(b"\n")
        return text


def _chunk_bytes(files: Sequence[Path], processes: int) -> int:
    """Return chunks that keep all processes busy to the end, and are still worth their way."""
    size = sum(file.stat().st_size for file in files)
    return max(_SMALLEST_CHUNK, min(_LARGEST_CHUNK, size // (processes * _CHUNKS_A_PROCESS)))


def _write_summary(path: Path, summary: ScoreSummary) -> None:
    value = {"format": _SUMMARY_FORMAT, **asdict(summary)}
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
