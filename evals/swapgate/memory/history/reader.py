"""The runs of a history, read: listed without their trials, their facts without their texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from swapgate.errors import UsageError, nearest
from swapgate.facts import Facts, facts_of, unpack
from swapgate.memory.history.choice import EVERY_RUN, Choice
from swapgate.memory.history.opening import open_reading, telling, unreadable
from swapgate.memory.history.places import Place, forbid_writing, shown_place
from swapgate.memory.history.rows import baseline_row, facts_row, put, tally_row
from swapgate.memory.history.tables import tables
from swapgate.memory.history.tallying import tallies_of
from swapgate.records import AnchorCheck, Outcome, PromotedRun, Run, Tally, Trial, adapter, to_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from sqlalchemy import Connection, Select, Table

_AT_ONCE = 200
_LISTED = 5
_Record = TypeVar("_Record", bound="DataclassInstance")
# Suite, case, model and repeat, as the database holds them: PostgreSQL takes no NUL.
TrialPlace: TypeAlias = tuple[str, str, str, int]


class History:
    """Reads the runs of one workspace, or of a team: an SQLite file by its path, PostgreSQL by its URL.

    Every method raises StoreError when the database cannot be read. `is_read_only` leaves it as it is, once
    it has this version's form: the database refuses every change, and what would be kept is made again. So is
    a file where nothing can be written; what would write there raises StoreError.
    """

    def __init__(self, place: Place, *, is_read_only: bool = False) -> None:
        self.place = place
        self._tables = tables()
        self._engine, is_unwritable = open_reading(place)
        self._is_read_only = is_read_only or is_unwritable
        if is_read_only and not is_unwritable:
            forbid_writing(self._engine)

    # Runs

    def runs(self, choice: Choice = EVERY_RUN, *, limit: int | None = None, offset: int = 0) -> list[Run]:
        """Return the chosen runs whole, the newest first."""
        return self._runs(self._tables.runs.c.record, choice, limit=limit, offset=offset)

    def heads(self, choice: Choice = EVERY_RUN, *, limit: int | None = None, offset: int = 0) -> list[Run]:
        """Return the chosen runs without their calibrations and canaries: what a listing needs, and fast."""
        return self._runs(self._tables.runs.c.head, choice, limit=limit, offset=offset)

    def count_runs(self, choice: Choice = EVERY_RUN) -> int:
        """Return how many runs are chosen."""
        from sqlalchemy import func, select

        query = choice.narrow(select(func.count()).select_from(self._tables.runs))
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def find(self, name: str) -> Run:
        """Return the run with this id or unambiguous beginning of an id, or the newest one for `latest`."""
        if not name:
            raise UsageError("the name of the run is empty: write an id, the beginning of one, or latest")
        found = self.runs(limit=1) if name == "latest" else self._beginning(name)
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"run {name!r} is ambiguous: {', '.join(r.id for r in found[:_LISTED])}")
        ids = self._ids()
        known = "none yet" if not ids else ", ".join(ids[:_LISTED])
        raise UsageError(
            f"no run {name!r} in {shown_place(self.place)}.{nearest(name, ids)} Newest runs: {known}"
        )

    def tallies(self, run_ids: Sequence[str]) -> Mapping[str, list[Tally]]:
        """Return how the trials of each run ended, by suite and model; a run that has not ended as it stands.

        Those of a run that an earlier version recorded are counted once, and kept.
        """
        table = self._tables.tallies
        query = table.select().order_by(table.c.run_id, table.c.suite, table.c.model)
        found: dict[str, list[Tally]] = {run_id: [] for run_id in run_ids}
        with telling(self.place):
            for row in self._of_runs(query, table, run_ids):
                found[row.run_id].append(adapter(Tally).validate_json(row.record))
        for run_id in [run_id for run_id, known in found.items() if not known]:
            found[run_id] = self._count(run_id)
        return found

    # Trials and their facts

    def trials(
        self,
        run_id: str,
        *,
        outcome: Outcome | None = None,
        suite: str | None = None,
        case: str | None = None,
        model: str | None = None,
    ) -> Iterator[Trial]:
        """Yield the stored trials of a run, or some of them, sorted by suite, case, model, repeat."""
        table = self._tables.trials
        given = {"outcome": outcome, "suite": suite, "case_id": case, "model": model}
        query = self._of_run(table, run_id, given)
        read = adapter(Trial).validate_json
        with self._reading() as connection:
            for record in connection.execution_options(yield_per=_AT_ONCE).execute(query).scalars():
                yield read(record)

    def texts(self, run_id: str) -> Iterator[tuple[TrialPlace, str]]:
        """Yield where each trial of a run stands, in the order of `trials`, and its JSON."""
        table = self._tables.trials
        columns = (table.c.suite, table.c.case_id, table.c.model, table.c.repeat)
        query = self._of_run(table, run_id, {}).with_only_columns(*columns, table.c.record)
        with self._reading() as connection:
            rows = connection.execution_options(yield_per=_AT_ONCE).execute(query)
            for suite, case, model, repeat, record in rows:
                yield (suite, case, model, repeat), record

    def count(self, run_id: str, *, model: str | None = None) -> int:
        """Return how many trials of a run are stored, or of one of its models."""
        from sqlalchemy import func, select

        table = self._tables.trials
        query = select(func.count()).select_from(table).where(table.c.run_id == run_id)
        if model is not None:
            query = query.where(table.c.model == model)
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def facts(self, run_id: str, *, suite: str | None = None, model: str | None = None) -> list[Facts]:
        """Return the facts of a run's trials, in the order of `trials`; an old run's are made once."""
        query = self._of_run(self._tables.facts, run_id, {"suite": suite, "model": model})
        with self._reading() as connection:
            found = self._unpacked(list(connection.execute(query).scalars()))
        if found or self._has_facts(run_id):
            return found
        made = self._make_facts(run_id)
        return [one for one in made if suite in {None, one.suite} and model in {None, one.model}]

    def case_facts(
        self, suite: str, case: str, choice: Choice = EVERY_RUN, *, limit: int | None = None
    ) -> list[tuple[str, Facts]]:
        """Return what one case came to in the chosen runs, with their ids: the newest run first.

        `limit` counts runs.
        """
        ids = self._ids(choice, limit=limit)
        for run_id in self._without_facts(ids):
            self._make_facts(run_id)
        table = self._tables.facts
        query = (
            table.select()
            .with_only_columns(table.c.run_id, table.c.record)
            .where(table.c.suite == suite, table.c.case_id == case)
            .order_by(table.c.model, table.c.repeat)
        )
        rows = self._of_runs(query, table, ids)
        place = {run_id: number for number, run_id in enumerate(ids)}
        facts = self._unpacked([row.record for row in rows])
        found = zip([row.run_id for row in rows], facts, strict=True)
        return sorted(found, key=lambda one: place[one[0]])

    # Baselines and anchors

    def baselines(self) -> list[PromotedRun]:
        """Return the promoted runs, sorted by name."""
        table = self._tables.baselines
        return self._records(PromotedRun, table, order=(table.c.name,))

    def baseline(self, name: str) -> PromotedRun:
        """Return the run that is promoted under a name; UsageError when there is none."""
        known = {one.name: one for one in self.baselines()}
        if name in known:
            return known[name]
        listed = ", ".join(f"@{one}" for one in known) or "none yet"
        raise UsageError(
            f"no baseline @{name} in {shown_place(self.place)}.{nearest(name, known)} Baselines: {listed}. "
            f"`swapgate history baseline set RUN --name={name}` makes it"
        )

    def promote(self, promoted: PromotedRun) -> None:
        """Make a run the baseline of a name, in the place of the one before."""
        with self._writing() as connection:
            put(connection, self._tables.baselines, [baseline_row(promoted)])

    def demote(self, name: str) -> None:
        """Forget the baseline of a name; its run stays."""
        table = self._tables.baselines
        with self._writing() as connection:
            connection.execute(table.delete().where(table.c.name == name))

    def anchor_checks(self, judge: str) -> list[AnchorCheck]:
        """Return every check of a judge's anchors, the oldest first."""
        table = self._tables.anchor_checks
        return self._records(AnchorCheck, table, table.c.judge == judge, order=(table.c.checked_at,))

    def add_anchor_check(self, check: AnchorCheck) -> None:
        """Store one check."""
        row = {"judge": check.judge, "checked_at": check.checked_at, "record": to_text(check)}
        with self._writing() as connection:
            put(connection, self._tables.anchor_checks, [row])

    def close(self) -> None:
        """Release the database."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with telling(self.place), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with telling(self.place), self._engine.begin() as connection:
            yield connection

    def _runs(self, column: Any, choice: Choice, *, limit: int | None, offset: int) -> list[Run]:
        from sqlalchemy import select

        query = _paged(choice.narrow(select(column)), limit=limit, offset=offset)
        with self._reading() as connection:
            return [adapter(Run).validate_json(text) for text in connection.execute(query).scalars()]

    def _beginning(self, name: str) -> list[Run]:
        """Return the run of this id, else those whose ids begin so."""
        from sqlalchemy import select

        table = self._tables.runs
        query = select(table.c.record).where(table.c.id.startswith(name, autoescape=True))
        with self._reading() as connection:
            texts = connection.execute(query.order_by(table.c.id).limit(_LISTED + 1)).scalars().all()
            found = [adapter(Run).validate_json(text) for text in texts]
        return [run for run in found if run.id == name] or found

    def _ids(self, choice: Choice = EVERY_RUN, *, limit: int | None = None) -> list[str]:
        from sqlalchemy import select

        with self._reading() as connection:
            query = _paged(choice.narrow(select(self._tables.runs.c.id)), limit=limit, offset=0)
            return list(connection.execute(query).scalars())

    def _of_runs(self, query: Select[Any], table: Table, ids: Sequence[str]) -> list[Any]:
        """Return the rows of these runs, by the key's first column: one search a run, and never a scan."""
        found: list[Any] = []
        with self._reading() as connection:
            for start in range(0, len(ids), _AT_ONCE):
                part = query.where(table.c.run_id.in_(ids[start : start + _AT_ONCE]))
                found += connection.execute(part).all()
        return found

    def _records(
        self, kind: type[_Record], table: Table, *conditions: Any, order: Sequence[Any]
    ) -> list[_Record]:
        query = table.select().with_only_columns(table.c.record).where(*conditions).order_by(*order)
        with self._reading() as connection:
            return [adapter(kind).validate_json(text) for text in connection.execute(query).scalars()]

    def _of_run(self, table: Table, run_id: str, given: Mapping[str, str | None]) -> Select[Any]:
        """Return the query of records of a run, in order, with those of the conditions that are given."""
        query = table.select().with_only_columns(table.c.record).where(table.c.run_id == run_id)
        for name, value in given.items():
            if value is not None:
                query = query.where(table.c[name] == value)
        return query.order_by(table.c.suite, table.c.case_id, table.c.model, table.c.repeat)

    def _without_facts(self, ids: Sequence[str]) -> list[str]:
        """Return the runs that an earlier version recorded, or that have no trial yet."""
        from sqlalchemy import exists, select

        runs = self._tables.runs
        query = select(runs.c.id).where(~exists().where(self._tables.facts.c.run_id == runs.c.id))
        with self._reading() as connection:
            lacking = set(connection.execute(query).scalars())
        return [run_id for run_id in ids if run_id in lacking]

    def _has_facts(self, run_id: str) -> bool:
        table = self._tables.facts
        query = table.select().with_only_columns(table.c.run_id).where(table.c.run_id == run_id).limit(1)
        with self._reading() as connection:
            return connection.execute(query).first() is not None

    def _unpacked(self, texts: Sequence[str]) -> list[Facts]:
        try:
            return unpack(texts)
        except (ValueError, TypeError, LookupError) as exc:
            raise unreadable(self.place, "Facts", exc) from exc

    def _make_facts(self, run_id: str) -> list[Facts]:
        """Make and store the facts of a run that an earlier version recorded."""
        found = [facts_of(trial) for trial in self.trials(run_id)]
        if not self._is_read_only:
            with self._writing() as connection:
                put(connection, self._tables.facts, [facts_row(run_id, facts) for facts in found])
        return found

    def _count(self, run_id: str) -> list[Tally]:
        """Count a run's facts; what is counted of a run that has ended is kept."""
        table = self._tables.runs
        with self._reading() as connection:
            query = table.select().with_only_columns(table.c.head).where(table.c.id == run_id)
            head = connection.execute(query).scalar()
            has_ended = head is not None and adapter(Run).validate_json(head).finished_at is not None
        found = tallies_of(run_id, self.facts(run_id))
        if has_ended and not self._is_read_only:
            with self._writing() as connection:
                put(connection, self._tables.tallies, [tally_row(tally) for tally in found])
        return found


def _paged(query: Select[Any], *, limit: int | None, offset: int) -> Select[Any]:
    """Return the query of runs in order, the newest first, from one on."""
    table = tables().runs
    query = query.order_by(table.c.started_at.desc(), table.c.id.desc())
    return query.limit(limit).offset(offset or None)
