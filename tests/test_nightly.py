"""`swapgate drift` and `swapgate nightly`: what they print, end with, and tell a webhook."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import swapgate
from nights import NightDrawn, drawn, store
from processes import PATIENCE_S
from servers import Answer, Server, serving
from swapgate.cli import main
from swapgate.errors import ExitCode
from swapgate.nightly.webhook import Undelivered, post
from workspaces import BLIND, RIGHT, lay, recorded_workspace

Said = pytest.CaptureFixture[str]
ANSWERS = {f"c{i}": RIGHT for i in range(9)} | {"bad": BLIND}
PASSES = {"semantic": {"min": 0.8, "on": "point"}}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lay(tmp_path, {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-q'\n[tool.swapgate]\n"})
    (tmp_path / ".swapgate").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(swapgate.__file__).parents[1]))
    monkeypatch.delenv("SWAPGATE_WEBHOOK", raising=False)
    return tmp_path


def history(root: Path) -> Path:
    return root / ".swapgate" / "history.db"


def result(said: Said, *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main([*arguments, "--json"])
    found: dict[str, Any] = json.loads(said.readouterr().out)
    return code, found


# Drift


def test_quiet_nights_end_with_0(root: Path, capsys: Said) -> None:
    store(history(root), drawn(20))
    assert main(["drift"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("20 nights, ")
    assert "candidate new: no drift shown" in lines
    assert lines[-1] == "no drift shown"


def test_a_drift_ends_with_12_and_says_what_changed_that_night(root: Path, capsys: Said) -> None:
    nights = drawn(24, rate=lambda night: 0.95 if night < 18 else 0.6)
    nights = [replace(n, run={"git_commit": "b" * 40}) if i >= 18 else n for i, n in enumerate(nights)]
    runs = store(history(root), nights)
    assert main(["drift"]) == ExitCode.DRIFT == 12
    said = capsys.readouterr().out
    since = f"{runs[18].started_at[:16].replace('T', ' ')}Z"
    assert f"changed on {since}: git commit aaaaaaaaaa -> bbbbbbbbbb" in said
    assert said.splitlines()[-1].startswith("DRIFT: candidate new: triage, semantic pass rate 9")
    code, found = result(capsys, "drift")
    assert code == 12
    assert (found["version"], found["answer"]) == (1, "drift")
    (drop,) = [s for one in found["subjects"] for s in one["series"] if s["answer"] == "drift"]
    assert (drop["suite"], drop["measure"], drop["since"]) == ("triage", "semantic", runs[18].started_at)


def test_what_was_accepted_is_forgotten_from_its_day_on(root: Path, capsys: Said) -> None:
    runs = store(history(root), drawn(40, rate=lambda night: 0.95 if night < 25 else 0.6))
    assert main(["drift"]) == 12
    assert main(["drift", "--since", runs[25].started_at[:10]]) == 0
    lay(root, {"pyproject.toml": f"[tool.swapgate]\ndrift_since = {runs[25].started_at[:10]}\n"})
    assert main(["drift"]) == 0
    assert "15 nights" in capsys.readouterr().out


def test_no_history_could_not_find_out(root: Path, capsys: Said) -> None:
    assert main(["drift"]) == ExitCode.NOT_FOUND_OUT == 13
    assert "there is no night yet" in capsys.readouterr().out
    assert not history(root).exists()


def test_a_run_that_was_killed_could_not_find_out(root: Path, capsys: Said) -> None:
    nights = drawn(20)
    nights[-1] = replace(nights[-1], run={"finished_at": None, "is_complete": False})
    store(history(root), nights)
    assert main(["drift"]) == 13
    assert capsys.readouterr().out.splitlines()[-1].endswith("does not count: it never ended")


def test_a_night_that_did_not_come_could_not_find_out(root: Path, capsys: Said) -> None:
    store(history(root), drawn(20), end=datetime.now(UTC) - timedelta(days=2))
    assert main(["drift"]) == 13
    assert "COULD NOT FIND OUT: no night since" in capsys.readouterr().out
    assert main(["drift", "--every", "168"]) == 0


def test_runs_made_by_hand_are_no_nights(root: Path, capsys: Said) -> None:
    """A few cases tried by hand never are; whole runs are left out once others are marked as nights."""
    nights = drawn(24, rate=lambda night: 0.95 if night % 2 else 0.3)
    marked = [replace(n, run={"settings": {"nightly": True}}) if i % 2 else n for i, n in enumerate(nights)]
    tried = replace(nights[0], run={"is_partial": True})
    store(history(root), [*marked, tried])
    assert main(["drift"]) == 0
    assert "12 nights" in (said := capsys.readouterr().out)
    assert "13 other runs left out" in said
    main(["drift", "--all-runs"])
    assert "24 nights" in capsys.readouterr().out


def test_other_branches_can_be_left_out(root: Path, capsys: Said) -> None:
    nights = drawn(20)
    store(history(root), [replace(n, run={"git_branch": "main" if i < 15 else "try"})
                          for i, n in enumerate(nights)])  # fmt: skip
    main(["drift", "--branch", "main", "--every", "1000"])
    assert capsys.readouterr().out.startswith("15 nights")


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (["--since", "yesterday"], "must be a date such as"),
        (["--since=-1"], "must be a date such as"),
        (["--every", "0"], "--every"),
        (["--false-alarms", "-1"], "--false-alarms"),
        (["--nights", "0"], "--nights"),
        (["--notify"], "SWAPGATE_WEBHOOK"),
    ],
)
def test_a_wrong_option_is_a_usage_error(root: Path, capsys: Said, option: list[str], reason: str) -> None:
    store(history(root), drawn(2))
    assert main(["drift", *option]) == 4
    assert reason in capsys.readouterr().err


# A night


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.splitlines()[-1]


@pytest.fixture
def nightly(root: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a night in this process; its suites run in another one, which writes where this one does."""

    def run(*arguments: str) -> Done:
        code = main(["nightly", *arguments])
        said = capfd.readouterr()
        return Done(code=code, out=said.out, err=said.err)

    recorded_workspace(root, {"new": ANSWERS}, gate=PASSES)
    return run


