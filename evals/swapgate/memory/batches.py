"""Batches handed in and not fetched yet: what a later process, or another one, must know of them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from swapgate.memory.shared_file import FileKind, SharedFile
from swapgate.records import Json
from swapgate.values import Value

BATCHES_FILE = "batches.db"
_KEPT_S = 30 * 86400.0
# `sending` until the service's id is known; then running until its answers are stored, or it is given up.
StoredState = Literal["sending", "running", "cancelling", "ended", "failed", "expired", "cancelled", "lost"]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (   -- one batch, from just before it is sent
    mark TEXT PRIMARY KEY,             -- our own name of it, drawn; sent along where the service takes one
    service TEXT NOT NULL,             -- the provider's name in models.yml
    model TEXT NOT NULL,               -- the model's name in models.yml
    batch_id TEXT,                     -- the service's id; NULL until the service has told it
    state TEXT NOT NULL,               -- sending, running, cancelling; or how it ended
    begun_at REAL NOT NULL,            -- Unix time, seconds: before it was sent
    sent_at REAL,                      -- Unix time: when the id was received
    is_guessed INTEGER NOT NULL,       -- 1 where the id was found by size and time: perhaps another batch
    leased_until REAL NOT NULL         -- Unix time until which the process that sends it counts as alive
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (  -- one request in a batch
    mark TEXT NOT NULL REFERENCES batches ON DELETE CASCADE,
    key TEXT NOT NULL,                 -- cache.request_key, and the custom id within the batch
    about TEXT NOT NULL,               -- JSON: as in the cache, for people
    facts TEXT NOT NULL,               -- JSON: what must be known to read its answer
    is_open INTEGER NOT NULL,          -- 1 while its answer is awaited
    PRIMARY KEY (mark, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS senders (   -- who sent a batch; earlier versions did not say
    mark TEXT PRIMARY KEY REFERENCES batches ON DELETE CASCADE,
    key_byte INTEGER NOT NULL          -- one byte of a hash of the key: too little to find that by
) WITHOUT ROWID;
-- No request is in two open batches, whichever process asks.
CREATE UNIQUE INDEX IF NOT EXISTS one_open ON requests (key) WHERE is_open;
"""
_KIND = FileKind(
    schema=_SCHEMA,
    format=1,
    trouble="the batches cannot be kept",
    remedy="Free the disk, or run without --batch",
    elsewhere="run without --batch",
    when_newer="update swapgate, or move the file away once no batch is running",
)


class StoredRequest(Value):
    """One request of a batch. `facts` are the provider's, as JSON."""

    key: str
    about: Mapping[str, Json]
    facts: Mapping[str, Json]


class StoredBatch(Value):
    """One batch as it is remembered; times are Unix seconds."""

    mark: str
    service: str
    model: str
    batch_id: str | None
    state: StoredState
    begun_at: float
    sent_at: float | None
    is_guessed: bool
    requests: int
    open_requests: int


class Claim(Value):
    """Who sends what: `mark` names the new batch of the keys in `mine`; `theirs` are in a batch already."""

    mark: str
    mine: frozenset[str]
    theirs: Mapping[str, str]


