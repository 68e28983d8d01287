"""The live line: what it says, and that it never touches pytest's own output."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from swapgate.driving.progress import batch_text, progress_text
from swapgate.engine.batch import BatchProgress
from swapgate.engine.runner import Progress
from workspaces import case, lay, suite

SLOW = "import time\ndef answer(message):\n    time.sleep(0.4)\n    return 'fine'\n"


def lay_slow(root: Path, cases: int) -> None:
    head = "suite: slow\nprompt: {user: '{{ message }}'}\n"
    gate = {"structural": {"min": 0.5, "on": "point"}}
    lay(
        root,
        {
            "cases/slow.yml": suite([case(f"case-{n}") for n in range(cases)], head=head, gate=gate),
            "app.py": SLOW,
            "config/models.yml": "models: {slow: {provider: python, model: 'app:answer'}}\n",
        },
    )


def run_in_terminal(root: Path, *arguments: str) -> str:
    """Run pytest in a pseudo-terminal of 80 columns and return everything it wrote."""
    controller, terminal = pty.openpty()
    source = str(Path(__file__).parents[1] / "evals")
    environment = {**os.environ, "PYTHONPATH": source, "TERM": "xterm", "COLUMNS": "80"}
    for name in ("NO_COLOR", "CI", "PY_COLORS"):
        environment.pop(name, None)
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "--model=slow", "--concurrency=2", *arguments],
        cwd=root,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        written = b""
        while chunk := _read(controller):
            written += chunk
        os.close(controller)
    assert process.returncode == 0, written.decode()
    return written.decode()


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 65536)
    except OSError:  # the other end has hung up
        return b""


def test_terminal_shows_progress_that_leaves_pytests_line_whole(tmp_path: Path) -> None:
    lay_slow(tmp_path, 6)
    written = run_in_terminal(tmp_path)
    drawn = re.findall(r"\x1b7.*?\x1b8", written, re.DOTALL)
    assert any("/6" in line and "in flight" in line for line in drawn)
    left = re.sub(r"\x1b7.*?\x1b8", "", written, flags=re.DOTALL)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", left)
    assert re.search(r"cases/slow\.yml \.{6} +\[100%\]", plain)


def test_nothing_is_drawn_where_output_is_no_terminal(tmp_path: Path) -> None:
    lay_slow(tmp_path, 2)
    source = str(Path(__file__).parents[1] / "evals")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--model=slow"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        check=True,
    )
    assert b"\x1b" not in done.stdout


def test_text_names_what_is_done_running_spent_and_left() -> None:
    progress = Progress(planned=60, finished=12, in_flight=16, calls=30, cost_usd=0.0042)
    assert progress_text(progress, elapsed_s=4) == "12/60 | 16 in flight | $0.0042 | 3.0/s | 0:16 left"


def test_text_says_first_how_far_the_batches_are() -> None:
    batch = BatchProgress(requests=847, done=312, services=("openai",), age_s=42.4)
    progress = Progress(planned=900, finished=53, in_flight=0, calls=53, cost_usd=0.1, batch=batch)
    assert progress_text(progress, elapsed_s=0) == (
        "batch: 847 requests at openai, 312 done, submitted 0:42 ago | 53/900 | 0 in flight | $0.10"
    )
    assert batch_text(replace(batch, requests=1, age_s=3 * 3600 + 65)).endswith("submitted 3:01:05 ago")
