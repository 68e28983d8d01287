"""report.json: everything that a run says, for machines. Written, described and read back here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from swapgate.analysis.compare import Comparison
from swapgate.analysis.covariates import CovariateFinding
from swapgate.analysis.decision import GateResult
from swapgate.analysis.distributions import Spread
from swapgate.analysis.identity import IdentityFinding
from swapgate.analysis.judge_use import JudgeUse
from swapgate.analysis.matrix import Cell
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.quarantine import Quarantine
from swapgate.analysis.ranking import Rank
from swapgate.analysis.repeatability import Repeatability
from swapgate.analysis.summary import Summary
from swapgate.errors import UsageError
from swapgate.facts import facts_of
from swapgate.memory.history import StoredTrials
from swapgate.records import Json, Run, Trial, adapter
from swapgate.reporting.files import atomic_file, whole
from swapgate.reporting.words.reasons import in_order
from swapgate.values import Value

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Shape = TypeVar("_Shape")
FORMAT = "swapgate.report"
# Semantic versioning: a new field is a minor version, a removed or changed one a major version.
VERSION = "1.6.0"
SCHEMA_ID = "urn:swapgate:report:1"
# Facts that follow from a trial's other fields, written for readers of the file and ignored on reading.
DERIVED: dict[str, Json] = {
    "outcome": {"enum": ["passed", "missed", "errored", "unscored"], "type": "string"},
    "is_blind_pass": {"type": "boolean"},
}


class Report(Value):
    """The shape of report.json, in the order in which it is written."""

    format: Literal["swapgate.report"]
    version: str
    run: Run
    gate: GateResult
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]
    ranking: tuple[Rank, ...]
    matrix: tuple[Cell, ...]
    spreads: tuple[Spread, ...]
    covariates: tuple[CovariateFinding, ...]
    repeatability: tuple[Repeatability, ...]
    judges: tuple[JudgeUse, ...]
    warnings: tuple[str, ...]
    quarantine: Quarantine | None
    identity: tuple[IdentityFinding, ...]
    trials: tuple[Trial, ...]


class JsonReporter:
    """Writes report.json trial by trial, so that a long run needs no second copy of itself in memory."""

    name = "json"
    filename = "report.json"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write report.json into the folder and return its path."""
        path = folder / self.filename
        with atomic_file(path) as stream:
            _write_head(stream, outcome)
            _write_trials(stream, outcome)
        return path


def report_schema() -> dict[str, Json]:
    """Return the JSON Schema (draft 2020-12) of report.json."""
    schema = TypeAdapter(Report).json_schema(mode="serialization")
    trial = schema["$defs"]["Trial"]
    trial["properties"] = {**DERIVED, **trial["properties"]}
    trial["required"] = [*DERIVED, *trial["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def load_report(path: Path) -> tuple[Run, list[Trial]]:
    """Return the run and the trials of a report.json; UsageError when it is not one that can be read."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise UsageError(
            f"{path}: the report cannot be read: {exc.strerror}. Name a report.json or a stored run"
        ) from exc
    _check_head(path, content)
    stored = _parsed(path, content, _Stored)
    return stored.run, list(stored.trials)


class _Head(Value):
    format: str = ""
    version: str = ""


class _Stored(Value):
    run: Run
    trials: tuple[Trial, ...]


def _check_head(path: Path, content: bytes) -> None:
    head = _parsed(path, content, _Head)
    if head.format != FORMAT:
        raise UsageError(f"{path}: not a swapgate report: its format is {head.format!r}, not {FORMAT!r}")
    major, _, _ = VERSION.partition(".")
    if head.version.partition(".")[0] != major:
        raise UsageError(
            f"{path}: report format version {head.version!r} cannot be read: this swapgate reads {major}.x. "
            "Upgrade swapgate, or write the report again with this version: swapgate report RUN"
        )


def _parsed(path: Path, content: bytes, shape: type[_Shape]) -> _Shape:
    try:
        return TypeAdapter(shape).validate_json(content)
    except ValidationError as exc:
        raise UsageError(f"{path}: {_why_unreadable(exc)}") from exc


def _why_unreadable(exc: ValidationError) -> str:
    first = exc.errors(include_url=False, include_input=False)[0]
    if first["type"] != "json_invalid":
        where = "/".join(str(part) for part in first["loc"])
        return f"not a swapgate report: {first['msg']} at /{where}"
    if "EOF" in first["msg"]:
        return "the report is cut off before its end. Write it again with swapgate report RUN"
    return f"not a swapgate report: {first['msg']}"


def _write_head(stream: BinaryIO, outcome: RunOutcome) -> None:
    stream.write(f'{{"format": "{FORMAT}",\n"version": "{VERSION}"'.encode())
    parts: dict[str, DataclassInstance | Sequence[DataclassInstance | str] | None] = {
        "run": outcome.run,
        "gate": outcome.gate,
        "summaries": outcome.summaries,
        "comparisons": outcome.comparisons,
        "ranking": outcome.ranking,
        "matrix": outcome.matrix,
        "spreads": outcome.spreads,
        "covariates": outcome.covariates,
        "repeatability": outcome.repeatability,
        "judges": outcome.judges,
        "warnings": outcome.warnings,
        "quarantine": outcome.quarantine,
        "identity": outcome.identity,
    }
    for key, part in parts.items():
        stream.write(f',\n"{key}": '.encode() + _dump_part(part))


def _write_trials(stream: BinaryIO, outcome: RunOutcome) -> None:
    stream.write(b',\n"trials": [')
    for index, (result, is_blind_pass, text) in enumerate(_written(outcome)):
        derived = to_json({"outcome": result, "is_blind_pass": is_blind_pass})
        stream.write(b",\n" if index else b"\n")
        stream.write(derived[:-1] + b"," + text[1:])
    stream.write(b"\n]}\n")


def _written(outcome: RunOutcome) -> Iterator[tuple[str, bool, bytes]]:
    """Yield each trial's outcome, whether it is a blind pass, and its JSON, in order.

    A run that has just been stored is there as JSON already: to read it and write it anew takes six times
    as long.
    """
    if not isinstance(outcome.trials, StoredTrials):
        for trial in in_order(outcome.trials):
            yield trial.outcome, trial.is_blind_pass, _dump(trial)
        return
    known = {(one.suite, one.case, one.model, one.repeat): one for one in outcome.facts}
    for place, text in outcome.trials.texts():
        one = known.get(place) or facts_of(adapter(Trial).validate_json(text))
        yield one.outcome, one.is_blind_pass is True, text.encode()


def _dump_part(part: DataclassInstance | Sequence[DataclassInstance | str] | None) -> bytes:
    if part is None:
        return b"null"
    if not isinstance(part, Sequence):
        return _dump(part)
    lines = [to_json(whole(one)) if isinstance(one, str) else _dump(one) for one in part]
    return b"[" + b",\n  ".join(lines) + b"]"


def _dump(record: DataclassInstance) -> bytes:
    try:
        return adapter(type(record)).dump_json(record)
    except PydanticSerializationError:
        # A lone surrogate, which a model can write as an escape in its JSON, has no UTF-8.
        return to_json(_whole_values(adapter(type(record)).dump_python(record)), inf_nan_mode="null")


def _whole_values(value: Any) -> Any:
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, Mapping):
        return {whole(str(key)): _whole_values(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_values(one) for one in value]
    return value
