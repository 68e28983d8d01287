"""`swapgate judge label`: blind, one keystroke an answer, resumable after any death, its design recorded."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from processes import wait_for
from swapgate.cli import main
from workspaces import BLIND, JUDGE, RIGHT, judged_workspace, lay, newest_run

Said = pytest.CaptureFixture[str]
CASES = [f"case-{n:02}" for n in range(30)]
FILE = "judges/meaning.labels.jsonl"
HOSTILE = '{"label": "billing\x1b[2J\x1b]0;owned\x07\u202e"}'


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a run of two models whose answers a judge has judged: 20 passing cases, 10 failing."""
    for name in ("SWAPGATE_MODEL", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    answers = {name: RIGHT if n % 4 else HOSTILE for n, name in enumerate(CASES)}
    judged_workspace(
        pytester.path,
        {"zebra-new": answers, "zebra-old": dict.fromkeys(CASES, BLIND)},
        {name: n % 3 > 0 for n, name in enumerate(CASES)},
    )
    without_checks(pytester.path)
    assert main_run(pytester, "--model=zebra-new", "--baseline=zebra-old") in {0, 1, 10}
    return pytester.path


def without_checks(root: Path) -> None:
    suite = (root / "cases/triage.yml").read_text()
    lay(root, {"cases/triage.yml": suite.replace("checks: [{json: strict}]\n", "")})


def main_run(pytester: pytest.Pytester, *options: str) -> int:
    return int(pytester.runpytest(*options, "--report=none").ret)


def labelled(monkeypatch: pytest.MonkeyPatch, typed: str, *options: str) -> int:
    """Run a session whose answers come by lines."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return main(["judge", "label", "latest", "--annotator", "ann", *options])


def rows(root: Path, name: str = FILE) -> list[dict[str, Any]]:
    lines = (root / name).read_text().splitlines()
    return [row for line in lines if "draw" not in (row := json.loads(line))]


def draws(root: Path, name: str = FILE) -> list[dict[str, Any]]:
    lines = (root / name).read_text().splitlines()
    return [row["draw"] for line in lines if "draw" in (row := json.loads(line))]


def keys(answers: str) -> str:
    return "".join(f"{key}\n" for key in answers)


def test_answers_are_stored_beside_the_verdicts_and_the_design_above_them(root, monkeypatch, capsys):
    assert labelled(monkeypatch, keys("pfspq"), "--count", "12", "--seed", "7") == 0
    (draw,) = draws(root)
    run, _trials = newest_run(root)
    assert (draw["run"], draw["design"], draw["seed"], draw["count"]) == (run.id, "by_verdict", 7, 12)
    assert draw["drawn"] == {"pass": 6, "fail": 6}
    assert draw["population"] == {
        name: {"pass": 20, "fail": 10, "unread": 0} for name in ("zebra-new", "zebra-old")
    }
    found = rows(root)
    assert [row["truth"] for row in found] == ["pass", "fail", "skip", "pass"]
    verdicts = {name: "pass" if n % 3 else "fail" for n, name in enumerate(CASES)}
    assert all(row["verdict"] == verdicts[row["case"]] for row in found)
    assert {row["annotator"] for row in found} == {"ann"}
    assert "4 of 12 answered by ann; the same command goes on from here" in capsys.readouterr().out


def test_neither_model_nor_verdict_is_shown_and_nothing_steers_the_terminal(root, monkeypatch, capsys):
    assert labelled(monkeypatch, keys("p" * 60), "--count", "60") == 0
    said = capsys.readouterr().out
    assert "60 of 60 answered" in said
    assert "zebra" not in said
    assert "So it is" not in said
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", said)
    assert r"\x1b[2J" in said
    assert "Does the label fit the message?" in said


def test_a_rerun_asks_only_what_is_open_and_ends_when_nothing_is(root, monkeypatch, capsys):
    labelled(monkeypatch, keys("ppq"), "--count", "6")
    capsys.readouterr()
    assert labelled(monkeypatch, keys("ffffpp")) == 0
    assert "6 of 6 answered by ann: judges/meaning.labels.jsonl" in capsys.readouterr().out
    assert [row["truth"] for row in rows(root)] == ["pass", "pass", "fail", "fail", "fail", "fail"]
    labelled(monkeypatch, "")
    assert len({row["response"] for row in rows(root)}) == 6 == len(rows(root))


def test_everybody_has_their_own_answers(root, monkeypatch, capsys):
    labelled(monkeypatch, keys("pppp"), "--count", "4")
    assert labelled(monkeypatch, keys("ffff"), "--annotator", "bob", "--json") == 0
    found = json.loads(capsys.readouterr().out.partition("answered by ann")[2].partition("\n")[2])
    assert (found["annotator"], found["answered"], found["left"]) == ("bob", 4, 0)
    by_person = [(row["annotator"], row["truth"]) for row in rows(root)]
    assert by_person == [("ann", "pass")] * 4 + [("bob", "fail")] * 4


def test_back_revises_and_a_note_is_kept(root, monkeypatch, capsys):
    labelled(monkeypatch, "p\nb\nn\nlooks odd, but right\nf\nq\n", "--count", "4")
    first, second = rows(root)
    assert (first["response"], first["truth"], second["truth"]) == (second["response"], "pass", "fail")
    assert (second["revised"], second["note"]) == (True, "looks odd, but right")
    assert "So far you say: pass" in capsys.readouterr().out


def test_a_larger_count_adds_to_what_was_drawn(root, monkeypatch):
    labelled(monkeypatch, keys("p" * 8), "--count", "8")
    before = {row["response"] for row in rows(root)}
    labelled(monkeypatch, keys("p" * 20), "--count", "20")
    assert [draw["count"] for draw in draws(root)] == [8, 20]
    assert before < {row["response"] for row in rows(root)}
    assert len(rows(root)) == 20


def test_random_draws_follow_the_verdicts(root, monkeypatch):
    labelled(monkeypatch, "", "--sample", "random", "--count", "60")
    assert draws(root)[0]["drawn"] == {"pass": 40, "fail": 20}


def test_once_a_pilot_shows_more_doubt_beside_one_verdict_more_of_it_are_drawn(root, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    labelled(monkeypatch, "", "--count", "24")
    from swapgate.labelling.label_file import LabelFile
    from swapgate.spec.labels import LabelledVerdict

    file = LabelFile(root / FILE, root=root)
    file.add(
        LabelledVerdict(response=f"{n:016x}", verdict=v, truth=t, annotator="x")
        for n, (v, t) in enumerate([("pass", "pass"), ("pass", "fail")] * 6 + [("fail", "fail")] * 12)
    )
    labelled(monkeypatch, "", "--count", "40")
    drawn = draws(root)[1]["drawn"]
    assert drawn["pass"] + drawn["fail"] == 40
    assert drawn["pass"] > 2 * drawn["fail"]


SCALED = """\
judge: meaning
model: judge
criteria:
  agrees: {ask: Does the label fit the message?, scale: [1, 5], anchors: {1: not at all, 5: fully}}
  clear: {ask: Is it one word?}
pass: agrees >= 4 and clear
"""


def test_people_give_scores_and_the_rule_makes_the_truth(root, monkeypatch, capsys):
    lay(root, {"judges/meaning.yml": SCALED})
    assert labelled(monkeypatch, keys("9" + "4p" + "3p" + "5f" + "s"), "--count", "4", "--ask", "scores") == 0
    assert [(row["truth"], row.get("truth_scores")) for row in rows(root)] == [
        ("pass", {"agrees": 4, "clear": 1}),
        ("fail", {"agrees": 3, "clear": 1}),
        ("fail", {"agrees": 5, "clear": 0}),
        ("skip", None),
    ]
    assert draws(root)[0]["rule"] == "agrees >= 4 and clear"
    captured = capsys.readouterr()
    assert "5 = fully" in captured.out
    assert "the judge 'meaning' has changed since the run" in captured.err


def test_the_rule_that_makes_the_truth_of_scores_stays_when_the_judges_moves(root, pytester, monkeypatch):
    lay(root, {"judges/meaning.yml": SCALED})
    labelled(monkeypatch, keys("4p"), "--count", "4", "--ask", "scores")
    lay(root, {"judges/meaning.yml": SCALED.replace("agrees >= 4", "agrees >= 2")})
    labelled(monkeypatch, keys("3p"))
    assert [row["truth"] for row in rows(root)] == ["pass", "fail"]
    other = ("--ask", "scores", "--count", "4", "--out", "judges/b.labels.jsonl", "--reuse", FILE)
    labelled(monkeypatch, keys("3p"), *other)
    assert [row["truth"] for row in rows(root, "judges/b.labels.jsonl")] == ["pass", "fail", "fail"]


def test_a_note_stays_with_the_response_that_it_was_written_at(root, monkeypatch):
    labelled(monkeypatch, "p\nn\nodd\nb\nf\np\nq\n", "--count", "4")
    assert [(row["truth"], row.get("note")) for row in rows(root)] == [
        ("pass", None),
        ("fail", None),
        ("pass", None),
    ]


def test_a_run_that_has_changed_since_the_draw_is_refused(root, monkeypatch, capsys):
    labelled(monkeypatch, keys("p"), "--count", "4")
    text = (root / FILE).read_text()
    (root / FILE).write_text(text.replace('"pass": 20', '"pass": 19', 1))
    assert labelled(monkeypatch, "") == 4
    assert f"holds other verdicts than when {FILE} was drawn from it" in capsys.readouterr().err


def test_answers_are_taken_over_to_verdicts_of_another_definition(root, pytester, monkeypatch, capsys):
    labelled(monkeypatch, keys("p" * 30), "--count", "30")
    lay(root, {"judges/meaning.yml": JUDGE.replace("pass: agrees", "samples: 1\npass: agrees >= 1")})
    main_run(pytester, "--model=zebra-new", "--baseline=zebra-old")
    assert labelled(monkeypatch, "", "--count", "30") == 4
    assert "name another file with --out; `--reuse judges/meaning.labels.jsonl`" in capsys.readouterr().err
    other = "judges/second.labels.jsonl"
    assert labelled(monkeypatch, "", "--count", "30", "--out", other, "--reuse", FILE) == 0
    assert len(rows(root, other)) == 30
    assert all(row["reused"] for row in rows(root, other))
    assert draws(root, other)[0]["judge_hash"] != draws(root)[0]["judge_hash"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--judge", "meening"], "the run has no judge 'meening'. Did you mean 'meaning'? It has: meaning"),
        (["--out", "labels.csv"], "--out 'labels.csv': labels are written to a .jsonl file, a label a line"),
        (["--import", "none.jsonl"], "--import: no file 'none.jsonl'"),
        (["--annotator", "an\x1bn"], "--annotator 'an\\x1bn': write a name of 1 to 200 characters"),
        (["--html", "a.html", "--import", "b"], "--html and --import exclude each other"),
        (["--sample", "random"], "--sample: judges/meaning.labels.jsonl was begun with by-verdict"),
        (["--seed", "3"], "--seed: judges/meaning.labels.jsonl was begun with 0"),
    ],
)
def test_a_mistake_is_one_message_and_writes_nothing(root, monkeypatch, capsys, options, message):
    labelled(monkeypatch, keys("pq"), "--count", "4")
    before = (root / FILE).read_text()
    assert labelled(monkeypatch, "", *options) == 4
    assert message in capsys.readouterr().err
    assert (root / FILE).read_text() == before


def test_a_run_without_verdicts_is_refused(root, pytester, monkeypatch, capsys):
    suite = (root / "cases/triage.yml").read_text()
    lay(root, {"cases/triage.yml": suite.replace("judges: [meaning]\n", "")})
    main_run(pytester, "--model=zebra-new")
    assert labelled(monkeypatch, "") == 4
    assert "no judge has judged anything in this run" in capsys.readouterr().err


# On a terminal of its own: keystrokes, and a death without warning.


class Terminal:
    """`swapgate judge label` on a pseudo-terminal."""

    def __init__(self, root: Path, *options: str, **environ: str) -> None:
        ours, theirs = pty.openpty()
        self._handle = ours
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "swapgate", "judge", "label", "latest", "--annotator", "ann", *options],
            cwd=root,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "evals"), **environ},
            start_new_session=True,
        )
        os.close(theirs)

    def read_until(self, text: str, *, limit_s: float = 30) -> str:
        until, start = time.monotonic() + limit_s, len(self.shown)
        while text not in self.shown[start:]:
            assert time.monotonic() < until, f"{text!r} never came after: {self.shown[start:]!r}"
            if select.select([self._handle], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self._handle, 65536).decode(errors="replace")
                except OSError:
                    break
        return self.shown[start:]

    def press(self, key: str) -> None:
        os.write(self._handle, key.encode())

    def close(self) -> int:
        code = self.process.wait(timeout=120)
        os.close(self._handle)
        return code


PROMPT = "q quit: "


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def answer(terminal: Terminal, pressed: Sequence[str]) -> None:
    for key in pressed:
        terminal.press(key)
        terminal.read_until(PROMPT)


def test_one_keystroke_is_one_answer_and_kill_9_loses_none(root, terminals):
    first = Terminal(root, "--count", "8")
    terminals.append(first)
    first.read_until(PROMPT)
    # An arrow key is no answer.
    first.press("\x1b[A")
    answer(first, ["p", "f", "p"])
    wait_for(lambda: len(rows(root)) == 3)
    os.kill(first.process.pid, signal.SIGKILL)
    assert first.close() == -signal.SIGKILL
    assert [row["truth"] for row in rows(root)] == ["pass", "fail", "pass"]
    # As if it had died in the middle of a line.
    with (root / FILE).open("a") as file:
        file.write('{"response": "00')

    second = Terminal(root)
    terminals.append(second)
    said = second.read_until(PROMPT)
    assert "the last answer was cut off when a session died, and is asked again" in said
    assert "4 of 8, 5 left" in said
    answer(second, ["s", "b", "f"])
    second.press("q")
    assert "4 of 8 answered by ann" in second.read_until("calibrate meaning")
    assert second.close() == 0
    assert [row["truth"] for row in rows(root)] == ["pass", "fail", "pass", "skip", "fail"]


def test_ctrl_c_ends_with_what_was_answered_and_a_terminal_as_it_was(root, terminals):
    import termios

    terminal = Terminal(root, "--count", "4")
    terminals.append(terminal)
    before = termios.tcgetattr(terminal._handle)[3]
    terminal.read_until(PROMPT)
    answer(terminal, ["p"])
    terminal.process.send_signal(signal.SIGINT)
    terminal.read_until("interrupted")
    assert terminal.process.wait(timeout=120) == 2
    assert termios.tcgetattr(terminal._handle)[3] == before
    assert len(rows(root)) == 1


def test_headings_are_bold_unless_colour_is_refused(root, terminals):
    bold, plain = Terminal(root, "--count", "4"), Terminal(root, NO_COLOR="1")
    terminals += [bold, plain]
    assert "\x1b[1mAnswer" in bold.read_until(PROMPT)
    assert "\x1b" not in plain.read_until(PROMPT)


def test_long_texts_are_cut_and_shown_whole_on_demand(pytester, monkeypatch, capsys):
    long = "\n".join(f"line {n}" for n in range(200))
    judged_workspace(pytester.path, {"a": {"one": json.dumps({"label": long})}}, {"one": True})
    lay(pytester.path, {"outputs/a.jsonl": json.dumps({"case": "one", "output": f"{long}"}) + "\n"})
    without_checks(pytester.path)
    main_run(pytester, "--model=a")
    assert labelled(monkeypatch, keys("q")) == 0
    assert "line 199" not in (said := capsys.readouterr().out)
    assert "more lines: press m" in said
    labelled(monkeypatch, keys("mq"))
    assert "line 199" in capsys.readouterr().out
