"""Judges made of other judges: `extends:` names one of the folder, or one of the library that is shipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swapgate.errors import nearest
from swapgate.spec.calibration_files import is_calibration
from swapgate.spec.source import Document, read_yaml
from swapgate.values import replace

LIBRARY = Path(__file__).parents[1] / "judging" / "library"
PREFIX = "swapgate/"
_SUFFIXES = {".yml", ".yaml"}


def judge_files(folder: Path) -> dict[str, Path]:
    """Return the judges' files in a folder by name; calibrations are none."""
    files = (path for path in sorted(folder.glob("*.y*ml")) if path.suffix in _SUFFIXES)
    return {path.stem: path for path in files if not is_calibration(path)}


def library_files() -> dict[str, Path]:
    """Return the files of the ready judges by the names to extend them by."""
    return {f"{PREFIX}{name}": path for name, path in judge_files(LIBRARY).items()}


def extended(document: Document) -> Document:
    """Return the judge's file with what it extends laid under it; raise SpecError at `extends`.

    Mappings are merged key by key, all else is replaced, and null takes away what was inherited. Places are
    those of the file itself, and that of `extends` for what it inherits.
    """
    data = _merged(document, [document.path])
    if data is document.data:
        return document
    place = document.place._replace(line=document.line("/extends"))
    return replace(document, data=data, place=place)


def _merged(document: Document, trail: list[Path]) -> Any:
    written = document.data
    if not isinstance(written, dict) or written.get("extends") is None:
        return written
    base = read_yaml(_base_file(document, trail))
    inherited = _merged(base, [*trail, base.path])
    if not isinstance(inherited, dict):
        raise document.error(f"extends {written['extends']!r}, which is no judge: {base.shown}", "/extends")
    _refuse_other_kind(document, inherited)
    kept = {key: value for key, value in inherited.items() if key not in {"judge", "extends"}}
    return merged_over(kept, written)


def _base_file(document: Document, trail: list[Path]) -> Path:
    name = document.data["extends"]
    files = library_files() if str(name).startswith(PREFIX) else judge_files(document.path.parent)
    if not isinstance(name, str) or name not in files:
        where = "the library" if str(name).startswith(PREFIX) else f"{document.path.parent.name}/"
        near = nearest(str(name), [*library_files(), *judge_files(document.path.parent)])
        hint = near or " `swapgate judge list` shows all."
        raise document.error(f"extends {name!r}, and there is no such judge in {where}.{hint}", "/extends")
    if files[name] in trail:
        circle = " extends ".join([*(path.stem for path in trail), name])
        raise document.error(f"extends itself in the end: {circle}; one of them must stand alone", "/extends")
    return files[name]


def _refuse_other_kind(document: Document, inherited: Mapping[str, Any]) -> None:
    kind, known = document.data.get("kind"), inherited.get("kind", "rubric")
    if kind not in {None, known}:
        name = document.data["extends"]
        raise document.error(
            f"is of kind {kind!r} and extends {name!r}, which is of kind {known!r}: leave out `kind`", "/kind"
        )


def merged_over(base: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """Return the base with what is written over it; null takes a key away."""
    merged = dict(base)
    for key, value in written.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merged_over(merged[key], value)
        else:
            merged[key] = value
    return merged
