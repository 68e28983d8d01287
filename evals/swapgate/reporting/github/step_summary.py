"""The summary of a job of GitHub Actions: report.md, added to the file that GITHUB_STEP_SUMMARY names."""

from __future__ import annotations

from pathlib import Path

from swapgate.reporting.files import whole

# Of a step whose file is larger GitHub shows nothing at all.
MOST_BYTES = 1024 * 1024


def add_to_summary(text: str, path: Path) -> str | None:
    """Append Markdown to the summary of the step; return why that was not done, None when it was.

    Nothing here ends a run: its verdict does not depend on who shows it.
    """
    content = b"\n" + whole(text).encode()
    try:
        size = path.stat().st_size if path.exists() else 0
        if size + len(content) > MOST_BYTES:
            return f"{path}: the summary of this step is full (1 MiB), and the report was not added"
        with path.open("ab") as stream:
            stream.write(content)
    except OSError as exc:
        return f"{path}: the summary of this step cannot be written: {exc.strerror or exc}"
    return None
