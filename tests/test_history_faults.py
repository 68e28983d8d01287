"""What can be wrong with the file of a history: told with the place, the reason and the remedy."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ruin import become_nobody, failing, reachable
from swapgate.cli import main
from swapgate.errors import ExitCode, StoreError, UsageError
from swapgate.facts import facts_of
from swapgate.memory.history import Choice, History, HistoryWriter, StoredTrials
from swapgate.records import Answer, ModelIdentity, Response, Run, Trial
from swapgate.spec.settings import resolve_settings
from workspaces import RIGHT, recorded_workspace

RUN = Run(
    id="20260101-000000-aaaaaa",
    started_at="2026-01-01T00:00:00.000+00:00",
    models=(ModelIdentity(name="m", provider="p", model="m"),),
    suites=("s",),
    planned=2,
)
TRIAL = Trial(suite="s", case="c", model="m", answer=Answer(response=Response(text="x" * 2000), model="m"))


def write(path: Path, *trials: Trial) -> None:
    writer = HistoryWriter(path, RUN)
    for trial in trials:
        writer.add(trial)
    writer.finish(RUN)


def test_a_full_disk_is_told_with_what_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "history.db"

    def act() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        write(path, *(replace(TRIAL, case=f"c{n:04d}") for n in range(1000)))

    said = failing(act)
    assert said.startswith(f"{path}: ")
    assert "records could not be stored: " in said
    assert said.endswith("Free the disk or mend it, and run again") or "Free the disk and run" in said
    with closing(History(path)) as history:
        assert history.find(RUN.id) == RUN


def test_a_run_on_a_full_disk_has_its_verdict_and_reports_that_say_what_they_lack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded_workspace(tmp_path, {"new": {f"c{n:03d}": RIGHT for n in range(300)}}, gate="every-case")
    limited = (
        "import resource, sys, pytest; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, 250_000)); "
        "sys.exit(pytest.main(['--model=new', '--report=json', '-p', 'no:cacheprovider']))"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "evals")}
    command = [sys.executable, "-c", limited]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert "gate: PASS" in done.stdout, done.stdout + done.stderr
    assert "history.db: " in done.stdout
    assert "records could not be stored" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    path = tmp_path / "reports" / "latest" / "report.json"
    written = path.read_bytes()
    report = json.loads(written)
    listed = len(report["trials"])
    assert listed < 300
    assert report["run"]["is_complete"]
    lacking = f"{300 - listed} of the 300 trials could not be stored, and are not listed here"
    assert report["warnings"][0].startswith(lacking)
    assert f"warning: {lacking}" in done.stdout
    # What the history holds is less: it takes the place of no better report, and says what it is.
    root = ("--root", str(tmp_path))
    assert main(["report", "latest", "--report=json", *root]) == ExitCode.INTERNAL_ERROR
    assert f"the history holds {listed}: they are left as they are" in capsys.readouterr().err
    assert path.read_bytes() == written
    assert main(["report", "latest", "--report=json", "--out", str(tmp_path / "own"), *root]) == 0
    told = f"{listed} of its 300 trials are in the history, and this is of them alone"
    assert told in capsys.readouterr().err
    assert told in json.loads((tmp_path / "own" / "report.json").read_text())["warnings"][0]


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_history_that_may_not_be_written_is_told(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "state"
    path = folder / "history.db"
    write(path, TRIAL)
    reachable(tmp_path)
    if what == "folder":
        folder.chmod(0o555)
        path = folder / "new" / "history.db"
    else:
        path.chmod(0o444)
        folder.chmod(0o555)

    def act() -> None:
        become_nobody()
        write(path, TRIAL)

    said = failing(act)
    folder.chmod(0o755)
    assert said.startswith(f"{path}: ")
    assert "set `history`" in said


def test_a_history_that_another_process_holds_is_waited_for_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "history.db"
    write(path, TRIAL)
    monkeypatch.setattr("swapgate.memory.history.places.BUSY_S", 0.2)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"database is locked\. Another process has held it"):
            write(path, TRIAL)
        with closing(History(path)) as history:  # reading waits for nobody
            assert history.count(RUN.id) == 1


def test_a_damaged_file_is_told_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write(path, *(replace(TRIAL, case=f"c{n:04d}") for n in range(400)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[40_000:-40_000] = b"\xa5" * (len(content) - 80_000)
    path.write_bytes(content)
    with (
        pytest.raises(StoreError, match=r"malformed\. The file is damaged.*\.recover"),
        closing(History(path)) as history,
    ):
        list(history.trials(RUN.id))
        history.facts(RUN.id)


def test_a_record_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write(path, TRIAL)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE trials SET record = '{\"suite\": 1}'")
    with pytest.raises(StoreError, match="holds a record that cannot be read"):
        list(StoredTrials(path, RUN.id))


@pytest.mark.parametrize(
    ("change", "reading"),
    [
        ("facts SET record = '[1, 2'", lambda history: history.facts(RUN.id)),
        ("facts SET record = '[]'", lambda history: history.case_facts("s", "c")),
        ("tallies SET record = '{}'", lambda history: history.tallies([RUN.id])),
        ("runs SET record = '{}'", lambda history: history.find(RUN.id[:12])),
    ],
)
def test_whatever_cannot_be_read_is_told(
    tmp_path: Path, change: str, reading: Callable[[History], object]
) -> None:
    path = tmp_path / "history.db"
    writer = HistoryWriter(path, RUN)
    writer.add(TRIAL)
    writer.finish(RUN, facts=[facts_of(TRIAL)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE {change}")
    with (
        closing(History(path)) as history,
        pytest.raises(StoreError, match=r"history\.db: holds a record that cannot be read as \w+: .*\?$"),
    ):
        reading(history)


def test_facts_that_know_more_than_this_version_are_read(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write(path, TRIAL)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE facts SET record = substr(record, 1, length(record) - 1) || ',7]'")
    with closing(History(path)) as history:
        assert history.facts(RUN.id) == [facts_of(TRIAL)]


def test_a_version_that_is_no_number_is_told(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write(path, TRIAL)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = 'abc'")
    with pytest.raises(StoreError, match=r"says 'abc' of its version.*Move the history away"):
        History(path)


def test_a_folder_in_its_place_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / ".swapgate" / "history.db"
    folder.mkdir(parents=True)
    assert main(["history", "list", "--root", str(tmp_path)]) == 3
    assert "history.db: the history cannot be used: it is a folder. Move it away" in capsys.readouterr().err


def test_a_damaged_history_is_told_once_for_all_reports(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded_workspace(pytester.path, {"new": {"c": RIGHT}}, gate="every-case")
    path = pytester.path / ".swapgate" / "history.db"
    path.parent.mkdir()
    path.write_text("no database " * 1000, encoding="utf-8")
    monkeypatch.setenv("COLUMNS", "400")
    result = pytester.runpytest("--model=new")
    told = [line for line in result.outlines if line.startswith("swapgate: ") and "not a database" in line]
    assert len(told) == 1
    assert "The run is not stored either: mend that and run again" in told[0]


def test_names_with_lone_surrogates_and_nul_find_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write(path, TRIAL)
    with closing(History(path)) as history:
        for name in ("\ud83d", "\x00", "%", "_", "'; DROP TABLE runs --", "x" * 100_000):
            assert history.heads(Choice(model=name, suite=name)) == []
            assert history.case_facts(name, name) == []


@pytest.mark.parametrize("name", ["%", "_", "2026_101", "\\"])
def test_the_beginning_of_an_id_is_no_pattern(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / ".swapgate" / "history.db", TRIAL)
    assert main(["history", "show", name, "--root", str(tmp_path)]) == 4
    assert f"no run {name!r}" in capsys.readouterr().err


def test_a_listing_reads_no_labels_and_no_trial(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write(path, TRIAL)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET record = 'none'")
        connection.execute("DELETE FROM trials")
    with closing(History(path)) as history:
        assert [run.id for run in history.heads()] == [RUN.id]
        (tally,) = history.tallies([RUN.id])[RUN.id]
    assert json.loads(json.dumps(tally.trials)) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("runs/all.db", "{root}/runs/all.db"),
        ("/srv/all.db", "/srv/all.db"),
        ("postgresql://me:hunter22@h/db", "postgresql://me:hunter22@h/db"),
    ],
)
def test_the_setting_takes_a_path_or_a_url_and_shows_no_password(
    tmp_path: Path, given: str, expected: str
) -> None:
    settings = resolve_settings(tmp_path, {}, {"SWAPGATE_HISTORY": given})
    assert str(settings.history) == expected.format(root=tmp_path)
    assert "hunter22" not in repr(settings)


@pytest.mark.parametrize("url", ["mysql://me:hunter22@h/db", "sqlite:///hunter22.db"])
def test_a_url_of_another_database_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    for environ, options in (({"SWAPGATE_HISTORY": url}, {}), ({}, {"history": url})):
        with pytest.raises(UsageError, match="must be the path of a file, or a URL postgresql://") as caught:
            resolve_settings(tmp_path, options, environ)
        assert "hunter22" not in str(caught.value)
    (tmp_path / "pyproject.toml").write_text(f'[tool.swapgate]\nhistory = "{url}"\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"pyproject\.toml:2: ") as caught:
        resolve_settings(tmp_path, {}, {})
    assert "hunter22" not in str(caught.value)
