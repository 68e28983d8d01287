"""`swapgate shadow status` and `purge`: what is kept of the traffic, and how to be rid of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table, shown
from swapgate.cli.shadow.replay import RouteOption
from swapgate.cli.shadow.serve import ConfigOption, config_path, opened
from swapgate.errors import UsageError

if TYPE_CHECKING:
    from swapgate.shadow.plan import Plan
    from swapgate.shadow.store import ShadowStore

_STATES = ("whole", "waiting", "unasked", "lost")


def status(
    *,
    config: ConfigOption = None,
    route: RouteOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count what is kept, by route, day and state, and what was not mirrored, by its reason."""
    plan = _plan(config, root)
    with _existing(plan) as store:
        states = [row for row in store.states() if route in {None, row[1]}] if store is not None else []
        counts = store.counts(route=route) if store is not None else []
    if as_json:
        print_json(
            {
                "store": str(plan.store),
                "exchanges": [{"day": d, "route": r, "state": s, "exchanges": n} for d, r, s, n in states],
                "counts": [
                    {"day": c.day, "route": c.route, "what": c.what, "amount": c.amount} for c in counts
                ],
            }
        )
        return
    if not states and not counts:
        typer.echo(f"nothing in {shown(plan.store)}: `swapgate shadow serve` fills it")
        return
    places = sorted({(d, r) for d, r, _s, _n in states} | {(c.day, c.route) for c in counts})
    by_state = {(d, r, s): n for d, r, s, n in states}
    rows = [(d, r, *(str(by_state.get((d, r, s), 0)) for s in _STATES)) for d, r in places]
    print_table(("day", "route", *_STATES), rows)
    typer.echo()
    print_table(
        ("day", "route", "counted", "amount"), [(c.day, c.route, c.what, f"{c.amount:g}") for c in counts]
    )


def purge(
    *,
    before: Annotated[
        str | None, typer.Option("--before", metavar="DATE", help="Days before this one, as in 2026-11-26.")
    ] = None,
    older_than: Annotated[
        int | None, typer.Option("--older-than", metavar="DAYS", min=0, help="Days that lie further back.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every day.")] = False,
    only_content: Annotated[
        bool, typer.Option("--content", help="Only what was said; the numbers stay.")
    ] = False,
    config: ConfigOption = None,
    route: RouteOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete exchanges, or only what was said in them; what was deleted is overwritten in the file.

    Files of a `spool` folder are removed as well, where all of their day is to go.
    """
    limit = _limit(before, older_than, everything=everything)
    plan = _plan(config, root)
    with _existing(plan) as store:
        purged = store.purge(limit, route=route, only_content=only_content) if store is not None else 0
    files = _purge_spool(plan, limit) if route is None else 0
    if as_json:
        print_json({"before": limit, "exchanges": purged, "spool_files": files})
        return
    what = "lost what was said in them" if only_content else "deleted"
    typer.echo(
        f"exchanges before {limit}: {purged} {what}" + (f", {files} spool files removed" if files else "")
    )


def _limit(before: str | None, older_than: int | None, *, everything: bool) -> str:
    """Return the first day that stays."""
    if sum((before is not None, older_than is not None, everything)) != 1:
        raise UsageError("say what is to go: --before DATE, --older-than DAYS or --all")
    if everything:
        return "9999-12-31"
    if older_than is not None:
        return (datetime.now(UTC).date() - timedelta(days=older_than)).isoformat()
    try:
        return date.fromisoformat(before or "").isoformat()
    except ValueError as exc:
        raise UsageError(f"--before {before!r} is no date: write it as 2026-11-26") from exc


def _purge_spool(plan: Plan, limit: str) -> int:
    from swapgate.shadow.spool import purge_spool

    return 0 if plan.spool is None else purge_spool(plan.spool, limit)


def _plan(config: ConfigOption, root: RootOption) -> Plan:
    settings = open_settings(root)
    return opened(settings, config_path(settings, config))


@contextmanager
def _existing(plan: Plan) -> Iterator[ShadowStore | None]:
    """Open the store, but never make one."""
    from swapgate.shadow.store import ShadowStore

    if not plan.store.is_file():
        yield None
        return
    with closing(ShadowStore(plan.store)) as store:
        yield store
