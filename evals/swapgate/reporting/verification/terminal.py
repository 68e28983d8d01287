"""A verification as lines."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.reporting.text import columns, safe_text
from swapgate.reporting.verification import cells
from swapgate.retrieval.verifying.verification import Verification, WorstQuery

_SHOWN_WORST = 3
_SHOWN_REASONS = 9
_CELL_CHARS = 60


def verification_lines(found: Verification, *, verbose: int) -> Iterator[str]:
    """Yield the decision, the tables, what is to be known, the worst queries."""
    yield safe_text(cells.headline(found))
    first, *others = found.reasons
    yield safe_text(f"{cells.WORDS[found.verdict]}: {first}")
    shown = others if verbose else others[:_SHOWN_REASONS]
    yield from (f"  {safe_text(reason)}" for reason in shown)
    if len(shown) < len(others):
        yield f"  and {len(others) - len(shown):,} more reasons: -v shows all"
    yield ""
    is_short = not verbose
    yield from columns(cells.header(found, is_short=is_short), cells.rows(found, is_short=is_short))
    yield ""
    yield from columns(cells.SIDES_HEADER, cells.side_rows(found))
    told = cells.facts(found)
    if told:
        yield ""
        yield from (safe_text(line) for line in told)
    for one in found.worst if verbose else found.worst[:_SHOWN_WORST]:
        yield ""
        yield from _worst(one)


def _worst(one: WorstQuery) -> Iterator[str]:
    yield safe_text(f"worst: {cells.worst_head(one)}")
    rows = [
        (rank, safe_text(old, _CELL_CHARS), safe_text(new, _CELL_CHARS))
        for rank, old, new in cells.worst_results(one)
    ]
    yield from (f"  {line}" for line in columns(("", "old", "new"), rows))
