"""Where a run's reports can be read by others: a link for those who see no more than a comment."""

from __future__ import annotations

from collections.abc import Mapping


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
