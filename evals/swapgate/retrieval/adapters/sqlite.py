"""An index in one SQLite file, searched exactly by the extension sqlite-vec: local, no server.

Chosen over LanceDB: 4 MB against 75, one file that many processes share, and exact results. It is opened by
apsw, which brings an SQLite of its own: that of many Pythons loads no extensions.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swapgate.errors import UsageError
from swapgate.memory.wal import BUSY_S
from swapgate.retrieval.fingerprint import Fingerprint, read_fingerprint
from swapgate.retrieval.index import Hit, Payload, Stored, Vector, VectorIndexError, Vectors, as_vectors

if TYPE_CHECKING:
    import apsw

INSTALL = "pip install 'swapgate[retrieval]'"
_AT_ONCE = 500
# sqlite-vec has no inner product: it is computed from what it has.
_METRIC = {"cosine": "cosine", "euclid": "L2"}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS swapgate_stamp (  -- one row: the embedding of the vectors
    only INTEGER PRIMARY KEY CHECK (only = 1),
    fingerprint TEXT NOT NULL                -- JSON: Fingerprint
);
CREATE TABLE IF NOT EXISTS entries (         -- one entry; `number` is its row in `vectors`
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    payload TEXT NOT NULL                    -- JSON
);
"""


class SqliteIndex:
    """A file with one connection a thread; `k` of a search is at most 4,096."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self._local = threading.local()
        self._pid = os.getpid()
        self._opened: list[apsw.Connection] = []

    def search(self, vector: Vector, k: int) -> list[Hit]:
        """Return the best `k` entries or fewer, the best first."""
        sql = (
            "SELECT id, distance, payload FROM vectors JOIN entries ON number = vectors.rowid "
            "WHERE embedding MATCH ? AND k = ? ORDER BY distance"
        )
        is_cosine = self._required().distance == "cosine"
        with self._reaching() as connection:
            found: list[Any] = connection.execute(sql, (_bytes(vector), k)).fetchall()
        # A vector of no length has no cosine: it is like nothing.
        return [
            Hit(
                one,
                0.0 if distance is None else 1 - distance if is_cosine else -distance,
                json.loads(payload),
            )
            for one, distance, payload in found
        ]

    def upsert(self, ids: Sequence[str], vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Store entries; those with known ids are replaced."""
        try:
            given = as_vectors(vectors, dimensions=self._required().dimensions)
        except ValueError as exc:
            raise VectorIndexError(f"{self.name}: {exc}") from exc
        with self._reaching() as connection, _transaction(connection):
            _drop(connection, ids)
            first = connection.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM entries").get
            numbers = range(first, first + len(ids))
            connection.executemany(
                "INSERT INTO entries (number, id, payload) VALUES (?, ?, ?)",
                zip(numbers, ids, (json.dumps(dict(p)) for p in payloads), strict=True),
            )
            connection.executemany(
                "INSERT INTO vectors (rowid, embedding) VALUES (?, ?)",
                zip(numbers, (row.tobytes() for row in given), strict=True),
            )

    def delete(self, ids: Sequence[str]) -> None:
        """Remove entries; ids that are not there are passed over."""
        with self._reaching() as connection, _transaction(connection):
            _drop(connection, ids)

    def count(self) -> int:
        """Return the exact number of entries."""
        with self._reaching() as connection:
            return int(connection.execute("SELECT COUNT(*) FROM entries").get)

    def fetch(self, ids: Sequence[str]) -> list[Stored]:
        """Return the entries with these ids, those that are there."""
        found: list[Stored] = []
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            found += self._stored(f"WHERE id IN ({', '.join('?' * len(some))})", tuple(some))
        return found

    def scan(self, after: str | None, limit: int) -> tuple[list[Stored], str | None]:
        """Return one page of all entries by their ids."""
        page = self._stored("WHERE id > ? ORDER BY id LIMIT ?", (after or "", limit))
        return page, page[-1].id if len(page) == limit else None

    def stamp(self) -> Fingerprint | None:
        """Return the fingerprint that the index was stamped with."""
        if not self.path.exists():
            return None
        with self._reaching() as connection:
            found = connection.execute("SELECT fingerprint FROM swapgate_stamp").get
        return None if found is None else read_fingerprint(found)

    def put_stamp(self, fingerprint: Fingerprint) -> None:
        """Stamp the index."""
        with self._reaching() as connection, _transaction(connection):
            connection.execute(
                "INSERT OR REPLACE INTO swapgate_stamp VALUES (1, ?)", (fingerprint.to_text(),)
            )
        self._local.__dict__.pop("fingerprint", None)

    def create(self, fingerprint: Fingerprint) -> None:
        """Make the index for this embedding where there is none yet."""
        metric = _METRIC.get(fingerprint.distance)
        if metric is None:
            raise UsageError(
                f"{self.name}: sqlite-vec has no {fingerprint.distance} distance. Use cosine, or euclid; of "
                "vectors of length 1 the order is the same"
            )
        column = f"embedding float[{fingerprint.dimensions}] distance_metric={metric}"
        with self._reaching() as connection, _transaction(connection):
            connection.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS vectors USING vec0({column})")
            connection.execute("INSERT OR IGNORE INTO swapgate_stamp VALUES (1, ?)", (fingerprint.to_text(),))

    def build(self) -> None:
        """Do nothing: every search is exact."""

    def close(self) -> None:
        """Close the connections of all threads."""
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    def _stored(self, where: str, values: tuple[str | int, ...]) -> list[Stored]:
        sql = f"SELECT id, embedding, payload FROM entries JOIN vectors ON vectors.rowid = number {where}"  # noqa: S608 - our own clauses
        with self._reaching() as connection:
            rows: list[Any] = connection.execute(sql, values).fetchall()
        return [
            Stored(one, np.frombuffer(raw, dtype=np.float32), json.loads(payload))
            for one, raw, payload in rows
        ]

    def _required(self) -> Fingerprint:
        """Return the stamp, remembered by each thread."""
        known: Fingerprint | None = getattr(self._local, "fingerprint", None)
        if known is None:
            known = self.stamp()
            if known is None:
                raise VectorIndexError(f"{self.name}: there is no index in {self.path} yet")
            self._local.fingerprint = known
        return known

    @contextmanager
    def _reaching(self) -> Iterator[apsw.Connection]:
        """Yield this thread's connection; what SQLite says becomes VectorIndexError."""
        try:
            import apsw
        except ModuleNotFoundError as exc:
            raise _missing() from exc
        if self._pid != os.getpid():
            # What SQLite knows of a file's locks is the parent's, and wrong here.
            raise VectorIndexError(
                f"{self.name}: opened before this process was forked, which SQLite does not survive. Open "
                "the index in each process"
            )
        try:
            connection: apsw.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = _connect(self.path)
                self._opened.append(connection)
            yield connection
        except apsw.Error as exc:
            raise VectorIndexError(f"{self.name}: {self.path}: {exc}") from exc


