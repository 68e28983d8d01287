"""Which runs are meant: by model, suite and time, without reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapgate.memory.history.tables import tables
from swapgate.values import Value

if TYPE_CHECKING:
    from sqlalchemy import Select


class Choice(Value):
    """The runs that fulfil all that is given; without anything, every run.

    `model` answered cases, as a candidate or as the baseline. `since` and `until` are ISO 8601 in UTC, or
    the beginning of one; a run that started at `until` is not meant. `is_whole` leaves out runs that are
    not complete, or of a selection or a shard.
    """

    model: str | None = None
    suite: str | None = None
    since: str | None = None
    until: str | None = None
    is_whole: bool = False

    def narrow(self, query: Select[Any]) -> Select[Any]:
        """Return the query of runs with these conditions."""
        runs = tables().runs
        for kind, name in (("model", self.model), ("suite", self.suite)):
            if name is not None:
                query = query.where(_has_name(kind, name))
        if self.since is not None:
            query = query.where(runs.c.started_at >= self.since)
        if self.until is not None:
            query = query.where(runs.c.started_at < self.until)
        return query.where(runs.c.is_complete, ~runs.c.is_partial) if self.is_whole else query


EVERY_RUN = Choice()


def _has_name(kind: str, name: str) -> Any:
    from sqlalchemy import exists

    names, runs = tables().run_names, tables().runs
    return exists().where(names.c.run_id == runs.c.id, names.c.kind == kind, names.c.name == name)
