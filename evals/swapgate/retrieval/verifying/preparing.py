"""What is known before the first query: whom to ask what, and how to tell what is relevant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapgate.errors import UsageError
from swapgate.retrieval.opening import IndexWorkspace
from swapgate.retrieval.state import StateStore
from swapgate.retrieval.verifying.labels import Labels, labels_file, read_labels
from swapgate.retrieval.verifying.measuring import parse_metrics
from swapgate.retrieval.verifying.queries import Query, drawn, queries_file, read_queries, recorded_queries
from swapgate.retrieval.verifying.verification import LabelSource
from swapgate.spec.index_verify import SHADOW, VerifyEntry
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.retrieval.verifying.grading import Grader

_JUDGED_QUERIES = 100


class Prepared(Value):
    """Queries, people's labels, and who grades the rest; `without_labels` counts queries that are not asked.

    `documents` says that results are documents, of which an index holds chunks.
    """

    settings: VerifyEntry
    queries: list[Query]
    people: Labels
    without_labels: int
    grader: Grader | None
    relevant_from: int
    documents: bool

    @property
    def source(self) -> LabelSource:
        """Whose labels they are."""
        if self.grader is None:
            return "qrels" if self.people.grades else "none"
        return "qrels and judge" if self.people.grades else "judge"


def prepare(workspace: IndexWorkspace, store: StateStore, settings: VerifyEntry) -> Prepared:
    """Read queries and labels, and find the judge; UsageError before anything is paid."""
    root = workspace.settings.root
    queries = _queries(workspace, store, settings)
    path = labels_file(settings.qrels, settings.queries, root=root)
    ids = {one.id for one in queries}
    people = Labels() if path is None else read_labels(path, asked=ids, root=root)
    known = queries if path is None else [one for one in queries if one.id in people.grades]
    grader, is_binary = _grader(workspace, settings, people)
    passes_from = 1 if grader is None or is_binary else grader.passes_from
    relevant_from = settings.relevant_from or passes_from
    parse_metrics(list(settings.metrics), relevant_from=relevant_from)
    limit = settings.limit or (None if grader is None else _JUDGED_QUERIES)
    return Prepared(
        settings=settings,
        queries=drawn(known, limit, seed=settings.seed),
        people=people,
        without_labels=len(queries) - len(known),
        grader=grader,
        relevant_from=relevant_from,
        documents=workspace.file.chunk is not None if settings.documents is None else settings.documents,
    )


def _queries(workspace: IndexWorkspace, store: StateStore, settings: VerifyEntry) -> list[Query]:
    if settings.queries is None:
        raise UsageError(
            "no queries are named: `verify: {queries: FILE, qrels: FILE}` in the file of the migration, or "
            f"`queries: {SHADOW}` for those that routers recorded"
        )
    if settings.queries == SHADOW:
        return recorded_queries(store.shadow_reads(workspace.name))
    root = workspace.settings.root
    return read_queries(queries_file(settings.queries, root=root), settings, root=root)


def _grader(workspace: IndexWorkspace, settings: VerifyEntry, people: Labels) -> tuple[Grader | None, bool]:
    """Return who grades what has no label, None where nobody does; and whether only yes or no counts."""
    if settings.judge is None:
        return None, False
    from swapgate.engine.workspace import Workspace
    from swapgate.retrieval.verifying.grading import find_grader, is_binary

    grader = find_grader(Workspace(workspace.settings), settings.judge)
    return grader, is_binary(people, grader)
