"""`swapgate shadow watch`: live traffic after a swap against its level before, for cron."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table, warn
from swapgate.cli.shadow.reading import CriteriaOption, RouteOption, open_reading, ramp_path
from swapgate.cli.shadow.serve import ConfigOption
from swapgate.errors import ExitCode, UsageError
from swapgate.records import to_json

if TYPE_CHECKING:
    from swapgate.cli.shadow.reading import Reading
    from swapgate.shadow.ramp.state import RampState, RampStore
    from swapgate.shadow.watching.series import Swap
    from swapgate.shadow.watching.watch import Watched
    from swapgate.spec.settings import Settings

WHO = "swapgate shadow watch"


def watch(
    *,
    config: ConfigOption = None,
    criteria: CriteriaOption = None,
    route: RouteOption = None,
    swapped: Annotated[
        str | None,
        typer.Option(
            "--swapped",
            metavar="TIME",
            help="When the model was swapped, such as 2026-11-23T14:00+00:00. Default: when the ramp began, "
            "else when the model that serves now first did.",
        ),
    ] = None,
    notify: Annotated[
        bool, typer.Option("--notify", help="Post an alarm, or that nothing was found out, to the webhook.")
    ] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Hold errors, refusals, structure and latency of live traffic against their level before the swap.

    Exits with 12 at an alarm, and takes a ramp back where `ramp: rollback` is automatic; with 13 when
    nothing could be found out, which is not the same as all well.
    """
    from swapgate.shadow.ramp.state import RampStore
    from swapgate.shadow.watching.watch import overall, watch

    settings = open_settings(root)
    url = _webhook(settings) if notify else None
    with (
        open_reading(settings, config, criteria) as reading,
        closing(RampStore(ramp_path(settings))) as ramps,
    ):
        swaps, unknown = _swaps(reading, ramps, route=route, swapped=_time(swapped))
        rules = reading.criteria.watch
        found = [one for swap in swaps for one in watch(swap, rules, series=len(swaps) * len(rules.rates))]
        rolled = _roll_back(reading, ramps, found)
    answer = "not_found_out" if unknown and overall(found) != "alarm" else overall(found)
    if as_json:
        _print_json(answer, found, unknown, rolled)
    else:
        _print(swaps, found, unknown, rolled)
    if url is not None and answer != "well":
        _notify(url, _message(answer, found, unknown, rolled))
    return {"alarm": ExitCode.DRIFT, "well": ExitCode.OK}.get(answer, ExitCode.NOT_FOUND_OUT)


def _swaps(
    reading: Reading, ramps: RampStore, *, route: str | None, swapped: str | None
) -> tuple[list[Swap], dict[str, str]]:
    """Return the swaps to be watched, and why there is none on the other routes."""
    from swapgate.shadow.watching.series import served_requests
    from swapgate.shadow.watching.watch import find_swap

    names = sorted({name for _day, name, _state, _number in reading.store.states()})
    swaps, unknown = [], {}
    for name in [route] if route is not None else names:
        served = served_requests(reading.store.exchanges(route=name), reading.comparer_of)
        state = ramps.state(name)
        is_ramped = state is not None and state.share > 0 and swapped is None
        found = find_swap(
            name,
            served,
            reading.criteria.watch,
            swapped_at=_began(ramps, name) if is_ramped else swapped,
            model=state.candidate if is_ramped and state is not None else None,
        )
        if isinstance(found, str):
            unknown[name] = found
        else:
            swaps.append(found)
    return swaps, unknown


def _began(ramps: RampStore, route: str) -> str:
    """Return when the present ramp of a route began."""
    return next(one.at for one in reversed(ramps.changes(route)) if one.action == "start")


def _roll_back(reading: Reading, ramps: RampStore, found: Sequence[Watched]) -> list[RampState]:
    """Take back the ramps of routes with an alarm, where that is automatic."""
    if reading.criteria.ramp.rollback != "automatic":
        return []
    rolled = []
    for name in sorted({one.route for one in found if one.answer == "alarm"}):
        state = ramps.state(name)
        if state is not None and state.share > 0:
            alarms = [one for one in found if one.route == name and one.answer == "alarm"]
            rolled.append(ramps.roll_back(name, who=WHO, why="; ".join(_told(one) for one in alarms)))
    return rolled


def _told(one: Watched) -> str:
    from swapgate.reporting.format import percent

    since = f", likeliest since {one.since}" if one.since else ""
    return f"{one.rate} {percent(one.before.estimate)} -> {percent(one.last.estimate)}{since}"


def _webhook(settings: Settings) -> str:
    if settings.webhook is None:
        raise UsageError("--notify: there is no webhook: set SWAPGATE_WEBHOOK to the URL that is to be told")
    return settings.webhook


def _notify(url: str, message: dict[str, object]) -> None:
    """Post the message; a failure is told loudly and changes nothing."""
    from swapgate.nightly.webhook import Undelivered, post

    try:
        post(url, message)
    except Undelivered as exc:
        warn(f"NOBODY WAS TOLD: {exc}")


def _message(
    answer: str, found: Sequence[Watched], unknown: dict[str, str], rolled: Sequence[RampState]
) -> dict[str, object]:
    """Return what a webhook is posted: small, versioned, with a `text` that chat services show."""
    alarms = [f"{one.route}: {_told(one)}" for one in found if one.answer == "alarm"]
    unsaid = [f"{name}: {why}" for name, why in unknown.items()]
    back = [f"{one.route} was rolled back to the control" for one in rolled]
    return {
        "version": 1,
        "text": "; ".join([f"swapgate shadow watch: {answer.replace('_', ' ')}", *alarms, *back, *unsaid]),
        "answer": answer,
        "alarms": alarms,
        "not_found_out": unknown,
        "rolled_back": [one.route for one in rolled],
    }


def _print_json(
    answer: str, found: Sequence[Watched], unknown: dict[str, str], rolled: Sequence[RampState]
) -> None:
    print_json(
        {
            "answer": answer,
            "watched": [to_json(one) for one in found],
            "not_found_out": unknown,
            "rolled_back": [one.route for one in rolled],
        }
    )


def _print(
    swaps: Sequence[Swap], found: Sequence[Watched], unknown: dict[str, str], rolled: Sequence[RampState]
) -> None:
    from swapgate.reporting.shadow.watching import WATCH_HEADER, watch_row

    for swap in swaps:
        typer.echo(f"route {swap.route}: {swap.model} since {swap.at[:16]}, before it {swap.before_model}")
    if found:
        print_table(WATCH_HEADER, [watch_row(one) for one in found])
    for name, why in unknown.items():
        warn(f"route {name}: {why}")
    for one in found:
        if one.answer == "alarm":
            typer.echo(f"ALARM: route {one.route}: {_told(one)}")
    for state in rolled:
        typer.echo(f"route {state.route}: rolled back, the control answers everybody")


def _time(written: str | None) -> str | None:
    """Return a time as records write theirs; UsageError for what is none."""
    from datetime import UTC, datetime

    if written is None:
        return None
    try:
        at = datetime.fromisoformat(written)
    except ValueError as exc:
        raise UsageError(f"--swapped {written!r} is no time: write 2026-11-23T14:00+00:00") from exc
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
