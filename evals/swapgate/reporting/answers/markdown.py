"""The report on both swaps as Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.reporting.answers import cells
from swapgate.reporting.markdown.text import SENTENCE_CHARS, capped, escaped, folded, own, table
from swapgate.retrieval.answering.report import JointReport
from swapgate.retrieval.answering.wording import notes, reason, steps
from swapgate.retrieval.answering.worst import WorstQuestion
from swapgate.retrieval.index import SIDES

_MOST = 20
_TEXT_CHARS = 600


def markdown(report: JointReport) -> str:
    """Return the whole document."""
    joint = report.joint
    word = cells.WORDS[joint.verdict]
    parts = [
        f"## {word}: {escaped(report.migration)}, both swaps",
        "",
        f"**{word}**: {escaped(reason(joint), 2 * SENTENCE_CHARS)}",
        "",
        *(f"- {escaped(one, SENTENCE_CHARS)}" for one in steps(joint)),
        *capped([*notes(joint), *report.notes], _MOST, lambda one: f"- {escaped(one, SENTENCE_CHARS)}"),
        "",
        escaped(cells.headline(report), SENTENCE_CHARS),
        "",
        *_table(cells.SWAPS_HEADER, cells.swap_rows(report, None)),
        *_table(cells.RATES_HEADER, cells.rate_rows(report, None)),
        *_table(cells.STRATA_HEADER, cells.stratum_rows(report)),
        *_table(cells.SLICES_HEADER, cells.slice_rows(report, is_whole=False), left=2),
        escaped(cells.slices_left_out(report), SENTENCE_CHARS),
        *folded("Every effect", _table(cells.EFFECTS_HEADER, cells.effect_rows(report, None), left=2)),
        *folded("The questions that lost most", [line for one in report.worst for line in _worst(one)]),
        "",
        *(f"- {own(one)}" for one in cells.facts(report)),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    shown = [[*(escaped(cell) for cell in row[:left]), *(own(cell) for cell in row[left:])] for row in rows]
    made = table(header, shown, left=left, most=_MOST)
    return [*made, ""] if made else []


def _worst(one: WorstQuestion) -> Iterator[str]:
    yield f"- {escaped(one.question)}: {escaped(one.text, _TEXT_CHARS)}"
    for side in SIDES:
        found = one.texts[side]
        texts = " / ".join(passage.text for passage in found.passages) or found.error or "nothing"
        right = cells.yes_no(found.is_right)
        yield f"  - {side} index, right text {right}: {escaped(texts, _TEXT_CHARS)}"
    for answer in one.answers:
        said = f"right {cells.yes_no(answer.outcome.answer)}"
        yield f"  - {cells.arm_name(answer.arm)}, {said}: {escaped(answer.text, _TEXT_CHARS)}"
