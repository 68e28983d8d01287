"""The labelling as one page for a browser: no network, blind, and everything a model wrote is text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from swapgate.labelling.label_file import LabelFile, Truth, label_row
from swapgate.labelling.prepare import Labelling
from swapgate.labelling.question import Question
from swapgate.labelling.responses import Inputs, JudgedResponse, shown
from swapgate.records import Json, content_hash
from swapgate.reporting.files import write_text
from swapgate.reporting.text import visible
from swapgate.spec.json_lines import read_json_lines
from swapgate.spec.labels import LabelledVerdict, Name
from swapgate.spec.source import Document, validate
from swapgate.spec.suite import Written

ID_CHARS = 12


class PageAnswer(Written):
    """One line of what the page lets people download. `item` means something only together with the run.

    Where people were asked for scores, the rule makes the truth of them.
    """

    item: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    annotator: Name
    truth: Literal["pass", "fail", "skip"] | None = None
    truth_scores: dict[str, float] = Field(default_factory=dict)
    note: str | None = None


def write_page(labelling: Labelling, inputs: Inputs, path: Path) -> None:
    """Write the page."""
    items = [shown(r, inputs, name=name) for name, r in _named(labelling).items()]
    data: dict[str, Json] = {
        "judge": labelling.draw.judge,
        # Two pages with the same items share what the browser remembers of them.
        "key": content_hash([item.id for item in items])[:ID_CHARS],
        "items": [
            {
                "id": item.id,
                "inputs": [[visible(name), visible(text)] for name, text in item.inputs],
                "reference": None if item.reference is None else visible(item.reference),
                "answer": visible(item.answer),
            }
            for item in items
        ],
        "question": _question(labelling.question),
    }
    script, style = _part("label.js"), _part("label.css")
    page = (
        _part("label.html")
        .replace("@SCRIPT_HASH@", _hash(script))
        .replace("@STYLE_HASH@", _hash(style))
        .replace("@STYLE@", style)
        .replace("@SCRIPT@", script)
        # Last: whatever a model wrote is never looked through for a mark.
        .replace("@DATA@", _embedded(data))
    )
    write_text(path, page)


def read_answers(path: Path, labelling: Labelling, *, root: Path) -> list[LabelledVerdict]:
    """Return the rows that a page's answers make; raise SpecError at the line that is wrong.

    An answer that the file has already is left out; one that differs is a revision.
    """
    named = _named(labelling)
    rows: list[LabelledVerdict] = []
    for document in read_json_lines(path, root):
        answer = validate(PageAnswer, document, noun="an answer")
        response = named.get(answer.item)
        if response is None:
            message = (
                f"the item {answer.item!r} was not drawn from run {labelling.draw.run} into "
                f"{labelling.file.shown}: import with the same run and options as the page was made with"
            )
            raise document.error(message, "/item")
        truth = _truth(document, answer, labelling.question)
        row = _row(answer, truth, response, labelling.file, rows)
        rows += [] if row is None else [row]
    return rows


def _row(
    answer: PageAnswer,
    truth: Truth,
    response: JudgedResponse,
    file: LabelFile,
    earlier: Iterable[LabelledVerdict],
) -> LabelledVerdict | None:
    """Return the row of an answer, None when nothing has changed."""
    known = {(row.annotator, row.response): row for row in earlier}
    before = known.get((answer.annotator, response.id), file.answers.get((answer.annotator, response.id)))
    row = label_row(
        response,
        annotator=answer.annotator,
        truth=truth,
        truth_scores=answer.truth_scores,
        note=answer.note,
        is_revised=before is not None,
    )
    is_same = before is not None and (before.truth, before.truth_scores, before.note) == (
        row.truth,
        row.truth_scores,
        row.note,
    )
    return None if is_same else row


def _truth(document: Document, answer: PageAnswer, question: Question) -> Truth:
    """Return what a person says; raise SpecError for scores off their scale, or an answer without one."""
    scales = {part.name: part.scale or (0, 1) for part in question.parts}
    for name, score in answer.truth_scores.items():
        if name not in scales:
            raise document.error(f"there is no criterion {name!r}: {', '.join(scales)}", "/truth_scores")
        low, high = scales[name]
        if not low <= score <= high or score != int(score):
            message = f"the score of {name!r} must be a whole number from {low} to {high}, got {score:g}"
            raise document.error(message, "/truth_scores")
    if answer.truth == "skip" or (answer.truth is not None and question.asked == "verdict"):
        return answer.truth
    if question.asked == "verdict" or set(answer.truth_scores) != set(scales):
        wanted = "truth" if question.asked == "verdict" else "truth_scores"
        raise document.error(f"the answer has no {wanted!r}: import what the page of this run downloads")
    return question.truth(answer.truth_scores)


def _named(labelling: Labelling) -> dict[str, JudgedResponse]:
    """Return the responses by names from which nobody can tell what they are."""
    seed = labelling.draw.seed
    return {content_hash(["item", seed, r.id])[:ID_CHARS]: r for r in labelling.responses}


def _question(question: Question) -> Json:
    return {
        "asked": question.asked,
        "lines": list(question.lines()),
        "parts": [
            {"name": p.name, "ask": p.ask, "scale": None if p.scale is None else list(p.scale)}
            for p in question.parts
        ],
    }


def _embedded(data: Json) -> str:
    """Return JSON that cannot end the element that it stands in."""
    text = json.dumps(data, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _part(name: str) -> str:
    return (files("swapgate.labelling") / name).read_text(encoding="utf-8")
