"""A history and a cache where nothing can be written: read all the same, and what would write says so."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ruin import become_nobody, failing, filled_history, mounted, reachable
from swapgate.cli import main
from swapgate.errors import ExitCode
from swapgate.memory.history import History
from swapgate.records import PromotedRun
from workspaces import BLIND, RIGHT, recorded_workspace

RUN = "20260101-000000-aaaaaa"


def unwritable(folder: Path) -> None:
    """Take the right to write from a folder and all that is in it."""
    reachable(folder)
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.mark.parametrize("what", ["all of it", "the file"])
def test_a_history_without_the_right_to_write_is_read_and_nothing_is_made_beside_it(
    tmp_path: Path, what: str
) -> None:
    path = filled_history(tmp_path, trials=3)
    unwritable(path.parent)
    if what == "the file":
        path.parent.chmod(0o777)

    def act() -> None:
        become_nobody()
        with closing(History(path)) as history:
            assert [run.id for run in history.runs()] == [RUN]
            assert len(list(history.trials(RUN))) == 3
            assert len(history.facts(RUN)) == 3
            # Of a run without tallies they are counted, and not kept.
            assert history.tallies([RUN])[RUN][0].trials == 3
            assert [one.name for one in path.parent.iterdir()] == ["history.db"]
            promoted = PromotedRun(
                name="main",
                run_id=RUN,
                model="m",
                promoted_at=datetime.now(UTC).isoformat(),
                promoted_by="me",
                why="",
            )
            history.promote(promoted)

    said = failing(act)
    assert said == (
        f"{path}: the history cannot be used: attempt to write a readonly database. "
        "Give yourself the right to write the file and its folder, or set `history` elsewhere"
    )


@pytest.mark.parametrize("is_shared", [True, False], ids=["with -shm", "without -shm"])
def test_what_a_killed_run_has_left_beside_it_is_read_or_missed_aloud(
    tmp_path: Path, is_shared: bool
) -> None:
    path = filled_history(tmp_path, trials=1)
    carried = tmp_path / "carried"
    carried.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE trials SET case_id = 'changed last'")
        connection.commit()
        for file in path.parent.iterdir():
            if is_shared or not file.name.endswith("-shm"):
                shutil.copy(file, carried)
    assert (carried / "history.db-wal").stat().st_size > 0
    unwritable(carried)

    def act() -> None:
        become_nobody()
        with closing(History(carried / "history.db")) as history:
            assert next(iter(history.texts(RUN)))[0][1] == "changed last"

    told = "history.db: the history cannot be used: unable to open database file. Give yourself the right to"
    assert ("" if is_shared else told) in failing(act)
    if is_shared:
        assert failing(act) == ""


def test_an_older_versions_history_is_not_brought_to_this_ones_form_there(tmp_path: Path) -> None:
    path = filled_history(tmp_path, trials=1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '2'")
    unwritable(path.parent)

    def act() -> None:
        become_nobody()
        History(path)

    assert re.search(
        r"history\.db: was written by an older swapgate \(schema 2\).* set `history` to the copy",
        failing(act),
    )


def test_every_command_that_reads_works_on_a_read_only_mount(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = pytester.path
    recorded_workspace(root, {"old": {"one": RIGHT}, "new": {"one": BLIND}}, gate="every-case")
    pytester.runpytest("--model=old", "--report=none")
    pytester.runpytest("--model=new", "--report=none")
    capsys.readouterr()
    where = ("--root", str(root))
    with mounted(root, "bind"):
        with closing(History(root / ".swapgate" / "history.db")) as history:
            newest, oldest = (run.id for run in history.runs())
        for command in (
            ("history", "list"),
            ("history", "show", "latest"),
            ("history", "export", str(tmp_path / "all.jsonl")),
            ("history", "import", str(tmp_path / "all.jsonl"), "--root", str(tmp_path)),
            ("report", "latest", "--report=json", "--out", str(tmp_path / "out")),
            ("compare", oldest, newest),
            ("drift",),
            ("cache", "stats"),
            ("judge", "list"),
        ):
            code = main([*command, *(() if "--root" in command else where)])
            said = capsys.readouterr()
            assert code != ExitCode.INTERNAL_ERROR, said.err
            assert "cannot be" not in said.err
        assert main(["history", "baseline", "set", "latest", *where]) == ExitCode.INTERNAL_ERROR
        assert "attempt to write a readonly database. Give yourself" in capsys.readouterr().err
        assert main(["report", "latest", *where]) == ExitCode.INTERNAL_ERROR
        assert "report.json, report.md, report.html: the reports cannot be written: Read-only" in (
            capsys.readouterr().err
        )


def test_a_replay_reads_recordings_on_a_read_only_mount(pytester: pytest.Pytester, tmp_path: Path) -> None:
    recorded_workspace(pytester.path, {"new": {"one": RIGHT}}, gate="every-case")
    pytester.makepyfile(app='def answer(message):\n    return \'{"label": "billing"}\'\n')
    model = "--model=python:app:answer"
    assert pytester.runpytest(model, "--report=none").ret == 0
    pytester.makepyfile(app="def answer(message):\n    raise RuntimeError\n")
    with mounted(pytester.path, "bind"):
        elsewhere = f"--swapgate-history={tmp_path / 'h.db'}"
        again = pytester.runpytest(model, "--report=none", "--replay", elsewhere, "-p", "no:cacheprovider")
        again.stdout.fnmatch_lines(["from the cache: 1 of 1 response", "gate: PASS *"])
        refused = pytester.runpytest(model, "--report=none", "--replay", "-p", "no:cacheprovider")
        assert refused.ret == ExitCode.USAGE_ERROR
        refused.stderr.fnmatch_lines(["ERROR: *history.db: *set `history` elsewhere"])


def test_a_history_is_read_on_a_disk_that_is_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = filled_history(tmp_path, trials=1)
    with mounted(tmp_path / "small", "size=300k") as small:
        shutil.copy(path, small)
        with suppress(OSError), (small / "other").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 1024)
        (tmp_path / "pyproject.toml").write_text("[tool.swapgate]\nhistory = 'small/history.db'\n")
        where = ("--root", str(tmp_path))
        for _again in range(2):
            assert main(["history", "list", *where]) == ExitCode.OK
            assert RUN in capsys.readouterr().out
        assert main(["history", "baseline", "set", RUN, *where]) != ExitCode.OK
