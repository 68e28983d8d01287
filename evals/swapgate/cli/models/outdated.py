"""`swapgate models outdated`: newer pins of each model's family, and what retires."""

from __future__ import annotations

from typing import Any

import typer

from swapgate.cli.models.lint import describe, read_written, today_utc
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table
from swapgate.pins.catalogue import bundled
from swapgate.pins.lint import DeclaredModel, declared_models
from swapgate.pins.newer import newer_pins

MOST_NAMED = 3


def list_outdated(*, root: RootOption = None, as_json: JsonOption = False) -> None:
    """List newer pins of the models' families and dates of retirement, as the bundled catalogue knows them.

    Newer is not better: run both, and let the gate say. Calls nothing.
    """
    known, today = bundled(), today_utc()
    models = declared_models(read_written(open_settings(root)), known, today=today)
    newer = {m.name: newer_pins(m.spec.provider, m.spec.model, known, today=today) for m in models}
    if as_json:
        rows = [_described(model, newer[model.name]) for model in models]
        print_json({"catalogue": known.checked_on.isoformat(), "models": rows})
        return
    told = [model for model in models if newer[model.name] or model.days_left is not None]
    if told:
        header = ("name", "model", "newer pins", "retires", "successor")
        print_table(header, [_row(model, newer[model.name]) for model in told])
    unlisted = [model.name for model in models if model.pin.known is None]
    typer.echo(
        f"{len(told)} of {len(models)} models have newer pins or a date (catalogue of {known.checked_on})"
    )
    if unlisted:
        typer.echo(f"not in the catalogue, so nothing is known: {', '.join(unlisted)}")


def _described(model: DeclaredModel, newer: list[str]) -> dict[str, Any]:
    successor = model.pin.known.successor if model.pin.known else None
    return {**describe(model), "newer": newer, "successor": successor}


def _row(model: DeclaredModel, newer: list[str]) -> tuple[str, ...]:
    known = model.pin.known
    more = [f"+{len(newer) - MOST_NAMED}"] if len(newer) > MOST_NAMED else []
    retires = f"{known.retires_on} ({model.days_left} days)" if known and known.retires_on else ""
    successor = known.successor if known and known.successor else ""
    return model.name, model.spec.model, ", ".join([*newer[:MOST_NAMED], *more]), retires, successor
