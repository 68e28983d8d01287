"""The checks `regex` and `not_regex`: a regular expression on the whole answer or on one field."""

from __future__ import annotations

import re
import warnings
from functools import reduce
from typing import Literal

from pydantic import Field

from swapgate.checks.options import CheckOptions, CheckType, Folders, OptionError, Pointer
from swapgate.checks.text_checks import TextCheck, unwanted
from swapgate.checks.wording import place, printable, quoted
from swapgate.records import Finding, Json

RegexFlag = Literal["ignore_case", "multiline", "dotall", "ascii", "verbose"]
_FLAGS: dict[str, re.RegexFlag] = {
    "ignore_case": re.IGNORECASE,
    "multiline": re.MULTILINE,
    "dotall": re.DOTALL,
    "ascii": re.ASCII,
    "verbose": re.VERBOSE,
}


class RegexOptions(CheckOptions):
    """A regular expression of Python's `re`, searched anywhere in the text."""

    pattern: str = Field(
        description="a regular expression (Python's re), searched anywhere; anchor with \\A and \\Z"
    )
    pointer: Pointer = ""
    flags: tuple[RegexFlag, ...] = Field(default=(), description="flags of the expression")

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take a bare pattern for `{pattern: ...}`."""
        return {"pattern": written} if isinstance(written, str) else super().expand(written)

    def compiled(self) -> re.Pattern[str]:
        """Return the compiled expression; an invalid one raises OptionError."""
        flags = reduce(lambda a, b: a | b, (_FLAGS[f] for f in self.flags), re.NOFLAG)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                return re.compile(self.pattern, flags)
        except (re.error, OverflowError, RecursionError) as exc:
            raise OptionError(f"invalid regular expression {self.pattern!r}: {exc}", "pattern") from exc


def _build_regex(name: str, options: RegexOptions, folders: Folders) -> TextCheck:
    pattern = options.compiled()
    wanted = f"a match of {printable(pattern.pattern)}"

    def find(text: str, pointer: str) -> list[Finding]:
        if pattern.search(text):
            return []
        message = f"{place(pointer)} has no match of the pattern {pattern.pattern!r}: {quoted(text.strip())}."
        return [Finding(pointer=pointer, message=message, wanted=wanted, got="no match")]

    return TextCheck(name=name, find=find, pointer=options.pointer)


def _build_not_regex(name: str, options: RegexOptions, folders: Folders) -> TextCheck:
    pattern = options.compiled()
    wanted = f"no match of {printable(pattern.pattern)}"

    def find(text: str, pointer: str) -> list[Finding]:
        match = pattern.search(text)
        return [unwanted(text, match, pointer, wanted)] if match else []

    return TextCheck(name=name, find=find, pointer=options.pointer)


REGEX = CheckType(
    name="regex",
    summary="The text has a match of a regular expression.",
    options=RegexOptions,
    build=_build_regex,
    short_forms=({"type": "string"},),
)
NOT_REGEX = CheckType(
    name="not_regex",
    summary="The text has no match of a regular expression.",
    options=RegexOptions,
    build=_build_not_regex,
    short_forms=({"type": "string"},),
)
