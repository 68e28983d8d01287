"""`swapgate index reindex --dry-run`: what a reindexing would take."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from swapgate.cli.output import print_json
from swapgate.reporting.format import count, money

if TYPE_CHECKING:
    from swapgate.cli.index.options import Opened
    from swapgate.retrieval.estimate import Estimate
    from swapgate.spec.models import ModelSpec


def estimated(found: Opened, *, chunks: int | None, tokens: int | None, rate: float | None) -> Estimate:
    """Count the source, or take so many chunks, and say what they take."""
    from swapgate.retrieval.estimate import Amount, count_source, estimate

    workspace = found.workspace
    ledger = found.ledger() if workspace.ledger_path.is_file() else None
    try:
        if chunks is not None:
            amount = Amount(chunks=chunks, tokens=None if tokens is None else chunks * tokens)
        else:
            amount = count_source(found.source(), workspace.chunker, ledger)
        return estimate(
            amount,
            hours=workspace.file.hours,
            written_per_s=rate or workspace.file.reindex.chunks_per_s,
            measured_per_s=None if ledger is None else ledger.rate(),
            model=_priced(found),
        )
    finally:
        if ledger is not None:
            ledger.close()


def _priced(found: Opened) -> ModelSpec | None:
    return None if found.workspace.file.new.embed.is_local else found.workspace.model("new")


def print_estimate(found: Estimate, *, as_json: bool) -> None:
    """Print an estimate."""
    if as_json:
        print_json({**asdict(found), "total_h": found.total_h})
        return
    amount = found.amount
    of = f" of {count(amount.documents, 'document')}" if amount.documents else ""
    typer.echo(
        f"{count(amount.chunks, 'chunk')}{of} to embed, {found.per_s:,.0f} a second ({found.rate_from})"
    )
    if amount.unchanged:
        typer.echo(f"{amount.unchanged:,} are in the new index already")
    for name, hours in (
        ("embedding", found.embedding_h),
        ("retries", found.retries_h),
        ("validation", found.validation_h),
        ("rollback plan", found.rollback_plan_h),
        ("index swap", found.swap_h),
    ):
        typer.echo(f"  {name:<14}{hours:6.2f} h")
    typer.echo(f"  {'together':<14}{found.total_h:6.1f} h")
    tokens = "" if amount.tokens is None else f" for {amount.tokens:,} tokens, four characters each"
    typer.echo(f"cost: {money(found.cost_usd)}{tokens if found.cost_usd else ''}")
    typer.echo("Nothing was embedded.")
