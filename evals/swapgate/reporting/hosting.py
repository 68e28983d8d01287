"""What only the place of a report knows: the workspace, and where others can read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from swapgate.values import replace

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.spec.settings import Settings


def placed(outcome: RunOutcome, settings: Settings, environ: Mapping[str, str]) -> RunOutcome:
    """Return the outcome as this workspace reports it: with its folder and the full report's address."""
    url = link_to_reports(settings.report_url, environ, outcome.run.id)
    return replace(outcome, report_url=url, workspace=settings.root)


def link_to_reports(report_url: str | None, environ: Mapping[str, str], run_id: str) -> str | None:
    """Return the address of the full report; None where nothing tells it.

    `report_url` is the user's, in which `{run}` stands for the run's id. Else it is the page with the run's
    artifacts in GitHub Actions, in GitLab the job's own.
    """
    if report_url is not None:
        return report_url.replace("{run}", run_id)
    actions = [environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    if environ.get("GITHUB_ACTIONS") == "true" and all(actions):
        server, repository, run = actions
        return f"{server}/{repository}/actions/runs/{run}#artifacts"
    if job := environ.get("CI_JOB_URL"):
        return f"{job}/artifacts/browse"
    return None