def _connect(path: Path) -> apsw.Connection:
    import apsw

    try:
        import sqlite_vec
    except ModuleNotFoundError as exc:
        raise _missing() from exc
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_S * 1000)
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    connection.enable_load_extension(False)
    _use_wal(connection)
    connection.execute(_SCHEMA)
    return connection


def _use_wal(connection: apsw.Connection) -> None:
    """Let readers and one writer work side by side; see memory.wal, which is for Python's own SQLite."""
    import apsw

    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except apsw.BusyError:
            if time.monotonic() > until:
                raise
        time.sleep(0.005)
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def _transaction(connection: apsw.Connection) -> Iterator[None]:
    """Take the file's write lock at once: one that is asked for after a read may be refused."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _missing() -> UsageError:
    return UsageError(f"an index in SQLite needs sqlite-vec and apsw. Run: {INSTALL}")


def _drop(connection: apsw.Connection, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        sql = f"DELETE FROM entries WHERE id IN ({marks}) RETURNING number"  # noqa: S608 - question marks
        gone = connection.execute(sql, tuple(some)).fetchall()
        connection.executemany("DELETE FROM vectors WHERE rowid = ?", gone)


def _bytes(vector: Vector) -> bytes:
    return np.ascontiguousarray(vector, dtype=np.float32).tobytes()
