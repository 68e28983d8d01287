"""Calibrations as written in `judges/NAME.calibration.yml`: people's answers beside a judge's verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from swapgate.errors import nearest_file
from swapgate.records import Json
from swapgate.spec.calibration_files import calibration_path
from swapgate.spec.json_lines import read_json_lines
from swapgate.spec.labels import (
    Answer,
    Design,
    Draw,
    Hash,
    LabelledPair,
    LabelledVerdict,
    Placed,
    Truths,
    agreed,
    cluster_of,
    read_label_lines,
)
from swapgate.spec.source import Document, read_yaml, validate
from swapgate.spec.suite import Written
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.stats.judge_labels import Labels

__all__ = [
    "Answer",
    "Calibration",
    "CalibrationSpec",
    "LabelledPair",
    "LabelledVerdict",
    "calibration_of",
    "cluster_of",
    "read_calibration",
]
NO_LABELS = "the calibration has no labels: write `labels:` or `labels_from:`"


class CalibrationSpec(Written):
    """One calibration file.

    `design` says how the rows were chosen: at random, so many of either verdict, or so many of either truth.
    `judge_hash` is the hash (or its start) of the judge's definition that gave the verdicts. `pairs` are the
    rows of a pairwise judge. `measured` is written by `swapgate judge calibrate` and read by people.
    """

    calibration: str
    description: str | None = None
    judge_hash: Hash | None = None
    design: Design
    labels: tuple[LabelledVerdict, ...] = ()
    labels_from: str | tuple[str, ...] = ()
    pairs: tuple[LabelledPair, ...] = ()
    pairs_from: str | tuple[str, ...] = ()
    measured: dict[str, Json] = Field(default_factory=dict)


class Calibration(Value):
    """A calibration read whole, the rows of other files included.

    `truths` holds one row a response, with what people agree on; `draws` say how rows of label files were
    chosen.
    """

    path: Path
    spec: CalibrationSpec
    truths: Truths
    pairs: tuple[LabelledPair, ...] = ()
    draws: tuple[Draw, ...] = ()

    @property
    def judge(self) -> str:
        """The judge's name."""
        return self.spec.calibration

    @property
    def rows(self) -> tuple[LabelledVerdict, ...]:
        """One row a response, its truth that of the majority."""
        return self.truths.rows

    @property
    def models(self) -> tuple[str, ...]:
        """The models whose responses are labelled, sorted."""
        return tuple(sorted({row.model for row in self.rows if row.model is not None}))

    @property
    def judge_hash(self) -> str | None:
        """The definition that gave the verdicts, as far as the file or its draws say."""
        return self.spec.judge_hash or next((draw.judge_hash for draw in self.draws), None)

    def labels(self) -> Labels:
        """Return all labels, whichever model they are of: enough for a rate of such a mix of models."""
        return self._labels(self.rows)

    def labels_of(self, model: str) -> Labels | None:
        """Return the labels of one model's responses, None when no row names it."""
        rows = [row for row in self.rows if row.model == model]
        return self._labels(rows) if rows else None

    def warning(self, judge_hash: str) -> str:
        """Return that the verdicts were given by another definition than this one, or an empty string."""
        labelled = self.judge_hash
        if labelled is None or judge_hash.startswith(labelled):
            return ""
        return (
            f"{self.path.name} labels verdicts of another definition of judge {self.judge!r} "
            f"({labelled[:8]}, now {judge_hash[:8]}): label verdicts of this one"
        )

    def _labels(self, rows: Iterable[LabelledVerdict]) -> Labels:
        # numpy is not needed by those who only read the file.
        from swapgate.stats.judge_labels import Labels

        rows = list(rows)
        return Labels(
            verdicts=[row.verdict == "pass" for row in rows],
            truths=[row.truth == "pass" for row in rows],
            design=self.spec.design,
            clusters=[cluster_of(row, index) for index, row in enumerate(rows)],
        )


