"""Relevance labels (qrels), read in TREC's, BEIR's and plain forms."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import field
from pathlib import Path

from swapgate.errors import UsageError
from swapgate.retrieval.verifying.queries import QUERY_ID
from swapgate.retrieval.verifying.rows import Row, read_rows
from swapgate.spec.source import shown_path, why_no_file
from swapgate.values import Value

_DOCUMENT = ("corpus-id", "doc_id", "docid", "document", "doc", "corpus_id", "document_id")
_GRADE = ("score", "relevance", "rel", "grade", "label")
_COLUMNS = (("query-id", "corpus-id", "score"), ("query-id", "iteration", "corpus-id", "score"))
_HIGHEST = 100
_BEIR = Path("qrels") / "test.tsv"


class Labels(Value):
    """Grades of documents, by query; 0 is not relevant. `lowered` counts those that were written below 0.

    `strangers` are labelled queries that are not among those asked.
    """

    grades: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    lowered: int = 0
    strangers: int = 0

    def of(self, query: str) -> Mapping[str, int]:
        """Return the grades of one query's documents."""
        return self.grades.get(query, {})

    @property
    def highest(self) -> int:
        """The highest grade of all."""
        return max((grade for documents in self.grades.values() for grade in documents.values()), default=0)

    def has_relevant(self, query: str, *, relevant_from: int) -> bool:
        """Whether a query has a document that counts as relevant."""
        return any(grade >= relevant_from for grade in self.of(query).values())


def labels_file(written: str | None, queries: str | None, *, root: Path) -> Path | None:
    """Return the file of labels: the one that is written, or the test split of BEIR's folder."""
    if written is None:
        beside = None if queries is None else root / queries / _BEIR
        return beside if beside is not None and beside.is_file() else None
    path = root / written
    if not path.is_file():
        raise UsageError(f"verify: qrels: {shown_path(path, root)}: {why_no_file(path)}")
    return path


def read_labels(path: Path, *, asked: Collection[str], root: Path) -> Labels:
    """Return the labels of the queries that are asked; raise SpecError at the first that is none.

    Raises UsageError where none is about a query that is asked.
    """
    shown = shown_path(path, root)
    grades: dict[str, dict[str, int]] = {}
    lines: dict[tuple[str, str], int] = {}
    strangers: dict[str, None] = {}
    lowered = 0
    for row in read_rows(path, root=root, columns=_COLUMNS):
        query = row.value(QUERY_ID, noun="query's id")
        document = row.value(_DOCUMENT, noun="document's id")
        grade = _grade(row)
        if query not in asked:
            strangers[query] = None
            continue
        of_query = grades.setdefault(query, {})
        before = of_query.get(document)
        if before is not None and before != max(grade, 0):
            first = lines[query, document]
            raise row.error(
                f"the document {document!r} has another grade for the query {query!r}: in line {first}"
            )
        lowered += grade < 0
        of_query[document] = max(grade, 0)
        lines[query, document] = row.line
    if not grades:
        named = f"such as {next(iter(strangers))!r}" if strangers else "the file is empty"
        raise UsageError(f"{shown}: no label is about one of the {len(asked):,} queries ({named})")
    return Labels(grades=grades, lowered=lowered, strangers=len(strangers))


def _grade(row: Row) -> int:
    written = row.value(_GRADE, noun="grade")
    try:
        grade = float(written)
    except ValueError:
        grade = math.nan
    if not grade.is_integer() or not -_HIGHEST <= grade <= _HIGHEST:
        raise row.error(f"a grade is a whole number up to {_HIGHEST}, got {written!r}")
    return int(grade)
