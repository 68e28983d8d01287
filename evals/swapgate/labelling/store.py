"""`judges/NAME.calibration.yml`: what people wrote stays as it is, what was measured stands below a mark."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from swapgate.errors import SpecError, UsageError
from swapgate.labelling.prepare import default_path
from swapgate.records import Json
from swapgate.reporting.files import write_text
from swapgate.spec.calibration import Calibration, calibration_of
from swapgate.spec.calibration_files import calibration_path
from swapgate.spec.labels import read_label_lines
from swapgate.spec.source import Document, read_text, shown_path
from swapgate.spec.yaml_core import YamlError, read_document

MARK = "# Measured by `swapgate judge calibrate`, which writes anew what stands below this line."


def open_calibration(
    judges_dir: Path, judge: str, labels: Path | None, *, root: Path
) -> tuple[Calibration, str]:
    """Return a judge's calibration and the text of its file up to the mark, without writing anything.

    Where there is no calibration, that of the label file is begun. Raises UsageError when there is neither,
    or when the calibration does not name the label file.
    """
    path = calibration_path(judges_dir, judge)
    if path is not None:
        text = read_text(path, root=root).partition(MARK)[0].rstrip() + "\n"
        found = _read(path, text, judge, root)
        if labels is not None and labels.resolve() not in _named(found):
            name = _relative(labels, path)
            raise UsageError(
                f"{shown_path(path, root)} does not name {name}: write `labels_from: {name}` into it, "
                "or leave --labels away"
            )
        return found, text
    file = labels or default_path(judges_dir, judge)
    if not file.is_file():
        raise UsageError(
            f"the judge {judge!r} has no labels: no {shown_path(file, root)}. "
            "`swapgate judge label RUN` lets people label what it said"
        )
    path = judges_dir / f"{judge}.calibration.yml"
    text = _begun(judge, file, path, root)
    return _read(path, text, judge, root), text


def store(calibration: Calibration, text: str, measured: Mapping[str, Json]) -> None:
    """Write the calibration: `text` as it is, then the mark and what was measured."""
    if calibration.spec.measured:
        raise SpecError(
            "the key `measured` stands above the line that begins with '# Measured by': take it away, "
            "it is written anew each time",
            path=calibration.path,
        )
    # Not at the top: nothing but this and reading needs YAML.
    import yaml

    shown = yaml.safe_dump({"measured": dict(measured)}, sort_keys=False, allow_unicode=True, width=110)
    write_text(calibration.path, f"{text}\n{MARK}\n{shown}")


def _read(path: Path, text: str, judge: str, root: Path) -> Calibration:
    shown = shown_path(path, root)
    try:
        data, place = read_document(text)
    except YamlError as exc:
        raise SpecError(exc.problem, path=shown, line=exc.line) from exc
    return calibration_of(Document(path=path, data=data, place=place, shown=shown), judge, root=root)


def _begun(judge: str, file: Path, path: Path, root: Path) -> str:
    """Return the text of a new calibration of a label file."""
    draws = read_label_lines(file, root).draws
    if not draws:
        raise UsageError(
            f"{shown_path(file, root)} does not say how its rows were chosen: write "
            f"{shown_path(path, root)} with `calibration: {judge}`, `design:` and "
            f"`labels_from: {_relative(file, path)}`"
        )
    return (
        f"calibration: {judge}\n"
        f"judge_hash: {_scalar(draws[0].judge_hash[:16])}\n"
        f"design: {draws[0].design}\n"
        f"labels_from: {_scalar(_relative(file, path))}\n"
    )


def _scalar(text: str) -> str:
    # A hash may look like a number, a path like anything.
    return "'" + text.replace("'", "''") + "'"


def _relative(file: Path, path: Path) -> str:
    return Path(os.path.relpath(file.resolve(), path.parent.resolve())).as_posix()


def _named(found: Calibration) -> set[Path]:
    written = (found.spec.labels_from, found.spec.pairs_from)
    names = [name for one in written for name in ((one,) if isinstance(one, str) else one)]
    return {(found.path.parent / name).resolve() for name in names}
