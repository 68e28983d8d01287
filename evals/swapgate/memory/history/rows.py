"""Records as rows, and the statements that store them: few of many rows, in either database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from swapgate.facts import Facts, pack
from swapgate.memory.history.tables import without_nul
from swapgate.memory.wal import inserts
from swapgate.records import PromotedRun, Run, Tally, to_text
from swapgate.values import replace

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

Row: TypeAlias = dict[str, Any]
_AT_ONCE = 256


def put(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Store rows; those of equal keys are replaced."""
    names = [column.name for column in table.columns]
    if connection.dialect.name == "sqlite":
        values = [tuple(row[name] for name in names) for row in rows]
        statements = inserts(f"{table.name} ({', '.join(names)})", values)
    else:
        statements = _upserts(table, names, rows)
    for statement, parameters in statements:
        connection.exec_driver_sql(statement, parameters)


def _upserts(
    table: Table, names: Sequence[str], rows: Sequence[Row]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the statements of PostgreSQL, which takes no row twice in one of them, and no NUL in a text."""
    key = [column.name for column in table.primary_key.columns]
    single = {tuple(row[name] for name in key): row for row in rows}
    values = [tuple(_taken(row[name]) for name in names) for row in single.values()]
    changed = ", ".join(f"{name} = EXCLUDED.{name}" for name in names if name not in key)
    on_conflict = f"ON CONFLICT ({', '.join(key)}) DO {f'UPDATE SET {changed}' if changed else 'NOTHING'}"
    one = f"({', '.join(['%s'] * len(names))})"
    for start in range(0, len(values), _AT_ONCE):
        block = values[start : start + _AT_ONCE]
        many = ", ".join([one] * len(block))
        sql = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {many} {on_conflict}"  # noqa: S608 - our own
        yield sql, tuple(value for row in block for value in row)


def _taken(value: Any) -> Any:
    return without_nul(value) if isinstance(value, str) else value


def run_row(run: Run) -> Row:
    """Return the row of a run."""
    return {
        "id": run.id,
        "started_at": run.started_at,
        "models": ", ".join(model.name for model in run.models),
        "is_complete": run.is_complete,
        "is_partial": run.is_partial,
        "record": to_text(run),
        "head": head_of(run),
    }


def head_of(run: Run) -> str:
    """Return what a listing shows of a run, as JSON."""
    return to_text(replace(run, calibrations=(), canaries=()))


def name_rows(run: Run) -> list[Row]:
    """Return the rows by which a run is chosen."""
    names = {("model", model.name) for model in run.models} | {("suite", suite) for suite in run.suites}
    return [{"run_id": run.id, "kind": kind, "name": name} for kind, name in sorted(names)]


def trial_row(run_id: str, facts: Facts, text: str) -> Row:
    """Return the row of a trial; `text` is its JSON."""
    return {**_key(run_id, facts), "outcome": facts.outcome, "record": text}


def facts_row(run_id: str, facts: Facts) -> Row:
    """Return the row of a trial's facts."""
    return {**_key(run_id, facts), "record": pack(facts)}


def tally_row(tally: Tally) -> Row:
    """Return the row of a tally."""
    return {"run_id": tally.run_id, "suite": tally.suite, "model": tally.model, "record": to_text(tally)}


def baseline_row(promoted: PromotedRun) -> Row:
    """Return the row of a promoted run."""
    return {"name": promoted.name, "run_id": promoted.run_id, "record": to_text(promoted)}


def _key(run_id: str, trial: Facts) -> Row:
    return {
        "run_id": run_id,
        "suite": trial.suite,
        "case_id": trial.case,
        "model": trial.model,
        "repeat": trial.repeat,
    }
