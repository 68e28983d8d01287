"""Runs and their trials, remembered in SQLite through SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from swapgate.errors import StoreError, SwapgateError, UsageError, nearest
from swapgate.facts import Facts, facts_of, pack, unpack
from swapgate.memory.wal import BUSY_S, inserts, use_wal
from swapgate.memory.writer import BatchWriter
from swapgate.records import AnchorCheck, Outcome, Run, Trial, adapter, to_text

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData, Table

HISTORY_FILE = "history.db"
SCHEMA_VERSION = 2
_AT_ONCE = 200
# A trial's row, and the facts beside it.
_Rows: TypeAlias = tuple[dict[str, Any], Facts]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    metadata: MetaData
    meta: Table
    runs: Table
    trials: Table
    facts: Table
    anchor_checks: Table


def _tables() -> _Tables:
    from sqlalchemy import Boolean, Column, Integer, MetaData, String, Table, Text

    metadata = MetaData()
    meta = Table(
        "meta",
        metadata,
        Column("name", String(64), primary_key=True),
        Column("value", Text, nullable=False),
        comment="one row `schema_version`",
    )
    runs = Table(
        "runs",
        metadata,
        Column("id", String(128), primary_key=True),
        Column("started_at", String(40), nullable=False, index=True),
        Column("models", Text, nullable=False, comment="names, separated by commas, for listings"),
        Column("is_complete", Boolean, nullable=False),
        Column("is_partial", Boolean, nullable=False),
        Column("record", Text, nullable=False, comment="JSON: records.Run"),
        comment="one invocation",
    )
    trials = Table(
        "trials",
        metadata,
        Column("run_id", String(128), primary_key=True),
        Column("suite", String(255), primary_key=True),
        Column("case_id", String(255), primary_key=True),
        Column("model", String(255), primary_key=True),
        Column("repeat", Integer, primary_key=True),
        Column("outcome", String(16), nullable=False),
        Column("record", Text, nullable=False, comment="JSON: records.Trial"),
        comment="one response to one case, with what was said of it",
    )
    facts = Table(
        "facts",
        metadata,
        Column("run_id", String(128), primary_key=True),
        Column("suite", String(255), primary_key=True),
        Column("case_id", String(255), primary_key=True),
        Column("model", String(255), primary_key=True),
        Column("repeat", Integer, primary_key=True),
        Column("record", Text, nullable=False, comment="JSON list: facts.Facts"),
        # Rows of one run then lie side by side, and are read without touching a prompt.
        sqlite_with_rowid=False,
        comment="since version 2: what the statistics need of each trial",
    )
    # New in a file that an older version made; that one does not miss it.
    anchor_checks = Table(
        "anchor_checks",
        metadata,
        Column("judge", String(255), primary_key=True),
        Column("checked_at", String(40), primary_key=True),
        Column("record", Text, nullable=False, comment="JSON: records.AnchorCheck"),
        comment="one time that a judge was asked about its frozen anchors",
    )
    return _Tables(
        metadata=metadata, meta=meta, runs=runs, trials=trials, facts=facts, anchor_checks=anchor_checks
    )


class HistoryWriter:
    """Stores one run while it happens: the run at once, each trial as it ends, in a background thread."""

    def __init__(self, path: Path, run: Run) -> None:
        self.path = path
        self.run = run
        self._is_stored = False
        # What the database needs to be opened takes longer to import than the first calls to be sent.
        self._writer: BatchWriter[Run | _Rows] = BatchWriter(self._open, name="swapgate-history", waits=True)
        self._writer.put(run)

    def add(self, trial: Trial, facts: Facts | None = None, text: str | None = None) -> None:
        """Store one trial; a second one of the same case, model and repeat replaces the first.

        `facts` and `text`, its JSON, are the trial's, where they are at hand.
        """
        facts = facts_of(trial) if facts is None else facts
        # As text alone it takes less memory, should the disk be slow.
        self._writer.put((_trial_row(self.run.id, facts, to_text(trial) if text is None else text), facts))

    def require_open(self) -> None:
        """Open the history and store the run; StoreError when it cannot be. `finish` tells of lost trials."""
        self._writer.begin()
        try:
            self._writer.flush()
        except SwapgateError:
            raise
        except Exception as exc:
            if not self._is_stored:
                raise self._lost(exc) from exc

    def finish(self, run: Run) -> None:
        """Store the run's final state and close; raises StoreError when something could not be written."""
        self.run = run
        self._writer.put(run)
        try:
            self._writer.close()
        except SwapgateError:
            raise
        except Exception as exc:
            raise self._lost(exc) from exc

    def _lost(self, exc: Exception) -> StoreError:
        return StoreError(
            f"{self.path}: {self._writer.lost} records could not be stored: {_cause(exc)}. "
            "Free the disk or move the file away, and run again"
        )

    def _open(self) -> tuple[Callable[[Sequence[Run | _Rows]], None], Callable[[], None]]:
        tables = _tables()
        engine = _connect(self.path, tables)

        def write(rows: Sequence[Run | _Rows]) -> None:
            for run in (r for r in rows if isinstance(r, Run)):
                with engine.begin() as connection:
                    _upsert_run(connection, tables, run)
                self._is_stored = True
            with engine.begin() as connection:
                stored = [row for row in rows if not isinstance(row, Run)]
                _put(connection, tables.trials, [row for row, _facts in stored])
                _put(connection, tables.facts, [_facts_row(self.run.id, facts) for _trial, facts in stored])

        return write, engine.dispose


