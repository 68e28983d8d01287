"""One file a format that can be imported, behind one small Protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Protocol

from swapgate.convert.imported import Imported
from swapgate.convert.reading import Source
from swapgate.errors import SwapgateError, UsageError, nearest

# Those that say most about themselves are asked first.
FORMATS: Mapping[str, str] = {
    "inspect": "inspect_log",
    "promptfoo": "promptfoo",
    "pydantic-evals": "pydantic_evals",
    "deepeval": "deepeval",
    "openai-evals": "openai_evals",
    "langsmith": "langsmith",
    "braintrust": "braintrust",
    "csv": "plain_csv",
}


class Importer(Protocol):
    """Reads one format. A module of this folder is one."""

    def recognises(self, source: Source) -> bool:
        """Whether a file is of this format, by what stands in it."""
        ...

    def read(self, source: Source) -> Imported:
        """Return the suite; SpecError or UsageError for what is wrong with the file."""
        ...


def importer_of(name: str) -> Importer:
    """Return the importer of a format; UsageError when there is none."""
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}.{nearest(name, FORMATS)} Known: {', '.join(FORMATS)}")
    module: Importer = import_module(f"swapgate.convert.formats.{FORMATS[name]}")
    return module


def recognise(source: Source) -> str:
    """Return the format of a file by what stands in it; UsageError where none or no single one fits."""
    fitting = [name for name in FORMATS if _fits(importer_of(name), source)]
    if not fitting:
        listed = ", ".join(FORMATS)
        raise UsageError(f"{source.shown}: no format fits: say which it is with --from. Known: {listed}")
    return fitting[0]


def _fits(importer: Importer, source: Source) -> bool:
    try:
        return importer.recognises(source)
    except SwapgateError:
        return False


def first_rows(value: object, most: int = 20) -> Sequence[dict[str, object]]:
    """Return the first objects of a list, none where the value is no list of objects."""
    rows = value if isinstance(value, list) else []
    return [row for row in rows[:most] if isinstance(row, dict)]
