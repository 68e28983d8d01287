"""Files that people write: read with the line of every value, validated with errors that point at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from swapgate.errors import SpecError, UsageError
from swapgate.records import adapter
from swapgate.spec.pointers import pointer_parts
from swapgate.spec.problems import explain
from swapgate.spec.yaml_core import Place, YamlError, read_document
from swapgate.values import Value

MAX_BYTES = 50_000_000

Model = TypeVar("Model")


class Document(Value):
    """What a file says. `shown` is the path in messages; `data` is plain values and is not to be changed."""

    path: Path
    data: Any
    place: Place
    shown: str

    def line(self, pointer: str) -> int:
        """Return the line (from 1) of the value at a JSON pointer, or of the nearest value around it."""
        place = self.place
        for key in pointer_parts(pointer):
            inner = _within(place.inside, key)
            if inner is None:
                break
            place = inner
        return place.line

    def at(self, pointer: str) -> Any:
        """Return the value at a JSON pointer, None when there is none."""
        value = self.data
        for key in pointer_parts(pointer):
            value = _within({str(k): v for k, v in value.items()} if isinstance(value, dict) else value, key)
        return value

    def error(self, message: str, pointer: str = "") -> SpecError:
        """Return the error to raise about the value at a pointer."""
        return SpecError(message, path=self.shown, line=self.line(pointer))


def _within(values: Any, key: str) -> Any:
    if isinstance(values, dict):
        return values.get(key)
    is_index = isinstance(values, list) and key.isdecimal() and int(key) < len(values)
    return values[int(key)] if is_index else None


def shown_path(path: Path, root: Path | None = None) -> str:
    """Return the path as messages show it: relative to the root (the working directory) when below it."""
    folder = root or Path.cwd()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def why_no_file(path: Path) -> str:
    """Return what a path is that is no file."""
    if path.is_dir():
        return "it is a folder, not a file"
    return "it is a device or a pipe, not a file" if path.exists() else "there is no such file"


@contextmanager
def reading(shown: str) -> Iterator[None]:
    """Turn what the system refuses inside the block into UsageError with the file's name."""
    try:
        yield
    except OSError as exc:
        raise UsageError(f"{shown}: cannot be read: {exc.strerror}") from exc


def read_text(path: Path, *, root: Path | None = None) -> str:
    """Return the text of a UTF-8 file of at most 50 MB, without a byte order mark; raise SpecError."""
    shown = shown_path(path, root)
    with reading(shown):
        if (size := path.stat().st_size) > MAX_BYTES:
            raise SpecError(f"the file has {size / 1e6:,.0f} MB, at most 50 are read: split it", path=shown)
        content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content[: exc.start].count(b"\n") + 1
        message = f"not UTF-8: byte 0x{content[exc.start]:02x}; save the file as UTF-8"
        raise SpecError(message, path=shown, line=line) from exc


def read_yaml(path: Path, *, root: Path | None = None) -> Document:
    """Return the one document of a YAML file; raise SpecError with the line for whatever is wrong with it."""
    shown = shown_path(path, root)
    try:
        data, place = read_document(read_text(path, root=root))
    except YamlError as exc:
        raise SpecError(exc.problem, path=shown, line=exc.line) from exc
    if data is None:
        raise SpecError("the file is empty", path=shown)
    return Document(path=path, data=data, place=place, shown=shown)


def validate(model_type: type[Model], document: Document, *, at: str = "", noun: str = "") -> Model:
    """Return the value at a JSON pointer as a model.

    Raise one SpecError of all problems, the first line's first. `noun` is what messages call the value itself
    ("a suite" when left out).
    """
    data = document.at(at)
    try:
        kind: type = model_type
        valid: Model = adapter(kind).validate_python(data)
        return valid
    except ValidationError as exc:
        found = explain(exc, model_type, data, noun=noun)
    errors = [document.error(problem.message, at + problem.pointer) for problem in found]
    # A misspelt key is also a missing one, and the misspelling is what to repair.
    errors.sort(key=lambda error: (error.line or 0, not error.message.startswith("unknown")))
    first, *further = errors
    raise SpecError(first.message, path=first.path, line=first.line, further=further)
