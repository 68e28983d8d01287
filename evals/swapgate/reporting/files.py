"""Report files: written whole or not at all, and `latest`, which names the last run's folder."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from swapgate.errors import StoreError

LATEST = "latest"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


class CannotWrite(StoreError):
    """A file that the system did not let be written: `path`, and `why` in its words."""

    def __init__(self, path: Path, exc: OSError) -> None:
        self.path = path
        self.why = exc.strerror or str(exc)
        super().__init__(f"{path}: cannot be written: {self.why}. Put this right and give the command again")


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path` that takes its place when the block ends well; OSError is CannotWrite.

    What is there and no file, such as /dev/stdout or a pipe, is written to as it stands.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            # A device or a pipe stays what it is, whoever may replace it; a folder refuses.
            with path.open("wb") as stream:
                yield stream
        else:
            with _replacing(path) as partial, partial.open("xb") as stream:
                yield stream
    except OSError as exc:
        raise CannotWrite(path, exc) from exc


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically; lone surrogates become U+FFFD."""
    with atomic_file(path) as stream:
        stream.write(whole(text).encode())


def whole(text: str) -> str:
    """Return the text with lone surrogates replaced by U+FFFD, so that UTF-8 can hold it."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class FileNames:
    """Names for files of one folder, made of other names: letters, digits, `_`, `.` and `-`, and none twice.

    Nor are there two that differ by upper and lower case alone: some disks hold those for one.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, *parts: str) -> str:
        """Return the parts with points between them; `-2` and so on at the end where that is taken."""
        wanted = ".".join(_NOT_IN_NAMES.sub("-", part) for part in parts)
        name, turn = wanted, 2
        while name.lower() in self._taken:
            name, turn = f"{wanted}-{turn}", turn + 1
        self._taken.add(name.lower())
        return name


def mark_latest(folder: Path) -> Path:
    """Make `latest` beside the folder name it: a relative symlink where possible, else a text file."""
    latest = folder.parent / LATEST
    try:
        with _replacing(latest) as partial:
            _name(partial, folder.name)
    except OSError as exc:
        raise CannotWrite(latest, exc) from exc
    return latest


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _name(partial: Path, target: str) -> None:
    try:
        partial.symlink_to(target, target_is_directory=True)
    except (OSError, NotImplementedError):
        partial.write_text(target + "\n", encoding="utf-8")
