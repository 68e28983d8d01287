"""Impressions and clicks, in the database that holds the migration's state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.records import adapter, to_text
from swapgate.retrieval.index import Side
from swapgate.retrieval.state import StateStore, now_text
from swapgate.retrieval.state_tables import tables
from swapgate.values import Value

_AT_ONCE = 500


class Impression(Value):
    """One list that was shown: what each side picked. Of the key, a user or session, stays a hash."""

    id: str
    at: str
    version: int
    key_hash: str
    old: tuple[str, ...]
    new: tuple[str, ...]


class Click(Value):
    """One result that was chosen from a list."""

    impression: str
    item: str


def add_impressions(store: StateStore, name: str, impressions: Sequence[Impression]) -> None:
    """Store lists that were shown."""
    rows = [{"name": name, "impression": one.id, "record": to_text(one)} for one in impressions]
    if rows:
        with store.database.begin() as connection:
            connection.execute(tables().impressions.insert(), rows)


def add_clicks(store: StateStore, name: str, clicks: Sequence[Click]) -> None:
    """Store results that were chosen; the list may be stored later, or by another process."""
    at = now_text()
    rows = [{"name": name, "impression": one.impression, "item": one.item, "at": at} for one in clicks]
    if rows:
        with store.database.begin() as connection:
            connection.execute(tables().clicks.insert(), rows)


def impressions(store: StateStore, name: str) -> Iterator[Impression]:
    """Yield the lists that were shown, the oldest first."""
    table = tables().impressions
    query = table.select().where(table.c.name == name).order_by(table.c.number)
    with store.database.begin() as connection:
        rows = connection.execution_options(yield_per=_AT_ONCE).execute(query)
        yield from (adapter(Impression).validate_json(row.record) for row in rows)


def clicks(store: StateStore, name: str) -> Iterator[Click]:
    """Yield the results that were chosen, in the order of their storing."""
    table = tables().clicks
    query = table.select().where(table.c.name == name).order_by(table.c.number)
    with store.database.begin() as connection:
        rows = connection.execution_options(yield_per=_AT_ONCE).execute(query)
        yield from (Click(impression=row.impression, item=row.item) for row in rows)


def picked_by(impression: Impression, item: str) -> Side | None:
    """Return who picked an entry of a list, None where it is not in it."""
    if item in impression.new:
        return "new"
    return "old" if item in impression.old else None