def read_calibration(judges_dir: Path, judge: str, *, root: Path | None = None) -> Calibration | None:
    """Return a judge's calibration, None when there is none; raise SpecError at the line that is wrong."""
    path = calibration_path(judges_dir, judge)
    return None if path is None else calibration_of(read_yaml(path, root=root), judge, root=root)


def calibration_of(document: Document, judge: str, *, root: Path | None = None) -> Calibration:
    """Return the calibration that a document says; raise SpecError at the line that is wrong."""
    path, spec = document.path, validate(CalibrationSpec, document, noun="a calibration")
    if spec.calibration != judge:
        message = (
            f"the calibration of {spec.calibration!r} stands in {path.name}: write `calibration: {judge}`, "
            f"or rename the file to {spec.calibration}.calibration.yml"
        )
        raise document.error(message, "/calibration")
    placed = list(_own_rows(document, spec))
    draws: list[Draw] = []
    for file, pointer in _files(document, spec.labels_from, "labels_from"):
        lines = read_label_lines(file, root)
        placed += lines.rows
        for draw in lines.draws:
            labelled = spec.judge_hash or (draws or [draw])[0].judge_hash
            _check_draw(document, draw, spec=spec, labelled=labelled, name=file.name, pointer=pointer)
            draws.append(draw)
    pairs = [*spec.pairs, *_pairs_of_files(document, spec, root)]
    if not placed and not pairs:
        raise document.error(NO_LABELS)
    return Calibration(path=path, spec=spec, truths=agreed(placed), pairs=tuple(pairs), draws=tuple(draws))


def _own_rows(document: Document, spec: CalibrationSpec) -> Iterator[Placed]:
    for index, label in enumerate(spec.labels):
        yield Placed(label=label, shown=document.shown, line=document.line(f"/labels/{index}"))


def _pairs_of_files(document: Document, spec: CalibrationSpec, root: Path | None) -> Iterator[LabelledPair]:
    for file, _pointer in _files(document, spec.pairs_from, "pairs_from"):
        for line in read_json_lines(file, root):
            yield validate(LabelledPair, line, noun="a labelled pair")


def _files(document: Document, written: str | tuple[str, ...], key: str) -> Iterator[tuple[Path, str]]:
    """Yield every file that a key names, with the key's place; raise SpecError for one that is not there."""
    is_one = isinstance(written, str)
    names = (written,) if isinstance(written, str) else written
    for index, name in enumerate(names):
        pointer = f"/{key}" if is_one else f"/{key}/{index}"
        file, folder = document.path.parent / name, document.path.parent
        if file.suffix != ".jsonl":
            raise document.error(f"{key}: {name!r} is no .jsonl file, a label a line", pointer)
        if not file.is_file():
            near = nearest_file(name, [other.name for other in folder.glob("*.jsonl")])
            raise document.error(f"{key}: no file {name!r} (looked in {folder.name}/).{near}", pointer)
        yield file, pointer


def _check_draw(
    document: Document, draw: Draw, *, spec: CalibrationSpec, labelled: str, name: str, pointer: str
) -> None:
    """Refuse a label file that was drawn otherwise than the calibration says, or from another judge.

    `labelled` is the definition, or the start of it, that all labels are of.
    """
    if draw.judge != spec.calibration:
        message = f"{name} labels verdicts of the judge {draw.judge!r}: take it away"
        raise document.error(message, pointer)
    if draw.design != spec.design:
        message = (
            f"{name} was drawn {draw.design!r}, the calibration says {spec.design!r}: write what was done"
        )
        raise document.error(message, "/design")
    if not draw.judge_hash.startswith(labelled):
        remedy = "leave the key away, the file says it itself" if spec.judge_hash else "keep one of the files"
        message = (
            f"{name} labels verdicts of definition {draw.judge_hash[:8]}, not of {labelled[:8]}: {remedy}"
        )
        raise document.error(message, "/judge_hash" if spec.judge_hash else pointer)
