"""A history in PostgreSQL: the same as in a file; out of reach, it costs no verdict and no trial."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from databases import PASSWORD, Gate, gate_to, new_database, start_postgres, stop_postgres
from processes import start_pytest, wait_for
from servers import Answer as Sent
from servers import openai_completion, serving
from swapgate.cli import main
from swapgate.errors import StoreError, UsageError
from swapgate.memory.history import SCHEMA_VERSION, Choice, History, HistoryWriter, Unreachable, shown_place
from swapgate.memory.history.team import TeamWriter
from swapgate.records import Answer, CheckResult, ModelIdentity, PromotedRun, Response, Run, Trial
from test_dry_run import EACH, VERDICT, answering, lay_priced
from workspaces import BLIND, RIGHT, case, lay, recorded_workspace, suite

RUN = Run(
    id="20260101-000000-aaaaaa",
    started_at="2026-01-01T00:00:00.000+00:00",
    models=(ModelIdentity(name="m", provider="p", model="m"),),
    suites=("s",),
    planned=2,
)
ENDED = replace(RUN, finished_at="2026-01-01T00:01:00.000+00:00", is_complete=True)
TRIAL = Trial(
    suite="s",
    case="c",
    model="m",
    answer=Answer(response=Response(text="x\x00y\u202e'; DROP TABLE runs"), model="m", cost_usd=0.5),
    checks=(CheckResult(check="json", kind="structural", passed=False),),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    started = start_postgres()
    yield started
    stop_postgres(started)


@pytest.fixture
def url(server: Any) -> str:
    return new_database(server)


@pytest.fixture
def gate(server: Any, url: str) -> Iterator[Gate]:
    with gate_to(server, url) as gate:
        yield gate


def write(place: Path | str, run: Run, *trials: Trial) -> None:
    writer = HistoryWriter(place, run)
    for trial in trials:
        writer.add(trial)
    writer.finish(run)


def both(url: str, tmp_path: Path) -> Iterator[History]:
    """Yield the same runs in either database."""
    for place in (url, tmp_path / "history.db"):
        newer = replace(ENDED, id="20260202-000000-bbbbbb", started_at="2026-02-02T00:00:00.000+00:00")
        write(place, RUN, TRIAL, replace(TRIAL, case="B"), replace(TRIAL, case="a"), replace(TRIAL, line=7))
        write(place, newer, replace(TRIAL, checks=(), case="a-1"), replace(TRIAL, case="a.1"))
        write(
            place,
            replace(newer, id="20260303-odd", models=(ModelIdentity(name="\x00", provider="p", model="m"),)),
        )
        with closing(History(place)) as history:
            history.promote(
                PromotedRun(name="main", run_id=newer.id, model="m", promoted_at="x", promoted_by="y")
            )
            yield history


def test_postgres_and_sqlite_answer_alike(url: str, tmp_path: Path) -> None:
    theirs, ours = [
        {
            "runs": history.runs(),
            "heads": history.heads(Choice(model="m", is_whole=True), limit=1),
            "odd": [run.id for run in history.heads(Choice(model="\x00"))],
            "since": [run.id for run in history.runs(Choice(since="2026-02", until="2026-02-02T00:00:01"))],
            "paged": [run.id for run in history.runs(limit=1, offset=1)],
            "count": history.count_runs(Choice(suite="s")),
            "found": history.find("20260101"),
            "trials": [list(history.trials(run.id)) for run in history.runs()],
            "missed": list(history.trials(RUN.id, outcome="missed", case="a")),
            "facts": [history.facts(run.id) for run in history.runs()],
            "case": history.case_facts("s", "a"),
            "tallies": history.tallies([run.id for run in history.runs()]),
            "baselines": history.baselines(),
        }
        for history in both(url, tmp_path)
    ]
    assert theirs == ours
    assert [trial.case for trial in ours["trials"][2]] == ["B", "a", "c"]
    assert [trial.line for trial in ours["trials"][2]] == [None, None, 7]
    assert ours["odd"] == ["20260303-odd"]


def _write(place: Path | str, number: int, barrier: Any, told: Any) -> None:
    run = replace(ENDED, id=f"run-{number:02d}", started_at=f"2026-01-01T00:00:{number:02d}.000+00:00")
    barrier.wait()
    try:
        write(place, run, *(replace(TRIAL, case=f"c{n:03d}") for n in range(50)))
        told.put("")
    except Exception as exc:
        told.put(repr(exc))


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_twenty_processes_that_write_at_once_lose_nothing(
    where: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place = request.getfixturevalue("url") if where == "postgres" else tmp_path / "history.db"
    context = multiprocessing.get_context("fork")
    barrier, told = context.Barrier(20), context.Queue()
    processes = [context.Process(target=_write, args=(place, n, barrier, told)) for n in range(20)]
    for process in processes:
        process.start()
    assert [told.get(timeout=60) for _ in processes] == [""] * 20
    for process in processes:
        process.join(timeout=60)
    with closing(History(place)) as history:
        runs = history.runs()
        assert [run.id for run in runs] == [f"run-{n:02d}" for n in reversed(range(20))]
        assert [history.count(run.id) for run in runs] == [50] * 20
        assert [len(history.facts(run.id)) for run in runs] == [50] * 20


def test_a_newer_version_and_a_database_of_another_program_are_refused(server: Any, url: str) -> None:
    import psycopg

    History(url).close()
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE meta SET value = %s", (str(SCHEMA_VERSION + 1),))
    with pytest.raises(StoreError, match="newer swapgate"):
        History(url)
    other = new_database(server)
    with psycopg.connect(other) as connection:
        connection.execute("CREATE TABLE trials (id INTEGER)")
    with pytest.raises(StoreError, match="holds a table 'trials' that no history has made"):
        History(other)


def test_no_message_tells_the_password(gate: Gate) -> None:
    said = [shown_place(gate.url)]
    wrong = (
        gate.url.replace("/db_", "/nodb_"),
        gate.url.replace(str(gate.port), "1"),
        gate.url.replace("127.0.0.1", "nowhere.invalid"),
        f"postgresql://me:{PASSWORD}@127.0.0.1:{gate.port}/db",
        f"{gate.url}?sslmode={PASSWORD}",
        f"postgresql://127.0.0.1:1/db?password={PASSWORD}",
    )
    for url in wrong:
        with pytest.raises((StoreError, UsageError)) as caught:
            History(url)
        said.append(str(caught.value))
    assert [text for text in said if "pl@nted" in text or "pl%40nted" in text or "0123" in text] == []


def test_a_database_that_goes_away_while_it_is_read_is_told(gate: Gate) -> None:
    write(gate.url, ENDED, TRIAL)
    with closing(History(gate.url)) as history:
        gate.shut()
        with pytest.raises(Unreachable, match="Start it, or let this machine reach it"):
            history.runs()


def test_what_a_database_lost_on_the_way_is_sent_again_at_the_end(gate: Gate, tmp_path: Path) -> None:
    writer = TeamWriter(gate.url, RUN, outbox=tmp_path / "outbox")
    writer.require_open()
    writer.add(TRIAL)
    gate.shut()
    writer.add(replace(TRIAL, case="d"))
    wait_for(lambda: writer._team._writer._failure is not None)
    gate.open()
    writer.finish(ENDED)
    assert not (tmp_path / "outbox").exists()
    with closing(History(writer.place)) as history:
        assert history.find("latest") == ENDED
        assert [trial.case for trial in history.trials(RUN.id)] == ["c", "d"]


def test_a_run_whose_database_stays_away_is_kept_and_brought_in_later(
    gate: Gate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = TeamWriter(gate.url, RUN, outbox=tmp_path / "outbox")
    gate.shut()
    writer.require_open()
    writer.add(TRIAL)
    with pytest.raises(StoreError, match=r"The run is kept in .*: `swapgate history import "):
        writer.finish(ENDED)
    assert isinstance(writer.place, Path)
    with closing(History(writer.place)) as history:
        assert list(history.trials(RUN.id)) == [TRIAL]
    gate.open()
    lay(tmp_path, {"pyproject.toml": f'[tool.swapgate]\nhistory = "{gate.url}"\n'})
    for known in (", which was there" * n for n in (0, 1)):
        assert main(["history", "import", str(writer.place), "--root", str(tmp_path)]) == 0
        assert f"run {RUN.id} with 1 trial{known}\n" in capsys.readouterr().out
    with closing(History(gate.url)) as history:
        assert history.find("latest") == ENDED


def workspace(root: Path, url: str) -> None:
    recorded_workspace(root, {"new": {"a": RIGHT, "b": BLIND}, "old": {"a": RIGHT, "b": RIGHT}})
    lay(root, {"pyproject.toml": "[tool.swapgate]\n"})


def test_runs_go_to_the_database_and_no_file_holds_the_password(
    pytester: pytest.Pytester, gate: Gate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace(pytester.path, gate.url)
    result = pytester.runpytest("--model=old", f"--swapgate-history={gate.url}")
    assert result.ret == 0
    monkeypatch.setenv("SWAPGATE_HISTORY", gate.url)
    monkeypatch.chdir(pytester.path)
    result = pytester.runpytest("--model=new", "--baseline=latest")
    result.stdout.fnmatch_lines(["*new against old@*"])
    assert not list(pytester.path.rglob("history.db"))
    assert not (pytester.path / ".swapgate/outbox").exists()
    capsys.readouterr()
    assert main(["history", "list", "--json"]) == 0
    newer, older = json.loads(capsys.readouterr().out)
    assert newer["baseline"] == f"old@{older['id']}"
    assert main(["history", "show", "latest"]) == 0
    assert main(["report", "latest"]) == 0
    said = capsys.readouterr().out + result.stdout.str() + result.stderr.str()
    texts = [path.read_bytes() for path in pytester.path.rglob("*") if path.is_file()]
    with closing(History(gate.url)) as history:
        texts += [repr(run).encode() for run in history.runs()]
    assert [text for text in (*texts, said.encode()) if b"nted" in text and b"0123" in text] == []


def test_a_database_that_is_away_at_the_start_costs_no_verdict(pytester: pytest.Pytester, gate: Gate) -> None:
    workspace(pytester.path, gate.url)
    gate.shut()
    result = pytester.runpytest("--model=new", f"--swapgate-history={gate.url}", "-W", "default")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*The run is kept in */.swapgate/outbox/*.db: `swapgate history import */outbox/*.db` brings it *"]
    )
    result.stdout.fnmatch_lines(["report: *report.json"])
    assert len(json.loads(next(pytester.path.glob("reports/2*/report.json")).read_text())["trials"]) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("/db_", "/nodb_"), 'database "nodb_*" does not exist*Mend the URL'),
        (("postgres:", "nobody:"), 'role "nobody" does not exist*Mend the URL'),
    ],
)
def test_a_wrong_url_stops_the_run_and_what_was_answered_is_kept(
    pytester: pytest.Pytester, gate: Gate, change: tuple[str, str], said: str
) -> None:
    workspace(pytester.path, gate.url)
    result = pytester.runpytest("--model=new", f"--swapgate-history={gate.url.replace(*change)}")
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: *{said}*"])
    result.stdout.fnmatch_lines(["swapgate: *The run is kept in *"])
    assert len(list(pytester.path.glob(".swapgate/outbox/*.db"))) == 1


def test_a_database_that_dies_in_mid_run_costs_no_verdict_and_no_trial(gate: Gate, tmp_path: Path) -> None:
    asked: list[int] = []

    def answer(_request: object) -> Sent:
        asked.append(1)
        if len(asked) == 10:
            gate.shut()
        return Sent(openai_completion("{}"))

    with serving(answer) as service:
        models = {"m": {"provider": "openai-compatible", "model": "m", "base_url": service.url}}
        head = "suite: s\nprompt: {user: '{{ message }}'}\nchecks: [{json: strict}]\n"
        files = {
            "cases/s.yml": suite([case(f"c{n:02d}") for n in range(40)], head=head, gate="every-case"),
            "config/models.yml": json.dumps({"models": models}),
            "pyproject.toml": f'[tool.swapgate]\nhistory = "{gate.url}"\n[tool.pytest.ini_options]\n',
        }
        lay(tmp_path, files)
        run = start_pytest(tmp_path, "--model=m", "--concurrency=2", "--report=json")
        output = run.communicate(timeout=90)[0]
    assert run.returncode == 0, output
    assert "gate: PASS" in output
    assert "swapgate history import" in output
    assert PASSWORD not in output
    (kept,) = tmp_path.glob(".swapgate/outbox/*.db")
    with closing(History(kept)) as history:
        assert history.find("latest").is_complete
        assert history.count(history.find("latest").id) == 40
    gate.open()
    assert main(["history", "import", str(kept), "--root", str(tmp_path)]) == 0
    with closing(History(gate.url)) as history:
        assert history.count(history.find("latest").id) == 40


def test_what_was_acknowledged_survives_the_kill_of_its_writer(url: str, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for place in (url, tmp_path / "history.db"):
        told = context.Queue()
        process = context.Process(target=_write_and_wait, args=(place, told))
        process.start()
        assert told.get(timeout=60) == 300
        process.kill()
        process.join(timeout=60)
        with closing(History(place)) as history:
            assert history.count(RUN.id) == 300
            assert len(history.facts(RUN.id)) == 300
            assert history.find(RUN.id).finished_at is None
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _write_and_wait(place: Path | str, told: Any) -> None:
    writer = HistoryWriter(place, RUN)
    for number in range(300):
        writer.add(replace(TRIAL, case=f"c{number:03d}"))
    writer.require_open()
    told.put(300)
    multiprocessing.Event().wait()


def test_a_day_s_budget_is_that_of_the_whole_team(
    pytester: pytest.Pytester, url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one machine has paid another has no more; and without the database nobody knows what is left."""
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789abcdef")
    monkeypatch.delenv("CI", raising=False)
    with serving(answering) as asked:
        lay_priced(pytester.path, asked.url, cases=8)
        given = ("--model=candidate", "--max-cost-per-day=0.05", "--live", f"--swapgate-history={gate.url}")
        for machine in ("one", "two"):
            pytester.runpytest(*given, f"--swapgate-state={machine}")
        result = pytester.runpytest(*given)
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*budget: not asked: $0.0* of max_cost_per_day=0.05 are spent*"])
        paid = sum(EACH if one.json["model"] == "m-1" else VERDICT for one in asked.requests)
        assert 0.02 < paid <= 0.05
        gate.shut()
        before = len(asked.requests)
        result = pytester.runpytest(*given)
        assert result.ret == 4 and len(asked.requests) == before
        result.stderr.fnmatch_lines(["*--max-cost-per-day cannot be kept: *the history cannot be used*"])
        assert PASSWORD not in result.stderr.str() + result.stdout.str()
