"""`swapgate shadow ramp`: the candidate's share of real traffic, step by step and back."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.analysis.stages import share_text
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table, warn
from swapgate.cli.shadow.reading import CriteriaOption, open_criteria, ramp_path, store_path
from swapgate.cli.shadow.serve import ConfigOption
from swapgate.errors import ExitCode, UsageError
from swapgate.here import who_works
from swapgate.records import to_json

if TYPE_CHECKING:
    from pathlib import Path

    from swapgate.shadow.ramp.state import RampState, RampStore
    from swapgate.spec.settings import Settings

ramp_app = typer.Typer(help="Give a promoted candidate a share of real traffic, or take it back.")
RouteArgument = Annotated[str, typer.Argument(metavar="ROUTE", help="The route's name.")]
WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason; it is kept.")]
WhoOption = Annotated[
    str | None, typer.Option("--who", metavar="NAME", help="Who decides. Default: git's user.name.")
]


@ramp_app.command("status")
def status(
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show each route's share, and every change with who made it and why."""
    with closing(_open(open_settings(root))) as ramps:
        states, changes = ramps.states(), ramps.changes()
    if as_json:
        print_json({"routes": [to_json(one) for one in states], "changes": [to_json(one) for one in changes]})
        return
    if not states:
        typer.echo("no route is ramped: the control answers everybody")
        return
    print_table(
        ("route", "candidate", "share", "since"),
        [(one.route, one.candidate, share_text(one.share), one.changed_at[:16]) for one in states],
    )
    typer.echo("")
    print_table(
        ("at", "route", "change", "who", "why"),
        [
            (c.at[:16], c.route, f"{c.action} {share_text(c.before)} -> {share_text(c.after)}", c.who, c.why)
            for c in changes
        ],
    )


@ramp_app.command("advance")
def advance(
    route: RouteArgument,
    why: WhyOption,
    *,
    to: Annotated[
        float | None,
        typer.Option("--to", min=0, max=1, metavar="SHARE", help="This share. Default: the next stage."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Although something speaks against it; that is kept too.")
    ] = False,
    who: WhoOption = None,
    config: ConfigOption = None,
    criteria: CriteriaOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Give the candidate the next share: 1, 5, 25, 50, 100%. Whoever has it keeps it.

    Exits with 10, and changes nothing, where no recent decision promotes it or the present stage saw too
    little.
    """
    from swapgate.analysis.stages import next_share
    from swapgate.shadow.ramp.stages import why_not

    settings = open_settings(root)
    by = who or who_works(settings.root)
    plan = open_criteria(settings, criteria).ramp
    with closing(_open(settings)) as ramps:
        state, verdict = ramps.state(route), ramps.last_verdict(route)
        present = 0.0 if state is None else state.share
        share = next_share(plan, present) if to is None else to
        if share is None or share <= present:
            raise UsageError(_no_larger(route, present, to))
        served = _served(store_path(settings, config), route, state)
        found = list(why_not(plan, state, verdict, served=served, now=datetime.now(UTC)))
        if found and not force:
            return _refused(route, found, as_json=as_json)
        reason = f"{why} (forced although {'; '.join(found)})" if found else why
        if state is not None and present > 0:
            state = ramps.advance(route, expected=present, share=share, who=by, why=reason)
        else:
            state = _start(ramps, route, share, who=by, why=reason)
    _tell(state, present, as_json=as_json)
    return ExitCode.OK


@ramp_app.command("rollback")
def rollback(
    route: RouteArgument,
    why: WhyOption,
    *,
    who: WhoOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give all traffic back to the control, at once. Processes that serve see it within a second or two."""
    settings = open_settings(root)
    with closing(_open(settings)) as ramps:
        before = ramps.state(route)
        state = ramps.roll_back(route, who=who or who_works(settings.root), why=why)
    _tell(state, 0.0 if before is None else before.share, as_json=as_json)


def _open(settings: Settings) -> RampStore:
    from swapgate.shadow.ramp.state import RampStore

    return RampStore(ramp_path(settings))


def _start(ramps: RampStore, route: str, share: float, *, who: str, why: str) -> RampState:
    verdict = ramps.last_verdict(route)
    if verdict is None:
        raise UsageError(
            f"route {route!r}: `swapgate shadow promote` must have seen it once, to know its candidate"
        )
    return ramps.start(route, candidate=verdict.candidate, setup=verdict.setup, share=share, who=who, why=why)


def _served(path: Path, route: str, state: RampState | None) -> int:
    """Return how many requests the candidate answered since the last change."""
    from swapgate.shadow.store import ShadowStore

    if state is None or not path.is_file():
        return 0
    with closing(ShadowStore(path)) as store:
        stored = store.exchanges(route=route, since=state.changed_at[:10])
        return sum(
            one.exchange.served == "candidate" and one.exchange.at >= state.changed_at for one in stored
        )


def _no_larger(route: str, present: float, to: float | None) -> str:
    if to is None:
        return f"route {route!r}: the candidate answers everybody already"
    return f"route {route!r} is at {share_text(present)}: --to {to:g} is no more. `rollback` takes it back"


def _refused(route: str, reasons: list[str], *, as_json: bool) -> ExitCode:
    if as_json:
        print_json({"route": route, "advanced": False, "reasons": reasons})
    else:
        for reason in reasons:
            warn(f"route {route}: {reason}")
        typer.echo("nothing was changed; --force does it all the same")
    return ExitCode.INCONCLUSIVE


def _tell(state: RampState, before: float, *, as_json: bool) -> None:
    if as_json:
        print_json({"route": state.route, "advanced": state.share > before, "state": to_json(state)})
    else:
        shares = f"{share_text(before)} -> {share_text(state.share)}"
        typer.echo(f"route {state.route}: {shares} for {state.candidate}")
