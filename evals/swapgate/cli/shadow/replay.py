"""`swapgate shadow replay`: the candidate is asked what was spooled or logged, later and under a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, MaxCostOption, RayOption, RootOption, open_settings
from swapgate.cli.output import print_json, progress_bar, warn, warn_of_budget
from swapgate.cli.shadow.serve import ConfigOption, config_path, opened
from swapgate.errors import UsageError, nearest
from swapgate.reporting.format import count
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.shadow.logs import LogFormat
    from swapgate.shadow.plan import Plan, PlannedRoute
    from swapgate.shadow.records import Exchange
    from swapgate.shadow.replay import Replayed
    from swapgate.shadow.store import ShadowStore
    from swapgate.spec.settings import Settings

_READ_AT_ONCE = 500
RouteOption = Annotated[
    str | None, typer.Option("--route", metavar="NAME", help="Only this route of the configuration.")
]


def replay(
    *,
    config: ConfigOption = None,
    route: RouteOption = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="Read this log, or folder of logs, first. Default: the `spool` folder.",
        ),
    ] = None,
    log_format: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="What the log is: spool, openai, litellm or otel."),
    ] = "spool",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="Ask at most so many exchanges.")
    ] = None,
    max_cost: MaxCostOption = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, metavar="N", help="Exchanges asked at once.")
    ] = None,
    ray: RayOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the candidate what waits: exchanges of a spool, or of logs that were there before.

    What was asked is done for good: end it at any time and call it again, and it goes on where it was.
    """
    from swapgate.shadow.plan import require_askable
    from swapgate.shadow.store import ShadowStore

    settings = open_settings(root, ray=ray)
    plan = opened(settings, config_path(settings, config))
    named = _route(plan, route)
    found = _source(plan, source, log_format)
    require_askable(plan, is_budgeted=max_cost is not None)
    with closing(ShadowStore(plan.store)) as store:
        read = _read(store, plan, named, found) if found is not None else 0
        log = None if found is None else found[0].absolute()
        done = _ask(
            settings, plan, store, named, log=log, limit=limit, max_cost=max_cost, concurrency=concurrency
        )
        waiting = sum(
            n for _day, name, state, n in store.states() if state == "waiting" and name == (route or name)
        )
    if not as_json and (read or source is not None):
        typer.echo(count(read, "new exchange") + " read")
    _tell(done, read=read, waiting=waiting, max_cost=max_cost, as_json=as_json)


def _route(plan: Plan, name: str | None) -> PlannedRoute | None:
    if name is None:
        return next(iter(plan.routes.values())) if len(plan.routes) == 1 else None
    if name not in plan.routes:
        raise UsageError(f"--route {name!r} is not in the configuration.{nearest(name, plan.routes)}")
    return plan.routes[name]


def _source(plan: Plan, given: Path | None, log_format: str) -> tuple[Path, LogFormat] | None:
    """Return what is to be read first, None where nothing is."""
    from swapgate.shadow.logs import LOG_FORMATS

    known = next((one for one in LOG_FORMATS if one == log_format), None)
    if known is None:
        hint = nearest(log_format, LOG_FORMATS)
        raise UsageError(f"--format {log_format!r} is none of {', '.join(LOG_FORMATS)}.{hint}")
    path = given or plan.spool
    if path is None or (given is None and not path.exists()):
        if known != "spool":
            raise UsageError(f"--format {known} needs --from PATH")
        return None
    if not path.exists():
        raise UsageError(f"--from {str(path)!r}: there is no such file or folder")
    return path, known


def _read(
    store: ShadowStore, plan: Plan, planned: PlannedRoute | None, source: tuple[Path, LogFormat]
) -> int:
    """Take the exchanges of a log into the store, redacted; what is there already is left alone."""
    from swapgate.shadow.logs import read_log
    from swapgate.shadow.redaction import Redactor, redacted

    path, log_format = source
    if log_format != "spool" and planned is None:
        raise UsageError(f"a log does not say its route: name it with --route ({', '.join(plan.routes)})")
    redactor = Redactor(rules=plan.config.redact)
    exchanges = read_log(path, log_format, planned)
    if log_format != "spool":
        exchanges = (redacted(exchange, redactor) for exchange in exchanges)
    return sum(store.add_new(block) for block in _blocks(exchanges))


def _blocks(exchanges: Iterator[Exchange]) -> Iterator[list[Exchange]]:
    while block := list(islice(exchanges, _READ_AT_ONCE)):
        yield block


def _ask(
    settings: Settings,
    plan: Plan,
    store: ShadowStore,
    planned: PlannedRoute | None,
    *,
    log: Path | None,
    limit: int | None,
    max_cost: float | None,
    concurrency: int | None,
) -> Replayed:
    from swapgate.shadow.comparing.replayed import open_hands
    from swapgate.shadow.fast_loop import collect_from_here
    from swapgate.shadow.replay import Replay

    collect_from_here()
    route = planned.name if planned is not None else None
    waiting = sum(
        n for _d, name, state, n in store.states() if state == "waiting" and name == (route or name)
    )
    planned_count = waiting if limit is None else min(limit, waiting)
    with open_hands(settings, plan, source=log) as hands, progress_bar("asking") as draw:
        if settings.ray is not None and not hands.on_ray:
            warn(
                "--ray runs local models, Python functions and comparing with checks or similarity, of which "
                "there is nothing here: the replay stays in this process"
            )
        work = Replay(
            plan,
            store,
            concurrency=concurrency or plan.config.limits.concurrency,
            max_cost_usd=max_cost,
            compare=hands.compare,
            executor=hands.executor,
            told=lambda done: draw(done.asked / max(1, planned_count)),
        )
        return asyncio.run(work.run(route=route, limit=limit))


def _tell(done: Replayed, *, read: int, waiting: int, max_cost: float | None, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "read": read,
                "asked": done.asked,
                "outcomes": dict(done.outcomes),
                "untranslatable": done.untranslatable,
                "uncompared": done.uncompared,
                "waiting": waiting,
                "cost_usd": done.cost_usd,
                "is_over_budget": done.over_budget > 0,
            }
        )
        return
    failed = {name: n for name, n in sorted(done.outcomes.items()) if name != "answered"}
    typer.echo(f"{done.asked} asked, {done.outcomes['answered']} answered, ${done.cost_usd:.4f}")
    for name, number in failed.items():
        typer.echo(f"  {number} failed: {name}")
    if done.untranslatable:
        typer.echo(f"  {done.untranslatable} have no form in the candidate's wire format")
    if done.uncompared:
        typer.echo(f"  {done.uncompared} could not be compared: {safe_text(done.why_uncompared, 300)}")
    if waiting:
        typer.echo(f"{waiting} still wait: call `swapgate shadow replay` again")
    if done.over_budget:
        warn_of_budget(max_cost)
