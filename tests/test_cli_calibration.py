"""`swapgate check` reads the calibrations of judges, and takes none of them for a judge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swapgate.cli import main
from workspaces import BLIND, RIGHT, calibration, judged_workspace, lay

Said = pytest.CaptureFixture[str]
FILE = "judges/meaning.calibration.yml"
ROWS = "labels:\n  - {case: one, verdict: pass, truth: pass}\n  - {case: two, verdict: fail, truth: fail}\n"
HEAD = "calibration: meaning\ndesign: random\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of one judge, without a calibration yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    judged_workspace(tmp_path, {"a": {"one": RIGHT, "two": BLIND}}, {"one": True, "two": False})
    return tmp_path


def checked(capsys: Said, *, code: int) -> list[str]:
    """Return the mistakes that `swapgate check` tells."""
    assert main(["check"]) == code
    *mistakes, counted = capsys.readouterr().out.splitlines()
    assert ", 1 judge, " in counted
    return mistakes


@pytest.mark.parametrize("suffix", ["yml", "yaml"])
def test_right_calibration_is_no_mistake_and_no_judge(root: Path, capsys: Said, suffix: str) -> None:
    lay(root, {f"judges/meaning.calibration.{suffix}": HEAD + ROWS})
    assert checked(capsys, code=0) == []


def test_calibration_in_json_with_its_rows_in_a_file_is_read(root: Path, capsys: Said) -> None:
    lines = [{"case": f"c{n}", "verdict": "pass", "truth": "fail"} for n in range(3)]
    lay(
        root,
        {
            FILE: json.dumps({"calibration": "meaning", "design": "by_verdict", "labels_from": "rows.jsonl"}),
            "judges/rows.jsonl": "".join(f"{json.dumps(line)}\n" for line in lines),
        },
    )
    assert checked(capsys, code=0) == []
    lay(root, {"judges/rows.jsonl": '{"verdict": "pass", "truth": "fail"}\n{"verdict": "pas"}\n'})
    assert any(mistake.startswith("judges/rows.jsonl:2: ") for mistake in checked(capsys, code=4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + "labels:\n  - {case: one, verdict: pass, truth: pass}\n  - {verdict: pas, truth: fail}\n",
            f"{FILE}:5: 'labels[1].verdict' must be 'pass' or 'fail', got 'pas'. Did you mean 'pass'?",
        ),
        (
            f"calibration: meaning\ndesign: by-label\n{ROWS}",
            f"{FILE}:2: 'design' must be 'random', 'by_verdict' or 'by_label', got 'by-label'."
            " Did you mean 'by_label'?",
        ),
        (
            f"calibration: meening\ndesign: random\n{ROWS}",
            f"{FILE}:1: the calibration of 'meening' stands in meaning.calibration.yml:"
            " write `calibration: meaning`, or rename the file to meening.calibration.yml",
        ),
        (
            HEAD + "labels:\n" + 2 * "  - {case: one, verdict: pass, truth: pass}\n",
            f"{FILE}:5: the response to case 'one' is already labelled at {FILE}:4:"
            " keep one label, or name the model and the repeat",
        ),
        (
            HEAD + "labels_from: rows.jsonl\n",
            f"{FILE}:3: labels_from: no file 'rows.jsonl' (looked in judges/).",
        ),
        (HEAD, f"{FILE}:1: the calibration has no labels: write `labels:` or `labels_from:`"),
    ],
)
def test_mistake_is_told_with_its_file_and_line(root: Path, capsys: Said, text: str, message: str) -> None:
    lay(root, {FILE: text})
    assert checked(capsys, code=4) == [message]


def test_mistakes_of_the_judge_and_of_its_calibration_are_told_together(root: Path, capsys: Said) -> None:
    judge = (root / "judges" / "meaning.yml").read_text()
    lay(root, {"judges/meaning.yml": judge.replace("pass: agrees", "pass: agree"), FILE: HEAD})
    mistakes = checked(capsys, code=4)
    assert any(mistake.startswith(f"{FILE}:1: ") for mistake in mistakes)
    assert any(mistake.startswith("judges/meaning.yml:") for mistake in mistakes)


def test_calibration_of_no_judge_is_told_since_nothing_would_read_it(root: Path, capsys: Said) -> None:
    lay(root, {"judges/meanin.calibration.yml": f"calibration: meanin\ndesign: random\n{ROWS}"})
    said = checked(capsys, code=4)
    assert said == ["judges/meanin.calibration.yml: there is no judge 'meanin'. Did you mean 'meaning'?"]


def test_judge_named_like_a_calibration_is_not_found(root: Path, capsys: Said) -> None:
    lay(root, {FILE: HEAD + ROWS})
    suite = (root / "cases" / "triage.yml").read_text()
    lay(root, {"cases/triage.yml": suite.replace("judges: [meaning]", "judges: [meaning.calibration]")})
    assert main(["check"]) == 4
    said = capsys.readouterr().out
    assert "cases/triage.yml:4: unknown judge 'meaning.calibration'" in said


def test_json_lists_the_mistakes_and_counts_the_judge_once(root: Path, capsys: Said) -> None:
    lay(root, {FILE: HEAD})
    assert main(["check", "--json"]) == 4
    written = json.loads(capsys.readouterr().out)
    assert written["counts"]["judge"] == 1
    assert [mistake.startswith(f"{FILE}:1: ") for mistake in written["mistakes"]] == [True]


def test_broken_calibration_stops_a_run_before_its_first_call(pytester: pytest.Pytester) -> None:
    judged_workspace(pytester.path, {"a": {"one": RIGHT}}, {"one": True})
    lay(pytester.path, {FILE: HEAD})
    result = pytester.runpytest("--model=a", "--report=none")
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: {FILE}:1: the calibration has no labels*"])
    assert not (pytester.path / "reports").exists()
    lay(pytester.path, {FILE: calibration([(True, True)] * 20 + [(False, False)] * 20)})
    assert pytester.runpytest("--model=a", "--report=none").ret in {0, 10}
