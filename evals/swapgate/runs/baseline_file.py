"""A baseline as a file, to live in git: what its trials came to, and their texts only when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from swapgate.errors import UsageError
from swapgate.facts import Facts, pack
from swapgate.records import PromotedRun, Run, Trial, to_text
from swapgate.reporting.files import atomic_file
from swapgate.values import Value

FORMAT = "swapgate.baseline"
# Semantic versioning, as of report.json.
VERSION = "1.0.0"
_HEAD_BYTES = 200


class BaselineFile(Value):
    """The shape of the file, in the order in which it is written. `columns` name the parts of facts."""

    format: Literal["swapgate.baseline"]
    version: str
    baseline: PromotedRun
    run: Run
    columns: tuple[str, ...]
    facts: tuple[Facts, ...]
    trials: tuple[Trial, ...] = ()


def write_baseline(
    path: Path,
    promoted: PromotedRun,
    run: Run,
    facts: Sequence[Facts],
    *,
    trials: Iterable[Trial] = (),
) -> None:
    """Write a promoted run, one trial a line, so that two versions differ where their trials do."""
    parts = {
        "baseline": to_text(promoted),
        "run": to_text(run),
        "columns": to_json(Facts._fields).decode(),
        "facts": _lines(map(pack, facts)),
        "trials": _lines(map(to_text, trials)),
    }
    with atomic_file(path) as stream:
        stream.write(f'{{"format": "{FORMAT}",\n"version": "{VERSION}"'.encode())
        for key, text in parts.items():
            stream.write(f',\n"{key}": {text}'.encode())
        stream.write(b"}\n")


def is_baseline_file(path: Path) -> bool:
    """Whether a file says of itself that it is a baseline."""
    try:
        with path.open("rb") as stream:
            return f'"{FORMAT}"'.encode() in stream.read(_HEAD_BYTES)
    except OSError:
        return False


def read_baseline(path: Path) -> BaselineFile:
    """Return what a baseline's file holds; UsageError when it cannot be read."""
    try:
        found: BaselineFile = TypeAdapter(BaselineFile).validate_json(path.read_bytes())
    except OSError as exc:
        raise UsageError(f"{path}: the baseline cannot be read: {exc.strerror}") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{path}: no baseline that can be read: {first['msg']}{f' at /{where}' if where else ''}. "
            f"Write it again: swapgate history baseline set RUN --to {path.name}"
        ) from exc
    major = VERSION.partition(".")[0]
    if found.version.partition(".")[0] != major or found.columns != Facts._fields[: len(found.columns)]:
        raise UsageError(
            f"{path}: written by another swapgate (format {found.version}, this one reads {major}.x). "
            f"Write it again: swapgate history baseline set RUN --to {path.name}"
        )
    return found


def _lines(texts: Iterable[str]) -> str:
    return "[\n" + ",\n".join(texts) + "\n]"
