"""Who asks what: keys that processes claim from each other, freed by the system itself when one dies."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# Of a key: its byte is below 2 ** 28. No disk lets one look further than its largest file goes.
_HEX_DIGITS = 7
# A claim outlives the storing of its answer by so much. Who has looked for that a shorter time ago, and then
# can claim its key, needs no second look: at the first one it was not claimed, or not answered. They are not
# to be many: for each one more the system goes through all that are held.
KEPT_S = 0.5
_TAKEN = {errno.EACCES, errno.EAGAIN}


class Claims:
    """Claims on keys (hashes in hex) among all who name the same file, which stays empty.

    A claim is a lock on one byte, so nothing is to be renewed or cleaned up. Two keys may share a byte: one
    then waits for the other. Where the file cannot be made or locked, everything is granted.
    `has_met_others`: another had a key that was to be claimed.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._file: _LockFile | None = None
        self._mine: set[str] = set()
        self._over: deque[tuple[float, list[str]]] = deque()
        self._is_possible = fcntl is not None
        self.has_met_others = False
        self._changing = threading.Lock()

    def take(self, key: str) -> bool:
        """Claim a key; False where another has it."""
        with self._changing:
            self._give_back_what_is_over(self._clock() - KEPT_S)
            is_taken = self._tried(lambda file: file.lock(_byte(key)))
            if is_taken:
                self._mine.add(key)
        self.has_met_others |= not is_taken
        return is_taken

    def is_free(self, key: str) -> bool:
        """Whether nobody has claimed a key."""
        with self._changing:
            return self._tried(lambda file: file.is_free(_byte(key)))

    def release(self, key: str) -> None:
        """Give a key back; nothing where it is not claimed."""
        with self._changing:
            self._give_back(key)

    def release_soon(self, keys: Iterable[str]) -> None:
        """Give those keys back that are claimed, some time after their answers are stored: see KEPT_S.

        When another one is claimed, or at the end: each system call of another thread takes Python from the
        one that claims.
        """
        if mine := [key for key in keys if key in self._mine]:
            self._over.append((self._clock(), mine))

    def _give_back_what_is_over(self, since: float) -> None:
        while self._over and self._over[0][0] <= since:
            for key in self._over.popleft()[1]:
                self._give_back(key)

    def _give_back(self, key: str) -> None:
        if key in self._mine:
            self._mine.remove(key)
            self._tried(lambda file: file.unlock(_byte(key)))

    def close(self) -> None:
        """Give everything back."""
        for key in list(self._mine):
            self.release(key)
        with self._changing:
            self._is_possible = False
            if self._file is not None:
                _leave(self._file)
                self._file = None

    def _tried(self, what: Callable[[_LockFile], bool]) -> bool:
        """Return what the file says, True for good once it can say nothing."""
        if not self._is_possible:
            return True
        try:
            self._file = self._file or _enter(self._path)
            return what(self._file)
        except OSError:  # a disk that locks no files, or none more; a folder that nothing can be written in
            self._is_possible = False
            return True


def _byte(key: str) -> int:
    return int(key[:_HEX_DIGITS], 16)


class _LockFile:
    """The one descriptor of a file in this process: closing any other would give all its locks back.

    The system tells processes apart, `_held` those within one.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.users = 0
        self._held: set[int] = set()
        self._changing = threading.Lock()

    def lock(self, byte: int) -> bool:
        with self._changing:
            if byte in self._held:
                return False
            try:
                fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
            except OSError as exc:
                if exc.errno in _TAKEN:
                    return False
                raise
            self._held.add(byte)
            return True

    def is_free(self, byte: int) -> bool:
        with self._changing:
            if byte in self._held:
                return False
            try:
                os.lseek(self.fd, byte, os.SEEK_SET)
                os.lockf(self.fd, os.F_TEST, 1)
            except OSError as exc:
                if exc.errno in _TAKEN:
                    return False
                raise
            return True

    def unlock(self, byte: int) -> bool:
        with self._changing:
            self._held.discard(byte)
            fcntl.lockf(self.fd, fcntl.LOCK_UN, 1, byte)
            return True


# By what the system knows them by; a child of a fork has none of its parent's locks.
_FILES: dict[tuple[int, int, int], _LockFile] = {}
_changing_files = threading.Lock()


def _enter(path: Path) -> _LockFile:
    with _changing_files:
        path.touch()
        found = path.stat()
        place = os.getpid(), found.st_dev, found.st_ino
        if place not in _FILES:
            _FILES[place] = _LockFile(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        _FILES[place].users += 1
        return _FILES[place]


def _leave(file: _LockFile) -> None:
    with _changing_files:
        file.users -= 1
        if not file.users:
            for place in [place for place, one in _FILES.items() if one is file]:
                del _FILES[place]
            os.close(file.fd)
