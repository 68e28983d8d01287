"""Runs taken out of a history, and the space they took given back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from swapgate.memory.history.opening import open_prepared, telling
from swapgate.memory.history.places import Place
from swapgate.memory.history.tables import tables
from swapgate.records import PromotedRun, Run
from swapgate.values import Value

_MAY_RUN = timedelta(days=1)


class Pruned(Value):
    """What is to go, and what would but stays, each with the reason. The newest run comes first."""

    going: tuple[Run, ...]
    staying: tuple[tuple[Run, str], ...]


def what_to_prune(
    runs: Sequence[Run],
    baselines: Iterable[PromotedRun],
    *,
    now: datetime,
    before: str | None = None,
    keep: int = 0,
) -> Pruned:
    """Return the runs that began before a time, without the newest `keep`; `runs` come newest first.

    A baseline stays, and so does what a run that stays was compared with, and a run that may still go on.
    """
    old = [run for run in runs[keep:] if before is None or run.started_at < before]
    names = {one.run_id: one.name for one in baselines}
    reasons = {run.id: f"it is the baseline @{names[run.id]}" for run in old if run.id in names}
    for run in old:
        if run.finished_at is None and now - datetime.fromisoformat(run.started_at) < _MAY_RUN:
            reasons.setdefault(run.id, "it may still go on")
    gone = {run.id for run in old}
    for run in runs:  # the newest first, and what a run was compared with is older
        _model, at, against = (run.baseline or "").rpartition("@")
        if at and against in gone and (run.id not in gone or run.id in reasons):
            reasons.setdefault(against, f"run {run.id} was compared with it")
    return Pruned(
        going=tuple(run for run in old if run.id not in reasons),
        staying=tuple((run, reasons[run.id]) for run in old if run.id in reasons),
    )


def remove_runs(place: Place, run_ids: Iterable[str]) -> None:
    """Take runs out with all that is stored of them, each in a transaction of its own."""
    known = tables()
    engine = open_prepared(place)
    try:
        for run_id in run_ids:
            with telling(place), engine.begin() as connection:
                for table in (known.trials, known.facts, known.tallies, known.run_names):
                    connection.execute(table.delete().where(table.c.run_id == run_id))
                connection.execute(known.runs.delete().where(known.runs.c.id == run_id))
    finally:
        engine.dispose()


def give_back_space(path: Path) -> None:
    """Make an SQLite file as small as what it holds; it needs as much free disk while it does."""
    engine = open_prepared(path)
    try:
        with telling(path), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        engine.dispose()
