"""The gate's limit on unscored trials: answers on which a judge's panel agreed too little to say anything."""

from __future__ import annotations

from collections.abc import Iterable

from swapgate.analysis.decision import Decision
from swapgate.analysis.scopes import Scope
from swapgate.analysis.summary import Summary
from swapgate.analysis.wording import limit_percent, percent, where

RULE = "unscored"
DEFAULT_UNSCORED = 0.05


def unscored_decision(summaries: Iterable[Summary], *, suite: str | None, limit: float) -> Decision | None:
    """Return whether few enough of each model's trials are unscored; None where none is.

    `summaries` are by suite and model. What is unscored is left out of the rates, and answers that judges
    disagree about are not like the others: with many of them the rates are those of the easy cases.
    """
    counts: dict[str, tuple[int, int]] = {}
    for summary in summaries:
        unscored, trials = counts.get(summary.model, (0, 0))
        counts[summary.model] = unscored + summary.unscored, trials + summary.trials
    shares = {model: unscored / trials for model, (unscored, trials) in counts.items() if trials}
    if not any(shares.values()):
        return None
    worst = max(shares, key=lambda model: shares[model])
    unscored, trials = counts[worst]
    is_over = shares[worst] > limit
    return Decision(
        rule=RULE,
        suite=suite,
        model=worst,
        answer="inconclusive" if is_over else "pass",
        reason=(
            f"{unscored:,} of {trials:,} trials of {worst}{where(Scope(suite))} are unscored, as judges "
            f"disagree ({percent(shares[worst], against=limit)}), {'above' if is_over else 'within'} the "
            f"limit of {limit_percent(limit)}"
        ),
        value=shares[worst],
        limit=limit,
    )
