"""`swapgate models list`: what the catalogue holds."""

from __future__ import annotations

import os
from typing import Any

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table, shown
from swapgate.errors import UsageError
from swapgate.spec.models import ModelSpec, read_catalogue

_SAMPLE_TOKENS = 1000


def list_models(*, root: RootOption = None, as_json: JsonOption = False) -> None:
    """List the models: provider, id, the variable of the key and whether it is set, fallback, list price."""
    settings = open_settings(root)
    catalogue = read_catalogue(settings.models_file)
    if not catalogue.names() and not settings.models_file.exists():
        raise UsageError(f"{shown(settings.models_file)} does not exist: `swapgate init` writes one")
    models = [_described(catalogue.resolve(name), name) for name in catalogue.names()]
    if as_json:
        print_json(models)
        return
    header = ("name", "provider", "model", "key", "fallback", "$ per 1M tokens in/out")
    print_table(header, [_row(model) for model in models])
    for note in catalogue.notes:
        typer.echo(f"note: {note}")


def _described(spec: ModelSpec, name: str) -> dict[str, Any]:
    from swapgate.providers.services import key_variable

    variable = key_variable(spec)
    price_in, price_out = list_prices(spec)
    return {
        "name": name,
        "provider": spec.provider,
        "model": spec.model,
        "key_variable": variable,
        "is_key_set": None if variable is None else bool(os.environ.get(variable, "").strip()),
        "fallback": spec.fallback,
        "usd_per_million_in": price_in,
        "usd_per_million_out": price_out,
    }


def list_prices(spec: ModelSpec) -> tuple[float | None, float | None]:
    """Return what a million tokens in and out cost for a short request; None where the price is unknown."""
    from swapgate.memory.prices import cost_usd
    from swapgate.records import Usage

    samples = (Usage(tokens_in=_SAMPLE_TOKENS, tokens_out=0), Usage(tokens_in=0, tokens_out=_SAMPLE_TOKENS))
    costs = [cost_usd(spec, usage) for usage in samples]
    price_in, price_out = (None if cost is None else round(cost * 1e6 / _SAMPLE_TOKENS, 6) for cost in costs)
    return price_in, price_out


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    key = f"{model['key_variable']} ({'set' if model['is_key_set'] else 'not set'})"
    prices = (model["usd_per_million_in"], model["usd_per_million_out"])
    price = "unknown" if None in prices else f"{prices[0]:g} / {prices[1]:g}"
    return (
        model["name"],
        model["provider"],
        model["model"],
        key if model["key_variable"] else "none needed",
        model["fallback"] or "",
        price,
    )
