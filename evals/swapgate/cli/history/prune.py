"""`swapgate history prune`: old runs taken out, never a baseline."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.history.open import called, existing, moment
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, warn
from swapgate.errors import StoreError, UsageError
from swapgate.reporting.format import count

if TYPE_CHECKING:
    from swapgate.memory.history.pruning import Pruned
    from swapgate.spec.settings import Settings


def prune(
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="WHEN", help="Runs before a date (2026-11-01) or an age (90d)."),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=0, metavar="N", help="The newest N runs stay, whatever their age."),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Take nothing out: say what would go.")] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take old runs out of the history; a baseline stays, and what a run that stays was compared with."""
    from swapgate.memory.history.pruning import remove_runs, what_to_prune

    if older_than is None and keep is None:
        raise UsageError("say what may go: --older-than 90d, --keep 200, or both")
    before = None if older_than is None else moment(older_than, "--older-than")
    settings = open_settings(root)
    with existing(settings) as history:
        runs, baselines = history.heads(), history.baselines()
    found = what_to_prune(runs, baselines, now=datetime.now(UTC), before=before, keep=keep or 0)
    freed = None
    if not dry_run and found.going:
        remove_runs(settings.history, [run.id for run in found.going])
        freed = _given_back(settings)
    _print(found, settings, dry_run=dry_run, freed=freed, as_json=as_json)


def _given_back(settings: Settings) -> int | None:
    """Make the file small, and return by how many bytes; None where the database does that by itself."""
    from swapgate.memory.history.pruning import give_back_space

    place = settings.history
    if not isinstance(place, Path):
        return None
    before = _size(place)
    try:
        give_back_space(place)
    except StoreError as exc:
        warn(f"the runs are gone, and their space is not given back yet: {exc}")
    return before - _size(place)


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def _print(found: Pruned, settings: Settings, *, dry_run: bool, freed: int | None, as_json: bool) -> None:
    if as_json:
        staying = [{"run": run.id, "reason": reason} for run, reason in found.staying]
        going = [run.id for run in found.going]
        print_json({"is_dry_run": dry_run, "runs": going, "staying": staying, "freed_bytes": freed})
        return
    for run in found.going if dry_run else ():
        typer.echo(f"{run.id}  {run.started_at[:19]}  {', '.join(model.name for model in run.models)}")
    for run, reason in found.staying:
        typer.echo(f"{run.id} stays: {reason}")
    typer.echo(_said(len(found.going), called(settings), dry_run=dry_run, freed=freed))


def _said(going: int, where: str, *, dry_run: bool, freed: int | None) -> str:
    if dry_run:
        return f"{count(going, 'run')} would go from {where}"
    if not going:
        return f"nothing to take out of {where}"
    if freed is None:
        return f"{count(going, 'run')} taken out of {where}; PostgreSQL uses their space again by itself"
    return f"{count(going, 'run')} taken out of {where}; {freed / 1e6:,.1f} MB given back"
