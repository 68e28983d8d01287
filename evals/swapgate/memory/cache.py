"""Responses by the content of their request: the cache, and recordings in JSONL. Never an error."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, BinaryIO

from pydantic import ValidationError

from swapgate.errors import SpecError, StoreError
from swapgate.memory.claims import Claims
from swapgate.memory.remedies import remedy_for, said_by
from swapgate.memory.wal import (
    BUSY_S,
    closed_on_failure,
    connect_reading,
    inserts,
    is_damage,
    may_pass,
    may_write,
    use_wal,
    watched,
)
from swapgate.memory.writer import BatchWriter
from swapgate.records import (
    Json,
    Message,
    Request,
    Response,
    adapter,
    canonical,
    canonical_text,
    canonical_texts,
    hash_of,
    once_for_each,
    to_json,
    to_text,
)
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.providers import Provider

CACHE_FILE = "cache.db"
_CLAIMS_SUFFIX = ".claims"
_FORMAT = 1
_READ_AT_ONCE = 500
# With rows of its own order: keys are hashes, and each of a batch's rows would be on another page of a table
# that is ordered by them, to be written anew. Files of earlier versions are such tables, and stay so.
_COLUMNS = """
    key TEXT PRIMARY KEY,               -- SHA-256 of the request's content, see request_key
    about TEXT NOT NULL,                -- JSON: provider, model, suite, case, repeat; for people
    response TEXT NOT NULL,             -- JSON: records.Response
    created_at TEXT NOT NULL            -- ISO 8601, UTC
"""
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS responses (  -- one answered request{_COLUMNS});
"""


class Recording(Value):
    """One stored response; `about` names the request for people."""

    key: str
    about: Mapping[str, Json]
    response: Response


def request_key(request: Request, provider: Provider) -> str:
    """Return the key of a request: provider identity, model, messages, parameters, repeat, no more.

    What asks for log-probabilities is part of it where they are asked for.
    """
    # The canonical text of all of it, in the order of keys: nearly the whole are the messages, and nearly all
    # of the rest is shared by every request of a suite.
    messages = ",".join(map(_canonical_message, request.messages))
    schema = "null" if request.output_schema is None else _canonical(request.output_schema)
    asks_for = f'"top_logprobs":{request.top_logprobs},' if request.top_logprobs else ""
    variables = canonical_texts(request.variables) if provider.needs_variables else "null"
    return hash_of(
        f'{_head(provider.identity, request.json_mode)},"messages":[{messages}],'
        f'"model":{canonical_text(request.model)},"output_schema":{schema},'
        f'"params":{_canonical(request.params)},"repeat":{request.repeat},"tools":{_canonical(request.tools)},'
        f'{asks_for}"variables":{variables}}}'
    )


@once_for_each
def _head(identity: Mapping[str, Json], json_mode: bool) -> str:
    return canonical({"format": _FORMAT, "identity": dict(identity), "json_mode": json_mode})[:-1]


@once_for_each
def _canonical(shared: Mapping[str, Json] | Sequence[Json]) -> str:
    return canonical(dict(shared) if isinstance(shared, Mapping) else list(shared))


def _canonical_message(message: Message) -> str:
    if not message.tool_calls and message.tool_call_id is None:
        return f'{{"content":{canonical_text(message.content)},"role":{canonical_text(message.role)}}}'
    written: dict[str, Json] = to_json(message)
    return canonical({name: value for name, value in written.items() if value not in (None, [], ())})


