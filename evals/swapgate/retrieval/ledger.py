"""What of a source lies in an index: one row a chunk, written after its vector. Never ahead of the index."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from swapgate.errors import StoreError
from swapgate.memory.shared_file import FileKind, SharedFile
from swapgate.memory.wal import BUSY_S, inserts
from swapgate.retrieval.chunking import Chunk
from swapgate.retrieval.fingerprint import Fingerprint, FingerprintError, read_fingerprint
from swapgate.values import Value

_AT_ONCE = 500
WRITTEN, DEAD = 1, 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (       -- fingerprint, source, pass, and what it took
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunks (     -- one chunk that was dealt with
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL,               -- of the text and payload that are in the index, or are dead
    state INTEGER NOT NULL,             -- 1 written, 2 dead
    seen INTEGER NOT NULL               -- the last pass that found it in the source
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (       -- why a chunk could not be embedded, or was left out
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,                 -- errors.ErrorKind, or: empty, twice, vector
    reason TEXT NOT NULL,
    tries INTEGER NOT NULL
) WITHOUT ROWID;
"""
_KIND = FileKind(
    schema=_SCHEMA,
    format=1,
    trouble="the ledger of the reindexing cannot be used",
    remedy="Free the disk or mend the file, then run the same command again: it goes on where it stopped",
)


class DeadLetter(Value):
    """A chunk that is not in the index, and why."""

    id: str
    kind: str
    reason: str
    tries: int = 1


class Known(Value):
    """What the ledger says of a chunk."""

    digest: bytes
    state: int
    seen: int


class Cost(Value):
    """What reindexing took. `usd` is None where no service was paid; `is_known` where anything was noted."""

    usd: float | None
    seconds: float
    is_known: bool


