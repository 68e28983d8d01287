"""The report on a candidate in shadow as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.reporting.shadow import cells
from swapgate.reporting.text import columns, safe_text
from swapgate.shadow.deciding.evidence import RouteReport
from swapgate.shadow.deciding.pairs import Pair
from swapgate.shadow.deciding.promotion import Promotion

_SHOWN_CHARS = 160
_ANSWERS = {"pass": "ok", "fail": "FAILS", "inconclusive": "open"}


def report_lines(report: RouteReport, pairs: Sequence[Pair], *, verbose: int) -> Iterator[str]:
    """Yield one route: the decision, the table, in what answers differ, the worst pairs."""
    yield safe_text(cells.headline(report))
    yield from promotion_lines(report.promotion, verbose=verbose)
    yield ""
    yield from columns(cells.SHORT, [cells.short_row(one) for one in cells.scopes(report)])
    rows = cells.differing_rows(report)
    if rows:
        yield ""
        yield from columns(("differs in", "candidate", "control itself"), rows)
    yield ""
    yield from (safe_text(line) for line in cells.facts(report))
    for pair in pairs if verbose else pairs[:3]:
        yield from _pair(pair)


def promotion_lines(promotion: Promotion, *, verbose: int) -> Iterator[str]:
    """Yield the decision and its notes; what does not simply hold, or with -v every criterion."""
    yield safe_text(f"{cells.WORDS[promotion.verdict]}: {promotion.reason}")
    for one in promotion.rulings:
        if verbose or one.answer != "pass":
            where = f" on {one.slice}" if one.slice else ""
            yield f"  {_ANSWERS[one.answer]:<5}  {safe_text(f'{one.criterion}{where}: {one.reason}')}"
    yield from (f"  note   {safe_text(note)}" for note in promotion.notes)


def _pair(pair: Pair) -> Iterator[str]:
    differs = ", ".join(cells.ASPECTS[aspect] for aspect in pair.differs_in) or "words alone"
    yield safe_text(f"worst: {pair.key}, {pair.at[:19]}: {differs}")
    for who, text in (("asked", pair.asked), ("control", pair.control), ("candidate", pair.candidate)):
        if text is not None:
            yield f"  {who:<9}  {safe_text(text, _SHOWN_CHARS)}"
