"""The prompt x model matrix: how each prompt travels to each model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from swapgate.analysis.compare import Comparison, Difference
from swapgate.analysis.rates import Rate
from swapgate.analysis.scopes import Scope
from swapgate.analysis.summary import Summary
from swapgate.facts import Facts
from swapgate.stats.multiple import benjamini_hochberg
from swapgate.values import Value, replace

Standing = Literal["baseline", "worse", "better", "not separated", "too few"]
# The share of the cells called worse or better that may be so by chance (Benjamini and Hochberg).
FALSE_DISCOVERIES = 0.05
# Fewer independent cases than this say nothing about a prompt: five against none is p 0.0625 at best.
FEWEST_CASES = 6


class Cell(Value):
    """One prompt on one model. `p_adjusted` is Benjamini and Hochberg's over all cells with a baseline.

    `measure` is what `standing` compares: the meaning, the structure where nothing scored it. "not separated"
    is never "no difference"; `standing` is None without a baseline.
    """

    prompt: str
    model: str
    structural: Rate
    semantic: Rate
    measure: str
    standing: Standing | None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None


def prompts_of(facts: Sequence[Facts]) -> list[Scope]:
    """Return the scope of each prompt, by name."""
    return [Scope(prompt=name) for name in sorted({f.prompt for f in facts if f.prompt is not None})]


def matrix(summaries: Sequence[Summary], comparisons: Sequence[Comparison]) -> tuple[Cell, ...]:
    """Return a cell for each prompt and model, prompt by prompt, the models in the summaries' order."""
    cells = sorted(_cells(summaries, comparisons), key=lambda cell: cell.prompt)
    adjusted = benjamini_hochberg([cell.p_value for cell in cells])
    return tuple(
        replace(cell, p_adjusted=p, standing=_standing(cell, p))
        for cell, p in zip(cells, adjusted, strict=True)
    )


def _cells(summaries: Sequence[Summary], comparisons: Sequence[Comparison]) -> Iterator[Cell]:
    differences = {(c.candidate, d.measure, d.scope): d for c in comparisons for d in c.differences}
    compared = {c.candidate for c in comparisons}
    for summary in summaries:
        if summary.prompt is None or summary.scope != Scope(prompt=summary.prompt):
            continue
        measure = "semantic" if summary.semantic.n else "structural"
        cell = Cell(
            prompt=summary.prompt,
            model=summary.model,
            structural=summary.structural,
            semantic=summary.semantic,
            measure=measure,
            standing="baseline" if summary.role == "baseline" else None,
        )
        key = (summary.model, measure, summary.scope)
        is_compared = summary.role == "candidate" and summary.model in compared
        yield _compared(cell, differences.get(key)) if is_compared else cell


def _compared(cell: Cell, difference: Difference | None) -> Cell:
    if difference is None:  # the models have no case of this prompt in common
        return replace(cell, standing="too few")
    is_enough = difference.clusters >= FEWEST_CASES and difference.low is not None
    return replace(
        cell,
        standing="not separated" if is_enough else "too few",
        estimate=difference.estimate,
        low=difference.low,
        high=difference.high,
        p_value=difference.p_value if is_enough else None,
    )


def _standing(cell: Cell, p_adjusted: float | None) -> Standing | None:
    if p_adjusted is None or cell.estimate is None or p_adjusted > FALSE_DISCOVERIES:
        return cell.standing
    return "better" if cell.estimate > 0 else "worse"
