"""The inputs of the workspace's cases, for people who label: the same for every model."""

from __future__ import annotations

from collections.abc import Mapping

from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.errors import UsageError
from swapgate.judging.subject import Judged
from swapgate.spec.settings import Settings


def case_inputs(settings: Settings) -> dict[tuple[str, str], tuple[str, Mapping[str, str]]]:
    """Return each case's hash and the parts of its input by suite and case.

    A suite that cannot be read today is left out: its responses are shown with the prompt that was sent.
    """
    workspace, found = Workspace(settings), {}
    for file in workspace.suite_files(settings.cases_dirs):
        try:
            suite = workspace.suite(file)
        except UsageError:
            continue
        found.update(_inputs(suite))
    return found


def _inputs(suite: ReadySuite) -> dict[tuple[str, str], tuple[str, Mapping[str, str]]]:
    found: dict[tuple[str, str], tuple[str, Mapping[str, str]]] = {}
    for ready in suite.cases:
        case = ready.placed.case
        parts = Judged(output="", variables=case.input, messages=case.messages).input_parts
        found[suite.name, case.id] = (ready.content_hash, parts)
    return found
