"""Runs and trials remembered."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from swapgate.errors import StoreError, UsageError
from swapgate.memory.history import SCHEMA_VERSION, History, HistoryWriter, StoredTrials
from swapgate.records import Answer, CheckResult, Finding, ModelIdentity, Response, Run, Trial

RUN = Run(
    id="20260101-000000-aaaaaa",
    started_at="2026-01-01T00:00:00+00:00",
    models=(ModelIdentity(name="m", provider="p", model="m"),),
    planned=2,
)
TRIAL = Trial(
    suite="s",
    case="c",
    model="m",
    answer=Answer(response=Response(text="x\x00y\u202e"), model="m", cost_usd=0.5),
    checks=(CheckResult(check="json", kind="structural", passed=False, findings=(Finding(message="no"),)),),
)


def stored(path: Path, run: Run, *trials: Trial) -> None:
    writer = HistoryWriter(path, run)
    for trial in trials:
        writer.add(trial)
    writer.finish(replace(run, is_complete=True))


def test_run_and_trials_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    stored(path, RUN, TRIAL, replace(TRIAL, case="b"))
    history = History(path)
    assert history.find(RUN.id) == replace(RUN, is_complete=True)
    assert list(history.trials(RUN.id)) == [replace(TRIAL, case="b"), TRIAL]
    history.close()


def test_trial_stored_twice_replaces_the_first(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    stored(path, RUN, TRIAL, replace(TRIAL, line=7))
    history = History(path)
    assert [t.line for t in history.trials(RUN.id)] == [7]
    history.close()


def test_runs_are_found_by_id_beginning_and_latest(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    newer = replace(RUN, id="20260202-000000-bbbbbb", started_at="2026-02-02T00:00:00+00:00")
    stored(path, RUN)
    stored(path, newer)
    history = History(path)
    assert history.find("latest").id == newer.id
    assert history.find("20260101").id == RUN.id
    assert [run.id for run in history.runs()] == [newer.id, RUN.id]
    with pytest.raises(UsageError, match="the name of the run is empty"):
        history.find("")
    with pytest.raises(UsageError, match="ambiguous"):
        history.find("2026")
    with pytest.raises(UsageError, match=r"no run '20260101-000000-aaaaab'.*Did you mean"):
        history.find("20260101-000000-aaaaab")
    history.close()


def test_history_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    stored(path, RUN)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = ?", (str(SCHEMA_VERSION + 1),))
    connection.close()
    with pytest.raises(StoreError, match="newer swapgate"):
        History(path)


def test_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_text("not a database at all, only some text that goes on and on" * 30)
    with pytest.raises(StoreError, match=r"history\.db.*Move the file away"):
        History(path)


def test_writer_says_what_it_lost_when_the_file_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_text("not a database at all, only some text that goes on and on" * 30)
    writer = HistoryWriter(path, RUN)
    writer.add(TRIAL)
    with pytest.raises(StoreError, match=r"history\.db"):
        writer.finish(RUN)


def test_stored_trials_are_read_in_order_each_time_with_those_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    passed = replace(TRIAL, checks=(), case="b")
    older = replace(passed, case="a", model="m@older", role="baseline")
    stored(path, RUN, TRIAL, passed)
    trials = StoredTrials(path, RUN.id, beside=[older])
    assert len(trials) == 3
    assert list(trials) == list(trials) == [older, passed, TRIAL]
    assert trials[-1] == TRIAL
    assert list(trials.of_outcome("passed")) == [older, passed]
    assert list(trials.of_outcome("missed")) == [TRIAL]


def test_history_that_takes_nothing_is_told_before_anything_is_run(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_text("no database, but long enough to be taken for one " * 50, encoding="utf-8")
    writer = HistoryWriter(path, RUN)
    with pytest.raises(StoreError, match="cannot be used"):
        writer.require_open()
