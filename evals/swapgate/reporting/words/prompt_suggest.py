"""A suggested override in words."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.analysis.compare import Difference
from swapgate.analysis.scopes import OVERALL
from swapgate.prompting.suggesting.suggest import Suggestion, Try
from swapgate.reporting import format as show
from swapgate.reporting.text import safe_text, visible

_WHY_CHARS = 200


def suggestion_lines(found: Suggestion, *, diff: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield what was tried on which half, the chosen text as a diff, and what the other half says."""
    repeated = "" if found.before.counted + found.before.errored <= found.training_cases else ", repeated"
    yield safe_text(
        f"{found.prompt} for {found.model}: {show.count(found.training_cases, 'case')} to learn from, "
        f"{found.held_out_cases:,} held out{repeated}"
    )
    yield f"training half, as it is: {found.before}"
    for one in found.tries:
        yield f"  proposal {one.number}: {_tried(one)}"
    if found.refused:
        yield f"  {found.refused} of {show.count(len(found.tries), 'proposal')} refused"
    if found.chosen is not None:
        yield f"chosen on the training half alone: proposal {found.chosen}"
        yield ""
        yield from map(visible, diff)
        yield ""
        yield f"held-out half, as it is: {found.before_held_out}"
        yield f"held-out half, with it:  {found.after_held_out}"
        yield from (f"  {text}" for text in map(difference_text, differences(found)))
    yield f"{show.money(found.paid_usd)} paid"


def differences(found: Suggestion) -> list[Difference]:
    """Return the differences over all held-out cases."""
    outcome = found.held_out
    comparisons = outcome.comparisons if outcome is not None else ()
    return [d for c in comparisons for d in c.differences if d.scope == OVERALL and d.pairs]


def difference_text(found: Difference) -> str:
    """Return one difference of the held-out half."""
    bounds = show.points_interval(found.low, found.high, found.confidence)
    points = f"{show.points(found.estimate)} points {bounds}".rstrip()
    return f"{found.measure} {points}, p {show.p_value(found.p_value)}, {show.count(found.pairs, 'pair')}"


def conclusion(found: Suggestion) -> str:
    """Return what came of it in one sentence."""
    if found.problem:
        return safe_text(f"nothing to suggest: {found.problem}")
    gate = found.held_out.gate if found.held_out is not None else None
    return safe_text(f"gate on the held-out half: {gate.answer.upper()}: {gate.reason}") if gate else ""


def _tried(one: Try) -> str:
    why = f" ({safe_text(one.why, _WHY_CHARS)})" if one.why else ""
    return safe_text(f"refused: {one.refused}", 300) if one.refused else f"{one.score}{why}"
