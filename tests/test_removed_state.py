"""A run whose files are taken from it while it writes them, and workers that cannot write theirs."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from servers import Answer, Received, openai_completion, serving
from swapgate.errors import ExitCode
from workspaces import case, lay, suite

CASES = 200
# What a model that costs nothing does at its sixtieth call; each call is noted outside of the state folder.
REMOVES = """\
import pathlib, shutil, time
CALLS = pathlib.Path("calls.txt")
def answer(message):
    with CALLS.open("a") as calls:
        calls.write(".")
    if CALLS.stat().st_size == 60:
        shutil.rmtree(".swapgate", ignore_errors=True)  # a file that goes by itself meanwhile keeps none
    time.sleep(0.01)
    return message
"""
FULL = """\
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
def answer(message):
    return message.ljust(5_000)
"""
# The disk takes no more for a while, as one does that somebody fills and makes room on; not before the
# history is open, which takes longer than the first of these calls.
FILLS = """\
import contextlib, itertools, resource, sqlite3, time
CALLS = itertools.count(1)
def has_begun():
    with contextlib.suppress(sqlite3.OperationalError):
        with contextlib.closing(sqlite3.connect("file:.swapgate/history.db?mode=ro", uri=True)) as opened:
            return opened.execute("SELECT count(*) FROM trials").fetchone() > (0,)
def answer(message):
    called = next(CALLS)
    while called == 60 and not has_begun():
        time.sleep(0.02)
    if called in (60, 160):
        _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000 if called == 60 else hard, hard))
    return message.ljust(5_000)
"""


def run(root: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    lay(
        root,
        {
            "cases/s.yml": suite(
                [case(f"c{n}") for n in range(CASES)],
                head="suite: s\nprompt: {user: '{{ message }}'}\nchecks: [{length: {min_chars: 1}}]\n",
                gate="every-case",
            ),
            "config/models.yml": json.dumps(
                {"models": {"own": {"provider": "python", "model": "own:answer"}}}
            ),
            "own.py": code,
        },
    )
    evals = str(Path(__file__).parents[1] / "evals")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--model=own",
            "--concurrency=1",
            "-p",
            "no:cacheprovider",
            *options,
        ],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([evals, str(root)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_run_whose_cache_is_removed_stops_and_says_so(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run(tmp_path, REMOVES, *options)
    said = done.stdout + done.stderr
    assert done.returncode == ExitCode.INTERNAL_ERROR, said
    assert "cache.db: " in said
    assert "the file was removed, or replaced, while it was written" in said
    assert "gate: PASS" not in said
    assert "Traceback" not in said
    assert len((tmp_path / "calls.txt").read_text()) < CASES


def test_calls_that_waited_for_their_turn_are_not_made_once_the_cache_is_gone(
    pytester: pytest.Pytester,
) -> None:
    def answer(_request: Received) -> Answer:
        if len(server.requests) == 6:
            shutil.rmtree(pytester.path / ".swapgate")
        return Answer(openai_completion(), delay_s=0.3)

    with serving(answer) as server:
        entry = {"provider": "openai-compatible", "base_url": f"{server.url}/v1"}
        lay(
            pytester.path,
            {
                "cases/s.yml": suite([case(f"c{n}") for n in range(40)]),
                "config/models.yml": json.dumps({"models": {"m": entry}}),
            },
        )
        result = pytester.runpytest("--model=m", "--concurrency=2")
        assert result.ret == ExitCode.INTERNAL_ERROR
        assert len(server.requests) < 20
    result.stdout.fnmatch_lines(["*cache.db: * could not be stored, and will be asked again: *"])


def test_disk_that_was_full_for_a_while_has_everything_in_the_end(tmp_path: Path) -> None:
    done = run(tmp_path, FILLS)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "could not be stored" not in said
    for file, table in (("cache.db", "responses"), ("history.db", "trials")):
        with closing(sqlite3.connect(tmp_path / ".swapgate" / file)) as connection:
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (CASES,)


def test_what_a_worker_cannot_store_is_told_by_its_controller(tmp_path: Path) -> None:
    done = run(tmp_path, FULL, "-n", "2")
    said = done.stdout + done.stderr
    assert "could not be stored, and will be asked again" in said, said
    assert "Traceback" not in said
