"""JSON Lines of one kind of row, each validated where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from swapgate.errors import SpecError
from swapgate.spec.source import Document, read_text, shown_path, validate
from swapgate.spec.yaml_core import Place

Row = TypeVar("Row", bound=BaseModel)


def read_rows(
    row_type: type[Row], path: Path, *, noun: str, root: Path | None = None
) -> Iterator[tuple[int, Row]]:
    """Yield each row of a file with its line; blank lines are skipped. SpecError at the first wrong one."""
    shown = shown_path(path, root)
    for number, line in enumerate(read_text(path, root=root).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            written = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as exc:
            raise SpecError(f"not valid JSON: {exc}", path=shown, line=number) from exc
        document = Document(path=path, data=written, place=Place(number), shown=shown)
        yield number, validate(row_type, document, noun=noun)
