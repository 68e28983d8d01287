"""From `config/index.yml` to what it names: indexes, embedders, source, chunker, the state."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

from swapgate.engine.day_budget import open_day_budget
from swapgate.errors import UsageError
from swapgate.records import content_hash
from swapgate.retrieval.adapters.pgvector import Columns, PgvectorIndex
from swapgate.retrieval.adapters.qdrant import QdrantIndex, open_client
from swapgate.retrieval.adapters.sqlite import SqliteIndex
from swapgate.retrieval.chunking import Chunker, open_chunker
from swapgate.retrieval.embedding import AsyncEmbedder
from swapgate.retrieval.embedding.local import open_local
from swapgate.retrieval.embedding.vectors import fingerprint_of
from swapgate.retrieval.fingerprint import Fingerprint, Threshold
from swapgate.retrieval.index import Side, VectorIndex
from swapgate.retrieval.phases import Migration
from swapgate.retrieval.sources import Source, open_source
from swapgate.retrieval.state import STATE_FILE, StateStore
from swapgate.retrieval.threads import AwaitedEmbedder
from swapgate.spec.embedders import WORDLLAMA
from swapgate.spec.index import IndexEntry, IndexFile, read_index_file
from swapgate.spec.models import ModelSpec, read_catalogue
from swapgate.spec.settings import Settings
from swapgate.values import Value


class IndexWorkspace(Value, dict=True):
    """A workspace's migration of indexes, as it is written. Every method raises UsageError for a mistake."""

    settings: Settings
    file: IndexFile

    @property
    def name(self) -> str:
        """The migration's name."""
        return self.file.migration

    @cached_property
    def chunker(self) -> Chunker:
        """How documents are parted for the new index."""
        return open_chunker(self.file.chunk, root=self.settings.root)

    @property
    def ledger_path(self) -> Path:
        """The ledger of the new index."""
        return self.settings.state_dir / "reindex" / f"{_file_name(self.name)}.db"

    @property
    def lock_path(self) -> Path:
        """What two reindexings on one machine meet at."""
        return self.ledger_path.with_suffix(".lock")

    def entry(self, side: Side) -> IndexEntry:
        """Return what is written of one side."""
        return self.file.old if side == "old" else self.file.new

    def fingerprint(self, side: Side) -> Fingerprint:
        """Return the fingerprint of one side's embedding, as it is written."""
        entry = self.entry(side).embed
        chunker = self._chunker_name(side)
        if entry.call is not None:
            return fingerprint_of(entry, provider="python", model=entry.call, chunker=chunker)
        if entry.model == WORDLLAMA:
            return open_local(entry, root=self.settings.root, chunker=chunker).fingerprint
        spec = self.model(side)
        return fingerprint_of(entry, provider=spec.provider, model=spec.model, chunker=chunker)

    def require_begun(self, now: Migration) -> None:
        """Raise UsageError where the embeddings that are written are not those of the migration."""
        for side, wanted in (("old", now.old), ("new", now.new)):
            if differs := wanted.differences(self.fingerprint("old" if side == "old" else "new")):
                raise UsageError(
                    f"the {side} embedding is not the one that the migration {now.name!r} was begun with: "
                    f"{'; '.join(differs)}. Put it back, or write another name under `migration`"
                )

    def threshold(self, side: Side) -> Threshold | None:
        """Return one side's least score; FingerprintError when it was tuned for another embedding."""
        written = self.entry(side).min_score
        if written is None:
            return None
        threshold = Threshold(value=written.value, fingerprint=written.fingerprint)
        threshold.require(self.fingerprint(side), side)
        return threshold

    def model(self, side: Side) -> ModelSpec:
        """Return the model of one side's embedding, of a service."""
        name = self.entry(side).embed.model
        assert name is not None
        return read_catalogue(self.settings.models_file).resolve(name)

    def index(self, side: Side) -> VectorIndex:
        """Open one side's index; nothing is made where there is none."""
        return open_index(self.entry(side), name=side, root=self.settings.root)

    def state(self) -> StateStore:
        """Open the state."""
        url = _address(self.file.state_url, self.file.state_url_env, where="state_url_env")
        return StateStore(url or self.settings.state_dir / STATE_FILE)

    def source(self, old: Callable[[], VectorIndex]) -> Source:
        """Open the source."""
        entry = self.file.source
        url = _address(entry.url, entry.url_env, where="source: url_env")
        return open_source(entry, root=self.settings.root, old=old, url=url)

    @asynccontextmanager
    async def embedder(
        self, side: Side, *, max_cost: float | None = None, is_of_day: bool = False
    ) -> AsyncIterator[AsyncEmbedder]:
        """Yield one side's embedder; `is_of_day` says that the day's budget holds for it, as for no query."""
        entry = self.entry(side).embed
        chunker = self._chunker_name(side)
        if entry.is_local:
            yield AwaitedEmbedder(open_local(entry, root=self.settings.root, chunker=chunker))
            return
        from swapgate.retrieval.embedding.api import open_api

        written = self.file.reindex
        async with open_api(
            self.model(side),
            entry,
            root=self.settings.root,
            chunker=chunker,
            concurrency=written.concurrency,
            retries=written.retries,
            timeout_s=self.settings.timeout_s,
            max_cost=max_cost,
            day=open_day_budget(self.settings) if is_of_day else None,
        ) as opened:
            yield opened

    def _chunker_name(self, side: Side) -> str:
        if side == "old":
            return self.file.old.chunker
        if self.file.new.chunker:
            raise UsageError("new: chunker: what parts the texts of the new index is written under `chunk`")
        # Texts that come out of the old index are parted already.
        before = self.file.old.chunker if self.file.source.index == "old" else ""
        return " | ".join(part for part in (before, self.chunker.name, self._summary_name()) if part)

    def _summary_name(self) -> str:
        written = self.file.summarise
        if written is None:
            return ""
        return f"summary by {written.model} {content_hash({'prompt': written.prompt})[:8]}"


def read_index_workspace(settings: Settings, config: Path | None) -> IndexWorkspace:
    """Return the migration that a file describes: `config/index.yml`, or the one that is named."""
    path = settings.root / "config" / "index.yml" if config is None else config.absolute()
    return IndexWorkspace(settings=settings, file=read_index_file(path, root=settings.root))


def open_index(entry: IndexEntry, *, name: str, root: Path) -> VectorIndex:
    """Open the store that is written."""
    if entry.sqlite is not None:
        return SqliteIndex(name, root / entry.sqlite.path)
    if entry.qdrant is not None:
        store = entry.qdrant
        key = (
            _variable(store.api_key_env, where=f"{name}: qdrant: api_key_env") if store.api_key_env else None
        )
        path = root / store.path if store.path is not None else None
        return QdrantIndex(name, open_client(url=store.url, path=path, api_key=key), store.collection)
    assert entry.pgvector is not None
    table = entry.pgvector
    dsn = _address(table.url, table.url_env, where=f"{name}: pgvector: url_env")
    assert dsn is not None
    columns = Columns(id=table.id, vector=table.vector, payload=table.payload)
    return PgvectorIndex(name, dsn, table.table, columns=columns)


def _address(url: str | None, variable: str | None, *, where: str) -> str | None:
    return _variable(variable, where=where) if variable is not None else url


def _variable(name: str, *, where: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise UsageError(f"{where}: the environment variable {name} is not set")
    return value


def _file_name(name: str) -> str:
    """Return a name that a file can have: of an odd one its hash tells it from others."""
    plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:60]
    return plain if plain == name else f"{plain}-{content_hash({'name': name})[:8]}"
