"""The live line: what it says, and that it never touches pytest's own output."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from swapgate.engine.batch import BatchProgress
from swapgate.engine.runner import Progress
from swapgate.reporting.terminal.progress import Speed, batch_text, progress_text
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


def test_text_names_what_is_done_left_spent_and_running() -> None:
    progress = Progress(planned=60, finished=12, in_flight=16, calls=30, cost_usd=0.0042)
    assert progress_text(progress, speed=3.0) == "12/60 | 0:16 left | $0.0042 | 3.0/s | 16 in flight"


def test_text_names_errors_and_what_the_budget_is() -> None:
    progress = Progress(planned=60, finished=12, in_flight=16, calls=30, cost_usd=1.5, errored=2)
    text = progress_text(progress, speed=0.1, max_cost=5)
    assert text == "12/60 | 2 errors | 8:00 left | $1.50 of $5.00 | 0.1/s | 16 in flight"


@pytest.mark.parametrize("room", range(1, 80))
def test_text_keeps_whole_what_fits_and_what_matters_most(room: int) -> None:
    progress = Progress(planned=60, finished=12, in_flight=16, calls=30, cost_usd=1.5, errored=2)
    whole = progress_text(progress, speed=0.1, max_cost=5)
    text = progress_text(progress, speed=0.1, max_cost=5, room=room)
    assert len(text) <= room
    assert whole.startswith(text)
    assert room < 5 or text.split(" | ") == whole.split(" | ")[: text.count(" | ") + 1]


def test_speed_forgets_what_the_cache_gave_at_once() -> None:
    speed = Speed(0.0)
    assert speed.at(1.0, 500) == 500
    for second in range(2, 60):
        now = speed.at(float(second), 500 + second)
    assert 1.0 <= now < 1.1


def test_speed_of_nothing_is_nothing() -> None:
    assert Speed(5.0).at(5.0, 3) == 0.0


def test_text_says_first_how_far_the_batches_are() -> None:
    batch = BatchProgress(requests=847, done=312, services=("openai",), age_s=42.4)
    progress = Progress(planned=900, finished=53, in_flight=0, calls=53, cost_usd=0.1, batch=batch)
    assert progress_text(progress, speed=0) == (
        "batch: 847 requests at openai, 312 done, submitted 0:42 ago | 53/900 | $0.10 | 0 in flight"
    )
    assert batch_text(replace(batch, requests=1, age_s=3 * 3600 + 65)).endswith("submitted 3:01:05 ago")
