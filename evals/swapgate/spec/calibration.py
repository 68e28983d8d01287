"""Calibrations as written in `judges/NAME.calibration.yml`: people's answers beside a judge's verdicts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from swapgate.errors import SpecError, nearest
from swapgate.spec.json_lines import read_rows
from swapgate.spec.source import Document, read_yaml, shown_path, validate
from swapgate.spec.suite import Written

if TYPE_CHECKING:
    from swapgate.stats.judge_labels import Labels

Answer: TypeAlias = Literal["pass", "fail"]
Hash: TypeAlias = Annotated[str, StringConstraints(min_length=8, pattern=r"^[0-9a-f]+$")]


class LabelledVerdict(Written):
    """One verdict of the judge, and what people say of the same response.

    `model`, `suite`, `case` and `repeat` name the response, `cluster` the source that its case shares with
    others; a row without them still counts.
    """

    model: str | None = None
    suite: str | None = None
    case: str | None = None
    repeat: Annotated[int, Field(ge=1)] | None = None
    cluster: str | None = None
    verdict: Answer
    truth: Answer


class CalibrationSpec(Written):
    """One calibration file.

    `design` says how the rows were chosen: at random, so many of either verdict, or so many of either truth.
    `judge_hash` is the hash (or its start) of the judge's definition that gave the verdicts.
    """

    calibration: str
    description: str | None = None
    judge_hash: Hash | None = None
    design: Literal["random", "by_verdict", "by_label"]
    labels: tuple[LabelledVerdict, ...] = ()
    labels_from: str | tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A calibration read whole, the rows of `labels_from` included."""

    path: Path
    spec: CalibrationSpec
    rows: tuple[LabelledVerdict, ...]

    @property
    def judge(self) -> str:
        """The judge's name."""
        return self.spec.calibration

    @property
    def models(self) -> tuple[str, ...]:
        """The models whose responses are labelled, sorted."""
        return tuple(sorted({row.model for row in self.rows if row.model is not None}))

    def labels(self) -> Labels:
        """Return all labels, whichever model they are of: enough for a rate of such a mix of models."""
        return self._labels(self.rows)

    def labels_of(self, model: str) -> Labels | None:
        """Return the labels of one model's responses, None when no row names it."""
        rows = [row for row in self.rows if row.model == model]
        return self._labels(rows) if rows else None

    def warning(self, judge_hash: str) -> str:
        """Return that the verdicts were given by another definition than this one, or an empty string."""
        labelled = self.spec.judge_hash
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


def calibration_path(judges_dir: Path, judge: str) -> Path | None:
    """Return the judge's calibration file, None when there is none."""
    files = (judges_dir / f"{judge}.calibration{suffix}" for suffix in (".yml", ".yaml"))
    return next((file for file in files if file.is_file()), None)


def is_calibration(path: Path) -> bool:
    """Whether a file of the judges' folder is a calibration, by its name, and no judge."""
    return path.name.endswith((".calibration.yml", ".calibration.yaml"))


def read_calibration(judges_dir: Path, judge: str, *, root: Path | None = None) -> Calibration | None:
    """Return a judge's calibration, None when there is none; raise SpecError at the line that is wrong."""
    path = calibration_path(judges_dir, judge)
    if path is None:
        return None
    document = read_yaml(path, root=root)
    spec = validate(CalibrationSpec, document, noun="a calibration")
    if spec.calibration != judge:
        message = (
            f"the calibration of {spec.calibration!r} stands in {path.name}: write `calibration: {judge}`, "
            f"or rename the file to {spec.calibration}.calibration.yml"
        )
        raise document.error(message, "/calibration")
    placed = [*_own_rows(document, spec), *_rows_of_files(document, spec, root)]
    if not placed:
        raise document.error("the calibration has no labels: write `labels:` or `labels_from:`")
    _check_unique(placed)
    return Calibration(path=path, spec=spec, rows=tuple(row.label for row in placed))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A row with the place where it is written."""

    label: LabelledVerdict
    shown: str
    line: int


def _own_rows(document: Document, spec: CalibrationSpec) -> Iterator[_Placed]:
    for index, label in enumerate(spec.labels):
        yield _Placed(label=label, shown=document.shown, line=document.line(f"/labels/{index}"))


def _rows_of_files(document: Document, spec: CalibrationSpec, root: Path | None) -> Iterator[_Placed]:
    is_one = isinstance(spec.labels_from, str)
    names = (spec.labels_from,) if isinstance(spec.labels_from, str) else spec.labels_from
    for index, name in enumerate(names):
        pointer = "/labels_from" if is_one else f"/labels_from/{index}"
        file, folder = document.path.parent / name, document.path.parent
        if file.suffix != ".jsonl":
            raise document.error(f"labels_from: {name!r} is no .jsonl file, a label a line", pointer)
        if not file.is_file():
            near = nearest(name, [other.name for other in folder.glob("*.jsonl")])
            raise document.error(f"labels_from: no file {name!r} (looked in {folder.name}/).{near}", pointer)
        yield from _read_lines(file, root)


def _read_lines(path: Path, root: Path | None) -> Iterator[_Placed]:
    shown = shown_path(path, root)
    for line, label in read_rows(LabelledVerdict, path, noun="a label", root=root):
        yield _Placed(label=label, shown=shown, line=line)


def _check_unique(rows: Iterable[_Placed]) -> None:
    """Refuse a response that is labelled twice: it would count as two."""
    seen: dict[Hashable, _Placed] = {}
    for row in rows:
        label = row.label
        if label.case is None:
            continue
        first = seen.setdefault((label.model, label.suite, label.case, label.repeat), row)
        if first is not row:
            message = (
                f"the response to case {label.case!r} is already labelled at {first.shown}:{first.line}: "
                "keep one label, or name the model and the repeat"
            )
            raise SpecError(message, path=row.shown, line=row.line)


def cluster_of(row: LabelledVerdict, index: int) -> Hashable:
    """Return what hangs together with this row: its cases' source, its case, or nothing else."""
    if row.cluster is not None:
        return "cluster", row.suite, row.cluster
    return ("case", row.suite, row.case) if row.case is not None else ("row", index)