Night = Callable[..., Done]


def test_a_night_is_run_judged_and_asked_for_anew_each_time(root: Path, nightly: Night) -> None:
    first = nightly("--model=new")
    assert first.code == 13
    assert "gate: PASS" in first.out
    assert "structural has 1 of the 11 nights needed" in first.last
    assert (root / "reports" / "trend.html").is_file()
    wrong = "".join(json.dumps({"case": name, "output": BLIND}) + "\n" for name in ANSWERS)
    lay(root, {"outputs/new.jsonl": wrong})
    second = nightly("--model=new", "--json")
    assert second.code == 1
    found = json.loads(second.out)
    assert (found["answer"], found["gate"]["answer"], found["told"]) == ("gate failed", "fail", None)
    assert found["reasons"][0].startswith("the gate failed: semantic pass rate of new on triage is 0.0%")
    assert [night["problems"] for night in found["nights"]["nights"]] == [[], []]
    assert "gate: FAIL" in second.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--model=nobody"], "an option, a setting or a file is wrong"),
        (["--model=new", "--", "-k", "nothing"], "no case was found"),
    ],
)
def test_a_night_that_did_not_run_could_not_find_out(
    root: Path, nightly: Night, arguments: list[str], why: str
) -> None:
    store(history(root), [marked(night) for night in drawn(14)])
    done = nightly(*arguments)
    assert done.code == 13
    assert f"night: COULD NOT FIND OUT: {why}" in done.last


def marked(night: NightDrawn) -> NightDrawn:
    return replace(night, run={"settings": {"nightly": True}})


