"""`swapgate cost project`: a month of a feature in money, with each model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapgate.analysis.projection import (
    BreakEven,
    MonthlyCost,
    Saving,
    break_even,
    saving,
)
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table
from swapgate.errors import UsageError
from swapgate.reporting.format import money
from swapgate.reporting.words.months import cost_notes
from swapgate.spec.models import read_catalogue
from swapgate.values import replace

if TYPE_CHECKING:
    from swapgate.runs.priced import Counted


def project(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Stored runs, or MODEL@RUN. Default: the newest."),
    ] = None,
    *,
    monthly: Annotated[int, typer.Option("--monthly", min=1, metavar="N", help="Requests a month.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="NAME", help="Only these; the first is what the others save against."
        ),
    ] = None,
    tokens_in: Annotated[
        int | None, typer.Option("--tokens-in", min=0, metavar="N", help="Of every request, without a run.")
    ] = None,
    tokens_out: Annotated[
        int | None,
        typer.Option("--tokens-out", min=0, metavar="N", help="Of every request, without a run."),
    ] = None,
    switching: Annotated[
        float | None,
        typer.Option("--switching-cost", min=0, metavar="USD", help="What the switch costs, once."),
    ] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a month costs with each model, at the tokens that its own recorded answers took.

    Each model is counted with its own tokens: the same text takes more of them on one model than on another,
    and one model says more than another. Prices are those of today, judges are not part of it.
    """
    from swapgate.runs.priced import of_size, recorded

    settings = open_settings(root)
    catalogue = read_catalogue(settings.models_file)
    if (tokens_in is None) != (tokens_out is None):
        raise UsageError("--tokens-in and --tokens-out belong together: give both, or neither")
    if tokens_in is not None and tokens_out is not None:
        if runs:
            raise UsageError("--tokens-in and --tokens-out take the place of a stored run: name none")
        counted = of_size(catalogue, model or [], tokens_in=tokens_in, tokens_out=tokens_out)
    else:
        counted = recorded(settings, catalogue, runs or ["latest"], model or [])
    costs = [one.monthly(monthly) for one in counted]
    savings = _savings(counted, costs)
    pays = [] if switching is None else [break_even(one, switching_usd=switching) for one in savings]
    if as_json:
        print_json(_described(costs, savings, pays))
        return
    _print(costs, savings, pays)
    for note in _notes(costs, is_recorded=tokens_in is None):
        typer.echo(f"note: {note}")


def _savings(counted: Sequence[Counted], costs: Sequence[MonthlyCost]) -> list[Saving]:
    """Return what every model but the first saves against it."""
    return [
        saving(cost, costs[0], answers=one.answers, against_answers=counted[0].answers)
        for one, cost in zip(counted[1:], costs[1:], strict=True)
    ]


def _described(
    costs: Sequence[MonthlyCost], savings: Sequence[Saving], pays: Sequence[BreakEven]
) -> dict[str, Any]:
    return {
        "models": [asdict(one) for one in costs],
        "savings": [asdict(one) for one in savings],
        "break_even": [asdict(one) for one in pays],
    }


def _print(costs: Sequence[MonthlyCost], savings: Sequence[Saving], pays: Sequence[BreakEven]) -> None:
    typer.echo(f"{costs[0].requests:,} requests a month")
    header = ("", "tokens in/out", "1,000 requests", "a month")
    print_table(header, [_row(cost) for cost in costs])
    for one in savings:
        typer.echo(_saving_line(one))
    for one, paid in zip(savings, pays, strict=False):
        typer.echo(_break_even_line(one.model, paid))


def _row(cost: MonthlyCost) -> tuple[str, ...]:
    bounds = "" if cost.low is None or cost.high is None else f" [{cost.low:,.2f}, {cost.high:,.2f}]"
    return (
        cost.model,
        f"{cost.tokens_in:,.0f}/{cost.tokens_out:,.0f}",
        money(cost.usd_per_request * 1000),
        f"${cost.usd_per_month:,.2f}{bounds}",
    )


def _saving_line(one: Saving) -> str:
    bounds = "" if one.low is None or one.high is None else f" [95%: {one.low:,.2f} to {one.high:,.2f}]"
    if one.usd_per_month < 0:
        return f"{one.model} costs ${-one.usd_per_month:,.2f} a month more{bounds} than {one.against}"
    times = f", {_times(one.times)} times less" if one.times is not None and one.times > 1 else ""
    return f"{one.model} saves ${one.usd_per_month:,.2f} a month{bounds} against {one.against}{times}"


def _times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"


def _break_even_line(model: str, paid: BreakEven) -> str:
    if paid.months is None:
        return f"{model} never pays for a switch of ${paid.switching_usd:,.2f}"
    latest = "" if paid.latest is None else f" to {paid.latest:.1f}"
    between = "" if paid.earliest is None else f" [{paid.earliest:.1f}{latest or ' to never'}]"
    return f"{model} pays for a switch of ${paid.switching_usd:,.2f} after {paid.months:.1f} months{between}"


def _notes(costs: Sequence[MonthlyCost], *, is_recorded: bool) -> Iterator[str]:
    yield from cost_notes(costs if is_recorded else [replace(one, note="") for one in costs])
    if not is_recorded:
        yield "from one number of tokens for every model: recorded runs know what each really takes"
