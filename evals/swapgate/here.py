"""Who works here, and what git says of a folder."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

_TIMEOUT_S = 10


def git_says(folder: Path, *arguments: str) -> str | None:
    """Return what git prints about a folder; None outside a repository, or without git."""
    try:
        done = subprocess.run(  # noqa: S603 - the callers' own words
            ["git", *arguments],  # noqa: S607 - whichever git the user has
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def login() -> str | None:
    """Return the user's name on this machine; None where there is none, as in many containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None


def who_works(folder: Path) -> str:
    """Return who works in a folder, as git knows them, or else the system."""
    return (git_says(folder, "config", "user.name") or "").strip() or login() or "unknown"
