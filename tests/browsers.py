"""A real browser without a window, for the pages that swapgate writes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=3000",
    "--enable-logging=stderr",
    "--dump-dom",
)


def find_browser() -> str:
    """Return the browser's path; skip without one, but fail in CI."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("no chromium: the report must be opened in CI; install the package chromium")
    if found is None:
        pytest.skip("no chromium on this machine")
    return found


def opened(browser: str, page: Path, folder: Path, fragment: str = "") -> tuple[str, list[str]]:
    """Return the page's elements once its script has run, and what the browser's console said."""
    command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", page.as_uri() + fragment]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    console = [line for line in done.stderr.decode(errors="replace").splitlines() if "CONSOLE" in line]
    return done.stdout.decode(), console
