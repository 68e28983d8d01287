"""`swapgate shadow judge`: a sample of stored exchanges shown to a pairwise judge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from swapgate.cli.options import (
    JsonOption,
    LiveOption,
    MaxCostOption,
    ReplayOption,
    RootOption,
    cache_mode,
    open_settings,
)
from swapgate.cli.output import live_line, print_json, warn
from swapgate.cli.shadow.reading import CriteriaOption, RouteOption, SinceOption, UntilOption, open_reading
from swapgate.cli.shadow.serve import ConfigOption
from swapgate.errors import ExitCode, UsageError
from swapgate.records import to_json
from swapgate.reporting.text import safe_text
from swapgate.shadow.records import Count

if TYPE_CHECKING:
    from swapgate.cli.shadow.reading import Reading
    from swapgate.engine.workspace import Workspace
    from swapgate.shadow.comparing.judged import Preferences, ToJudge

EVEN = 0.5
_MOST_ERRORS = 0.05


def judge(
    *,
    config: ConfigOption = None,
    criteria: CriteriaOption = None,
    route: RouteOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    max_cost: MaxCostOption = None,
    live: LiveOption = False,
    replay: ReplayOption = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Have the judge of `compare` say whose answer is better, on a sample that a seed draws.

    Both answers are shown without names and in both orders. Asks only what it has not judged yet. Exits with
    11 when more than one in twenty got no verdict.
    """
    from swapgate.engine.workspace import Workspace

    settings = open_settings(root, max_cost=max_cost, cache=cache_mode(live=live, replay=replay))
    workspace = Workspace(settings)
    told: list[Told] = []
    with open_reading(settings, config, criteria) as reading:
        names = [route] if route is not None else sorted(reading.criteria.compare)
        with_judge = [name for name in names if reading.criteria.comparing(name).judge]
        if not with_judge:
            raise UsageError(
                "no route has a judge: name a pairwise one in config/promote.yml, "
                "`compare: {ROUTE: {judge: NAME}}`"
            )
        for name in with_judge:
            drawn = _drawn(reading, name, since=since, until=until)
            said = _ask(reading, workspace, name, drawn)
            told.append(_told(name, drawn, said))
    if as_json:
        print_json({"routes": [to_json(one) for one in told]})
    else:
        _print(told)
    errors = sum(len(one.errors) for one in told)
    is_too_many = errors > _MOST_ERRORS * sum(one.drawn for one in told)
    return ExitCode.TOO_MANY_ERRORS if is_too_many else ExitCode.OK


def _drawn(reading: Reading, route: str, *, since: str | None, until: str | None) -> list[ToJudge]:
    """Return the sample of a route's newest setup."""
    from swapgate.shadow.comparing.judged import judgeable, sample
    from swapgate.shadow.deciding.observations import compared

    stored = list(reading.store.exchanges(route=route, since=since, until=until, state="whole"))
    asked = [one for one in stored if one.exchange.candidate is not None]
    setup = max(asked, key=lambda one: one.exchange.at).exchange.setup if asked else ""
    comparer, comparing = reading.comparer_of(route), reading.criteria.comparing(route)
    pairs = ((one.exchange, compared(one, comparer)) for one in asked if one.exchange.setup == setup)
    return sample(judgeable(pairs), size=comparing.judged, seed=comparing.seed)


def _ask(reading: Reading, workspace: Workspace, route: str, drawn: list[ToJudge]) -> Preferences:
    """Ask the judge, and store what it says as it is known."""
    from swapgate.shadow.comparing.judged import find_pairwise, judge_preferences
    from swapgate.shadow.comparing.likeness import to_stored

    found = find_pairwise(workspace, reading.criteria.comparing(route).judge or "")
    with live_line() as draw:
        said = judge_preferences(workspace, found, drawn, draw=draw)
    if said.paid_usd:
        today = datetime.now(UTC).date().isoformat()
        reading.store.count(Count(day=today, route=route, what="judged_usd", amount=said.paid_usd))
    for key, comparison in said.comparisons.items():
        reading.store.set_comparison(key, to_stored(comparison))
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the judge says of one route's sample: of how many, how often the candidate is better or worse."""

    route: str
    drawn: int
    judged_now: int
    better: int
    even: int
    worse: int
    errors: dict[str, str]
    paid_usd: float


def _told(route: str, drawn: list[ToJudge], said: Preferences) -> Told:
    known = [said.comparisons.get(one.exchange.key, one.comparison) for one in drawn]
    scores = [one.preference for one in known if one.preference is not None]
    return Told(
        route=route,
        drawn=len(drawn),
        judged_now=len(said.comparisons),
        better=sum(score > EVEN for score in scores),
        even=sum(score == EVEN for score in scores),
        worse=sum(score < EVEN for score in scores),
        errors=said.errors,
        paid_usd=said.paid_usd,
    )


def _print(told: list[Told]) -> None:
    from swapgate.reporting.format import money

    for one in told:
        if not one.drawn:
            warn(f"route {one.route}: no exchange has the words of both answers: `content: true` keeps them")
            continue
        typer.echo(
            f"route {one.route}: {one.drawn} drawn, {one.judged_now} judged now: better {one.better}, "
            f"even {one.even}, worse {one.worse}; {money(one.paid_usd)} paid"
        )
        for key, why in list(one.errors.items())[:3]:
            warn(safe_text(f"{key}: no verdict: {why}", 300))
