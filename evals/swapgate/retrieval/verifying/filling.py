"""The labels that are measured by: people's, and where there are none those of a judge, kept as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.errors import UsageError
from swapgate.retrieval.opening import IndexWorkspace
from swapgate.retrieval.verifying.asking import Asked
from swapgate.retrieval.verifying.grade_files import write_grades
from swapgate.retrieval.verifying.labels import Labels, labels_file
from swapgate.retrieval.verifying.pooling import pool
from swapgate.retrieval.verifying.preparing import Prepared
from swapgate.retrieval.verifying.verification import Graded
from swapgate.spec.index_verify import VerifyEntry
from swapgate.spec.source import shown_path

if TYPE_CHECKING:
    from swapgate.engine.runner import Progress
    from swapgate.retrieval.verifying.grading import Grades


def filled_labels(
    workspace: IndexWorkspace,
    prepared: Prepared,
    asked: Sequence[Asked],
    draw: Callable[[Progress], None],
) -> tuple[Labels, Graded | None]:
    """Return the labels, and what the judge did where one is named."""
    if prepared.grader is None:
        return prepared.people, None
    from swapgate.engine.workspace import Workspace
    from swapgate.retrieval.verifying.grading import graded, together

    settings, people = prepared.settings, prepared.people
    path = _grades_path(workspace, settings)
    found = pool(asked, people, depth=settings.deepest, checked=settings.checked)
    said = graded(Workspace(workspace.settings), prepared.grader, found, people, draw=draw)
    name = prepared.grader.judge.spec.judge
    write_grades(path, people=people, judge=said.labels, pooled=found.unlabelled, name=name)
    shown = shown_path(path, workspace.settings.root)
    return together(people, said.labels), _graded(name, said, shown)


def _grades_path(workspace: IndexWorkspace, settings: VerifyEntry) -> Path:
    root = workspace.settings.root
    default = workspace.settings.reports_dir / "index" / "grades.qrels"
    path = root / settings.grades if settings.grades else default
    read = labels_file(settings.qrels, settings.queries, root=root)
    if read is not None and read.resolve() in {path.resolve(), path.with_suffix(".jsonl").resolve()}:
        raise UsageError(f"verify: grades: {path.name!r} would take the place of the labels that are read")
    return path


def _graded(name: str, said: Grades, path: str) -> Graded:
    agreed = said.agreement
    return Graded(
        judge=name,
        graded=said.asked - said.failed,
        failed=said.failed,
        first_error=said.first_error,
        paid_usd=said.paid_usd,
        checked=0 if agreed is None else agreed.checked,
        kappa=None if agreed is None else agreed.kappa,
        exact=None if agreed is None else agreed.exact,
        within_one=None if agreed is None else agreed.within_one,
        path=path,
    )
