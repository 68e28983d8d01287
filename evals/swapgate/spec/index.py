"""What people write in `config/index.yml`: two indexes, where the texts come from, how they are moved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from swapgate.errors import UsageError
from swapgate.spec.embedders import WORDLLAMA
from swapgate.spec.index_answers import AnswersEntry
from swapgate.spec.index_ramp import RampEntry
from swapgate.spec.index_verify import VerifyEntry
from swapgate.spec.model_entries import BaseUrl, KeyVariable
from swapgate.spec.source import read_yaml, shown_path, validate, why_no_file
from swapgate.spec.suite import Written

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


def _callable(call: str) -> str:
    if not all(call.partition(":")):
        raise ValueError(f"must be a function as package.module:name, got {call!r}")
    return call


Callable = Annotated[str, AfterValidator(_callable)]


class SqliteStore(Written):
    """A file of SQLite with sqlite-vec."""

    path: str


class QdrantStore(Written):
    """A collection of Qdrant: of a server (`url`), or in a folder for one process at a time (`path`)."""

    collection: Name
    url: BaseUrl = None
    path: str | None = None
    api_key_env: KeyVariable = None

    @model_validator(mode="after")
    def _one_place(self) -> QdrantStore:
        if (self.url is None) == (self.path is None):
            raise ValueError("takes either `url` of a server or `path` of a folder")
        return self


class PgvectorStore(Written):
    """A table of PostgreSQL with pgvector. The address comes from the environment where it has a password."""

    table: Name
    url: BaseUrl = None
    url_env: KeyVariable = None
    id: Name = "id"
    vector: Name = "embedding"
    payload: Name = "payload"

    @model_validator(mode="after")
    def _one_address(self) -> PgvectorStore:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("takes either `url` or `url_env`, the variable that holds the address")
        return self


class EmbedEntry(Written):
    """An embedding: a model, or a function of yours; and everything that changes its vectors.

    `model` is `wordllama`, a name of models.yml, or provider:model of an OpenAI-compatible service.
    `dimensions` is how long the vectors are; `ask_dimensions` also asks the service for that. `truncate` is
    the number of characters that are kept of a text.
    """

    model: Name | None = None
    call: Callable | None = None
    dimensions: Count = 256
    ask_dimensions: bool = False
    normalise: bool = False
    query_prefix: str = ""
    passage_prefix: str = ""
    truncate: Count | None = None
    distance: Literal["cosine", "dot", "euclid"] = "cosine"

    @property
    def is_local(self) -> bool:
        """Whether it is computed on the machine that asks, and billed by nobody."""
        return self.call is not None or self.model == WORDLLAMA

    @model_validator(mode="after")
    def _one_kind(self) -> EmbedEntry:
        if (self.model is None) == (self.call is None):
            raise ValueError("takes either `model` or `call`")
        return self


class MinScore(Written):
    """A least score, and the fingerprint of the embedding that it was tuned for."""

    value: float
    fingerprint: str


class IndexEntry(Written):
    """One index: exactly one store, and the embedding of its vectors."""

    sqlite: SqliteStore | None = None
    qdrant: QdrantStore | None = None
    pgvector: PgvectorStore | None = None
    embed: EmbedEntry
    chunker: str = ""
    min_score: MinScore | None = None

    @model_validator(mode="after")
    def _one_store(self) -> IndexEntry:
        if sum(store is not None for store in (self.sqlite, self.qdrant, self.pgvector)) != 1:
            raise ValueError("takes exactly one store: `sqlite`, `qdrant` or `pgvector`")
        return self


class SourceEntry(Written):
    """Where the texts come from: one of `jsonl`, `parquet`, `sql` or `index`.

    `id`, `text` and `payload` name fields (columns); several texts are put one below the other.
    """

    jsonl: str | None = None
    parquet: str | None = None
    sql: str | None = None
    url: BaseUrl = None
    url_env: KeyVariable = None
    index: Literal["old"] | None = None
    id: Name = "id"
    text: Name | tuple[Name, ...] = "text"
    payload: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> SourceEntry:
        kinds = (self.jsonl, self.parquet, self.sql, self.index)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("takes exactly one of `jsonl`, `parquet`, `sql` and `index`")
        if (self.sql is not None) != ((self.url is None) != (self.url_env is None)):
            raise ValueError("takes `url` or `url_env` with `sql`, and with nothing else")
        return self


class ChunkEntry(Written):
    """How documents are parted: by so many words, of which `overlap` are repeated; or by your function."""

    words: Count | None = None
    overlap: Annotated[int, Field(ge=0)] = 0
    call: Callable | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ChunkEntry:
        if (self.words is None) == (self.call is None):
            raise ValueError("takes either `words` or `call`")
        if self.words is not None and self.overlap >= self.words:
            raise ValueError("must overlap by fewer words than a chunk has")
        return self


class SummariseEntry(Written):
    """A model of models.yml that writes the text which is embedded; the prompt shows it `{{text}}`."""

    model: Name
    prompt: str
    max_tokens: Count = 512


class ReindexEntry(Written):
    """How the new index is filled.

    `batch` texts are embedded in one call, `concurrency` calls are in flight. `max_dead` and `max_removed`
    are shares of the chunks: of those that cannot be embedded, and of those that one pass may remove.
    """

    batch: Count = 128
    concurrency: Count = 8
    retries: Annotated[int, Field(ge=0)] = 4
    passes: Count = 5
    max_dead: Share = 0.001
    max_removed: Share = 0.2
    max_alike: Share = 0.01
    max_cost: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    chunks_per_s: Annotated[float, Field(gt=0)] | None = None


class StepHours(Written):
    """Hours of the work around a reindexing, for the estimate of `--dry-run`."""

    retries: Annotated[float, Field(ge=0)] | None = None
    validation: Annotated[float, Field(ge=0)] = 1.0
    rollback_plan: Annotated[float, Field(ge=0)] = 1.5
    swap: Annotated[float, Field(ge=0)] = 2.0


class IndexFile(Written):
    """The whole file. The state lies in a file of the workspace, or in a PostgreSQL that all share."""

    migration: Name
    state_url: BaseUrl = None
    state_url_env: KeyVariable = None
    old: IndexEntry
    new: IndexEntry
    source: SourceEntry
    chunk: ChunkEntry | None = None
    summarise: SummariseEntry | None = None
    reindex: ReindexEntry = Field(default_factory=ReindexEntry)
    hours: StepHours = Field(default_factory=StepHours)
    verify: VerifyEntry = Field(default_factory=VerifyEntry)
    answers: AnswersEntry | None = None
    ramp: RampEntry = Field(default_factory=RampEntry)


def read_index_file(path: Path, *, root: Path) -> IndexFile:
    """Return what the file says; raise SpecError at what is wrong with it."""
    if not path.is_file():
        raise UsageError(
            f"{shown_path(path, root)}: {why_no_file(path)}. Write the two indexes into it, or name "
            "another with --config"
        )
    return validate(IndexFile, read_yaml(path, root=root), noun="the file")
