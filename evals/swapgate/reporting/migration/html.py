"""The bill of a migration as one self-contained page without a script."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from swapgate.analysis.switching import SwitchCost
from swapgate.reporting.html.templates import environment, house_style, part
from swapgate.reporting.migration import cells

if TYPE_CHECKING:
    from jinja2 import Template

_HERE = "swapgate.reporting.migration"


def page(cost: SwitchCost, *, made_at: str) -> str:
    """Return the page; `made_at` is its time."""
    most = max([item.usd for item in cost.items if item.usd], default=0.0)
    rows = [
        {"cells": cells.row(item), "item": item, "bar": 100 * (item.usd or 0) / most if most else 0}
        for item in cost.items
    ]
    return _template("bill.html.j2").render(
        headline=cells.headline(cost),
        header=cells.HEADER,
        rows=rows,
        saving=list(cells.saving_lines(cost)),
        unknown=cells.unknown_lines(cost),
        made_at=made_at,
        style=_style(),
    )


@cache
def _style() -> str:
    return house_style() + part("migration.css", _HERE)


@cache
def _template(name: str) -> Template:
    return environment(_HERE).get_template(name)
