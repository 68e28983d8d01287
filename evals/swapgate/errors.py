"""The error hierarchy, the kinds of provider failure and the exit codes; all three live only here.

SwapgateError
├── UsageError            an option, a setting or a key is wrong (exit 4)
│   ├── SpecError         a file that people write is wrong: carries path and line
│   ├── PromptError       a prompt cannot be rendered for a case
│   └── CheckOptionsError an entry of `checks:` is wrong (checks/build.py)
├── ProviderError         a model could not be asked: carries a kind and what a retry may expect
├── NotAsked              a model was left alone on purpose: carries a kind
│   ├── RecordingMissing  --replay was given and the response was never recorded
│   └── BudgetSpent       --max-cost was given and the call could have exceeded it
├── StoreError            the cache or the history cannot be read or written
├── Refused               a request to the pages of the history, with HTTP's status (viewing/problems.py)
├── UserCheckFailed       the user's own check raised (checks/python_check.py)
├── Untranslatable        a request has no form in another wire format (shadow/requests.py)
└── TemplateError         a judge's own template cannot be rendered (judging/prompt.py)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Literal

_MOST_LISTED = 10
# What is no file of cases at all may be wrong in each of a million lines.
_MOST_KEPT = 1_000


class ExitCode(IntEnum):
    """What a process of swapgate ends with; 2 to 5 keep pytest's meaning."""

    OK = 0
    FAILED = 1
    INTERRUPTED = 2
    INTERNAL_ERROR = 3
    USAGE_ERROR = 4
    NO_TESTS_COLLECTED = 5
    INCONCLUSIVE = 10
    TOO_MANY_ERRORS = 11
    DRIFT = 12
    NOT_FOUND_OUT = 13
    ROLLBACK = 14


class ErrorKind(StrEnum):
    """Why a trial has no result. Each value is stored in records and shown in reports."""

    AUTH = "auth"
    RATE_LIMIT = "rate_limit"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    REFUSED_PARAMETER = "refused_parameter"
    CONTENT_FILTER = "content_filter"
    CONTEXT_LENGTH = "context_length"
    SERVER = "server"
    BAD_REQUEST = "bad_request"
    BAD_RESPONSE = "bad_response"
    MISSING_RECORDING = "missing_recording"
    BUDGET = "budget"
    PROMPT = "prompt"
    USER_CODE = "user_code"
    JUDGE = "judge"
    INTERNAL = "internal"


# How much a finding of a command that lints weighs.
Severity = Literal["error", "warning", "note"]


class SwapgateError(Exception):
    """Base of every error that swapgate raises on purpose; its text is meant for the user."""


class UsageError(SwapgateError):
    """An option, a setting or the environment is wrong; nothing was called."""


class SpecError(UsageError):
    """A file that people write is wrong; the text starts with `path:line: `.

    `further` are other mistakes that were found with it: the text lists the first of them, a line each.
    """

    def __init__(
        self,
        message: str,
        *,
        path: Path | str,
        line: int | None = None,
        further: Sequence[SpecError] = (),
    ) -> None:
        self.path = str(path)
        self.line = line
        self.message = message
        self.further = tuple(further)
        own = f"{self.path}:{line}: {message}" if line else f"{self.path}: {message}"
        lines = [own, *map(str, self.further[:_MOST_LISTED])]
        if len(self.further) > _MOST_LISTED:
            lines.append(f"... and {len(self.further) - _MOST_LISTED:,} more")
        super().__init__("\n".join(lines))

    def each(self) -> list[SpecError]:
        """Return every mistake by itself."""
        if not self.further:
            return [self]
        return [SpecError(self.message, path=self.path, line=self.line), *self.further]


class Mistakes:
    """Keeps the SpecErrors of the blocks that it is entered for, to raise them as one when all is read."""

    def __init__(self) -> None:
        self._found: list[SpecError] = []

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        if not isinstance(error, SpecError):
            return False
        self.note(error)
        return True

    def note(self, error: SpecError) -> None:
        """Keep a mistake; what is no file of this kind at all ends here."""
        self._found += error.each()
        if len(self._found) >= _MOST_KEPT:
            self.refuse()

    def refuse(self) -> None:
        """Raise what was found, if anything."""
        if self._found:
            raise self.together() from self._found[0].__cause__

    def together(self) -> SpecError:
        """Return all that was found as one."""
        first, *further = self._found
        return SpecError(first.message, path=first.path, line=first.line, further=further)


class PromptError(UsageError):
    """A prompt cannot be rendered: a variable has no value, or a template does what it may not."""


class ProviderError(SwapgateError):
    """A provider did not give a response; `kind` says why, `retry_after_s` what it asked to wait.

    `may_be_billed` says that it may have made one all the same: too late, unreadable, or broken off.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: ErrorKind,
        status: int | None = None,
        retry_after_s: float | None = None,
        may_be_billed: bool = False,
    ) -> None:
        self.kind = kind
        self.status = status
        self.may_be_billed = may_be_billed or kind in {ErrorKind.TIMEOUT, ErrorKind.BAD_RESPONSE}
        self.retry_after_s = retry_after_s
        super().__init__(message)

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed when it is sent again."""
        return self.kind in {ErrorKind.RATE_LIMIT, ErrorKind.TIMEOUT, ErrorKind.CONNECTION, ErrorKind.SERVER}

    @property
    def never_arrived(self) -> bool:
        """Whether no connection was made: refused, not let through, the host unknown, no TLS."""
        return self.kind is ErrorKind.CONNECTION and not self.may_be_billed


class NotAsked(SwapgateError):
    """A model was left alone on purpose; `kind` says why. No other model is asked in its place."""

    kind: ErrorKind


class RecordingMissing(NotAsked):
    """No recorded response for a request while calling is forbidden."""

    kind = ErrorKind.MISSING_RECORDING


class BudgetSpent(NotAsked):
    """The call could have cost more than is left of the run's budget."""

    kind = ErrorKind.BUDGET


class StoreError(SwapgateError):
    """The cache or the history cannot be opened, read or written."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest known word, or an empty string."""
    return _proposed({one: one for one in known}, word)


def nearest_file(name: str, known: Iterable[str]) -> str:
    """Return what `nearest` does, of file names: an ending that they share makes no two alike."""
    wanted = Path(name)
    # Of two that differ in their endings alone, the one that ends as the name does is kept.
    files = sorted(map(Path, known), key=lambda file: file.suffix == wanted.suffix)
    named = {file.stem: file.name for file in files}
    return _proposed(named, wanted.stem)


def _proposed(names: Mapping[str, str], word: str) -> str:
    """Propose the name that belongs to the nearest word."""
    match = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f" Did you mean {names[match[0]]!r}?" if match else ""