def test_a_night_over_its_limit_is_ended_and_told(root: Path, nightly: Night) -> None:
    lay(root, {"cases/test_slow.py": "import time\ndef test_slow(): time.sleep(600)\n"})
    started = time.monotonic()
    done = nightly("--model=new", "--limit=0.001")
    assert time.monotonic() - started < PATIENCE_S
    assert done.code == 13
    assert "longer than --limit allows" in done.last


def test_whoever_waits_for_word_of_a_night_hears_that_its_history_is_broken(
    root: Path, nightly: Night, hook: tuple[Hook, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    history(root).write_bytes(b"this is no database " * 100)
    (root / "reports").mkdir()
    (root / "reports" / "trend.html").write_text("of yesterday")
    monkeypatch.setenv("SWAPGATE_WEBHOOK", url_of(hook[1]))
    done = nightly("--model=new")
    assert done.code == 13
    assert "the history cannot be used" in done.last
    assert (root / "reports" / "trend.html").read_text() == "of yesterday"
    (request,) = hook[1].requests
    assert request.json["answer"] == "could not find out"


def test_whoever_waits_for_word_of_a_night_hears_that_a_suite_is_broken(root: Path, nightly: Night) -> None:
    lay(root, {"cases/broken.yml": "suite: broken\ncases: 7\n"})
    done = nightly("--model=new")
    assert done.code == 13
    assert "cases/broken.yml:2: " in done.last


def test_without_a_model_there_is_no_night(nightly: Night) -> None:
    done = nightly()
    assert done.code == 4
    assert "no model: name one with --model" in done.err


# The webhook

SECRET = "T0S3CR3T"


class Hook:
    """A chat service: answers what it is told to, the last answer from then on."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers) or [Answer(b"ok")]

    def __call__(self, _request: object) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def hook() -> Iterator[tuple[Hook, Server]]:
    answering = Hook()
    with serving(answering) as server:
        yield answering, server


def url_of(server: Server) -> str:
    return f"{server.url.rstrip('/')}/services/{SECRET}"


def test_a_drift_is_posted_with_a_text_for_people(
    root: Path, capsys: Said, hook: tuple[Hook, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = store(history(root), drawn(24, rate=lambda night: 0.95 if night < 18 else 0.6))
    monkeypatch.setenv("SWAPGATE_WEBHOOK", url_of(hook[1]))
    assert main(["drift", "--notify"]) == 12
    (request,) = hook[1].requests
    told = request.json
    assert (request.method, request.path) == ("POST", f"/services/{SECRET}")
    assert (told["version"], told["answer"], told["run"]) == (1, "drift", runs[-1].id)
    assert told["text"].startswith("swapgate: DRIFT: candidate new: triage, semantic pass rate 9")
    (subject,) = [one for one in told["subjects"] if one["answer"] == "drift"]
    assert subject["drifted"][0]["since"] == runs[18].started_at
    assert SECRET not in capsys.readouterr().out


def test_a_webhook_that_fails_is_told_loudly_and_changes_no_verdict(
    root: Path, capsys: Said, hook: tuple[Hook, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(history(root), drawn(20))
    hook[0].answers = [Answer(b"no_service", status=404)]
    monkeypatch.setenv("SWAPGATE_WEBHOOK", url_of(hook[1]))
    assert main(["drift", "--notify"]) == 0
    said = capsys.readouterr()
    assert "NOBODY WAS TOLD: 127.0.0.1 answered 404" in said.err
    assert SECRET not in said.err + said.out


def test_a_server_that_stumbles_is_asked_again_and_one_that_asks_to_wait_is_waited_for(
    hook: tuple[Hook, Server],
) -> None:
    hook[0].answers = [Answer(status=503), Answer(status=429, headers={"retry-after": "7"}), Answer(b"ok")]
    waited: list[float] = []
    post(url_of(hook[1]), {"text": "hello"}, sleep=waited.append)
    assert waited == [1.0, 7.0]
    assert [request.json for request in hook[1].requests] == [{"text": "hello"}] * 3


@pytest.mark.parametrize(
    ("answer", "attempts", "why"),
    [
        (Answer(status=500), 4, "answered 500, 4 times"),
        (Answer(status=400), 1, "answered 400: is the webhook's URL still right"),
        (Answer(status=302, headers={"location": "http://127.0.0.1:9/elsewhere"}), 1, "answered 302"),
        (Answer(delay_s=2.0), 4, "cannot be reached: ReadTimeout, 4 times"),
        (Answer(wire=b"HTTP/1.1"), 4, "cannot be reached"),
        (Answer(wire=b"HTTP/1.1 404 No\r\ncontent-length: 9\r\n\r\n"), 1, "answered 404"),
    ],
)
def test_what_a_webhook_may_answer(
    hook: tuple[Hook, Server], answer: Answer, attempts: int, why: str
) -> None:
    hook[0].answers = [answer]
    with pytest.raises(Undelivered, match=why) as failed:
        post(url_of(hook[1]), {"text": "hello"}, timeout_s=0.2, sleep=lambda _seconds: None)
    assert len(hook[1].requests) == attempts
    assert SECRET not in str(failed.value)


def test_whoever_was_told_is_not_told_again_for_an_answer_that_breaks_off(hook: tuple[Hook, Server]) -> None:
    hook[0].answers = [Answer(wire=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\no")]
    post(url_of(hook[1]), {"text": "hello"}, sleep=lambda _seconds: None)
    assert len(hook[1].requests) == 1


def test_whoever_waits_for_word_of_a_drift_hears_that_the_history_is_broken(
    root: Path, capsys: Said, hook: tuple[Hook, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    history(root).write_bytes(b"this is no database " * 100)
    monkeypatch.setenv("SWAPGATE_WEBHOOK", url_of(hook[1]))
    (root / "reports").mkdir()
    (root / "reports" / "trend.html").write_text("of yesterday")
    assert main(["drift", "--notify", "--page"]) == ExitCode.NOT_FOUND_OUT
    assert "COULD NOT FIND OUT: " in (said := capsys.readouterr().out)
    assert "the history cannot be used" in said
    assert (root / "reports" / "trend.html").read_text() == "of yesterday"
    assert main(["drift", "--json"]) == ExitCode.NOT_FOUND_OUT
    assert json.loads(capsys.readouterr().out)["answer"] == "could not find out"
    (request,) = hook[1].requests
    assert request.json["answer"] == "could not find out"
    assert "history.db: the history cannot be used" in request.json["text"]


def test_whoever_waits_for_word_of_a_drift_hears_it_where_the_page_cannot_be_written(
    root: Path, hook: tuple[Hook, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(history(root), drawn(20))
    (root / "reports").write_text("in the way of the trend page")
    monkeypatch.setenv("SWAPGATE_WEBHOOK", url_of(hook[1]))
    assert main(["drift", "--notify", "--page"]) == 3
    (request,) = hook[1].requests
    assert request.json["answer"] == "no drift shown"


def test_a_host_that_is_not_there_is_undelivered() -> None:
    with pytest.raises(Undelivered, match="cannot be reached: ConnectError") as failed:
        post(f"http://127.0.0.1:1/{SECRET}", {"text": "hello"}, sleep=lambda _seconds: None)
    assert SECRET not in str(failed.value)


def test_the_url_of_a_webhook_is_never_shown_or_stored(
    root: Path, nightly: Night, hook: tuple[Hook, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWAPGATE_WEBHOOK", url_of(hook[1]))
    done = nightly("--model=new", "-v")
    (request,) = hook[1].requests
    assert request.json["answer"] == "could not find out"
    assert request.json["gate"]["answer"] == "pass"
    assert SECRET not in done.out + done.err
    written = [path for path in root.rglob("*") if path.is_file()]
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []


def test_a_url_that_is_none_is_refused_without_being_shown(
    root: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWAPGATE_WEBHOOK", f"hooks.example/{SECRET}")
    assert main(["drift"]) == 4
    said = capsys.readouterr().err
    assert "'SWAPGATE_WEBHOOK' must be a URL" in said
    assert SECRET not in said
