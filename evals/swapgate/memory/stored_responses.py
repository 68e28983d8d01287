"""The stored responses of a workspace, read and never written: nothing is created, locked or changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic_core import from_json

from swapgate.errors import StoreError
from swapgate.memory.cache import Recording, read_recordings
from swapgate.memory.remedies import remedy_for
from swapgate.memory.wal import connect_reading
from swapgate.records import Json, Response, adapter, to_json


class Sample(NamedTuple):
    """One stored response in numbers; what nobody noted is None. `chars` is the length of what was sent."""

    model: str
    role: str
    suite: str
    case: str
    chars: int | None
    tokens_in: int | None
    tokens_out: int | None
    latency_s: float | None


class StoredResponses:
    """The cache of a workspace, if it has one, with recordings in front."""

    def __init__(self, path: Path, *, recordings: Iterable[Path] = ()) -> None:
        self.path = path
        self._recorded: dict[str, Recording] = {}
        for file in recordings:
            self._recorded.update((r.key, r) for r in read_recordings(file))
        self._connection = _open(path) if path.is_file() else None

    def get(self, key: str) -> Response | None:
        """Return the stored response, or None when the key is absent."""
        if (recording := self._recorded.get(key)) is not None:
            return recording.response
        rows = list(self._select("SELECT response FROM responses WHERE key = ?", key))
        response: Response | None = adapter(Response).validate_json(rows[0][0]) if rows else None
        return response

    def samples(self) -> Iterator[Sample]:
        """Yield every stored response in numbers."""
        for recording in self._recorded.values():
            response = to_json(recording.response)
            yield _sample(recording.about, response["usage"], response["latency_s"])
        columns = "about, json_extract(response, '$.usage'), json_extract(response, '$.latency_s')"
        for about, usage, latency_s in self._select(f"SELECT {columns} FROM responses"):  # noqa: S608 - constant
            yield _sample(from_json(about), from_json(usage or "{}"), latency_s)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()

    def _select(self, query: str, *parameters: str) -> Iterator[tuple[str, ...]]:
        if self._connection is None:
            return
        try:
            yield from self._connection.execute(query, parameters)
        except (sqlite3.Error, ValueError) as exc:
            raise _unreadable(self.path, exc) from exc


def _sample(about: Mapping[str, Json], usage: Mapping[str, Json], latency_s: object) -> Sample:
    return Sample(
        model=str(about.get("model", "")),
        role=str(about.get("role", "model")),
        suite=str(about.get("suite", "")),
        case=str(about.get("case", "")),
        chars=_number(about.get("chars")),
        tokens_in=_number(usage.get("tokens_in")),
        tokens_out=_number(usage.get("tokens_out")),
        latency_s=float(latency_s) if isinstance(latency_s, int | float) else None,
    )


def _number(value: Json) -> int | None:
    return value if isinstance(value, int) else None


def _open(path: Path) -> sqlite3.Connection:
    try:
        return connect_reading(path)
    except (sqlite3.Error, OSError) as exc:
        raise _unreadable(path, exc) from exc


def _unreadable(path: Path, exc: Exception) -> StoreError:
    remedy = remedy_for(exc, path, elsewhere="set `state` to another folder")
    return StoreError(f"{path}: the cache cannot be read: {exc}. {remedy}")
