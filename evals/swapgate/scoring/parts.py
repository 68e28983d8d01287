"""The folder of one scoring: what it is of, and its parts, each of them whole or not there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from swapgate.errors import StoreError, UsageError
from swapgate.records import Json, content_hash
from swapgate.scoring.inputs import Chunk
from swapgate.scoring.scorer import FACTS, Facts, ScoredPart, Trouble
from swapgate.spec.source import shown_path
from swapgate.values import Value

_FORMAT = 1
_MANIFEST = "scoring.json"


class DonePart(Value):
    """A part that is on disk."""

    number: int
    lines: int
    records: int
    results: int
    models: list[str]
    checks: dict[str, list[int]]
    unreadable: Trouble
    unknown: Trouble
    judge_cost_usd: float | None


def describe(
    files: Sequence[Path], suites: dict[str, str], judges: dict[str, str], *, model: str | None, root: Path
) -> dict[str, Json]:
    """Return what a scoring is of: files by size and time, suites and judges by the hash of their content."""
    inputs: list[Json] = []
    for file in files:
        stat = file.stat()
        inputs.append([shown_path(file, root), stat.st_size, stat.st_mtime_ns])
    return {
        "format": _FORMAT,
        "inputs": inputs,
        "suites": dict(suites),
        "judges": dict(judges),
        "model": model,
    }


def short_hash(manifest: dict[str, Json]) -> str:
    """Return the name of a scoring's folder, where none is given."""
    return content_hash(manifest)[:12]


class Parts:
    """The parts in a folder, of chunks of `chunk_bytes`: of the given size where the folder is new.

    Opening it refuses one that belongs to another scoring.
    """

    def __init__(self, folder: Path, manifest: dict[str, Json], *, chunk_bytes: int) -> None:
        self.folder = folder
        self.chunk_bytes = chunk_bytes
        self.results = folder / "results"
        self._facts = folder / "parts"
        for part in (self.results, self._facts):
            part.mkdir(parents=True, exist_ok=True)
        written = folder / _MANIFEST
        if written.is_file():
            stored = json.loads(written.read_text(encoding="utf-8"))
            _require_same(stored, manifest, folder)
            self.chunk_bytes = stored["chunk_bytes"]
        else:
            begun = {**manifest, "chunk_bytes": chunk_bytes}
            _write(written, json.dumps(begun, indent=1).encode() + b"\n")

    def done(self, chunk: Chunk) -> DonePart | None:
        """Return the part of a chunk, None when it has still to be made."""
        path = self._facts / f"{_name(chunk.number)}.json"
        if not path.is_file():
            return None
        stored = json.loads(path.read_text(encoding="utf-8"))
        return DonePart(
            **{
                **stored,
                "unreadable": Trouble(**stored["unreadable"]),
                "unknown": Trouble(**stored["unknown"]),
            }
        )

    def add(self, chunk: Chunk, part: ScoredPart) -> DonePart:
        """Write a part; it counts as done with its last file."""
        done = DonePart(
            number=chunk.number,
            lines=part.lines,
            records=part.records,
            results=len(part.facts) // FACTS.itemsize,
            models=part.models,
            checks=part.checks,
            unreadable=part.unreadable,
            unknown=part.unknown,
            judge_cost_usd=part.judge_cost_usd,
        )
        name = _name(chunk.number)
        _write(self.results / f"{name}.jsonl", part.results)
        _write(self._facts / f"{name}.facts", part.facts)
        _write(self._facts / f"{name}.json", json.dumps(asdict(done)).encode())
        return done

    def facts(self, number: int) -> Facts:
        """Return the facts of a part, one row a result."""
        return np.fromfile(self._facts / f"{_name(number)}.facts", dtype=FACTS)

    def lines(self, number: int) -> Iterator[dict[str, Any]]:
        """Yield the results of a part, in the order of its facts."""
        with (self.results / f"{_name(number)}.jsonl").open("rb") as file:
            yield from map(json.loads, file)


def _name(number: int) -> str:
    return f"part-{number:06d}"


def _require_same(stored: dict[str, Json], wanted: dict[str, Json], folder: Path) -> None:
    differing = [key for key in wanted if stored.get(key) != wanted[key]]
    if differing:
        raise UsageError(
            f"{folder} holds the scores of other {', '.join(differing)}: give another --out, or remove it"
        )


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as exc:
        message = f"{path}: cannot be written: {exc.strerror}. What is done is kept: run it again"
        raise StoreError(message) from exc
