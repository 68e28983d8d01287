"""What is to be scored: JSONL and Parquet files, cut into chunks that can be found again."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from swapgate.errors import UsageError
from swapgate.spec.source import shown_path
from swapgate.values import Value

_SUFFIXES = {".jsonl", ".ndjson", ".parquet"}
_INSTALL_PARQUET = "pip install pyarrow"


class Chunk(Value):
    """A stretch of one file: `start` and `end` in bytes, for Parquet in row groups.

    `number` counts the chunks of all files, from 0.
    """

    number: int
    file: Path
    shown: str
    start: int
    end: int


class Text(Value):
    """A chunk as lines of JSON; `first_line` counts from 1 within the file, for Parquet the rows."""

    shown: str
    first_line: int
    lines: bytes


def find_files(written: Sequence[str], *, start: Path) -> list[Path]:
    """Return the files that paths, folders and patterns name, sorted; UsageError where one names nothing."""
    found: dict[Path, None] = {}
    for name in written:
        path = start / name
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES)
        elif path.is_file():
            files = [path]
        else:
            is_pattern = not Path(name).is_absolute() and any(sign in name for sign in "*?[")
            files = sorted(file for file in start.glob(name) if file.is_file()) if is_pattern else []
        if not files:
            wanted = ", ".join(sorted(_SUFFIXES))
            raise UsageError(f"{name}: no file, no folder with {wanted} files, and no pattern that finds any")
        found |= dict.fromkeys(files)
    return list(found)


def cut(files: Sequence[Path], *, chunk_bytes: int, root: Path) -> Iterator[Chunk]:
    """Yield the chunks of the files in order; the same files and size give the same chunks."""
    number = 0
    for file in files:
        bounds = _row_groups(file) if _is_parquet(file) else _line_ends(file, chunk_bytes)
        for start, end in bounds:
            yield Chunk(number=number, file=file, shown=shown_path(file, root), start=start, end=end)
            number += 1


def read(chunk: Chunk, *, first_line: int) -> Text:
    """Return the lines of a chunk."""
    if _is_parquet(chunk.file):
        lines = _read_rows(chunk)
    else:
        with chunk.file.open("rb") as file:
            file.seek(chunk.start)
            lines = file.read(chunk.end - chunk.start)
    return Text(shown=chunk.shown, first_line=first_line, lines=lines)


def _is_parquet(file: Path) -> bool:
    return file.suffix == ".parquet"


def _line_ends(path: Path, chunk_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield stretches that end with a line, each the first such after `chunk_bytes`."""
    size = path.stat().st_size
    start = 0
    with path.open("rb") as file:
        while start < size:
            file.seek(min(start + chunk_bytes, size))
            file.readline()
            end = file.tell()
            yield start, end
            start = end


def _row_groups(path: Path) -> Iterator[tuple[int, int]]:
    groups = _parquet(path).num_row_groups
    yield from ((group, group + 1) for group in range(groups))


def _read_rows(chunk: Chunk) -> bytes:
    rows = _parquet(chunk.file).read_row_group(chunk.start).to_pylist()
    written = ({name: value for name, value in row.items() if value is not None} for row in rows)
    return b"".join(json.dumps(row, default=str).encode() + b"\n" for row in written)


def _parquet(path: Path) -> Any:
    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError(f"{path.name}: Parquet is read with pyarrow. Run: {_INSTALL_PARQUET}")
    try:
        return importlib.import_module("pyarrow.parquet").ParquetFile(path)
    except (OSError, ValueError) as exc:
        raise UsageError(f"{path.name}: not a Parquet file: {exc}") from exc
