"""Exchanges in JSON Lines: a folder of files, one a day and process, that can be carried elsewhere."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from swapgate.errors import SpecError, StoreError
from swapgate.memory.writer import BatchWriter
from swapgate.records import adapter
from swapgate.shadow.records import Exchange
from swapgate.storable import storable_text


class JsonlSpool:
    """Appends exchanges to `DAY-XXXX.jsonl` in a folder, a whole line each. Raises StoreError.

    A kill leaves at most one line that is cut off, at the end of a file: `read_spool` leaves it out.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._name = secrets.token_hex(4)
        self._writer: BatchWriter[Exchange] = BatchWriter(self._open, name="swapgate-spool")

    def put(self, exchange: Exchange) -> None:
        """Queue one exchange; it is in its file a moment later."""
        self._writer.put(exchange)

    def flush(self) -> None:
        """Wait until all that was put is written."""
        self._guarded(self._writer.flush)

    def require_intact(self) -> None:
        """Raise StoreError when something could not be written: nothing is from then on."""

        def raise_failure() -> None:
            if self._writer.failure is not None:
                raise self._writer.failure

        self._guarded(raise_failure)

    def close(self) -> None:
        """Write what is pending."""
        self._guarded(self._writer.close)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as exc:
            raise StoreError(
                f"{self.folder}: the spool cannot be written: {exc.strerror}. Free the disk, give yourself "
                "the right to write there, or set `spool` to another folder"
            ) from exc

    def _open(self) -> tuple[Callable[[Sequence[Exchange]], None], Callable[[], None]]:
        self.folder.mkdir(parents=True, exist_ok=True)

        def write(exchanges: Sequence[Exchange]) -> None:
            for day in {exchange.day: None for exchange in exchanges}:
                lines = [storable_text(exchange)[1] for exchange in exchanges if exchange.day == day]
                self._append(self.folder / f"{day}-{self._name}.jsonl", "\n".join(lines) + "\n")

        return write, lambda: None

    @staticmethod
    def _append(path: Path, text: str) -> None:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
            file.write(text.encode())


def purge_spool(folder: Path, before: str) -> int:
    """Remove the files of days before a date; return how many."""
    old = [file for file in folder.glob("????-??-??-*.jsonl") if file.name[:10] < before]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)


def read_spool(path: Path) -> Iterator[Exchange]:
    """Yield the exchanges of a file, or of every .jsonl file in a folder.

    SpecError at a line that is no exchange, but for the last one of a file without an end: its writer died.
    """
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip() and line.endswith(b"\n"):
                    yield _exchange(line, file, number)


def _exchange(line: bytes, path: Path, number: int) -> Exchange:
    try:
        exchange: Exchange = adapter(Exchange).validate_json(line)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the line"
        raise SpecError(
            f"not an exchange of a spool ({place}: {first['msg']}). Other logs are read with --format",
            path=path,
            line=number,
        ) from exc
    return exchange
