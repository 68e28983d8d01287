"""A judge's drift on frozen answers: what a change shows, what mere noise does not, and over nights."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from servers import Answer, Received, Server, openai_completion, serving
from swapgate.analysis.judge_drift import DISAGREEMENT, FEWEST, PASS_RATE, Then, judge_drift
from swapgate.cli import main
from swapgate.memory.history import History
from test_rejudge import lay_judged, says
from workspaces import JUDGE, case, lay, suite

Said = pytest.CaptureFixture[str]
CASES = [case(f"case-{n:02}") for n in range(40)]
HEAD = 'suite: triage\nprompt: {user: "{{ message }}"}\nchecks: [{json: strict}]\njudges: [meaning]\n'


class Mood:
    """A judge on a server: which cases it fails, how often it errs at random, what it is served as."""

    def __init__(self) -> None:
        self.fails = range(20)
        self.noise = 0.0
        self.served = "judge-1-2026-01-01"
        self.is_silent = False
        self._random = random.Random(7)

    def __call__(self, request: Received) -> Answer:
        number = int(request.body.decode().rpartition("about case-")[2][:2])
        if not request.json["model"].startswith("judge"):
            return Answer(openai_completion(json.dumps({"label": "billing", "about": number})))
        passes = (number not in self.fails) is not (self._random.random() < self.noise)
        text = "Hm." if self.is_silent else says("pass" if passes else "fail")
        return Answer({**openai_completion(text), "model": self.served})


@contextmanager
def judged_run(root: Path, pytester: pytest.Pytester, mood: Mood) -> Iterator[Server]:
    with serving(mood) as server:
        lay_judged(root, server.url)
        lay(root, {"cases/triage.yml": suite(CASES, head=HEAD)})
        pytester.runpytest("--model=candidate", "-q")
        yield server


@pytest.fixture
def mood() -> Mood:
    return Mood()


@pytest.fixture
def server(pytester: pytest.Pytester, mood: Mood, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A workspace with a judged run of forty cases, of which the judge fails twenty."""
    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    with judged_run(pytester.path, pytester, mood) as server:
        yield server


def freeze(capsys: Said, *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["judge", "anchor", "meaning", "--from", "latest", *arguments, "--json"]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def check(capsys: Said, *, code: int) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["judge", "anchors", "meaning", "--json"]) == code
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def rows(root: Path) -> list[dict[str, Any]]:
    lines = (root / "judges" / "meaning.anchors.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_anchors_are_frozen_half_and_half_with_fresh_readings(
    server: Server, pytester: pytest.Pytester, capsys: Said
) -> None:
    server.requests.clear()
    said = freeze(capsys, "--count=20")
    assert len(server.requests) == 40  # two readings of each, none from the cache, no candidate
    assert {r.json["model"] for r in server.requests} == {"judge-1"}
    frozen = rows(pytester.path)
    assert (said["anchors"], len(frozen), said["wavering"]) == (20, 20, 0)
    assert sum(row["readings"][-1]["passed"] for row in frozen) == 10
    assert frozen[0]["input"]["message"].startswith("about case-")
    assert frozen[0]["served"] == ["judge-1-2026-01-01"]
    # The same choice another time.
    first = [(row["suite"], row["case"]) for row in frozen]
    freeze(capsys, "--count=20", "--force")
    assert [(row["suite"], row["case"]) for row in rows(pytester.path)] == first


def test_steady_judge_shows_no_drift_and_is_asked_live(server: Server, capsys: Said) -> None:
    freeze(capsys)
    for _night in range(2):
        server.requests.clear()
        said = check(capsys, code=0)
        assert len(server.requests) == 40
    assert said["drift"]["answer"] == "no drift shown"
    assert (said["check"]["agreed"], said["check"]["n"]) == (40, 40)
    assert len(said["earlier"]) == 1
    assert said["paid_usd"] > 0


def test_lenient_judge_drifts_whatever_its_served_id(server: Server, mood: Mood, capsys: Said) -> None:
    freeze(capsys)
    mood.fails, mood.served = range(8), "judge-1-2026-06-01"
    assert main(["judge", "anchors", "meaning", "-v"]) == 12
    out = capsys.readouterr().out
    assert "28 of 40 anchors have the verdict that was frozen" in out
    assert "pass rate: 50.0% -> 80.0%, +30.0 points [95%: " in out
    assert "served as judge-1-2026-06-01; when frozen as judge-1-2026-01-01" in out
    assert "fail -> fail -> pass" in out
    assert "DRIFT" in out


def test_changed_served_id_alone_is_said_and_is_no_drift(server: Server, mood: Mood, capsys: Said) -> None:
    freeze(capsys)
    mood.served = "judge-1-2026-06-01"
    assert main(["judge", "anchors", "meaning"]) == 0
    assert "served as judge-1-2026-06-01" in capsys.readouterr().out


def test_anchors_need_neither_their_suite_nor_their_case_as_it_was(
    server: Server, pytester: pytest.Pytester, capsys: Said
) -> None:
    freeze(capsys)
    edited = [{**one, "input": {"message": "about case-99"}} for one in CASES]
    lay(pytester.path, {"cases/triage.yml": suite(edited, head=HEAD)})
    server.requests.clear()
    assert check(capsys, code=0)["check"]["agreed"] == 40
    assert not any(b"about case-99" in r.body for r in server.requests)


