"""`swapgate plan`: how many cases a margin takes, what today's suite can show, and what a run costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RepeatsOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table, warn
from swapgate.errors import UsageError
from swapgate.records import to_json
from swapgate.reporting import format as show
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.analysis.sizing import Price, Shape, Sizing
    from swapgate.engine.workspace import ReadyCase, Workspace
    from swapgate.facts import Facts
    from swapgate.runs.stored import StoredRun
    from swapgate.spec.settings import Settings


def plan(
    *,
    margin: Annotated[
        float, typer.Option("--margin", min=0.001, max=0.999, metavar="M", help="The margin, 0 to 1.")
    ] = 0.05,
    power: Annotated[
        float,
        typer.Option("--power", min=0.01, max=0.99, metavar="P", help="The chance that equal models pass."),
    ] = 0.80,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="RUN",
            help="A stored run of today's model: its rate, clusters, repeats, tokens and costs.",
        ),
    ] = None,
    discordance: Annotated[
        list[float] | None,
        typer.Option(
            "--discordance",
            min=0.001,
            max=1,
            metavar="D",
            help="Share of the cases on which the two models differ; repeat for several.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="Price this model; repeat for several. Default: all."),
    ] = None,
    repeats: RepeatsOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how many cases a margin takes, the smallest drop that today's suite can show, and what a run costs.

    Nothing is asked. Without --baseline only the suite's shape is known.
    """
    from swapgate.analysis.sizing import DISCORDANCES, shape_of, size_up
    from swapgate.engine.workspace import Workspace

    settings = open_settings(root)
    workspace = Workspace(settings)
    stored = _stored(baseline, settings)
    facts = stored.facts if stored is not None else ()
    suites = [workspace.suite(path) for path in workspace.suite_files(settings.cases_dirs)]
    cases = [case for suite in suites for case in suite.cases]
    shape = shape_of(facts, repeats=repeats) if facts else _shape(workspace, repeats or settings.repeats)
    if not shape.cases:
        raise UsageError("there is no case to plan with: write suites, or name a stored run with --baseline")
    names = model or workspace.catalogue.names()
    sizing = size_up(
        facts,
        shape,
        margin=margin,
        power=power,
        discordances=discordance or DISCORDANCES,
        models={name: workspace.model(name) for name in names},
        judges=_judges(facts, cases),
    )
    if as_json:
        print_json(to_json(sizing))
        return
    for line in _head(sizing, stored):
        typer.echo(line)
    typer.echo("")
    _print_powers(sizing)
    typer.echo("")
    _print_prices(sizing)


def _stored(baseline: str | None, settings: Settings) -> StoredRun | None:
    from swapgate.runs.stored import load_facts, why_incomplete

    if baseline is None:
        return None
    stored = load_facts(baseline, settings)
    if reason := why_incomplete(stored.run):
        warn(f"run {stored.run.id} is not complete: {reason}. The suite has more cases than are planned with")
    return stored


def _shape(workspace: Workspace, repeats: int) -> Shape:
    """Return the shape of the workspace's suites, of whose clusters nothing is known but their number."""
    from swapgate.analysis.sizing import unknown_shape

    clusters = [
        f"{suite.name}/{case.placed.case.cluster or case.placed.case.id}"
        for suite in workspace.opened_suites()
        for case in suite.cases
    ]
    return unknown_shape(clusters, repeats=repeats)


def _judges(facts: Sequence[Facts], cases: Sequence[ReadyCase]) -> dict[str, str]:
    """Return the judges of the cases with their models; those that the stored run had, where there is one.

    Judges that are code make no calls, and are left out.
    """
    models = {judge.spec.judge: judge.models for case in cases for judge in case.judges}
    known = {name: ", ".join(asked) for name, asked in models.items() if asked}
    used = {judge for one in facts for judge, *_ in one.verdicts if models.get(judge) != ()}
    return {judge: known.get(judge, "unknown model") for judge in sorted(used)} if facts else known


def _head(sizing: Sizing, stored: StoredRun | None) -> Iterator[str]:
    shape = sizing.shape
    clusters = f" in {shape.clusters:,} clusters" if shape.clusters < shape.cases else ""
    repeats = f", {shape.repeats} repeats each" if shape.repeats > 1 else ""
    worth = f": worth {shape.trials / shape.deff:,.0f} independent trials" if shape.deff > 1 else ""
    yield f"today: {show.count(shape.cases, 'case')}{clusters}{repeats}{worth}"
    if shape.deff > 1 and shape.icc is None:
        yield "how alike the trials of a cluster are is not known: they are taken to be all alike"
    if stored is not None and sizing.rate is not None:
        who = safe_text(f"{stored.model} of run {stored.run.id}")
        yield f"the baseline, {who}, passes {show.percent(sizing.rate)}"
    if sizing.noise is not None:
        yield f"two answers of the baseline to one case differ on {show.percent(sizing.noise)} of the cases"
    floor = show.count(sizing.floor, "independent case")
    yield (
        f"a margin of {sizing.margin * 100:.6g} points takes at least {floor}; "
        f"equal models pass with a chance of {sizing.power:.0%} from:"
    )


def _print_powers(sizing: Sizing) -> None:
    header = (
        "models differ on",
        "cases needed",
        "clusters",
        "equal models pass today",
        "smallest drop shown",
        "smallest drop that fails",
    )
    print_table(
        header,
        [
            (
                show.percent(power.discordance),
                _number(power.needed_cases),
                _number(power.needed_clusters),
                show.percent(power.passes),
                _points(power.worse),
                _points(power.fails),
            )
            for power in sizing.powers
        ],
    )


def _print_prices(sizing: Sizing) -> None:
    header = ("asked", "role", "calls today", "each", "today's cases", *_needed_header(sizing))
    print_table(header, [_price_row(price, sizing) for price in sizing.prices])


def _needed_header(sizing: Sizing) -> list[str]:
    return [f"{_number(power.needed_cases)} cases" for power in sizing.powers]


def _price_row(price: Price, sizing: Sizing) -> tuple[str, ...]:
    needed = [
        None
        if power.needed_cases is None or price.each_usd is None
        else price.each_usd * power.needed_cases * sizing.shape.repeats
        for power in sizing.powers
    ]
    return (
        price.name,
        price.role,
        f"{price.calls:,}",
        show.money(price.each_usd),
        show.money(price.today_usd),
        *(show.money(one) for one in needed),
    )


def _number(number: int | None) -> str:
    return "none" if number is None else f"{number:,}"


def _points(drop: float | None) -> str:
    return "none" if drop is None else f"{drop * 100:.1f} points"