class History:
    """Reads the runs of one workspace."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tables = _tables()
        self._engine = _connect(path, self._tables)

    def runs(self) -> list[Run]:
        """Return every run, the newest first."""
        table = self._tables.runs
        with self._engine.connect() as connection:
            rows = connection.execute(table.select().order_by(table.c.started_at.desc(), table.c.id.desc()))
            return [adapter(Run).validate_json(row.record) for row in rows]

    def find(self, name: str) -> Run:
        """Return the run with this id or unambiguous beginning of an id, or the newest one for `latest`."""
        runs = self.runs()
        if name == "latest" and runs:
            return runs[0]
        found = [r for r in runs if r.id == name] or [r for r in runs if r.id.startswith(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"run {name!r} is ambiguous: {', '.join(r.id for r in found[:5])}")
        known = "none yet" if not runs else ", ".join(r.id for r in runs[:5])
        raise UsageError(
            f"no run {name!r} in {self.path}.{nearest(name, [r.id for r in runs])} Newest runs: {known}"
        )

    def trials(self, run_id: str, *, outcome: Outcome | None = None) -> Iterator[Trial]:
        """Yield the stored trials of a run, or those of one outcome, sorted by suite, case, model, repeat."""
        table = self._tables.trials
        query = (
            table.select()
            .with_only_columns(table.c.record)
            .where(table.c.run_id == run_id)
            .order_by(table.c.suite, table.c.case_id, table.c.model, table.c.repeat)
        )
        if outcome is not None:
            query = query.where(table.c.outcome == outcome)
        read = adapter(Trial).validate_json
        with self._engine.connect() as connection:
            for record in connection.execution_options(yield_per=_AT_ONCE).execute(query).scalars():
                yield read(record)

    def count(self, run_id: str) -> int:
        """Return how many trials of a run are stored."""
        from sqlalchemy import func, select

        table = self._tables.trials
        with self._engine.connect() as connection:
            query = select(func.count()).select_from(table).where(table.c.run_id == run_id)
            return int(connection.execute(query).scalar_one())

    def facts(self, run_id: str) -> list[Facts]:
        """Return the facts of a run's trials, in the order of `trials`; an old run's are made once."""
        table = self._tables.facts
        query = table.select().with_only_columns(table.c.record).where(table.c.run_id == run_id)
        order = (table.c.suite, table.c.case_id, table.c.model, table.c.repeat)
        with self._engine.connect() as connection:
            found = unpack(list(connection.execute(query.order_by(*order)).scalars()))
        return found or self._make_facts(run_id)

    def _make_facts(self, run_id: str) -> list[Facts]:
        """Make and store the facts of a run that an earlier version recorded."""
        found = [facts_of(trial) for trial in self.trials(run_id)]
        with self._engine.begin() as connection:
            _put(connection, self._tables.facts, [_facts_row(run_id, facts) for facts in found])
        return found

    def anchor_checks(self, judge: str) -> list[AnchorCheck]:
        """Return every check of a judge's anchors, the oldest first."""
        table = self._tables.anchor_checks
        query = table.select().where(table.c.judge == judge).order_by(table.c.checked_at)
        with self._engine.connect() as connection:
            return [adapter(AnchorCheck).validate_json(row.record) for row in connection.execute(query)]

    def add_anchor_check(self, check: AnchorCheck) -> None:
        """Store one check."""
        row = {"judge": check.judge, "checked_at": check.checked_at, "record": to_text(check)}
        with self._engine.begin() as connection:
            _put(connection, self._tables.anchor_checks, [row])

    def close(self) -> None:
        """Release the database."""
        self._engine.dispose()


