"""An index in a table of PostgreSQL with the extension pgvector; also a table that is there already."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from swapgate.errors import UsageError
from swapgate.retrieval.fingerprint import Distance, Fingerprint, distance_of, read_fingerprint
from swapgate.retrieval.index import Hit, Payload, Stored, Vector, VectorIndexError, Vectors, as_vectors
from swapgate.values import Value

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import SQL, Composed, Identifier

INSTALL = "pip install 'swapgate[postgres]'"
_MARK = "swapgate: "
_CONNECT_S = 10
# Of each distance: the operator, the class for its index, and what makes a score of it.
_OPERATOR: dict[Distance, str] = {"cosine": "<=>", "dot": "<#>", "euclid": "<->"}
_CLASS: dict[Distance, str] = {
    "cosine": "vector_cosine_ops",
    "dot": "vector_ip_ops",
    "euclid": "vector_l2_ops",
}
_SCORE: dict[Distance, str] = {"cosine": "1 - ({})", "dot": "-({})", "euclid": "-({})"}
# pgvector's hnsw takes no more.
_MOST_INDEXED = 2000
_SCANS_ON = (0, 8)


class Columns(Value):
    """What the columns of the table are called; `payload` is of type jsonb."""

    id: str = "id"
    vector: str = "embedding"
    payload: str = "payload"


class PgvectorIndex:
    """One table, with one connection a thread; a connection that broke is opened again by the next call."""

    def __init__(self, name: str, dsn: str, table: str, *, columns: Columns | None = None) -> None:
        self.name = name
        self.table = table
        self._dsn = dsn
        self._columns = columns or Columns()
        self._local = threading.local()
        self._pid = os.getpid()
        self._opened: list[psycopg.Connection[Any]] = []
        self._type: str | None = None

    def search(self, vector: Vector, k: int) -> list[Hit]:
        """Return the best `k` entries or fewer, the best first."""
        distance = self._distance
        away = f"{{vector}} {_OPERATOR[distance]} %s"
        columns = f"{{id}}, {_SCORE[distance].format(away)}, {{payload}}"
        text = f"SELECT {columns} FROM {{table}} ORDER BY {away} LIMIT %s"  # noqa: S608 - our own clauses
        given = np.asarray(vector, dtype=np.float32)
        with self._reaching() as connection:
            rows = connection.execute(self._sql(text), (given, given, k)).fetchall()
        # NaN is the cosine of a vector of no length: it is like nothing.
        return [Hit(str(one), 0.0 if isnan(score) else score, payload or {}) for one, score, payload in rows]

    def upsert(self, ids: Sequence[str], vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Store entries; those with known ids are replaced."""
        text = (
            "INSERT INTO {table} ({id}, {vector}, {payload}) SELECT * FROM unnest("
            "%s::text[]::{type}[], %s::vector[], %s::jsonb[]) ON CONFLICT ({id}) "
            "DO UPDATE SET {vector} = excluded.{vector}, {payload} = excluded.{payload}"
        )
        try:
            rows = list(as_vectors(vectors))
        except ValueError as exc:
            raise VectorIndexError(f"{self.name}: {exc}") from exc
        # PostgreSQL's text holds no NUL.
        written = [json.dumps(dict(p)).replace("\\u0000", "\\ufffd") for p in payloads]
        with self._reaching() as connection:
            connection.execute(self._sql(text), (list(ids), [_literal(row) for row in rows], written))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove entries; ids that are not there are passed over."""
        with self._reaching() as connection:
            connection.execute(
                self._sql("DELETE FROM {table} WHERE {id} = ANY(%s::text[]::{type}[])"), (list(ids),)
            )

    def count(self) -> int:
        """Return the exact number of entries."""
        with self._reaching() as connection:
            return int(connection.execute(self._sql("SELECT count(*) FROM {table}")).fetchall()[0][0])

    def fetch(self, ids: Sequence[str]) -> list[Stored]:
        """Return the entries with these ids, those that are there."""
        return self._stored("WHERE {id} = ANY(%s::text[]::{type}[])", (list(ids),))

    def scan(self, after: str | None, limit: int) -> tuple[list[Stored], str | None]:
        """Return one page of all entries by their ids."""
        if after is None:
            page = self._stored("ORDER BY {id} LIMIT %s", (limit,))
        else:
            page = self._stored("WHERE {id} > %s::text::{type} ORDER BY {id} LIMIT %s", (after, limit))
        return page, page[-1].id if len(page) == limit else None

    def stamp(self) -> Fingerprint | None:
        """Return the fingerprint that the table's comment holds."""
        with self._reaching() as connection:
            row = connection.execute(
                "SELECT obj_description(to_regclass(%s), 'pg_class')", (self._quoted(),)
            ).fetchone()
        comment = row[0] if row else None
        return read_fingerprint(comment[len(_MARK) :]) if comment and comment.startswith(_MARK) else None

    def put_stamp(self, fingerprint: Fingerprint) -> None:
        """Stamp the table, in its comment."""
        from psycopg.sql import Literal

        comment = Literal(_MARK + fingerprint.to_text())
        with self._reaching() as connection:
            connection.execute(self._sql("COMMENT ON TABLE {table} IS {comment}", comment=comment))

    def create(self, fingerprint: Fingerprint) -> None:
        """Make the table for this embedding where there is none yet."""
        with self._reaching() as connection:
            found = connection.execute("SELECT to_regclass(%s)", (self._quoted(),)).fetchone()
            if found is not None and found[0] is not None:
                return
            text = (
                'CREATE TABLE IF NOT EXISTS {table} ({id} text COLLATE "C" PRIMARY KEY, {vector} '
                f"vector({fingerprint.dimensions}) NOT NULL, {{payload}} jsonb NOT NULL)"
            )
            connection.execute(self._sql(text))
        self.put_stamp(fingerprint)

    def build(self) -> None:
        """Build the graph that makes searching fast; it is much quicker once than row by row."""
        stamped = self.stamp()
        if stamped is None or stamped.dimensions > _MOST_INDEXED:
            return
        kind = f"hnsw ({{vector}} {_CLASS[stamped.distance]})"
        text = f"CREATE INDEX IF NOT EXISTS {{graph}} ON {{table}} USING {kind}"
        with self._reaching() as connection:
            connection.execute(
                self._sql(text, graph=self._identifier(f"{self.table.split('.')[-1]}_swapgate"))
            )
            connection.execute(self._sql("ANALYZE {table}"))

    def close(self) -> None:
        """Close the connections of all threads."""
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    def _stored(self, where: str, values: tuple[object, ...]) -> list[Stored]:
        text = f"SELECT {{id}}, {{vector}}, {{payload}} FROM {{table}} {where}"  # noqa: S608 - our own clauses
        with self._reaching() as connection:
            rows = connection.execute(self._sql(text), values).fetchall()
        return [Stored(str(one), _array(vector), payload or {}) for one, vector, payload in rows]

    @cached_property
    def _distance(self) -> Distance:
        return distance_of(self.stamp())

    def _sql(self, text: str, **more: Composed | Identifier | Any) -> Composed:
        from psycopg.sql import SQL

        names = {
            "id": self._identifier(self._columns.id),
            "vector": self._identifier(self._columns.vector),
            "payload": self._identifier(self._columns.payload),
            "table": self._identifier(*self.table.split(".")),
            "type": SQL(self._id_type() if "{type}" in text else "text"),
        }
        wanted: SQL = SQL(text)
        return wanted.format(**names, **more)

    def _id_type(self) -> str:
        """Return the type of the column of ids, as PostgreSQL writes it: a user's table may have numbers."""
        if self._type is None:
            sql = (
                "SELECT format_type(atttypid, NULL) FROM pg_attribute "
                "WHERE attrelid = to_regclass(%s) AND attname = %s"
            )
            row = self._connection().execute(sql, (self._quoted(), self._columns.id)).fetchone()
            self._type = row[0] if row else "text"
        return self._type

    def _identifier(self, *parts: str) -> Identifier:
        from psycopg.sql import Identifier

        return Identifier(*parts)

    def _quoted(self) -> str:
        return ".".join('"' + part.replace('"', '""') + '"' for part in self.table.split("."))

    @contextmanager
    def _reaching(self) -> Iterator[psycopg.Connection[Any]]:
        """Yield this thread's connection; what PostgreSQL says becomes VectorIndexError."""
        try:
            import psycopg
        except ModuleNotFoundError as exc:
            raise UsageError(f"an index in PostgreSQL needs psycopg and pgvector. Run: {INSTALL}") from exc

        try:
            yield self._connection()
        except psycopg.Error as exc:
            lines = str(exc).strip().splitlines() or [type(exc).__name__]
            raise VectorIndexError(f"{self.name}: PostgreSQL table {self.table!r}: {lines[0]}") from exc

    def _connection(self) -> psycopg.Connection[Any]:
        if self._pid != os.getpid():
            # Forked: the parent's connections are the parent's.
            self._local, self._opened, self._pid = threading.local(), [], os.getpid()
        known: psycopg.Connection[Any] | None = getattr(self._local, "connection", None)
        if known is None or known.closed:
            known = self._local.connection = _connect(self._dsn)
            self._opened = [one for one in self._opened if not one.closed]
            self._opened.append(known)
        return known


def _connect(dsn: str) -> psycopg.Connection[Any]:
    import psycopg
    from pgvector.psycopg import register_vector

    connection = psycopg.connect(dsn, autocommit=True, connect_timeout=_CONNECT_S)
    if not connection.execute("SELECT to_regtype('vector') IS NOT NULL").fetchall()[0][0]:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    register_vector(connection)
    version = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchall()[
        0
    ][0]
    if tuple(map(int, version.split(".")[:2])) >= _SCANS_ON:
        # Else a search finds 40 entries at most, whatever its limit.
        connection.execute("SET hnsw.iterative_scan = strict_order")
    return connection


def _literal(row: Vector) -> str:
    return "[" + ",".join(map(repr, row.tolist())) + "]"


def _array(vector: Any) -> Vector:
    """Return a vector as psycopg gives it: pgvector's own type, or an array, by its version."""
    return np.asarray(vector.to_numpy() if hasattr(vector, "to_numpy") else vector, dtype=np.float32)
