"""What has to be known of a month's cost before it is believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.analysis.projection import MonthlyCost


def cost_notes(costs: Sequence[MonthlyCost]) -> Iterator[str]:
    """Yield what each cost leaves out or takes for granted."""
    for cost in costs:
        if cost.goes_by_hours:
            yield (
                f"{cost.model} costs more at certain hours, and is counted at the price of this one: for a "
                "mix of hours write its `price` in models.yml"
            )
        if cost.uncounted:
            yield f"{cost.uncounted} answers of {cost.model} have no token counts and are in nothing"
        if cost.note:
            yield f"{cost.model}: {cost.note}"