def test_judge_without_verdicts_is_no_drift_but_too_many_errors(
    server: Server, mood: Mood, capsys: Said
) -> None:
    freeze(capsys)
    mood.is_silent = True
    said = check(capsys, code=11)
    assert (said["check"]["n"], said["check"]["errors"]) == (0, 40)


def test_few_anchors_decide_nothing(server: Server, capsys: Said) -> None:
    freeze(capsys, "--count=4")
    assert check(capsys, code=10)["drift"]["answer"] == "too few anchors"


def test_mistakes_are_messages(server: Server, pytester: pytest.Pytester, capsys: Said) -> None:
    assert main(["judge", "anchors", "meaning"]) == 4
    assert "swapgate judge anchor meaning --from RUN" in capsys.readouterr().err
    freeze(capsys)
    assert main(["judge", "anchor", "meaning", "--from", "latest"]) == 4
    assert "--force" in capsys.readouterr().err
    lay(pytester.path, {"judges/meaning.yml": JUDGE.replace("fit", "suit")})
    assert main(["judge", "anchors", "meaning"]) == 4
    assert "judges/meaning.anchors.jsonl:1: the judge 'meaning' has changed" in capsys.readouterr().err
    path = pytester.path / "judges" / "meaning.anchors.jsonl"
    path.write_text('{"suite": "triage"\n', encoding="utf-8")
    assert main(["judge", "anchors", "meaning"]) == 4
    assert "judges/meaning.anchors.jsonl:1: not valid JSON" in capsys.readouterr().err
    assert main(["check"]) == 0  # anchors are no judge


def test_checks_are_kept_in_the_history_of_older_workspaces_too(
    server: Server, pytester: pytest.Pytester, capsys: Said
) -> None:
    freeze(capsys)
    path = pytester.path / ".swapgate" / "history.db"
    import sqlite3

    with closing(sqlite3.connect(path)) as connection, connection:  # as a file of version 2 was at first
        for table in ("anchor_checks", "run_names", "tallies", "baselines"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE runs DROP COLUMN head")
        connection.execute("UPDATE meta SET value = '2'")
    check(capsys, code=0)
    with closing(History(path)) as history:
        (kept,) = history.anchor_checks("meaning")
        assert len(history.runs()) == 1
    assert (kept.agreed, kept.answer) == (40, "no drift shown")


# The statistics


def noisy(generator: random.Random, share: float, *, shift: float = 0.0, readings: int = 2) -> Then:
    """Return an anchor that passes with a chance of its own, and now with another one."""

    def said(chance: float) -> tuple[bool, dict[str, float]]:
        return generator.random() < chance, {}

    return Then(
        frozen=[said(share) for _ in range(readings)],
        now=said(min(1, share + shift)),
        cluster=generator.random(),
    )


def test_noise_is_rarely_called_drift_and_a_shift_mostly_is() -> None:
    generator = random.Random(11)
    shares = [0.02] * 15 + [0.5] * 10 + [0.98] * 15
    alarms = sum(judge_drift([noisy(generator, s) for s in shares]).answer == "drift" for _ in range(400))
    assert alarms <= 12  # 1% of 400 are 4; more than 12 has a chance below 0.1%
    found = sum(
        judge_drift([noisy(generator, s, shift=0.45) for s in shares]).answer == "drift" for _ in range(100)
    )
    assert found >= 80


def test_more_disagreement_in_both_directions_is_drift_too() -> None:
    steady = [Then(frozen=[(n % 2 == 0, {})] * 2, now=(n % 2 == 0, {}), cluster=n) for n in range(28)]
    turned = [Then(frozen=[(n % 2 == 0, {})] * 2, now=(n % 2 == 1, {}), cluster=n) for n in range(28, 40)]
    found = judge_drift(steady + turned)
    by_measure = {shift.measure: shift for shift in found.shifts}
    assert found.answer == "drift"
    assert by_measure[PASS_RATE].difference == pytest.approx(0)
    assert by_measure[DISAGREEMENT].difference == pytest.approx(0.3)


def test_small_change_that_stays_is_found_over_nights_and_dated() -> None:
    anchors = [Then(frozen=[(True, {})] * 2, now=(n >= 3, {}), cluster=n) for n in range(40)]
    assert judge_drift(anchors).answer == "no drift shown"
    nights = [*[(40, 40)] * 5, (37, 40), (37, 40)]
    found = judge_drift(anchors, nights=nights)
    assert (found.answer, found.since) == ("drift", 5)


def test_scores_drift_where_verdicts_do_not() -> None:
    anchors = [
        Then(frozen=[(True, {"tone": 4.0})] * 2, now=(True, {"tone": 5.0 if n < 12 else 4.0}), cluster=n)
        for n in range(30)
    ]
    found = judge_drift(anchors)
    (tone,) = [shift for shift in found.shifts if shift.measure == "tone"]
    assert (found.answer, tone.before, tone.now) == ("drift", 4.0, pytest.approx(4.4))
    assert tone.low is not None and tone.low > 0


def test_fewer_anchors_than_ten_say_nothing() -> None:
    anchors = [Then(frozen=[(True, {})], now=(False, {}), cluster=n) for n in range(FEWEST - 1)]
    assert judge_drift(anchors).answer == "too few anchors"
