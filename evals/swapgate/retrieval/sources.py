"""Where the texts of a reindexing come from; each is read as a stream, as often as there are passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from swapgate.errors import SpecError, StoreError, UsageError, nearest
from swapgate.records import Json
from swapgate.retrieval.chunking import Document
from swapgate.retrieval.index import TEXT, VectorIndex
from swapgate.spec.index import SourceEntry
from swapgate.spec.source import shown_path, why_no_file
from swapgate.values import Value

_PAGE = 1000
_PLAIN = (str, int, float, bool, type(None), list, dict)


class Source(Value):
    """One source. `read` begins anew with every call; `count` is exact, or None where that is not known."""

    name: str
    read: Callable[[], Iterator[Document]]
    count: Callable[[], int | None]


def open_source(entry: SourceEntry, *, root: Path, old: Callable[[], VectorIndex], url: str | None) -> Source:
    """Return the source that is written; raise UsageError when its file is not there.

    `old` opens the old index, where that is the source.
    """
    if entry.jsonl is not None:
        path = _existing(entry.jsonl, root)
        return Source(
            name=f"jsonl {entry.jsonl}",
            read=lambda: _documents(_json_lines(path, root), entry),
            count=lambda: _count_lines(path),
        )
    if entry.parquet is not None:
        return _parquet(entry, _existing(entry.parquet, root))
    if entry.sql is not None:
        assert url is not None
        return _sql(entry, entry.sql, url)
    return Source(name="index old", read=lambda: _of_index(old(), entry), count=lambda: old().count())


def _existing(written: str, root: Path) -> Path:
    path = root / written
    if not path.is_file():
        raise UsageError(f"source: {written}: {why_no_file(path)}")
    return path


_Row = tuple[str, Mapping[str, Any]]


def _documents(rows: Iterable[_Row], entry: SourceEntry) -> Iterator[Document]:
    """Yield each row's document; `_Row` is its place, for messages, and its fields."""
    texts = (entry.text,) if isinstance(entry.text, str) else entry.text
    for place, row in rows:
        for name in (entry.id, *texts):
            if row.get(name) is None:
                what = "has no value" if name in row else f"is not there.{nearest(name, row)}"
                raise SpecError(f"the field {name!r} {what}", path=place)
        text = "\n".join(str(row[name]) for name in texts)
        yield Document(str(row[entry.id]), text, {name: _json(row.get(name)) for name in entry.payload})


def _json(value: Any) -> Json:
    """Return a value that JSON can hold: times and the like of databases become text."""
    found: Json = value if isinstance(value, _PLAIN) else str(value)
    return found


def _json_lines(path: Path, root: Path) -> Iterator[_Row]:
    shown = shown_path(path, root)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as exc:
                raise SpecError(f"not valid JSON: {exc}", path=shown, line=number) from exc
            if not isinstance(row, dict):
                raise SpecError("a line must be a JSON object", path=shown, line=number)
            yield f"{shown}:{number}", row


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _parquet(entry: SourceEntry, path: Path) -> Source:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as exc:
        raise UsageError("a source in Parquet needs pyarrow. Run: pip install pyarrow") from exc
    texts = (entry.text,) if isinstance(entry.text, str) else entry.text
    wanted = [*dict.fromkeys((entry.id, *texts, *entry.payload))]
    try:
        known = parquet.ParquetFile(path).schema_arrow.names
    except (OSError, ValueError) as exc:
        raise UsageError(f"source: {path}: not a file of Parquet: {str(exc).splitlines()[0]}") from exc
    for name in wanted:
        if name not in known:
            raise UsageError(f"source: {path}: no column {name!r}.{nearest(name, known)}")

    def rows() -> Iterator[_Row]:
        number = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_PAGE, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path.name}: row {number}", row

    def count() -> int:
        with parquet.ParquetFile(path) as file:
            return int(file.metadata.num_rows)

    return Source(name=f"parquet {entry.parquet}", read=lambda: _documents(rows(), entry), count=count)


def _sql(entry: SourceEntry, query: str, url: str) -> Source:
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    scheme, colon, rest = url.partition("://")
    if scheme in {"postgres", "postgresql"}:
        url = f"postgresql+psycopg{colon}{rest}"
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as exc:
        # The address may hold a password: it is not shown.
        raise UsageError(
            f"source: the address of the database cannot be used ({type(exc).__name__}). Write it as "
            "SQLAlchemy takes it: postgresql://..., sqlite:///FILE"
        ) from exc

    def rows() -> Iterator[_Row]:
        number = 0
        try:
            with engine.connect().execution_options(stream_results=True, yield_per=_PAGE) as connection:
                for row in connection.execute(text(query)).mappings():
                    number += 1
                    yield f"source: sql: row {number}", dict(row)
        except SQLAlchemyError as exc:
            said = str(getattr(exc, "orig", None) or exc).strip().splitlines()[0]
            raise StoreError(f"source: sql: the query failed after {number:,} rows: {said}") from exc
        finally:
            engine.dispose()

    return Source(name=f"sql {query}", read=lambda: _documents(rows(), entry), count=lambda: None)


def _of_index(index: VectorIndex, entry: SourceEntry) -> Iterator[Document]:
    """Yield what an index holds; its entries keep their ids and their payloads."""
    texts = (entry.text,) if isinstance(entry.text, str) else entry.text
    after: str | None = None
    while True:
        page, after = index.scan(after, _PAGE)
        for one in page:
            missing = [name for name in texts if not isinstance(one.payload.get(name), str)]
            if missing:
                raise SpecError(
                    f"the entry {one.id!r} has no text in its payload under {missing[0]!r}: name the field "
                    "with `text`, or take another source",
                    path=f"source: index {index.name}",
                )
            text = "\n".join(str(one.payload[name]) for name in texts)
            payload = {key: value for key, value in one.payload.items() if key not in {*texts, TEXT}}
            yield Document(one.id, text, payload)
        if after is None:
            return


def batches(documents: Iterator[Document], size: int) -> Iterator[Sequence[Document]]:
    """Yield documents by so many."""
    found: list[Document] = []
    for document in documents:
        found.append(document)
        if len(found) == size:
            yield found
            found = []
    if found:
        yield found
