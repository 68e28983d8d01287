"""pytest as a process of its own, for what only a whole process shows: signals, its death, its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

MARK = "SWAPGATE_TESTS_MARK"


def plugins(*, has_workers: bool = False) -> dict[str, str]:
    """Return the variables that give a child its plugins: to look for them takes it longer than a short run.

    Not as arguments: a command that is told to be typed again names those.
    """
    named = ["swapgate.plugin", *(["xdist.plugin", "xdist.looponfail"] if has_workers else [])]
    return {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": ",".join(named)}


def start_pytest(root: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Start pytest in a workspace, its output on one pipe; `environ` are further variables."""
    given = plugins(has_workers=any(argument.startswith("-n") for argument in arguments))
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=root,
        env={**os.environ, **given, **environ, "PYTHONPATH": str(Path(__file__).parents[1] / "evals")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# How long something may take that is quick where nothing else runs: enough for the busiest machine. What
# would not end at all takes longer than this.
PATIENCE_S = 120.0


def wait_for(condition: Callable[[], bool], *, limit_s: float = PATIENCE_S) -> None:
    """Return once the condition holds."""
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def marked(mark: Path) -> list[int]:
    """Return the processes in whose environment the variable MARK is this path: children inherit it."""
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _has_mark(folder, mark)]


def _has_mark(process: Path, mark: Path) -> bool:
    try:
        return f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
