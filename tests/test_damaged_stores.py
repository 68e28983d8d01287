"""A cache or a history damaged in its middle: one message, what was recorded stays, no more is paid."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import swapgate
from ruin import damage, filled_cache, filled_history, overwrite
from servers import Answer, Received, Server, openai_completion, serving
from swapgate.cli import main
from swapgate.errors import ExitCode, StoreError
from workspaces import BLIND, RIGHT, case, judged_workspace, lay, newest_run, suite

HEAD = "suite: triage\nprompt: {user: '{{ message }}'}\nchecks: [{json: strict}, {expected: [/label]}]\n"
CASES = 12


def lay_asked(root: Path, url: str, *, cases: int = CASES) -> None:
    model = {
        "provider": "openai-compatible",
        "base_url": f"{url}/v1",
        "model": "m-1",
        "api_key_env": "NO_KEY",
    }
    lay(
        root,
        {
            "cases/triage.yml": suite(
                [case(f"case-{n:02d}") for n in range(cases)], head=HEAD, gate="every-case"
            ),
            "config/models.yml": json.dumps({"models": {"candidate": model}}),
            "pyproject.toml": "[tool.swapgate]\nretries = 1\n",
        },
    )


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_KEY", "none")
    monkeypatch.setenv("COLUMNS", "400")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Answer(openai_completion(RIGHT))) as started:
        yield started


def told(result: pytest.RunResult) -> list[str]:
    """Return every line that says that the cache cannot be used, which is to be one."""
    output = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
    return [line for line in output.splitlines() if "the cache cannot be used: " in line]


@pytest.mark.parametrize("more", [("--replay",), ("-n", "2")], ids=" ".join)
def test_a_damaged_cache_stops_the_run_with_one_message(
    pytester: pytest.Pytester, server: Server, more: tuple[str, ...]
) -> None:
    lay_asked(pytester.path, server.url)
    damage(filled_cache(pytester.path))
    result = pytester.runpytest("--model=candidate", *more)
    (line,) = told(result)
    assert re.search(
        r"/\.swapgate/cache\.db: the cache cannot be used: database disk image is malformed\. The file is "
        r"damaged\. `sqlite3 FILE \.recover` saves what can be read\. Move the file away and run again",
        line,
    )
    assert result.ret == ExitCode.INTERNAL_ERROR
    assert server.requests == []
    run, trials = newest_run(pytester.path)
    assert (run.is_complete, run.is_partial, trials) == (False, True, [])
    result.stdout.fnmatch_lines(
        ["*gate not judged: the run was stopped: a file of its state cannot be used*"]
    )


def damaging(root: Path, *, after: int) -> Callable[[Received], Answer]:
    """Return a server's handler that damages the workspace's cache when it has been asked so often.

    From then on it is slow: SQLite looks at the file again once an answer was written into it.
    """
    asked = iter(range(1, 10_000))

    def handler(_request: Received) -> Answer:
        number = next(asked)
        if number == after:
            overwrite(root / ".swapgate" / "cache.db")
        return Answer(openai_completion(RIGHT), delay_s=0.1 if number >= after else 0.0)

    return handler


def test_a_cache_damaged_in_mid_run_stops_it_and_keeps_what_was_recorded(pytester: pytest.Pytester) -> None:
    with serving(damaging(pytester.path, after=5)) as server:
        lay_asked(pytester.path, server.url)
        filled_cache(pytester.path)
        # With -x each trial looks for its answer in its turn, and not all of them at the start.
        result = pytester.runpytest("--model=candidate", "--concurrency=1", "-x")
        (line,) = told(result)
        paid = len(server.requests)
    assert result.ret == ExitCode.INTERNAL_ERROR
    assert "malformed" in line
    run, trials = newest_run(pytester.path)
    assert 5 <= paid < CASES
    assert paid - 1 <= len(trials) <= paid
    assert (run.is_complete, run.is_partial) == (False, True)
    report = json.loads((pytester.path / "reports" / "latest" / "report.json").read_text())
    assert len(report["trials"]) == len(trials)
    assert report["gate"]["answer"] == "not_judged"


def test_a_cache_that_cannot_be_written_any_more_is_paid_into_no_more(pytester: pytest.Pytester) -> None:
    """The answers of `--live` are not looked for: it is the writing that meets the damage."""
    with serving(Answer(openai_completion(RIGHT), delay_s=0.02)) as server:
        lay_asked(pytester.path, server.url, cases=100)
        damage(filled_cache(pytester.path))
        result = pytester.runpytest("--model=candidate", "--concurrency=1", "--live")
        paid = len(server.requests)
    (line,) = told(result)
    assert "damaged" in line
    assert result.ret == ExitCode.INTERNAL_ERROR
    assert paid < 100
    assert paid - 1 <= len(newest_run(pytester.path)[1]) <= paid
    result.stdout.fnmatch_lines(["swapgate: *cache.db: * could not be stored, and will be asked again: *"])


def test_an_answer_that_cannot_be_read_is_told_with_the_file(
    pytester: pytest.Pytester, server: Server
) -> None:
    lay_asked(pytester.path, server.url)
    pytester.runpytest("--model=candidate", "--report=none")
    with closing(sqlite3.connect(pytester.path / ".swapgate" / "cache.db")) as connection, connection:
        connection.execute("UPDATE responses SET response = substr(response, 20)")
    result = pytester.runpytest("--model=candidate", "--report=none")
    (line,) = told(result)
    assert "cache.db: the cache cannot be used: a stored response cannot be read: " in line
    assert result.ret == ExitCode.INTERNAL_ERROR
    assert len(server.requests) == CASES


def test_from_python_a_damaged_cache_is_an_error_and_the_run_is_stored_as_broken_off(
    tmp_path: Path, server: Server
) -> None:
    lay_asked(tmp_path, server.url)
    damage(filled_cache(tmp_path))
    with pytest.raises(StoreError, match="the cache cannot be used: database disk image is malformed"):
        swapgate.run(model="candidate", root=tmp_path)
    run, trials = newest_run(tmp_path)
    assert run.finished_at is not None
    assert (run.is_complete, run.is_partial, trials) == (False, True, [])
    assert server.requests == []


def test_commands_that_ask_judges_end_with_the_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged_workspace(tmp_path, {"new": {"one": RIGHT}}, {"one": True})
    asked = {
        "provider": "openai-compatible",
        "base_url": "http://127.0.0.1:9/v1",
        "model": "j",
        "api_key_env": "NO_KEY",
    }
    run = swapgate.run(model="new", root=tmp_path).run
    catalogue = json.loads((tmp_path / "config" / "models.yml").read_text())
    lay(tmp_path, {"config/models.yml": json.dumps({"models": {**catalogue["models"], "judge": asked}})})
    damage(filled_cache(tmp_path))
    root = ("--root", str(tmp_path))
    capsys.readouterr()
    for command in (
        ("rejudge", "latest"),
        ("score", str(tmp_path / "outputs/new.jsonl"), "--judges", "--model=new"),
    ):
        assert main([*command, *root]) == ExitCode.INTERNAL_ERROR
        said = capsys.readouterr().err
        assert re.search(
            r"^swapgate: error: \S+cache\.db: the cache cannot be used: .*damaged", said, re.MULTILINE
        )
        assert "Traceback" not in said
    again, trials = newest_run(tmp_path)
    assert (again.rejudges, again.is_complete, trials) == (run.id, False, [])
    # What was broken off is no run to be judged: the same command goes on with the run itself.
    (tmp_path / ".swapgate" / "cache.db").unlink()
    assert main(["rejudge", "latest", "--dry-run", *root]) == ExitCode.OK


def damaging_history(root: Path) -> Callable[[Received], Answer]:
    """Return a handler that damages the history while trials are stored in it.

    Whether the writing meets it, or only the reading at the end, is up to the pages that SQLite still holds.
    """
    path = root / ".swapgate" / "history.db"
    asked = iter(range(1, 10_000))

    def handler(_request: Received) -> Answer:
        if next(asked) == 30:
            overwrite(path)
            overwrite(path.with_name("history.db-wal"), first_page=0)
        return Answer(openai_completion(BLIND), delay_s=0.02)

    return handler


def test_a_history_damaged_in_mid_run_leaves_the_verdict_and_what_is_paid_for(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    with serving(damaging_history(pytester.path)) as server:
        lay_asked(pytester.path, server.url, cases=40)
        filled_history(pytester.path)
        # -v explains misses that are stored, and GitHub is told where they are.
        result = pytester.runpytest("--model=candidate", "--concurrency=2", "-v")
        output = result.stdout.str() + result.stderr.str()
        assert "Traceback" not in output
        assert "INTERNALERROR" not in output
        assert result.ret == ExitCode.FAILED
        result.stdout.fnmatch_lines(
            [
                "swapgate: *history.db: the history cannot be used: *",
                "the other misses cannot be read back from the history",
                "gate: FAIL *",
                "swapgate: GitHub is not told of the run: *",
            ]
        )
        (pytester.path / ".swapgate" / "history.db").unlink()
        again = pytester.runpytest("--model=candidate", "--report=none")
        assert again.ret == ExitCode.FAILED
        assert len(server.requests) == 40


def test_a_history_that_is_none_stops_a_run_of_workers_at_its_first_trial(
    pytester: pytest.Pytester, server: Server
) -> None:
    lay_asked(pytester.path, server.url)
    lay(pytester.path, {".swapgate/history.db": "no database, " * 100})
    result = pytester.runpytest("--model=candidate", "--concurrency=2", "-n", "2", "--report=none")
    output = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
    assert result.ret == ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *history.db: the history cannot be used: file is not a database*"])
