"""`swapgate migrate report`: what this migration has cost, from the records, on one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.analysis.switching import ITEMS
from swapgate.cli.history.open import moment
from swapgate.cli.options import JsonOption, PagesOption, RootOption, open_settings, page_formats
from swapgate.cli.output import print_json, shown
from swapgate.errors import UsageError, nearest
from swapgate.spec.models import read_catalogue

if TYPE_CHECKING:
    from swapgate.analysis.switching import SwitchCost

OldOption = Annotated[str | None, typer.Option("--old", metavar="NAME", help="The model that is left.")]
NewOption = Annotated[str | None, typer.Option("--new", metavar="NAME", help="The model that takes over.")]
IndexOption = Annotated[
    Path | None,
    typer.Option(
        "--index", metavar="FILE", help="The file of the index's migration. Default: config/index.yml."
    ),
]


def report(
    *,
    old: OldOption = None,
    new: NewOption = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Since a date, a time or an age (4w).")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help="Until before this date, time or age.")
    ] = None,
    between: Annotated[
        str | None,
        typer.Option("--range", metavar="A..B", help="Commits of prompts, cases and judges, for the dates."),
    ] = None,
    hours: Annotated[
        list[str] | None,
        typer.Option("--hours", metavar="ITEM=N", help="Hours that people worked on an item; repeat."),
    ] = None,
    usd_per_hour: Annotated[
        float | None, typer.Option("--usd-per-hour", min=0, metavar="USD", help="What such an hour costs.")
    ] = None,
    serving: Annotated[
        float | None,
        typer.Option("--serving-per-day", min=0, metavar="USD", help="What a day of two indexes costs."),
    ] = None,
    monthly: Annotated[
        int | None, typer.Option("--monthly", min=1, metavar="N", help="Requests a month, for the saving.")
    ] = None,
    run: Annotated[
        str, typer.Option("--run", metavar="RUN", help="The run whose tokens the saving is counted with.")
    ] = "latest",
    index: IndexOption = None,
    formats: PagesOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the migration has cost: eval runs, prompts, shadow, labels, the index; and what it saves.

    Everything is read from what is stored. What no record tells is unknown, never 0: hours of people, the
    price of serving two indexes, and whatever has no price.
    """
    from swapgate.migration.bill import Asked, bill
    from swapgate.migration.window import Window

    settings = open_settings(root)
    wanted = page_formats(formats)
    catalogue = read_catalogue(settings.models_file)
    for name in (old, new):
        if name is not None:
            catalogue.resolve(name)
    window = Window(since=since and moment(since, "--since"), until=until and moment(until, "--until"))
    asked = Asked(
        window=window,
        old=old,
        new=new,
        between=between,
        index_config=index,
        hours=_hours(hours or []),
        usd_per_hour=usd_per_hour,
        serving_usd_per_day=serving,
        monthly=monthly,
        run=run,
    )
    cost = bill(settings, asked)
    paths = _write(cost, settings.reports_dir / "migration", wanted)
    if as_json:
        from swapgate.reporting.migration.json import as_json as described

        print_json({**described(cost), "reports": [str(path) for path in paths]})
        return
    _print(cost, paths)


def _hours(written: Sequence[str]) -> dict[str, float]:
    """Return people's hours by the name of the item; UsageError for what is none."""
    found: dict[str, float] = {}
    for one in written:
        name, _, amount = one.partition("=")
        if name not in ITEMS:
            known = ", ".join(ITEMS)
            raise UsageError(f"--hours {one!r}: no such item.{nearest(name, ITEMS)} Items: {known}")
        try:
            found[name] = float(amount)
        except ValueError:
            found[name] = -1.0
        if not 0 <= found[name] < 1e6:
            raise UsageError(f"--hours {one!r}: wanted a number of hours, as in {name}=12")
    return found


def _write(cost: SwitchCost, folder: Path, formats: Sequence[str]) -> list[Path]:
    from swapgate.reporting.files import write_text
    from swapgate.reporting.migration.html import page
    from swapgate.reporting.migration.json import document
    from swapgate.reporting.migration.markdown import markdown

    made_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    texts: dict[str, Callable[[], str]] = {
        "md": lambda: markdown(cost),
        "html": lambda: page(cost, made_at=made_at),
        "json": lambda: document(cost),
    }
    paths = []
    for name in (one for one in texts if one in formats):
        paths.append(folder / f"cost.{name}")
        write_text(paths[-1], texts[name]())
    return paths


def _print(cost: SwitchCost, paths: Sequence[Path]) -> None:
    from swapgate.reporting.migration.terminal import bill_lines

    for line in bill_lines(cost):
        typer.echo(line)
    for path in paths:
        typer.echo(f"report: {shown(path)}")
