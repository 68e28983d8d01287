"""Both indexes' results in one list, shown to real users: whose results they click is the better index's."""

from __future__ import annotations

from swapgate.retrieval.interleaving.draft import Drafted, team_draft
from swapgate.retrieval.interleaving.interleaver import AsyncInterleaver, Interleaved, Interleaver
from swapgate.retrieval.interleaving.preference import Preference, preference_of

__all__ = [
    "AsyncInterleaver",
    "Drafted",
    "Interleaved",
    "Interleaver",
    "Preference",
    "preference_of",
    "team_draft",
]
