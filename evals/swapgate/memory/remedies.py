"""What a user can do where a file of ours cannot be used: said by its cause."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from swapgate.memory.wal import BUSY_S, sqlite_name

_FREE = "Free the disk and run again"
_MEND = "Free the disk or mend it, and run again"
_MOVE = "Move the file away and run again"
_SAVE = "The file is damaged. `sqlite3 FILE .recover` saves what can be read."
_RIGHT = "Give yourself the right to write the file and its folder, or {elsewhere}"
_FILES = "This process may open no more files: ask for less at a time, or raise that limit (ulimit -n)"
_NO_FILES, _FOLDER = "SWAPGATE_NO_FILES", "SWAPGATE_FOLDER"
_ALL_FILES = "This machine has too many files open: end something that runs here, and run again"
# What helps whatever the file is for; what helps against the rest, its owner may know better.
_ANYWHERE: Mapping[str, str] = {
    "SQLITE_BUSY": f"Another process has held it for {BUSY_S} s: wait for its end, or end it, and run again",
    "SQLITE_READONLY": _RIGHT,
    _FOLDER: "It is a folder, not a file: move it away, or {elsewhere}",
    "SQLITE_CORRUPT": _SAVE + " Put that in its place, or {elsewhere}",
    "SQLITE_NOTADB": "Something else has been written there: move it away, or {elsewhere}",
    "SQLITE_CANTOPEN": "Give yourself the right to write in its folder, or {elsewhere}",
    "SQLITE_PROTOCOL": "Its disk does not lock files as SQLite wants, as some network disks: {elsewhere}",
    _NO_FILES: "Its disk takes no more files, whatever room is left (`df -i`): remove some, or {elsewhere}",
    "EMFILE": _FILES,
    "ENFILE": _ALL_FILES,
    "EACCES": _RIGHT,
    "EPERM": _RIGHT,
    "EROFS": _RIGHT,
}
_HERE: Mapping[str, str] = {
    "SQLITE_FULL": _FREE,
    "SQLITE_IOERR": _MEND,
    "SQLITE_CORRUPT": f"{_SAVE} {_MOVE}",
    "SQLITE_NOTADB": _MOVE,
    "ENOSPC": _FREE,
    "EDQUOT": _FREE,
    "EIO": _MEND,
    "ESTALE": "Let nothing remove or replace it during a run, and run again",
    "E": "Mend that, or {elsewhere}",
}


def remedy_for(exc: BaseException, path: Path, *, elsewhere: str, otherwise: str | None = None) -> str:
    """Return what a user can do about an error of SQLite's or of the system's with a file.

    `elsewhere` says how to have another place, `otherwise` what to do about a full disk and whatever else
    befalls a file that should not be moved away.
    """
    cause = _cause(exc, path)
    remedies = _ANYWHERE if otherwise is not None else {**_ANYWHERE, **_HERE}
    found = next((text for start, text in remedies.items() if cause.startswith(start)), otherwise or _MOVE)
    return found.format(elsewhere=elsewhere)


def said_by(exc: BaseException) -> str:
    """Return what SQLite or the system says of an error, without its number."""
    return str((isinstance(exc, OSError) and exc.strerror) or exc)


def _cause(exc: BaseException, path: Path) -> str:
    """Return the name of the cause, such as SQLITE_FULL or EMFILE."""
    if isinstance(exc, OSError):
        name = errno.errorcode.get(exc.errno or 0, "E")
        return (name == "ENOSPC" and _no_room(path)) or name
    name = sqlite_name(exc)
    if not name.startswith("SQLITE_CANTOPEN"):
        return name
    return _no_file_left() or (path.is_dir() and _FOLDER) or _no_room(path) or name


def _no_file_left() -> str:
    """Return why nothing can be opened here at all: SQLite keeps to itself why it could not."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as exc:
        return errno.errorcode.get(exc.errno or 0, "")
    return ""


def _no_room(path: Path) -> str:
    """Return what the disk of a file has none left of: files, by their number, or room."""
    try:
        disk = os.statvfs(next(folder for folder in path.absolute().parents if folder.is_dir()))
    except (OSError, AttributeError):  # Windows has no such call, and no such limit
        return ""
    if disk.f_flag & os.ST_RDONLY:  # a disk that takes nothing has no room either
        return ""
    if disk.f_files and not disk.f_favail:  # without a limit, as of btrfs, both are 0
        return _NO_FILES
    return "" if disk.f_bavail else "ENOSPC"
