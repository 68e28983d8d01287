"""`swapgate shadow report`: what the candidate did in the shadow, by route, slice and day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import (
    JsonOption,
    PagesOption,
    RootOption,
    open_settings,
    page_formats,
    verbose_option,
)
from swapgate.cli.output import print_json, shown, warn
from swapgate.cli.shadow.reading import (
    CriteriaOption,
    RouteOption,
    SinceOption,
    UntilOption,
    open_reading,
    read_routes,
)
from swapgate.cli.shadow.serve import ConfigOption
from swapgate.errors import UsageError

if TYPE_CHECKING:
    from swapgate.cli.shadow.reading import Reading
    from swapgate.shadow.deciding.evidence import RouteReport
    from swapgate.shadow.deciding.observations import Traffic
    from swapgate.shadow.deciding.pairs import Pair


def report(
    *,
    config: ConfigOption = None,
    criteria: CriteriaOption = None,
    route: RouteOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    worst: Annotated[
        int, typer.Option("--worst", min=0, metavar="N", help="How many of the worst pairs to show.")
    ] = 10,
    formats: PagesOption = None,
    verbose: Annotated[int, verbose_option("every criterion, every pair")] = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how the candidate's answers stand to the control's, beyond the control's own noise.

    Writes reports/shadow/report.html, .md and .json. Decides nothing: that is `swapgate shadow promote`.
    """
    settings = open_settings(root)
    wanted = page_formats(formats)
    with open_reading(settings, config, criteria) as reading:
        traffic = read_routes(reading, route=route, since=since, until=until)
        reports = [_report(reading, one, worst=worst) for one in traffic if one.observations]
        _warn_of_judges(reading, [one.promotion.route for one in reports])
        pairs = [pair for one, made in _with_traffic(reports, traffic) for pair in _pairs(reading, one, made)]
    paths = _write(reports, pairs, settings.reports_dir / "shadow", wanted)
    if as_json:
        print_json(_json(reports, paths))
    else:
        _print(reports, pairs, paths, verbose=verbose)


def _report(reading: Reading, traffic: Traffic, *, worst: int) -> RouteReport:
    from swapgate.shadow.deciding.evidence import report as made
    from swapgate.shadow.deciding.promotion import decide

    counts = reading.store.counts(route=traffic.route)
    promotion = decide(traffic, reading.criteria.of(traffic.route), counts=counts)
    return made(traffic, promotion, worst=worst)


def _warn_of_judges(reading: Reading, routes: Sequence[str]) -> None:
    """Tell of judges that a route names and nobody can ask: the report goes without their verdicts."""
    from swapgate.engine.workspace import Workspace
    from swapgate.shadow.comparing.judged import find_pairwise

    workspace = Workspace(reading.settings)
    for name in dict.fromkeys(reading.criteria.comparing(route).judge for route in routes):
        if name is not None:
            try:
                find_pairwise(workspace, name)
            except UsageError as exc:
                warn(str(exc))


def _with_traffic(
    reports: Sequence[RouteReport], traffic: Sequence[Traffic]
) -> list[tuple[RouteReport, Traffic]]:
    by_name = {one.route: one for one in traffic}
    return [(one, by_name[one.promotion.route]) for one in reports]


def _pairs(reading: Reading, report: RouteReport, traffic: Traffic) -> list[Pair]:
    from swapgate.shadow.deciding.pairs import read_pairs

    by_key = {one.key: one for one in traffic.observations}
    return read_pairs(reading.store, [by_key[key] for key in report.worst])


def _write(
    reports: Sequence[RouteReport], pairs: Sequence[Pair], folder: Path, formats: Sequence[str]
) -> list[Path]:
    from swapgate.reporting.files import write_text
    from swapgate.reporting.shadow.html import page
    from swapgate.reporting.shadow.json import document
    from swapgate.reporting.shadow.markdown import markdown

    made_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    texts = {
        "json": lambda: document(reports),
        "md": lambda: markdown(reports, pairs),
        "html": lambda: page(reports, pairs, made_at=made_at),
    }
    paths = []
    for name in formats:
        paths.append(folder / f"report.{name}")
        write_text(paths[-1], texts[name]())
    return paths


def _json(reports: Sequence[RouteReport], paths: Sequence[Path]) -> dict[str, object]:
    from swapgate.reporting.shadow.json import as_json

    return {**as_json(reports), "reports": [str(path) for path in paths]}


def _print(
    reports: Sequence[RouteReport], pairs: Sequence[Pair], paths: Sequence[Path], *, verbose: int
) -> None:
    from swapgate.reporting.shadow.terminal import report_lines

    if not reports:
        typer.echo("no exchange has both answers yet")
    for one in reports:
        mine = [pair for pair in pairs if pair.route == one.promotion.route]
        for line in report_lines(one, mine, verbose=verbose):
            typer.echo(line)
        typer.echo("")
    for path in paths:
        typer.echo(f"report: {shown(path)}")
