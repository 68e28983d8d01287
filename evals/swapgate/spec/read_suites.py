"""Suites read whole: the suite's own file, the case files that it names, defaults merged, ids unique."""

from __future__ import annotations

import contextlib
import os.path
from collections.abc import Iterable, Iterator
from pathlib import Path

from swapgate.errors import Mistakes, SpecError
from swapgate.spec.case_tables import read_csv, read_jsonl
from swapgate.spec.source import Document, read_yaml, shown_path, validate
from swapgate.spec.suite import Case, Defaults, LoadedSuite, PlacedCase, Suite

_YAML = {".yml", ".yaml"}


def is_fragment(path: Path) -> bool:
    """Whether the YAML file is a list of cases for `cases_from`, and no suite. Reads its first lines.

    One that cannot be read is taken for a suite: reading it whole then says why.
    """
    with contextlib.suppress(OSError), path.open(encoding="utf-8-sig", errors="replace") as lines:
        for line in lines:
            text = line.strip().removeprefix("---").strip()
            if text and not text.startswith(("#", "%")):
                return text == "-" or text.startswith(("- ", "["))
    return False


def read_suite(path: Path, *, root: Path) -> LoadedSuite:
    """Return the suite of a file with all its cases; raise SpecError with the line of what is wrong.

    Paths in messages are shown relative to `root`.
    """
    document = read_yaml(path, root=root)
    suite = validate(Suite, document)
    cases = [
        PlacedCase(
            case=suite.defaults.under(case, said=document.data["cases"][index]),
            path=path,
            line=document.line(f"/cases/{index}"),
        )
        for index, case in enumerate(suite.cases)
    ]
    mistakes = Mistakes()
    for file in _case_files(document, suite):
        with mistakes:
            cases += read_cases(file, suite.defaults, root=root)
    mistakes.refuse()
    if not cases:
        raise document.error("the suite has no cases: write `cases:` or `cases_from:`")
    _check_unique(cases, root)
    return LoadedSuite(path=path, suite=suite.model_copy(update={"cases": ()}), cases=tuple(cases))


def read_cases(path: Path, defaults: Defaults, *, root: Path) -> Iterator[PlacedCase]:
    """Yield the cases of one .yml, .jsonl or .csv file, with the suite's defaults merged into them."""
    if path.suffix == ".jsonl":
        return read_jsonl(path, defaults, root=root)
    if path.suffix == ".csv":
        return read_csv(path, defaults, root=root)
    return _read_fragment(path, defaults, root=root)


def _read_fragment(path: Path, defaults: Defaults, *, root: Path) -> Iterator[PlacedCase]:
    document = read_yaml(path, root=root)
    if not isinstance(document.data, list):
        raise document.error("a file of cases is a list: start every case with '- id: ...'")
    mistakes = Mistakes()
    for index, said in enumerate(document.data):
        with mistakes:
            case = validate(Case, document, at=f"/{index}", noun="a case")
            yield PlacedCase(case=defaults.under(case, said=said), path=path, line=document.line(f"/{index}"))
    mistakes.refuse()


def _case_files(document: Document, suite: Suite) -> list[Path]:
    """Return the files that `cases_from` names, each once, in the order written; globs sorted."""
    is_one = isinstance(suite.cases_from, str)
    patterns = (suite.cases_from,) if isinstance(suite.cases_from, str) else suite.cases_from
    found: dict[Path, None] = {}
    for index, pattern in enumerate(patterns):
        pointer = "/cases_from" if is_one else f"/cases_from/{index}"
        for file in _matches(document, pattern, pointer):
            if file.suffix not in {*_YAML, ".jsonl", ".csv"}:
                message = f"{pattern!r} names {file.name}: cases are read from .yml, .yaml, .jsonl and .csv"
                raise document.error(message, pointer)
            found[file] = None
    return list(found)


def _matches(document: Document, pattern: str, pointer: str) -> list[Path]:
    folder = document.path.parent
    if Path(pattern).is_absolute():
        raise document.error(f"cases_from: {pattern!r} must be relative to the suite's file", pointer)
    is_glob = any(sign in pattern for sign in "*?[")
    try:
        named = sorted(folder.glob(pattern)) if is_glob else [folder / pattern]
    except ValueError as exc:
        raise document.error(f"cases_from: {pattern!r} is no pattern: {exc}", pointer) from exc
    paths = [Path(os.path.normpath(path)) for path in named]
    files = [path for path in paths if path.is_file() and path != document.path]
    if not files:
        what = "nothing matches" if is_glob else "no file"
        raise document.error(f"cases_from: {what} {pattern!r} (looked in {folder.name}/)", pointer)
    return files


def _check_unique(cases: Iterable[PlacedCase], root: Path) -> None:
    seen: dict[str, PlacedCase] = {}
    mistakes = Mistakes()
    for placed in cases:
        first = seen.setdefault(placed.case.id, placed)
        if first is not placed:
            place = f"{shown_path(first.path, root)}:{first.line}"
            message = f"the case id {placed.case.id!r} is already taken at {place}: give each case its own"
            mistakes.note(SpecError(message, path=shown_path(placed.path, root), line=placed.line))
    mistakes.refuse()
