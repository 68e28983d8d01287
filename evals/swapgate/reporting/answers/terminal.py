"""The report on both swaps as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.reporting.answers import cells
from swapgate.reporting.terminal.line import aligned
from swapgate.reporting.text import safe_text
from swapgate.retrieval.answering.report import JointReport
from swapgate.retrieval.answering.wording import notes, reason, steps
from swapgate.retrieval.answering.worst import WorstQuestion
from swapgate.retrieval.index import SIDES

_SHOWN_CHARS = 160
_FEW_NOTES = 6


def lines(report: JointReport, *, verbose: int) -> Iterator[str]:
    """Yield the verdict with who is to blame, at which step, the tables, the questions that lost most."""
    joint = report.joint
    yield safe_text(cells.headline(report))
    yield safe_text(f"{cells.WORDS[joint.verdict]}: {reason(joint)}")
    yield from (f"  step  {safe_text(one)}" for one in steps(joint))
    told = [*notes(joint), *report.notes]
    shown = told if verbose else told[:_FEW_NOTES]
    yield from (f"  note  {safe_text(one)}" for one in shown)
    if len(told) > len(shown):
        yield f"  and {len(told) - len(shown)} more with -v"
    yield from _table(cells.SWAPS_HEADER, cells.swap_rows(report, None))
    yield from _table(cells.RATES_HEADER, cells.rate_rows(report, None))
    yield from _table(cells.STRATA_HEADER, cells.stratum_rows(report, has_intervals=verbose > 0))
    yield from _table(cells.SLICES_HEADER, cells.slice_rows(report, is_whole=verbose > 0))
    if not verbose and (left := cells.slices_left_out(report)):
        yield safe_text(left)
    yield from _table(cells.EFFECTS_HEADER, cells.effect_rows(report, None) if verbose else [])
    yield ""
    for one in report.worst if verbose else report.worst[:3]:
        yield from _worst(one)
    yield from cells.facts(report)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield ""
        yield from (
            line.rstrip() for line in aligned([list(header), *([safe_text(c) for c in row] for row in rows)])
        )


def _worst(one: WorstQuestion) -> Iterator[str]:
    yield f"lost: {safe_text(one.question)}: {safe_text(one.text, _SHOWN_CHARS)}"
    for side in SIDES:
        found = one.texts[side]
        ids = ", ".join(passage.id for passage in found.passages) or found.error or "nothing"
        right = f"right text {cells.yes_no(found.is_right)}"
        yield f"  {side + ' index':<23}  {right}: {safe_text(ids, _SHOWN_CHARS)}"
    for answer in one.answers:
        said = {True: "right", False: "WRONG", None: "not known"}[answer.outcome.answer]
        kept = "" if answer.outcome.faithfulness is not False else ", not from the texts"
        yield f"  {cells.arm_name(answer.arm):<23}  {said}{kept}: {safe_text(answer.text, _SHOWN_CHARS)}"
