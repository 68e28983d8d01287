"""Runs brought into the history from files: of another history, of an export, of a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from swapgate.errors import SpecError, UsageError
from swapgate.memory.history import Copied, HistoryWriter, Place, copy_runs
from swapgate.records import Run, Trial
from swapgate.reporting.report_json import load_report
from swapgate.values import Value

_SQLITE = b"SQLite format 3\0"


class _Line(Value):
    run: Run | None = None
    trial: Trial | None = None


_LINE: TypeAdapter[_Line] = TypeAdapter(_Line)


def import_file(file: Path, place: Place) -> list[Copied]:
    """Bring the runs of a file into a history, in the place of what it has of them.

    What another history has no more of than this one is left as it is.

    Raises UsageError for a file that holds no runs, and StoreError when the history takes none.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(len(_SQLITE))
    except OSError as exc:
        raise UsageError(f"{file}: cannot be read: {exc.strerror}") from exc
    if head == _SQLITE:
        return copy_runs(file, place)
    if file.suffix == ".jsonl":
        for _record in _records(file):
            pass  # nothing is brought in when a line is broken
        return _store_all(_records(file), place)
    run, trials = load_report(file)
    return _store_all(chain([run], trials), place)


def _store_all(records: Iterable[Run | Trial], place: Place) -> list[Copied]:
    """Store runs, each of which its trials follow."""
    copied: list[Copied] = []
    writer: HistoryWriter | None = None
    trials = 0
    for record in chain(records, [None]):
        if isinstance(record, Trial):
            assert writer is not None
            writer.add(record)
            writer.keep_up()
            trials += 1
            continue
        if writer is not None:
            writer.finish(writer.run)
            copied.append(Copied(run=writer.run, trials=trials, is_known=False))
        trials = 0
        writer = None if record is None else HistoryWriter(place, record)
    return copied


def _records(file: Path) -> Iterator[Run | Trial]:
    """Yield what the lines of an export hold; SpecError names a line that is none."""
    has_run = False
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                found = _LINE.validate_json(line)
            except ValidationError as exc:
                reason = exc.errors(include_url=False, include_input=False)[0]["msg"]
                raise SpecError(f"no line of an export: {reason}", path=file, line=number) from exc
            record = found.run or found.trial
            has_run |= isinstance(record, Run)
            if record is None or not has_run:
                raise SpecError("holds no run, and follows none", path=file, line=number)
            yield record
