"""What is said of the cases that a pytest without a model has left alone."""

from __future__ import annotations

import os
from pathlib import Path

from swapgate.errors import UsageError
from swapgate.reporting.format import count


def how_to_ask(root: Path) -> str:
    """Return how a workspace's files of cases are run, an empty string where there are none.

    Mistakes in the settings are left to the run that has a model.
    """
    from swapgate.engine.workspace import Workspace
    from swapgate.spec.settings import resolve_settings

    try:
        workspace = Workspace(resolve_settings(root, {}, os.environ))
    except UsageError:
        return ""
    found = len(workspace.suite_files(workspace.settings.cases_dirs))
    if not found:
        return ""
    return (
        f"swapgate: {count(found, 'suite')} not run, since no model is named: `pytest --model=NAME`, of "
        "config/models.yml or as PROVIDER:MODEL"
    )
