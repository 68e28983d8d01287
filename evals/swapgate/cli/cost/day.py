"""`swapgate cost day`: what of today's budget is spent, by whatever process."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json
from swapgate.engine.day_budget import UNITS, open_ledger
from swapgate.reporting.format import money
from swapgate.spec.day import UTC_ZONE, Day, day_now
from swapgate.spec.settings import Settings

if TYPE_CHECKING:
    from swapgate.memory.spending import SpendingLedger, Spent


def day(
    *,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="The day of the shadow deployment, which is in UTC.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="With --shadow: its configuration."),
    ] = None,
    release: Annotated[
        bool,
        typer.Option("--release", help="Count what dead processes had in flight as not billed: look first."),
    ] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what today has cost under a daily budget, over all processes that share it.

    What a process had in flight when it was killed may be billed, and counts in full until it is released.
    """
    settings = open_settings(root)
    today = day_now(UTC_ZONE if shadow else settings.budget_zone)
    opened, limit_usd = (
        _of_shadow(settings, config) if shadow else (open_ledger(settings), settings.max_cost_per_day)
    )
    with closing(opened) as ledger:
        freed = ledger.release(today) if release else 0
        spent = ledger.today(today)
    if as_json:
        print_json(_described(today, spent, limit_usd, freed))
    else:
        _print(today, spent, limit_usd, freed)


def _of_shadow(settings: Settings, config: Path | None) -> tuple[SpendingLedger, float | None]:
    from swapgate.cli.shadow.serve import config_path, opened
    from swapgate.shadow import plan as planning

    plan = opened(settings, config_path(settings, config))
    return planning.open_ledger(plan), plan.config.budget_usd_per_day


def _described(today: Day, spent: Spent, limit_usd: float | None, freed: int) -> dict[str, object]:
    return {
        "day": today.date.isoformat(),
        "zone": today.zone,
        "limit_usd": limit_usd,
        "spent_usd": spent.spent / UNITS,
        "set_aside_usd": spent.held / UNITS,
        "unknown_usd": spent.unknown / UNITS,
        "processes": spent.processes,
        "released_usd": freed / UNITS,
    }


def _print(today: Day, spent: Spent, limit_usd: float | None, freed: int) -> None:
    of = f" of ${limit_usd:,.2f}" if limit_usd is not None else "; no limit is set here"
    typer.echo(f"{today}: {money(spent.spent / UNITS)} spent{of}")
    if spent.processes:
        typer.echo(f"  {money(spent.held / UNITS)} more are set aside by {_processes(spent.processes)}")
    if freed:
        typer.echo(f"  {money(freed / UNITS)} released")
    if spent.unknown:
        typer.echo(
            f"  {money(spent.unknown / UNITS)} more may be, by calls in flight when their process died. "
            "Where the provider's bill says that they are not: `swapgate cost day --release`"
        )


def _processes(number: int) -> str:
    return "1 process that runs" if number == 1 else f"{number:,} processes that run"
