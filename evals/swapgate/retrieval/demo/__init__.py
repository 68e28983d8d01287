"""A small corpus and a folder to migrate it in: an insurer's help centre with leaflets of its pharmacy.

Everything was written for swapgate; the drugs do not exist.
"""

from __future__ import annotations

from swapgate.retrieval.demo.corpus import Question, documents, questions
from swapgate.retrieval.demo.folder import lay

__all__ = ["Question", "documents", "lay", "questions"]
