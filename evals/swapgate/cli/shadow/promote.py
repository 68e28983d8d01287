"""`swapgate shadow promote`: promote, hold, inconclusive or rollback, as an exit code."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings, verbose_option
from swapgate.cli.output import print_json
from swapgate.cli.shadow.reading import (
    CriteriaOption,
    RouteOption,
    SinceOption,
    UntilOption,
    open_reading,
    ramp_path,
    read_routes,
)
from swapgate.cli.shadow.serve import ConfigOption
from swapgate.records import to_json

if TYPE_CHECKING:
    from swapgate.cli.shadow.reading import Reading
    from swapgate.shadow.deciding.observations import Traffic
    from swapgate.shadow.deciding.promotion import Promotion
    from swapgate.shadow.ramp.state import RampStore


def promote(
    *,
    config: ConfigOption = None,
    criteria: CriteriaOption = None,
    route: RouteOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    verbose: Annotated[int, verbose_option("every criterion")] = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Decide by the criteria whether the candidate may serve. Changes nothing that is served.

    Exits with 0 for promote, 1 for hold, 10 for inconclusive and 14 for rollback (it serves already and a
    criterion is broken); of several routes the worst counts.
    """
    from swapgate.shadow.deciding.promotion import EXIT_CODES, worst
    from swapgate.shadow.ramp.state import RampStore

    settings = open_settings(root)
    with open_reading(settings, config, criteria) as reading:
        traffic = read_routes(reading, route=route, since=since, until=until)
        with closing(RampStore(ramp_path(settings))) as ramps:
            promotions = [_decide(reading, one, ramps) for one in traffic]
    verdict = worst(promotions)
    if as_json:
        from swapgate.reporting.shadow.json import finite

        print_json({"verdict": verdict, "routes": [finite(to_json(one)) for one in promotions]})
    else:
        _print(promotions, verbose=verbose)
    return EXIT_CODES[verdict]


def _decide(reading: Reading, traffic: Traffic, ramps: RampStore) -> Promotion:
    from dataclasses import replace

    from swapgate.shadow.deciding.promotion import decide

    criteria = reading.criteria.of(traffic.route)
    state = ramps.state(traffic.route)
    found = decide(
        traffic,
        criteria,
        is_serving=state is not None and state.share > 0,
        counts=reading.store.counts(route=traffic.route),
    )
    ramps.add_verdict(
        found.route,
        candidate=found.candidate,
        setup=found.setup,
        verdict=found.verdict,
        reason=found.reason,
    )
    asked = ramps.times_asked(found.route, found.setup)
    if asked > criteria.looks and found.verdict == "promote":
        note = (
            f"asked for the {asked}. time, and `looks` is {criteria.looks}: a candidate that is asked about "
            "until it passes passes more often than the 5% of one look"
        )
        return replace(found, notes=(*found.notes, note))
    return found


def _print(promotions: list[Promotion], *, verbose: int) -> None:
    from swapgate.reporting.shadow.terminal import promotion_lines
    from swapgate.reporting.text import safe_text

    if not promotions:
        typer.echo("INCONCLUSIVE: no exchange has both answers yet")
    for one in promotions:
        typer.echo(safe_text(f"route {one.route}: {one.candidate or 'no candidate'} for {one.control}"))
        for line in promotion_lines(one, verbose=verbose):
            typer.echo(line)
