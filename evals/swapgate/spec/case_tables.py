"""Cases written one a line: JSON Lines and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from swapgate.errors import Mistakes, SpecError
from swapgate.records import Json, adapter
from swapgate.spec.source import Document, read_text, shown_path, validate
from swapgate.spec.suite import Case, Defaults, PlacedCase
from swapgate.spec.yaml_core import Place


def read_jsonl(path: Path, defaults: Defaults, *, root: Path) -> Iterator[PlacedCase]:
    """Yield the case of each line of a JSON Lines file; blank lines are skipped."""
    text = read_text(path, root=root)
    decoder = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    mistakes = Mistakes()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        with mistakes:
            written = _decoded(decoder, line, path=path, number=number, root=root)
            case = _case(written, path=path, line=number, root=root)
            yield PlacedCase(case=defaults.under(case, said=written), path=path, line=number)
    mistakes.refuse()


def _decoded(decoder: json.JSONDecoder, line: str, *, path: Path, number: int, root: Path) -> Any:
    try:
        written = decoder.decode(line)
        if "\\u" in line:
            _refuse_half_characters(written)
    except RecursionError as exc:
        raise SpecError("nested too deeply", path=shown_path(path, root), line=number) from exc
    except ValueError as exc:
        raise SpecError(f"not valid JSON: {_said(exc)}", path=shown_path(path, root), line=number) from exc
    return written


def read_csv(path: Path, defaults: Defaults, *, root: Path) -> Iterator[PlacedCase]:
    """Yield the case of each row of a CSV file with a header.

    Columns: `id`; `tags`, parted by `|` or `;`; `cluster`; `expected` or `expected.NAME`; every other column
    (`NAME` or `input.NAME`) is an input variable. Values stay text; an empty cell of a column that is no
    input counts as absent.
    """
    rows = csv.reader(io.StringIO(read_text(path, root=root), newline=""), strict=True)
    shown = shown_path(path, root)
    start = 1
    mistakes = Mistakes()
    try:
        header = [name.strip() for name in next(rows, [])]
        _check_header(header, shown)
        start = rows.line_num + 1
        for row in rows:
            if row:
                with mistakes:
                    _check_width(row, header, shown, start)
                    written = _from_row(dict(zip(header, row, strict=True)))
                    case = _case(written, path=path, line=start, root=root)
                    yield PlacedCase(case=defaults.under(case, said=written), path=path, line=start)
            start = rows.line_num + 1
    except csv.Error as exc:
        mistakes.note(SpecError(f"not valid CSV: {exc}", path=shown, line=start))
    mistakes.refuse()


def _case(written: Any, *, path: Path, line: int, root: Path) -> Case:
    try:
        case: Case = adapter(Case).validate_python(written)
    except ValidationError:
        document = Document(path=path, data=written, place=Place(line), shown=shown_path(path, root))
        return validate(Case, document, noun="a case")
    return case


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is written twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _refuse_half_characters(written: Any) -> None:
    try:
        json.dumps(written, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        raise ValueError(f"\\u{ord(exc.object[exc.start]):04x} is half a character") from exc


def _said(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[:1].lower()}{error.msg[1:]} (column {error.colno})"
    return str(error)


def _check_width(row: Sequence[str], header: Sequence[str], shown: str, line: int) -> None:
    if len(row) != len(header):
        message = f"{len(row)} cells, but the header has {len(header)}: quote cells that hold commas"
        raise SpecError(message, path=shown, line=line)


def _check_header(header: list[str], shown: str) -> None:
    names = [name.removeprefix("input.") for name in header]
    twice = sorted({name for name in names if names.count(name) > 1})
    problem = ""
    if not header:
        problem = "the file is empty"
    elif "" in header:
        problem = f"column {header.index('') + 1} has no name in the header"
    elif twice:
        problem = f"the column {twice[0]!r} is there twice"
    elif len(header) == 1 and ";" in header[0]:
        problem = f"no column 'id' in the header {header[0]!r}: columns are separated by commas"
    elif "id" not in header:
        problem = f"no column 'id' in the header; columns: {', '.join(header)}"
    elif "expected" in header and any(name.startswith("expected.") for name in header):
        problem = "give either a column 'expected' or columns 'expected.NAME'"
    if problem:
        raise SpecError(problem, path=shown, line=1)


def _from_row(row: Mapping[str, str]) -> dict[str, Json]:
    """Return the case of a row as it would stand in YAML."""
    case: dict[str, Any] = {"id": row["id"]}
    variables: dict[str, Json] = {}
    expected: dict[str, Json] = {}
    for name, cell in row.items():
        if name == "tags":
            case["tags"] = [tag.strip() for tag in cell.replace(";", "|").split("|") if tag.strip()]
        elif name.startswith("expected."):
            expected.update({name.removeprefix("expected."): cell} if cell else {})
        elif name in {"cluster", "expected"}:
            case.update({name: cell} if cell else {})
        elif name != "id":
            variables[name.removeprefix("input.")] = cell
    return {**case, "input": variables, **({"expected": expected} if expected else {})}
