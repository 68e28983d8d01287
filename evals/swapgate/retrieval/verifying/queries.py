"""The queries that both indexes are asked: from a file, or those that routers recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from swapgate.errors import UsageError, nearest
from swapgate.records import content_hash
from swapgate.retrieval.records import ShadowRead
from swapgate.retrieval.verifying.rows import Row, read_rows
from swapgate.spec.index_verify import VerifyEntry
from swapgate.spec.source import shown_path, why_no_file
from swapgate.values import Value

QUERY_ID = ("_id", "id", "query_id", "query-id", "qid")
_TEXT = ("text", "query", "query_text", "title")
_BEIR = "queries.jsonl"
_DEFAULT_SLICE = "slice"


class Query(Value):
    """One query. `slices` are named `field:value`; `cluster` is who asked it: queries of one count as one."""

    id: str
    text: str
    slices: tuple[str, ...] = ()
    cluster: str | None = None


def queries_file(written: str, *, root: Path) -> Path:
    """Return the file of queries; of a folder laid out as BEIR's the one in it."""
    path = root / written
    found = path / _BEIR if path.is_dir() else path
    if not found.is_file():
        raise UsageError(f"verify: queries: {shown_path(found, root)}: {why_no_file(found)}")
    return found


def read_queries(path: Path, settings: VerifyEntry, *, root: Path) -> list[Query]:
    """Return the queries of a file in its order; raise SpecError at the first that cannot be used."""
    lines: dict[str, int] = {}
    queries = []
    seen: dict[str, None] = {}
    for row in read_rows(path, root=root, columns=[("_id", "text")]):
        query = _query(row, settings)
        if query.id in lines:
            raise row.error(f"the query {query.id!r} is here twice: first in line {lines[query.id]}")
        lines[query.id] = row.line
        seen |= dict.fromkeys(row.fields)
        queries.append(query)
    if not queries:
        raise UsageError(f"{shown_path(path, root)}: there is no query in it")
    _require_fields(settings, seen, shown_path(path, root))
    return queries


def recorded_queries(reads: Iterable[ShadowRead]) -> list[Query]:
    """Return the different texts among recorded shadow reads, each with a hash as its id.

    Raises UsageError where no text was kept.
    """
    found: dict[str, Query] = {}
    total = 0
    for read in reads:
        total += 1
        if read.query is not None and read.query.strip():
            found.setdefault(
                read.query,
                Query(id=f"q-{content_hash(read.query)[:12]}", text=read.query, cluster=read.key_hash),
            )
    if not found:
        raise UsageError(
            f"verify: queries: shadow: {total:,} shadow reads are recorded, and none with its text. Open "
            "routers with keeps_queries=True, or name a file of queries"
        )
    return list(found.values())


def drawn(queries: Sequence[Query], limit: int | None, *, seed: int) -> list[Query]:
    """Return the queries that a seed draws, in their order: always the same, and more as the limit grows."""
    if limit is None or limit >= len(queries):
        return list(queries)
    order = sorted(queries, key=lambda one: content_hash([seed, one.id]))
    kept = {one.id for one in order[:limit]}
    return [one for one in queries if one.id in kept]


def _query(row: Row, settings: VerifyEntry) -> Query:
    text = row.value(_TEXT, noun="query's text").strip()
    if not text:
        raise row.error("the query's text is empty")
    cluster = None
    if settings.cluster is not None and row.fields.get(settings.cluster) is not None:
        cluster = str(row.fields[settings.cluster])
    return Query(
        id=row.value(QUERY_ID, noun="query's id").strip(),
        text=text,
        slices=tuple(dict.fromkeys(_slices(row, settings.slices.by))),
        cluster=cluster,
    )


def _slices(row: Row, by: Sequence[str]) -> Iterator[str]:
    for name in by:
        value = row.fields.get(name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict | list):
                raise row.error(f"{name}: a slice is a word or a list of words, got {one!r}")
            if one is not None and str(one).strip():
                yield str(one) if name == _DEFAULT_SLICE else f"{name}:{one}"


def _require_fields(settings: VerifyEntry, seen: Iterable[str], shown: str) -> None:
    """Refuse a field that no query has, but for the one that is looked for unasked."""
    known = list(seen)
    named = [*settings.slices.by, *([settings.cluster] if settings.cluster else [])]
    for name in named:
        if name not in known and name != _DEFAULT_SLICE:
            raise UsageError(f"verify: {shown}: no query has a field {name!r}.{nearest(name, known)}")
