"""JSON Lines of one kind of row, each validated where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from swapgate.errors import SpecError
from swapgate.spec.source import Document, read_text, shown_path, validate
from swapgate.spec.yaml_core import Place

Row = TypeVar("Row", bound=BaseModel)


def read_rows(
    row_type: type[Row], path: Path, *, noun: str, root: Path | None = None
) -> Iterator[tuple[int, Row]]:
    """Yield each row of a file with its line; blank lines are skipped. SpecError at the first wrong one."""
    for document in read_json_lines(path, root):
        yield document.place.line, validate(row_type, document, noun=noun)


def read_json_lines(path: Path, root: Path | None = None) -> Iterator[Document]:
    """Yield every line that is not blank; raise SpecError at the one that is no JSON."""
    shown = shown_path(path, root)
    for number, line in enumerate(read_text(path, root=root).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            written = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as exc:
            raise SpecError(f"not valid JSON: {exc}", path=shown, line=number) from exc
        yield Document(path=path, data=written, place=Place(number), shown=shown)


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")
