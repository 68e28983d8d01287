"""Runs taken from one history into another, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from swapgate.memory.history.opening import open_prepared, open_reading, telling
from swapgate.memory.history.places import Place
from swapgate.memory.history.rows import put
from swapgate.memory.history.tables import Tables, tables
from swapgate.records import Run, adapter
from swapgate.values import Value

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

_AT_ONCE = 256


class Copied(Value):
    """One run of the source, and whether it was taken: `is_known` says that the target has it whole."""

    run: Run
    trials: int
    is_known: bool


def copy_runs(source: Place, target: Place) -> list[Copied]:
    """Take every run of one history into another, the oldest first; each is there whole or not at all.

    A run that the target holds as far as the source does, or further, is left as it is.
    """
    (ours, _is_unwritable), theirs = open_reading(source), None
    try:
        theirs = open_prepared(target)
        return [_copy(run, source=(source, ours), target=(target, theirs)) for run in _runs(source, ours)]
    finally:
        ours.dispose()
        if theirs is not None:
            theirs.dispose()


def _runs(place: Place, engine: Engine) -> list[Run]:
    known = tables()
    query = known.runs.select().order_by(known.runs.c.started_at, known.runs.c.id)
    with telling(place), engine.connect() as connection:
        return [adapter(Run).validate_json(row.record) for row in connection.execute(query)]


def _copy(run: Run, *, source: tuple[Place, Engine], target: tuple[Place, Engine]) -> Copied:
    known = tables()
    with _reading(*source) as connection:
        trials = _count(connection, known.trials, run.id)
        with telling(target[0]), target[1].begin() as written:
            if _has_as_much(written, known, run, trials):
                return Copied(run=run, trials=trials, is_known=True)
            for table in (known.trials, known.facts, known.tallies, known.run_names, known.runs):
                rows = _rows_of(connection, table, run.id)
                while block := list(islice(rows, _AT_ONCE)):
                    put(written, table, block)
    return Copied(run=run, trials=trials, is_known=False)


def _has_as_much(connection: Connection, known: Tables, run: Run, trials: int) -> bool:
    """Whether the target needs nothing of this run: it has its end, or there is none, and as many trials."""
    text = connection.execute(
        known.runs.select().with_only_columns(known.runs.c.record).where(known.runs.c.id == run.id)
    ).scalar()
    if text is None or _count(connection, known.trials, run.id) < trials:
        return False
    return run.finished_at is None or adapter(Run).validate_json(text).finished_at is not None


def _count(connection: Connection, table: Table, run_id: str) -> int:
    from sqlalchemy import func, select

    query = select(func.count()).select_from(table).where(table.c.run_id == run_id)
    return int(connection.execute(query).scalar_one())


def _rows_of(connection: Connection, table: Table, run_id: str) -> Iterator[dict[str, object]]:
    key = table.c.id if table.name == "runs" else table.c.run_id
    query = table.select().where(key == run_id)
    for row in connection.execution_options(yield_per=_AT_ONCE).execute(query).mappings():
        yield dict(row)


@contextmanager
def _reading(place: Place, engine: Engine) -> Iterator[Connection]:
    with telling(place), engine.connect() as connection:
        yield connection
