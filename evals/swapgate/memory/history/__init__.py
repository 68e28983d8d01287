"""Runs and their trials, remembered in SQLite or PostgreSQL through SQLAlchemy Core."""

from __future__ import annotations

from swapgate.memory.history.choice import EVERY_RUN, Choice
from swapgate.memory.history.copying import Copied, copy_runs
from swapgate.memory.history.migrations import SCHEMA_VERSION
from swapgate.memory.history.places import Place, Unreachable, has_history, is_shared, shown_place
from swapgate.memory.history.reader import History
from swapgate.memory.history.stored_trials import StoredTrials, facts_of_all
from swapgate.memory.history.team import TeamWriter, open_writer
from swapgate.memory.history.writer import HistoryWriter
from swapgate.spec.settings import HISTORY_FILE

__all__ = [
    "EVERY_RUN",
    "HISTORY_FILE",
    "SCHEMA_VERSION",
    "Choice",
    "Copied",
    "History",
    "HistoryWriter",
    "Place",
    "StoredTrials",
    "TeamWriter",
    "Unreachable",
    "copy_runs",
    "facts_of_all",
    "has_history",
    "is_shared",
    "open_writer",
    "shown_place",
]