class StoredTrials(Sequence[Trial]):
    """A run's trials where they are stored: read when they are gone through, and never all held.

    In order of suite, case, model and repeat. `beside` are trials of a baseline that an older run holds.
    """

    def __init__(self, path: Path, run_id: str, *, beside: Sequence[Trial] = ()) -> None:
        self._path = path
        self._run_id = run_id
        self._beside = sorted(beside, key=_place)

    def __iter__(self) -> Iterator[Trial]:
        return self.of_outcome(None)

    def __len__(self) -> int:
        with closing(History(self._path)) as history:
            return history.count(self._run_id) + len(self._beside)

    @overload
    def __getitem__(self, index: int) -> Trial: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Trial]: ...

    def __getitem__(self, index: int | slice) -> Trial | Sequence[Trial]:
        return list(self)[index]

    def of_outcome(self, outcome: Outcome | None) -> Iterator[Trial]:
        """Yield the trials of one outcome, of all for None."""
        beside = [t for t in self._beside if outcome in {None, t.outcome}]
        with closing(History(self._path)) as history:
            yield from merge(history.trials(self._run_id, outcome=outcome), beside, key=_place)


def _place(trial: Trial) -> tuple[str, str, str, int, str]:
    return trial.suite, trial.case, trial.model, trial.repeat, trial.role


def _trial_row(run_id: str, facts: Facts, text: str) -> dict[str, Any]:
    return {**_key(run_id, facts), "outcome": facts.outcome, "record": text}


def _facts_row(run_id: str, facts: Facts) -> dict[str, Any]:
    return {**_key(run_id, facts), "record": pack(facts)}


def _key(run_id: str, trial: Facts) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "suite": trial.suite,
        "case_id": trial.case,
        "model": trial.model,
        "repeat": trial.repeat,
    }


def _put(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    names = [column.name for column in table.columns]
    values = [tuple(row[name] for name in names) for row in rows]
    for statement, parameters in inserts(f"{table.name} ({', '.join(names)})", values):
        connection.exec_driver_sql(statement, parameters)


def _upsert_run(connection: Connection, tables: _Tables, run: Run) -> None:
    connection.execute(tables.runs.delete().where(tables.runs.c.id == run.id))
    connection.execute(
        tables.runs.insert(),
        {
            "id": run.id,
            "started_at": run.started_at,
            "models": ", ".join(m.name for m in run.models),
            "is_complete": run.is_complete,
            "is_partial": run.is_partial,
            "record": to_text(run),
        },
    )


def _connect(path: Path, tables: _Tables) -> Engine:
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import SQLAlchemyError

    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        use_wal(connection)

    try:
        _prepare(engine, tables)
    except SQLAlchemyError as exc:
        engine.dispose()
        raise StoreError(
            f"{path}: the history cannot be used: {_cause(exc)}. Move the file away and run again"
        ) from exc
    return engine


def _prepare(engine: Engine, tables: _Tables) -> None:
    """Create what is missing and refuse a newer schema."""
    with engine.begin() as connection:
        # Of the processes that open a new file at the same instant one makes the tables, the others wait.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        tables.metadata.create_all(connection)
        stored = connection.execute(
            tables.meta.select().where(tables.meta.c.name == "schema_version")
        ).first()
        version = {"name": "schema_version", "value": str(SCHEMA_VERSION)}
        if stored is None or int(stored.value) < SCHEMA_VERSION:
            _put(connection, tables.meta, [version])
        elif int(stored.value) > SCHEMA_VERSION:
            raise StoreError(
                f"{engine.url.database}: written by a newer swapgate (schema {stored.value}, this one reads "
                f"{SCHEMA_VERSION}). Update swapgate or use another state folder"
            )


def _cause(exc: Exception) -> str:
    return str(getattr(exc, "orig", None) or exc).splitlines()[0]
