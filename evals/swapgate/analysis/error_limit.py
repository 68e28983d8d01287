"""The gate's limit on errored and missing trials: above it the rates say too little to be judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from swapgate.analysis.decision import Decision
from swapgate.analysis.scopes import Scope
from swapgate.analysis.summary import Summary
from swapgate.analysis.wording import limit_percent, percent, where
from swapgate.facts import MISSING

RULE = "errors"
DEFAULT_ERRORS = 0.05


@dataclass(slots=True)
class _Tally:
    """Errored and missing trials of one model, or of all (model None)."""

    model: str | None = None
    trials: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        return self.kinds.total() / self.trials if self.trials else 0.0


def errors_decision(
    summaries: Iterable[Summary], *, suite: str | None, limit: float, planned: int = 0, missing: int = 0
) -> Decision | None:
    """Return whether few enough trials errored, of all and of each model; None without any trial.

    `summaries` are by suite and model. `planned` counts all trials that were to be made, those of suites
    that are left out here too; `missing` those of them that never came back.
    """
    everyone = _Tally(trials=missing, kinds=Counter({MISSING: missing} if missing else {}))
    models: dict[str, _Tally] = {}
    for summary in summaries:
        for tally in (everyone, models.setdefault(summary.model, _Tally(model=summary.model))):
            tally.trials += summary.trials
            tally.kinds.update(summary.errors)
    everyone.trials = max(everyone.trials, planned)
    if not models and not missing:
        return None
    worst = max([everyone, *models.values()], key=lambda tally: tally.share)
    return Decision(
        rule=RULE,
        suite=suite,
        model=worst.model or ", ".join(models),
        answer="inconclusive" if worst.share > limit else "pass",
        reason=_reason(worst, suite=suite, limit=limit),
        value=worst.share,
        limit=limit,
    )


def _reason(worst: _Tally, *, suite: str | None, limit: float) -> str:
    is_over = worst.share > limit
    of_model = f" of {worst.model}" if worst.model else ""
    trials = f"{worst.kinds.total():,} of {worst.trials:,} planned trials{of_model}{where(Scope(suite))}"
    reason = (
        f"{trials} errored or are missing ({percent(worst.share, against=limit)}), "
        f"{'above' if is_over else 'within'} the limit of {limit_percent(limit)}"
    )
    if not is_over:
        return reason
    kind, count = worst.kinds.most_common(1)[0]
    return f"{reason}: most often {kind} ({count})"
