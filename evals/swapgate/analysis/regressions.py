"""The gate's rule `regressions`: no suite, prompt or tag may be shown to be worse than the baseline."""

from __future__ import annotations

from typing import Literal

from swapgate.analysis.compare import Comparison, Difference
from swapgate.analysis.decision import Decision
from swapgate.analysis.scopes import Scope
from swapgate.stats.multiple import holm

RULE = "regressions"
# One-sided, over all parts together.
LEVEL = 0.05
Part = Literal["suite", "prompt", "tag"]


def regressions_decision(comparison: Comparison, part: Part) -> Decision:
    """Return a fail that names the parts shown to be worse, by Holm's p-values over all of them.

    A pass says that none was shown to be worse, which is not that none is.
    """
    model = comparison.candidate
    found = _parts(comparison, part)
    if not found:
        reason = f"no {part} of {model} and {comparison.baseline} was scored on both sides"
        return Decision(rule=RULE, model=model, answer="inconclusive", reason=reason)
    adjusted = holm([_one_sided(d) for d in found])
    if all(p is None for p in adjusted):
        reason = f"no {part} of {model} and {comparison.baseline} has enough cases to be tested"
        return Decision(rule=RULE, model=model, answer="inconclusive", reason=reason)
    worse = [(d, p) for d, p in zip(found, adjusted, strict=True) if p is not None and p <= LEVEL]
    parts = f"{len(found)} {part}s" if len(found) != 1 else f"1 {part}"
    if not worse:
        reason = f"none of the {parts} of {model} is shown to be worse than {comparison.baseline}"
        return Decision(rule=RULE, model=model, answer="pass", reason=reason, limit=LEVEL)
    named = ", ".join(f"{d.scope.name} (p {p:.3g})" for d, p in worse)
    reason = f"{len(worse)} of the {parts} of {model} got worse than {comparison.baseline}: {named}"
    value = min(p for _, p in worse)
    return Decision(rule=RULE, model=model, answer="fail", reason=reason, value=value, limit=LEVEL)


def _parts(comparison: Comparison, part: Part) -> list[Difference]:
    """Return one difference a part, of the meaning, or of the structure where nothing scored it."""
    found: dict[str, Difference] = {}
    for difference in comparison.differences:
        name: str | None = getattr(difference, part)
        is_whole = difference.scope == Scope(**{part: name})  # and no part of a part
        if name is not None and is_whole and difference.pairs:
            found.setdefault(name, difference)
    return list(found.values())


def _one_sided(difference: Difference) -> float | None:
    """Return the p-value of "not worse"."""
    if difference.p_value is None or difference.estimate is None:
        return None
    return difference.p_value / 2 if difference.estimate < 0 else 1 - difference.p_value / 2
