"""The tables of a history, the same in SQLite and PostgreSQL. `migrations` brings older ones to this form."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from swapgate.storable import whole
from swapgate.values import Value

if TYPE_CHECKING:
    from sqlalchemy import Column, Dialect, MetaData, Table
    from sqlalchemy.types import TypeEngine


class Tables(Value):
    """Every table by its name."""

    metadata: MetaData
    meta: Table
    runs: Table
    run_names: Table
    trials: Table
    facts: Table
    tallies: Table
    baselines: Table
    anchor_checks: Table


@cache
def tables() -> Tables:
    """Return the tables; SQLAlchemy is imported by then, which takes a tenth of a second."""
    from sqlalchemy import Boolean, Column, MetaData, Table, Text

    metadata = MetaData()
    meta = Table(
        "meta",
        metadata,
        Column("name", Text, primary_key=True),
        Column("value", Text, nullable=False),
        comment="one row `schema_version`",
    )
    runs = Table(
        "runs",
        metadata,
        _name("id", primary_key=True),
        _name("started_at", nullable=False, index=True),
        Column("models", Text, nullable=False, comment="names, separated by commas, for people"),
        Column("is_complete", Boolean, nullable=False),
        Column("is_partial", Boolean, nullable=False),
        Column("record", Text, nullable=False, comment="JSON: records.Run"),
        # A run that corrects for its judges' errors holds thousands of labels, and a listing none of them.
        Column("head", Text, comment="JSON: records.Run without calibrations and canaries; since version 3"),
        comment="one invocation",
    )
    run_names = Table(
        "run_names",
        metadata,
        _name("run_id", primary_key=True),
        _name("kind", primary_key=True, comment="`model` or `suite`"),
        _name("name", primary_key=True),
        sqlite_with_rowid=False,
        comment="since version 3: what runs are chosen by",
    )
    trials = Table(
        "trials",
        metadata,
        *_trial_key(),
        Column("outcome", Text, nullable=False),
        Column("record", Text, nullable=False, comment="JSON: records.Trial"),
        comment="one response to one case, with what was said of it",
    )
    facts = Table(
        "facts",
        metadata,
        *_trial_key(),
        Column("record", Text, nullable=False, comment="JSON list: facts.Facts"),
        # Rows of one run then lie side by side, and are read without touching a prompt.
        sqlite_with_rowid=False,
        comment="since version 2: what the statistics need of each trial",
    )
    tallies = Table(
        "tallies",
        metadata,
        _name("run_id", primary_key=True),
        _name("suite", primary_key=True),
        _name("model", primary_key=True),
        Column("record", Text, nullable=False, comment="JSON: records.Tally"),
        sqlite_with_rowid=False,
        comment="since version 3: how a run ended, counted; a run without rows is counted from its facts",
    )
    baselines = Table(
        "baselines",
        metadata,
        _name("name", primary_key=True),
        _name("run_id", nullable=False),
        Column("record", Text, nullable=False, comment="JSON: records.PromotedRun"),
        comment="since version 3: runs that others are compared with, by name",
    )
    anchor_checks = Table(
        "anchor_checks",
        metadata,
        _name("judge", primary_key=True),
        _name("checked_at", primary_key=True),
        Column("record", Text, nullable=False, comment="JSON: records.AnchorCheck"),
        comment="one time that a judge was asked about its frozen anchors",
    )
    return Tables(
        metadata=metadata,
        meta=meta,
        runs=runs,
        run_names=run_names,
        trials=trials,
        facts=facts,
        tallies=tallies,
        baselines=baselines,
        anchor_checks=anchor_checks,
    )


def _trial_key() -> list[Column[Any]]:
    from sqlalchemy import Column, Integer

    names = [_name(name, primary_key=True) for name in ("run_id", "suite", "case_id", "model")]
    return [*names, Column("repeat", Integer, primary_key=True)]


def _name(name: str, **more: Any) -> Column[Any]:
    """Return a column of names, which sort by their characters' numbers, as Python's texts do."""
    from sqlalchemy import Column

    return Column(name, _name_type(), **more)


@cache
def _name_type() -> TypeEngine[str]:
    from sqlalchemy import Text
    from sqlalchemy.types import TypeDecorator

    class Name(TypeDecorator[str]):
        """A name as it is looked for: what no database takes is written as `rows` stores it."""

        impl = Text
        cache_ok = True

        def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
            return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

        def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
            if value is None:
                return None
            value = whole(value)
            return without_nul(value) if dialect.name == "postgresql" else value

    return Name()


def without_nul(text: str) -> str:
    """Return a name as PostgreSQL takes it; in JSON a NUL is an escape, so this meets names alone."""
    return text.replace("\0", "\ufffd")