class ResponseCache:
    """The responses of one workspace: its SQLite file, with read-only recordings in front.

    Any number of processes may share the file. Reading happens in the caller's thread, writing in one
    background thread that commits every batch at once: a kill loses at most what arrived in the same instant.

    `claims` say which of them asks what: a key that is claimed is free again soon after its response is
    written, or could not be.

    With `is_read_only` nothing will be put, and the file may lie where nothing can be written, or be absent.
    Every method that reads raises StoreError.
    """

    def __init__(self, path: Path, *, recordings: Iterable[Path] = (), is_read_only: bool = False) -> None:
        self.path = path
        self.claims = Claims(path.with_suffix(_CLAIMS_SUFFIX))
        self._recorded: dict[str, Recording] = {}
        for file in recordings:
            self._recorded.update((r.key, r) for r in read_recordings(file))
        self._pending: dict[str, Recording] = {}
        self._changing_pending = threading.Lock()
        self._lock = threading.Lock()
        self._reader = _connect_reading(path) if is_read_only else _connect(path)
        self._writer: BatchWriter[Recording] | None = (
            None
            if is_read_only
            else BatchWriter(
                self._open_writer,
                name="swapgate-cache",
                on_written=self._forget_pending,
                on_unwritten=self._release,
                weigh=lambda recording: len(recording.response.text),
                may_pass=may_pass,
            )
        )

    def get(self, key: str) -> Response | None:
        """Return the stored response, or None when the key is absent."""
        return self.get_many((key,)).get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, Response]:
        """Return the stored responses of those keys that have one."""
        at_hand = {key: self._recorded.get(key) or self._pending.get(key) for key in keys}
        found = {key: recording.response for key, recording in at_hand.items() if recording is not None}
        wanted = [key for key, recording in at_hand.items() if recording is None]
        with self._telling():
            for start in range(0, len(wanted), _READ_AT_ONCE):
                found |= self._read(wanted[start : start + _READ_AT_ONCE])
        return found

    def _read(self, keys: Sequence[str]) -> dict[str, Response]:
        with self._lock:  # one by one: a text goes once its response is made
            return {key: self._response(text) for key, text in self._rows_of(keys, "key, response")}

    def put(self, key: str, response: Response, about: Mapping[str, Json]) -> None:
        """Store a response; it can be read at once and is on disk a moment later."""
        assert self._writer is not None
        recording = Recording(key=key, about=about, response=response)
        with self._changing_pending:
            self._pending[key] = recording
            self._writer.put(recording)

    @property
    def is_behind(self) -> bool:
        """Whether the disk has so much to catch up with that nothing more should be asked for now."""
        return self._writer is not None and self._writer.is_behind

    def require_intact(self) -> None:
        """Raise StoreError when the file has turned out to be damaged: what is asked now would be lost.

        A disk that is full is another matter: the run still comes to its verdict.
        """
        failure = self._writer.failure if self._writer is not None else None
        if failure is not None and is_damage(failure):
            raise _broken(self.path, failure) from failure

    def abouts(self) -> Iterator[Mapping[str, Json]]:
        """Yield what every response of the database is about."""
        for _key, about in self._abouts():
            yield about

    def export(
        self, *, is_wanted: Callable[[Mapping[str, Json]], bool] = lambda _about: True
    ) -> Iterator[Recording]:
        """Yield every wanted recording of the database, sorted by what it is about.

        No more of them are held at once than are read at once.
        """
        wanted = sorted((*_order(about), key) for key, about in self._abouts() if is_wanted(about))
        for start in range(0, len(wanted), _READ_AT_ONCE):
            keys = [key for *_place, key in wanted[start : start + _READ_AT_ONCE]]
            found = self._recordings(keys)
            yield from (found[key] for key in keys if key in found)

    def _abouts(self) -> Iterator[tuple[str, Mapping[str, Json]]]:
        self.flush()
        with self._telling(), self._lock:
            for key, about in self._reader.execute("SELECT key, about FROM responses"):
                yield key, json.loads(about)

    def _recordings(self, keys: Sequence[str]) -> dict[str, Recording]:
        with self._telling(), self._lock:
            return {
                key: Recording(key=key, about=json.loads(about), response=self._response(text))
                for key, about, text in self._rows_of(keys, "key, about, response")
            }

    def _rows_of(self, keys: Sequence[str], columns: str) -> Iterator[tuple[str, ...]]:
        marks = ", ".join("?" * len(keys))
        return self._reader.execute(f"SELECT {columns} FROM responses WHERE key IN ({marks})", keys)  # noqa: S608 - ours

    def flush(self) -> None:
        """Wait until everything put so far is on disk."""
        if self._writer is not None:
            with self._telling():
                self._writer.flush()

    def close(self) -> None:
        """Write what is pending and close the file; raises StoreError when something could not be written."""
        try:
            if self._writer is not None:
                self._writer.close()
        except (sqlite3.Error, OSError) as exc:
            assert self._writer is not None
            raise _broken(self.path, exc, lost=self._writer.lost) from exc
        finally:
            self.claims.close()
            self._reader.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn what SQLite and the disk raise into a StoreError that names the file and the remedy."""
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            raise _broken(self.path, exc) from exc

    def _response(self, text: str) -> Response:
        try:
            return _response(text)
        except ValueError as exc:
            raise StoreError(
                f"{self.path}: the cache cannot be used: {exc}. Was it written by a newer swapgate, or is it "
                "damaged? Move the file away and run again"
            ) from exc

    def _open_writer(self) -> tuple[Callable[[Sequence[Recording]], None], Callable[[], None]]:
        connection = _connect(self.path)
        require_there = watched(self.path)

        def write(rows: Sequence[Recording]) -> None:
            require_there()
            values = _rows(rows)
            with connection:
                for statement, parameters in inserts("responses", values):
                    connection.execute(statement, parameters)

        return write, connection.close

    def _forget_pending(self, rows: Sequence[Recording]) -> None:
        with self._changing_pending:
            for row in rows:
                if self._pending.get(row.key) is row:  # and no newer one
                    del self._pending[row.key]
        self.claims.release_soon(row.key for row in rows)

    def _release(self, rows: Sequence[Recording]) -> None:
        for row in rows:
            self.claims.release(row.key)


def read_recordings(path: Path) -> Iterator[Recording]:
    """Yield the recordings of a JSONL file; a broken line is a SpecError with its place."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _recording(line, path=path, number=number)
    except (OSError, UnicodeDecodeError) as exc:
        raise SpecError(f"the recordings cannot be read: {said_by(exc)}", path=path) from exc


