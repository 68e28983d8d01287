"""A run told to GitHub Actions: annotations printed, the summary of the job extended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from swapgate.analysis.outcome import RunOutcome
from swapgate.errors import StoreError
from swapgate.reporting.github.annotations import annotation_lines
from swapgate.reporting.github.step_summary import add_to_summary
from swapgate.reporting.markdown.report import render


def publish(
    outcome: RunOutcome, environ: Mapping[str, str], write_line: Callable[[str], object], *, near: Path
) -> list[str]:
    """Tell what the run says if this is a job of GitHub Actions; return what could not be told.

    A shard says nothing: the job that merges the shards does. `near` is the workspace's folder.
    """
    if environ.get("GITHUB_ACTIONS") != "true" or outcome.run.shard is not None:
        return []
    summary = environ.get("GITHUB_STEP_SUMMARY")
    try:
        lines = annotation_lines(outcome, near=near)
        text = render(outcome) if summary else ""
    except StoreError:  # said already, by whoever could not write it or make a report of it
        return ["GitHub is not told of the run: its trials cannot be read back from the history"]
    for line in lines:
        write_line(line)
    problem = add_to_summary(text, Path(summary)) if summary else None
    return [problem] if problem is not None else []