class Ledger:
    """One file a migration. One thread reads it, and one (it may be another) writes it.

    Raises FingerprintError when it was begun for another embedding or from another source: what it says of
    chunks then does not hold.
    """

    def __init__(self, path: Path, *, fingerprint: Fingerprint, source: str) -> None:
        self.path = path
        self._file = SharedFile(path, _KIND)
        self._reader, self._writer = self._file.connect(), self._file.db
        self._require(fingerprint, source)

    def begin_pass(self) -> int:
        """Return the number of a new pass over the source."""
        number = int(self._meta().get("pass", "0")) + 1
        self._put_meta(**{"pass": str(number)})
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM dead WHERE kind = 'twice'")
        return number

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """Return what is known of these chunks."""
        found: dict[str, Known] = {}
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            sql = f"SELECT id, digest, state, seen FROM chunks WHERE id IN ({marks})"  # noqa: S608 - question marks
            for one, digest, state, seen in self._reader.execute(sql, tuple(some)):
                found[one] = Known(digest=digest, state=state, seen=seen)
        return found

    def written(self, chunks: Iterable[Chunk], number: int) -> None:
        """Store that the vectors of these chunks are in the index."""
        with self._file.transaction() as connection:
            rows = [(chunk.id, chunk.digest, WRITTEN, number) for chunk in chunks]
            for statement, values in inserts("chunks", rows):
                connection.execute(statement, values)
            self._revive(connection, [row[0] for row in rows])

    def seen(self, ids: Sequence[str], number: int) -> None:
        """Store that a pass found these chunks as they were."""
        with self._file.transaction() as connection:
            connection.executemany("UPDATE chunks SET seen = ? WHERE id = ?", ((number, one) for one in ids))

    def bury(self, letters: Sequence[tuple[DeadLetter, bytes]], number: int) -> None:
        """Store chunks that cannot be embedded; the index holds an older text of them, if any."""
        sql = (
            "INSERT INTO dead VALUES (?, ?, ?, 1) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, "
            "reason = excluded.reason, tries = tries + 1"
        )
        with self._file.transaction() as connection:
            rows = [(letter.id, digest, DEAD, number) for letter, digest in letters]
            for statement, values in inserts("chunks", rows):
                connection.execute(statement, values)
            connection.executemany(sql, ((one.id, one.kind, one.reason) for one, _digest in letters))

    def note(self, letter: DeadLetter) -> None:
        """Store what is wrong with a text of the source beside what is known of its chunk."""
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO dead VALUES (?, ?, ?, 1)", (letter.id, letter.kind, letter.reason)
            )

    def unseen(self, number: int, *, limit: int = _AT_ONCE) -> list[str]:
        """Return chunks that a whole pass did not find any more, at most `limit`."""
        sql = "SELECT id FROM chunks WHERE seen < ? LIMIT ?"
        return [row[0] for row in self._writer.execute(sql, (number, limit))]

    def count_unseen(self, number: int) -> int:
        """Return how many chunks a whole pass did not find any more."""
        return int(
            self._writer.execute("SELECT COUNT(*) FROM chunks WHERE seen < ?", (number,)).fetchone()[0]
        )

    def forget(self, ids: Sequence[str]) -> None:
        """Drop chunks that were removed from the index."""
        with self._file.transaction() as connection:
            connection.executemany("DELETE FROM chunks WHERE id = ?", ((one,) for one in ids))
            self._revive(connection, ids)

    def written_ids(self, after: str, limit: int) -> list[str]:
        """Return one page of the chunks that are in the index, by id."""
        sql = "SELECT id FROM chunks WHERE state = ? AND id > ? ORDER BY id LIMIT ?"
        return [row[0] for row in self._reader.execute(sql, (WRITTEN, after, limit))]

    def counts(self) -> tuple[int, int]:
        """Return how many chunks are written, and how many are dead."""
        rows = dict(self._writer.execute("SELECT state, COUNT(*) FROM chunks GROUP BY state"))
        return rows.get(WRITTEN, 0), rows.get(DEAD, 0)

    def dead_letters(self, *, limit: int | None = None) -> Iterator[DeadLetter]:
        """Yield what could not be embedded, by id."""
        sql = "SELECT id, kind, reason, tries FROM dead ORDER BY id LIMIT ?"
        for one, kind, reason, tries in self._writer.execute(sql, (-1 if limit is None else limit,)):
            yield DeadLetter(id=one, kind=kind, reason=reason, tries=tries)

    def raise_the_dead(self) -> None:
        """Let the next pass try the dead letters again."""
        with self._file.transaction() as connection:
            connection.execute("UPDATE chunks SET digest = x'' WHERE state = ?", (DEAD,))

    def remember_rate(self, chunks_per_s: float) -> None:
        """Store how fast it went, for an estimate."""
        self._put_meta(chunks_per_s=repr(chunks_per_s))

    def rate(self) -> float | None:
        """Return how fast it went the last time."""
        found = self._meta().get("chunks_per_s")
        return None if found is None else float(found)

    def add_cost(self, *, usd: float | None, seconds: float) -> None:
        """Add what one reindexing took; `usd` is None where nobody counts it, as on this machine."""
        before = _cost(self._meta())
        spent = (before.usd or 0.0) + (usd or 0.0) if before.usd is not None or usd is not None else None
        self._put_meta(spent_usd=json.dumps(spent), spent_s=repr(before.seconds + seconds))

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._file.close()

    def _require(self, fingerprint: Fingerprint, source: str) -> None:
        found = self._meta()
        if not found:
            self._put_meta(source=source, fingerprint=fingerprint.to_text())
            return
        begun = read_fingerprint(found["fingerprint"])
        differs = [*begun.differences(fingerprint)]
        if found["source"] != source:
            differs.append(f"source {found['source']!r}, not {source!r}")
        if differs:
            raise FingerprintError(
                f"{self.path}: this reindexing was begun otherwise: {'; '.join(differs)}. It cannot be "
                "resumed so: put that back, or give the new index another place and begin anew with --fresh"
            )

    def _revive(self, connection: sqlite3.Connection, ids: Sequence[str]) -> None:
        if connection.execute("SELECT 1 FROM dead LIMIT 1").fetchone() is not None:
            connection.executemany(
                "DELETE FROM dead WHERE id = ? AND kind <> 'twice'", ((one,) for one in ids)
            )

    def _meta(self) -> Mapping[str, str]:
        return dict(self._writer.execute("SELECT name, value FROM meta"))

    def _put_meta(self, **values: str) -> None:
        with self._file.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def read_bill(path: Path) -> tuple[Cost, int, int]:
    """Return what a ledger says of its cost, and how many chunks are written and dead; nothing is locked."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as file:
            meta = dict(file.execute("SELECT name, value FROM meta"))
            states = dict(file.execute("SELECT state, count(*) FROM chunks GROUP BY state"))
    except sqlite3.Error as exc:
        raise StoreError(f"{path}: the ledger cannot be read: {exc}") from exc
    return _cost(meta), states.get(WRITTEN, 0), states.get(DEAD, 0)


def _cost(meta: Mapping[str, str]) -> Cost:
    usd = json.loads(meta.get("spent_usd", "null"))
    return Cost(usd=usd, seconds=float(meta.get("spent_s", 0.0)), is_known="spent_s" in meta)
