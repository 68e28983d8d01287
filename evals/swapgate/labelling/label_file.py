"""A label file: draws and answers, each appended at once and kept whatever becomes of the process."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from swapgate.errors import StoreError, UsageError
from swapgate.labelling.responses import JudgedResponse
from swapgate.records import Json
from swapgate.spec.labels import Draw, LabelledVerdict, LabelLines, agreed, read_label_lines
from swapgate.spec.source import shown_path

Truth = Literal["pass", "fail", "skip"]
_OURS = b'{"draw"'


class LabelFile:
    """One judge's label file. `answers` are the rows that count, by annotator and response."""

    def __init__(self, path: Path, *, root: Path) -> None:
        self.path = path
        self.shown = shown_path(path, root)
        self.is_mended = _mend(path)
        lines = read_label_lines(path, root) if path.is_file() else LabelLines(rows=(), draws=())
        self.draws = list(lines.draws)
        self.rows = agreed(lines.rows).written
        self.answers = {(row.annotator, row.response): row for row in self.rows if row.response is not None}

    def draw_of(self, run: str) -> Draw | None:
        """Return the newest draw from a run, None when nothing was drawn from it."""
        return next((draw for draw in reversed(self.draws) if draw.run == run), None)

    def require_judge(self, judge: str, judge_hash: str) -> None:
        """Refuse a file whose labels are of another judge, or another definition of this one."""
        for draw in self.draws:
            if draw.judge != judge:
                raise UsageError(f"{self.shown} holds labels of the judge {draw.judge!r}: name another --out")
            if draw.judge_hash != judge_hash:
                raise UsageError(
                    f"{self.shown} labels verdicts of definition {draw.judge_hash[:8]} of {judge!r}, "
                    f"those of the run are of {judge_hash[:8]}: name another file with --out; "
                    f"`--reuse {self.shown}` takes over the answers that still hold"
                )

    def add_draw(self, draw: Draw) -> None:
        """Append a draw."""
        written = draw.model_dump(mode="json", by_alias=True, exclude_none=True)
        self._append([{"draw": written}])
        self.draws.append(draw)

    def add(self, rows: Iterable[LabelledVerdict]) -> None:
        """Append rows; they are on the disk when this returns."""
        new = list(rows)
        self._append([_plain(row) for row in new])
        self.answers |= {(row.annotator, row.response): row for row in new if row.response is not None}

    def answered(self, annotator: str, responses: Iterable[JudgedResponse]) -> dict[str, LabelledVerdict]:
        """Return the annotator's answers to these responses, by response."""
        found = ((one.id, self.answers.get((annotator, one.id))) for one in responses)
        return {name: row for name, row in found if row is not None}

    def _append(self, lines: list[Mapping[str, Json]]) -> None:
        text = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # One write in append mode: two people at work on one file do not cut each other's lines.
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                _write(handle, text.encode())
            finally:
                os.close(handle)
        except OSError as exc:
            raise StoreError(f"{self.shown}: the answer could not be stored: {exc.strerror}") from exc


def label_row(
    response: JudgedResponse,
    *,
    annotator: str,
    truth: Truth,
    truth_scores: Mapping[str, float] | None = None,
    note: str | None = None,
    is_revised: bool = False,
    is_reused: bool = False,
) -> LabelledVerdict:
    """Return one person's answer beside the verdict, as a label file holds it."""
    trial = response.trial
    return LabelledVerdict(
        response=response.id,
        model=trial.model,
        suite=trial.suite,
        case=trial.case,
        repeat=trial.repeat,
        cluster=trial.cluster,
        verdict=response.said,
        scores=dict(response.verdict.scores),
        truth=truth,
        truth_scores=dict(truth_scores or {}),
        annotator=annotator,
        note=note or None,
        characters=len(response.answer),
        revised=is_revised,
        reused=is_reused,
    )


def _write(handle: int, content: bytes) -> None:
    if os.write(handle, content) < len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(handle)


def _plain(row: LabelledVerdict) -> dict[str, Json]:
    written: dict[str, Json] = row.model_dump(mode="json", exclude_defaults=True)
    return written


def _mend(path: Path) -> bool:
    """Cut off a line that a process had not finished when it died; say whether there was one."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    if content.endswith(b"\n") or not content.startswith(_OURS):
        return False
    whole, _, torn = content.rpartition(b"\n")
    kept = whole + b"\n" if whole else b""
    try:
        json.loads(torn)
    except ValueError:
        path.write_bytes(kept)
        return True
    path.write_bytes(content + b"\n")
    return False
