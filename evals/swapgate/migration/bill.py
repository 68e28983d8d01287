"""The bill of a migration: every item gathered, and the month's saving that is to pay for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from swapgate.analysis.projection import break_even, saving
from swapgate.analysis.switching import SwitchCost, switch_items
from swapgate.errors import SwapgateError
from swapgate.migration.eval_runs import eval_runs
from swapgate.migration.git_changes import changed_prompts, changed_suites
from swapgate.migration.index_move import index_move
from swapgate.migration.labels import labels
from swapgate.migration.shadow_traffic import shadow_traffic
from swapgate.migration.window import Window, span_of
from swapgate.runs.priced import recorded
from swapgate.spec.models import read_catalogue
from swapgate.spec.settings import Settings
from swapgate.values import Value, replace


class Asked(Value):
    """What of a migration is asked about, and what only people know.

    `old` and `new` are names of models.yml. `between` is a range of git for prompts and cases. `hours` are
    people's, by the names of items. Prices are in US dollars.
    """

    window: Window = field(default_factory=Window)
    old: str | None = None
    new: str | None = None
    between: str | None = None
    index_config: Path | None = None
    hours: Mapping[str, float] = field(default_factory=dict)
    usd_per_hour: float | None = None
    serving_usd_per_day: float | None = None
    monthly: int | None = None
    run: str = "latest"

    @property
    def models(self) -> list[str]:
        """The models that were named."""
        return [name for name in (self.old, self.new) if name is not None]


def bill(settings: Settings, asked: Asked) -> SwitchCost:
    """Gather the bill. What one source cannot tell is said in its item; nothing is asked or paid for."""
    runs, of_runs = eval_runs(settings, asked.window, asked.models)
    suites, of_suites = changed_suites(settings, asked.window, asked.between)
    prompts, of_prompts = changed_prompts(settings, asked.window, asked.between)
    traffic, of_traffic = shadow_traffic(settings, asked.window, asked.models)
    index, of_index = index_move(settings, asked.index_config, usd_per_day=asked.serving_usd_per_day)
    spans = (of_runs, of_suites, of_prompts, of_traffic, of_index)
    whole = span_of([moment for one in spans for moment in (one.first, one.last)])
    cost = SwitchCost(
        items=switch_items([runs, suites, prompts, traffic, labels(settings), *index], asked.hours),
        old=asked.old,
        new=asked.new,
        began=whole.first,
        ended=whole.last,
        usd_per_hour=asked.usd_per_hour,
    )
    return _with_saving(settings, cost, asked)


def _with_saving(settings: Settings, cost: SwitchCost, asked: Asked) -> SwitchCost:
    """Add what a month costs with both models, and when the switch has paid for itself."""
    if asked.monthly is None:
        return replace(cost, why_no_saving="say how many requests a month there are: --monthly N")
    try:
        counted = recorded(settings, read_catalogue(settings.models_file), [asked.run], asked.models)
    except SwapgateError as exc:
        return replace(cost, why_no_saving=str(exc))
    if len(counted) != 2:
        names = ", ".join(one.name for one in counted)
        return replace(
            cost,
            why_no_saving=f"the run {asked.run} has answers of {names}: name two models, --old and --new",
        )
    old, new = (one.monthly(asked.monthly) for one in counted)
    saved = saving(new, old, answers=counted[1].answers, against_answers=counted[0].answers)
    return replace(
        cost,
        old=old.model,
        new=new.model,
        costs=(old, new),
        saving=saved,
        pays=break_even(saved, switching_usd=cost.total_usd),
    )
