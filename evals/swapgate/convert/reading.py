"""Files as other tools write them: JSON, JSON lines, CSV, YAML; nothing of them is executed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from swapgate.errors import SpecError, UsageError
from swapgate.spec.json_lines import read_json_lines
from swapgate.spec.source import read_text, read_yaml, shown_path
from swapgate.values import Value

_LONGEST_CELL = 10_000_000


class Source(Value, kw_only=False, dict=True):
    """A file to import. Each form is read when it is first asked for, and raises SpecError with the line."""

    path: Path

    @property
    def shown(self) -> str:
        """The path as messages show it."""
        return shown_path(self.path)

    @property
    def suffix(self) -> str:
        """The file's suffix, in lower case."""
        return self.path.suffix.lower()

    @cached_property
    def text(self) -> str:
        """The file as UTF-8 text, of at most 50 MB."""
        return read_text(self.path)

    @cached_property
    def json(self) -> Any:
        """The file as one JSON value."""
        try:
            return json.loads(self.text)
        except json.JSONDecodeError as exc:
            raise SpecError(f"not valid JSON: {exc.msg}", path=self.shown, line=exc.lineno) from exc
        except RecursionError as exc:
            raise SpecError("the JSON nests too deeply", path=self.shown) from exc

    @cached_property
    def lines(self) -> Sequence[tuple[int, Any]]:
        """The file as JSON lines, each with its number; empty lines are left out."""
        return [(document.place.line, document.data) for document in read_json_lines(self.path)]

    @cached_property
    def yaml(self) -> Any:
        """The file as plain YAML: no tags, aliases within bounds."""
        return read_yaml(self.path).data

    @cached_property
    def rows(self) -> Sequence[tuple[int, dict[str, str]]]:
        """The file as CSV with a header, each row with the line that it ends on."""
        csv.field_size_limit(_LONGEST_CELL)
        reader = csv.DictReader(io.StringIO(self.text, newline=""), strict=True)
        try:
            if not reader.fieldnames:
                raise SpecError("the file is empty: wanted a line of column names", path=self.shown)
            return [(reader.line_num, self._row(row, reader.line_num)) for row in reader]
        except csv.Error as exc:
            raise SpecError(f"not valid CSV: {exc}", path=self.shown, line=reader.line_num) from exc

    def _row(self, row: dict[str | Any, Any], line: int) -> dict[str, str]:
        if None in row:
            raise SpecError("a row has more cells than the header", path=self.shown, line=line)
        return {key: value or "" for key, value in row.items()}

    def data(self) -> Any:
        """Return the one value that the file holds, by its suffix: a list of lines for `.jsonl`."""
        if self.suffix in {".jsonl", ".ndjson"}:
            return [value for _line, value in self.lines]
        if self.suffix in {".yml", ".yaml"}:
            return self.yaml
        if self.suffix == ".json":
            return self.json
        raise UsageError(f"{self.shown}: wanted JSON, JSON lines, YAML or CSV")