class BatchStore:
    """The batches of one workspace, in SQLite; any number of processes may share it. Raises StoreError.

    Every change is one transaction, on disk when the method returns. `clock` gives Unix time.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._file = SharedFile(path, _KIND)
        self._db = self._file.db
        with self._file.told():
            self._db.execute("PRAGMA synchronous = FULL")  # a lost row is a batch paid twice
            self._db.execute("PRAGMA foreign_keys = ON")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def claim(
        self, requests: Sequence[StoredRequest], *, service: str, model: str, key_byte: int, lease_s: float
    ) -> Claim:
        """Take the requests that are in no open batch for a new one, before it is sent.

        `key_byte` tells the key in use from most others.
        """
        mark, now = secrets.token_hex(16), self._clock()
        with self._file.transaction() as db:
            theirs = self._open_marks(request.key for request in requests)
            mine = [request for request in requests if request.key not in theirs]
            if mine:
                row = (mark, service, model, None, "sending", now, None, 0, now + lease_s)
                db.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
                db.execute("INSERT INTO senders VALUES (?, ?)", (mark, key_byte))
                db.executemany("INSERT INTO requests VALUES (?, ?, ?, ?, 1)", [_row(mark, r) for r in mine])
        return Claim(mark=mark, mine=frozenset(request.key for request in mine), theirs=theirs)

    def renew(self, mark: str, *, lease_s: float) -> None:
        """Say that the process that sends the batch is alive."""
        self._change("UPDATE batches SET leased_until = ? WHERE mark = ?", (self._clock() + lease_s, mark))

    def take_over(self, mark: str, *, lease_s: float) -> bool:
        """Take the sending of a batch from a process that died; False while it lives, or when it is done."""
        now = self._clock()
        taken = self._change(
            "UPDATE batches SET leased_until = ? WHERE mark = ? AND state = 'sending' AND leased_until < ?",
            (now + lease_s, mark, now),
        )
        return taken == 1

    def sent(self, mark: str, batch_id: str, *, at_s: float | None = None, is_guessed: bool = False) -> None:
        """Remember the service's id of a batch, and when it was sent (by default: now).

        Not where it is only guessed and another batch has it meanwhile.
        """
        self._change(
            "UPDATE batches SET batch_id = ?, state = 'running', sent_at = ?, is_guessed = ? WHERE mark = ? "
            "AND NOT (? AND EXISTS (SELECT 1 FROM batches WHERE batch_id = ?))",
            (batch_id, self._clock() if at_s is None else at_s, is_guessed, mark, is_guessed, batch_id),
        )

    def exchange(self, mark: str, batch_id: str, key: str) -> bool:
        """Give a batch that was guessed wrongly to the one that holds this key, for what that one has.

        False when the key is in no other open batch of ours: then it is a stranger's.
        """
        with self._file.transaction() as db:
            own = db.execute("SELECT batch_id FROM batches WHERE mark = ?", (mark,)).fetchone()
            if own is not None and own[0] != batch_id:  # it was given another one meanwhile
                return True
            rows = dict(db.execute("SELECT mark, batch_id FROM batches WHERE is_guessed OR batch_id IS NULL"))
            other = self._open_marks([key]).get(key)
            if other not in rows:
                return False
            give = "UPDATE batches SET batch_id = ?, state = ?, is_guessed = ?, leased_until = 0, "
            give += "sent_at = coalesce(sent_at, begun_at) WHERE mark = ?"
            db.execute(give, (batch_id, "running", 0, other))
            taken = rows[other]
            db.execute(give, (taken, "running" if taken else "sending", taken is not None, mark))
        return True

    def drop(self, mark: str, keys: Iterable[str]) -> None:
        """Take requests out of a batch before it is sent."""
        with self._file.transaction() as db:
            db.executemany("DELETE FROM requests WHERE mark = ? AND key = ?", [(mark, key) for key in keys])

    def release(self, mark: str) -> None:
        """Forget a batch that was never made."""
        self._change("DELETE FROM batches WHERE mark = ?", (mark,))

    def cancelling(self, mark: str) -> None:
        """Remember that a user has cancelled a batch: what it leaves unanswered may go into another one."""
        self._change("UPDATE batches SET state = 'cancelling' WHERE mark = ? AND state = 'running'", (mark,))

    def finish(self, mark: str, state: StoredState) -> None:
        """Remember that a batch is over: its answers are stored, or there will be none."""
        with self._file.transaction() as db:
            db.execute("UPDATE batches SET state = ? WHERE mark = ?", (state, mark))
            db.execute("UPDATE requests SET is_open = 0 WHERE mark = ?", (mark,))

    def get(self, mark: str) -> StoredBatch | None:
        """Return one batch, None when it was never made."""
        found = self._batches("WHERE b.mark = ?", (mark,))
        return found[0] if found else None

    def batches(self) -> list[StoredBatch]:
        """Return every batch that is remembered, the newest first."""
        return self._batches("")

    def requests(self, mark: str) -> dict[str, StoredRequest]:
        """Return the requests of a batch by their keys."""
        rows = self._read("SELECT key, about, facts FROM requests WHERE mark = ?", (mark,))
        return {k: StoredRequest(key=k, about=json.loads(a), facts=json.loads(f)) for k, a, f in rows}

    def key_byte(self, mark: str) -> int | None:
        """Return what tells the key of a batch's sender from most others; None where that is not known."""
        rows = self._read("SELECT key_byte FROM senders WHERE mark = ?", (mark,))
        return rows[0][0] if rows else None

    def known_ids(self) -> set[str]:
        """Return the service's ids of all batches."""
        return {row[0] for row in self._read("SELECT batch_id FROM batches WHERE batch_id IS NOT NULL", ())}

    def forget_old(self) -> None:
        """Drop batches that were over a month ago."""
        self._change(
            "DELETE FROM batches WHERE begun_at < ? AND state NOT IN ('sending', 'running', 'cancelling')",
            (self._clock() - _KEPT_S,),
        )

    def _open_marks(self, keys: Iterable[str]) -> dict[str, str]:
        """Return which open batch each key is in; one look-up a key, by the index."""
        found: dict[str, str] = {}
        for key in keys:
            row = self._db.execute("SELECT mark FROM requests WHERE key = ? AND is_open", (key,)).fetchone()
            if row is not None:
                found[key] = row[0]
        return found

    def _batches(self, where: str, values: tuple[str, ...] = ()) -> list[StoredBatch]:
        rows = self._read(
            "SELECT b.mark, service, model, batch_id, state, begun_at, sent_at, is_guessed, count(key), "  # noqa: S608 - ours
            f"coalesce(sum(is_open), 0) FROM batches b LEFT JOIN requests r ON r.mark = b.mark {where} "
            "GROUP BY b.mark ORDER BY begun_at DESC, b.mark",
            values,
        )
        names = ("mark", "service", "model", "batch_id", "state", "begun_at", "sent_at")
        return [
            StoredBatch(
                **dict(zip(names, row[:7], strict=True)),
                is_guessed=bool(row[7]),
                requests=row[8],
                open_requests=row[9],
            )
            for row in rows
        ]

    def _read(self, statement: str, values: tuple[str, ...]) -> list[tuple]:  # type: ignore[type-arg]
        with self._file.told():
            return self._db.execute(statement, values).fetchall()

    def _change(self, statement: str, values: tuple[object, ...]) -> int:
        with self._file.transaction() as db:
            return db.execute(statement, values).rowcount


def _row(mark: str, request: StoredRequest) -> tuple[str, str, str, str]:
    return (mark, request.key, json.dumps(dict(request.about)), json.dumps(dict(request.facts)))
