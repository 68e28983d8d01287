"""Histories that earlier versions wrote: opened, brought to this version's form once, nothing lost.

`histories/version-N.db` were written by swapgate of schema N: see `histories/make.py`.
"""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from swapgate.errors import StoreError
from swapgate.facts import Facts, facts_of
from swapgate.memory.history import SCHEMA_VERSION, Choice, History, HistoryWriter
from swapgate.memory.history.tables import tables

HISTORIES = Path(__file__).parent / "histories"
OLD = sorted(HISTORIES.glob("version-*.db"))


@pytest.fixture(params=OLD, ids=lambda path: path.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copy(request.param, tmp_path / "history.db"))


def in_sqlite(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def test_there_is_a_file_of_every_earlier_version() -> None:
    assert [path.stem for path in OLD] == [f"version-{number}" for number in range(1, SCHEMA_VERSION)]


def _unworded(facts: Facts) -> Facts:
    return facts._replace(reason="said" if facts.reason else "")


def test_an_old_history_is_read_whole(old: Path) -> None:
    runs, trials = in_sqlite(old, "SELECT id FROM runs"), in_sqlite(old, "SELECT record FROM trials")
    with closing(History(old)) as history:
        found = history.runs()
        assert sorted(run.id for run in found) == sorted(row[0] for row in runs)
        read = [trial for run in found for trial in history.trials(run.id)]
        assert len(read) == len(trials) == 12
        # What is stored tells a reason in the words of its time.
        assert [[_unworded(facts) for facts in history.facts(run.id)] for run in found] == [
            [_unworded(facts_of(trial)) for trial in history.trials(run.id)] for run in found
        ]
        hostile = next(trial for trial in read if trial.case == "d" and trial.model == "new")
        assert hostile.answer is not None
        assert hostile.answer.response.text == "\x00\u202e\x1b[31m<script>"


def test_runs_of_an_old_history_are_chosen_listed_and_counted(old: Path) -> None:
    with closing(History(old)) as history:
        (newer,) = history.heads(Choice(model="new", suite="triage", is_whole=True))
        assert newer.baseline == "old"
        assert history.count_runs(Choice(model="old")) == 2
        tallies = {tally.model: tally for tally in history.tallies([newer.id])[newer.id]}
        assert (tallies["new"].trials, tallies["new"].passed, tallies["new"].missed) == (4, 2, 2)
        assert (tallies["old"].role, tallies["old"].passed) == ("baseline", 3)
        assert len(history.case_facts("triage", "b")) == 3


def test_facts_of_the_first_version_are_made_once_and_then_kept(tmp_path: Path) -> None:
    path = Path(shutil.copy(HISTORIES / "version-1.db", tmp_path / "history.db"))
    with closing(History(path)) as history:
        run = history.find("latest")
        made = history.facts(run.id)
    assert len(made) == 8
    in_sqlite(path, "DELETE FROM trials")
    with closing(History(path)) as history:
        assert history.facts(run.id) == made
        assert history.facts(run.id, model="new") == [one for one in made if one.model == "new"]


def test_an_old_history_is_brought_to_the_form_of_a_new_one(old: Path, tmp_path: Path) -> None:
    for path in (old, tmp_path / "new.db"):
        History(path).close()
    for table in tables().metadata.tables:
        columns = [
            [(name, is_key) for _, name, _, _, _, is_key in in_sqlite(path, f"PRAGMA table_info({table})")]
            for path in (old, tmp_path / "new.db")
        ]
        assert columns[0] == columns[1], table
    assert in_sqlite(old, "SELECT value FROM meta") == [(str(SCHEMA_VERSION),)]


def test_an_old_history_takes_new_runs(old: Path) -> None:
    with closing(History(old)) as history:
        run = history.find("latest")
        trials = list(history.trials(run.id))
    writer = HistoryWriter(old, replace(run, id="zzz", started_at="2099-01-01T00:00:00.000+00:00"))
    for trial in trials:
        writer.add(trial)
    writer.finish(writer.run)
    with closing(History(old)) as history:
        assert history.find("latest").id == "zzz"
        assert list(history.trials("zzz")) == trials


def _open(path: Path, barrier: object, told: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    try:
        with closing(History(path)) as history:
            told.put([run.id for run in history.heads()])  # type: ignore[attr-defined]
    except Exception as exc:
        told.put(repr(exc))  # type: ignore[attr-defined]


def test_twenty_processes_that_open_an_old_history_at_once_change_it_once(old: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, told = context.Barrier(20), context.Queue()
    processes = [context.Process(target=_open, args=(old, barrier, told)) for _ in range(20)]
    for process in processes:
        process.start()
    answers = [told.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    with closing(History(old)) as history:
        assert answers == [[run.id for run in history.heads()]] * 20
    assert in_sqlite(old, "SELECT count(*) FROM run_names WHERE kind = 'suite'") == [(2,)]
    assert in_sqlite(old, "SELECT name, value FROM meta") == [("schema_version", str(SCHEMA_VERSION))]


def test_a_change_that_breaks_off_leaves_the_old_history_as_it_was(old: Path) -> None:
    in_sqlite(old, "UPDATE runs SET record = '{}' WHERE id = (SELECT max(id) FROM runs)")
    before = in_sqlite(old, "SELECT * FROM sqlite_master ORDER BY name")
    with pytest.raises(StoreError, match=r"history\.db: holds a record that cannot be read as Run"):
        History(old)
    assert in_sqlite(old, "SELECT * FROM sqlite_master ORDER BY name") == before
    assert in_sqlite(old, "SELECT value FROM meta") < [(str(SCHEMA_VERSION),)]


def test_a_history_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    History(path).close()
    in_sqlite(path, f"UPDATE meta SET value = '{SCHEMA_VERSION + 1}'")
    content = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer swapgate .*Install a newer swapgate, or set `history`"):
        History(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    in_sqlite(path, "CREATE TABLE runs (id INTEGER)")
    with pytest.raises(StoreError, match="holds a table 'runs' that no history has made"):
        History(path)
