"""What it costs to switch models, item by item: money, machines' time and people's hours. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swapgate.analysis.projection import BreakEven, MonthlyCost, Saving
from swapgate.values import Value, replace

# The items of a migration, and what people's hours may be given for. The order is that of the report.
ITEMS = {
    "evals": "Eval runs",
    "suite": "Cases and judges changed",
    "prompts": "Prompts re-engineered",
    "shadow": "Shadow deployment",
    "labels": "Answers labelled by people",
    "reindex": "Embedding reindex",
    "serving": "Two indexes side by side",
}


class SwitchItem(Value):
    """One item of the bill. None is unknown, and `why_unknown` says why and how it could be known.

    `time_s` is how long it went on, `hours` what people worked on it, `usd` what it cost; `is_at_least` says
    that a part of `usd` is unknown. `did_happen` is False where nothing of it is on record. `told` are the
    facts behind it.
    """

    name: str
    time_s: float | None = None
    hours: float | None = None
    usd: float | None = None
    is_at_least: bool = False
    did_happen: bool = True
    told: tuple[str, ...] = ()
    why_unknown: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What people call it."""
        return ITEMS[self.name]


class SwitchCost(Value):
    """The bill of a migration.

    `began` and `ended` are ISO 8601, of the first and the last record. `usd_per_hour` is what an hour of a
    person costs, None where nobody said. The saving's side is None where two models have no prices or
    answers: `why_no_saving` says so.
    """

    items: tuple[SwitchItem, ...]
    old: str | None = None
    new: str | None = None
    began: str | None = None
    ended: str | None = None
    usd_per_hour: float | None = None
    costs: tuple[MonthlyCost, ...] = ()
    saving: Saving | None = None
    pays: BreakEven | None = None
    why_no_saving: str = ""

    @property
    def usd(self) -> float:
        """The sum of the money that is known."""
        return sum(item.usd for item in self.items if item.usd is not None)

    @property
    def hours(self) -> float:
        """The sum of the hours that are known."""
        return sum(item.hours for item in self.items if item.hours is not None)

    @property
    def work_usd(self) -> float | None:
        """What the known hours cost; None where nobody said what one does, or none is known."""
        return None if self.usd_per_hour is None else self.hours * self.usd_per_hour

    @property
    def total_usd(self) -> float:
        """Everything that is known, people's hours too where they have a price."""
        return self.usd + (self.work_usd or 0.0)

    @property
    def is_at_least(self) -> bool:
        """Whether some of the money or of the hours is unknown, so that the total is a lower bound."""
        return any(item.did_happen and _lacks(item) for item in self.items) or self.work_usd is None

    @property
    def unknown(self) -> tuple[str, ...]:
        """Everything that is not known, with its item."""
        return tuple(f"{item.title}: {why}" for item in self.items for why in item.why_unknown)


def switch_items(found: Sequence[SwitchItem], hours: Mapping[str, float]) -> tuple[SwitchItem, ...]:
    """Return the items in the report's order, with the hours that people gave for them."""
    by_name = {item.name: item for item in found}
    return tuple(
        replace(item, hours=hours.get(name, item.hours), did_happen=item.did_happen or name in hours)
        for name in ITEMS
        if (item := by_name.get(name)) is not None
    )


def _lacks(item: SwitchItem) -> bool:
    return item.usd is None or item.is_at_least or item.hours is None