def take_in(recordings: Iterable[Recording], path: Path) -> int:
    """Store recordings in a cache, all of them or, where going through them raises, none; return how many.

    They come together on disk, elsewhere: the cache is not made before the last of them is known, and others
    who use it wait no longer than copying takes.
    """
    try:
        with closing(sqlite3.connect("", timeout=BUSY_S)) as connection:
            connection.execute(f"CREATE TABLE incoming ({_COLUMNS})")
            rest = iter(recordings)
            while block := _rows(islice(rest, _READ_AT_ONCE)):
                for statement, parameters in inserts("incoming", block):
                    connection.execute(statement, parameters)
            connection.commit()
            _connect(path).close()
            connection.execute("ATTACH ? AS cache", (str(path),))
            with connection:
                connection.execute("INSERT OR REPLACE INTO cache.responses SELECT * FROM incoming")
            return int(connection.execute("SELECT count(*) FROM incoming").fetchone()[0])
    except (sqlite3.Error, OSError) as exc:
        raise _broken(path, exc) from exc


def write_recordings(recordings: Iterable[Recording], stream: BinaryIO) -> int:
    """Write recordings as JSONL, one a line with sorted keys; return how many."""
    count = 0
    for recording in recordings:
        line = json.dumps(_line(recording), sort_keys=True, ensure_ascii=False)
        stream.write(f"{line}\n".encode(errors="backslashreplace"))
        count += 1
    return count


def _line(recording: Recording) -> Json:
    response = {k: v for k, v in to_json(recording.response).items() if v not in (None, [])}
    return {"key": recording.key, "about": dict(recording.about), "response": response}


def _recording(line: str, *, path: Path, number: int) -> Recording:
    try:
        return Recording(
            **{**json.loads(line), "response": _response(json.dumps(json.loads(line)["response"]))}
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise SpecError(
            f"not a recording: {exc}. A line is written by `swapgate cache export`", path=path, line=number
        ) from exc


def _response(text: str) -> Response:
    try:
        response: Response = adapter(Response).validate_json(text)
    except ValidationError as exc:
        raise ValueError(f"a stored response cannot be read: {exc.errors()[0]['msg']}") from exc
    return response


_compact = json.JSONEncoder(separators=(",", ":")).encode


def _rows(recordings: Iterable[Recording]) -> list[tuple[str, str, str, str]]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return [(r.key, _compact(dict(r.about)), to_text(r.response), now) for r in recordings]


def _order(about: Mapping[str, Json]) -> tuple[str, ...]:
    return tuple(intern(str(about.get(name, ""))) for name in ("suite", "case", "model", "role", "repeat"))


def _connect(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
        with closed_on_failure(connection):
            use_wal(connection)
            connection.executescript(_SCHEMA)
    except (sqlite3.Error, OSError) as exc:
        raise _broken(path, exc) from exc
    return connection


def _connect_reading(path: Path) -> sqlite3.Connection:
    """Open the file as it is, an empty database in memory where there is none."""
    if not path.exists():
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.executescript(_SCHEMA)
        return connection
    if may_write(path):
        return _connect(path)
    try:
        return connect_reading(path)
    except (sqlite3.Error, OSError) as exc:
        raise _broken(path, exc) from exc


def _broken(path: Path, exc: BaseException, *, lost: int = 0) -> StoreError:
    remedy = remedy_for(exc, path, elsewhere="set `state` to another folder")
    if not lost:
        return StoreError(f"{path}: the cache cannot be used: {said_by(exc)}. {remedy}")
    responses = "1 response" if lost == 1 else f"{lost:,} responses"
    return StoreError(
        f"{path}: {responses} could not be stored, and will be asked again: {said_by(exc)}. {remedy}"
    )
