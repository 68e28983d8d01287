"""Runs made baselines: by a name in the history, or as a file in git."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from swapgate.cli import main
from swapgate.memory.history import History
from workspaces import BLIND, FENCED, RIGHT, case, judged_workspace, lay, recorded_workspace, suite

NAMES = [f"c{n}" for n in range(8)]


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose model `old` has run, and is right but for one case."""
    old = {name: FENCED if name == "c0" else RIGHT for name in NAMES}
    new = {name: BLIND if name in {"c1", "c2"} else RIGHT for name in NAMES}
    recorded_workspace(pytester.path, {"old": old, "new": new})
    monkeypatch.chdir(pytester.path)
    pytester.runpytest("--model=old")
    return pytester.path


def say(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main([*arguments]) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


def compared(root: Path) -> list[dict[str, object]]:
    newest = root / "reports" / "latest" / "report.json"
    return json.loads(newest.read_text(encoding="utf-8"))["comparisons"]  # type: ignore[no-any-return]


def test_a_promoted_run_is_a_baseline_by_its_name(
    root: Path, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, "history", "baseline", "set", "latest", "--why", "passed review 12", "--by", "Ada")
    run_id = said.split("@")[2].split()[0]
    assert said == (f"@main is old@{run_id}\ncompare with it: pytest --model=NAME --baseline=@main\n")
    (known,) = json.loads(say(capsys, "history", "baseline", "show", "--json"))
    assert (known["run_id"], known["promoted_by"], known["why"]) == (run_id, "Ada", "passed review 12")
    assert f"@main     old    {run_id}" in say(capsys, "history", "baseline", "show", "main")
    assert "complete, @main" in say(capsys, "history", "list")
    result = pytester.runpytest("--model=new", "--baseline=@main")
    result.stdout.fnmatch_lines([f"new against old@{run_id}*", "*regressed 2: triage/c1, triage/c2"])
    assert f"new against old@{run_id}" in say(capsys, "history", "show", "latest").replace("…", "")
    assert "regressed 2" in say(capsys, "compare", "@main", "latest")
    said = say(capsys, "history", "baseline", "clear", "@main")
    assert said == f"@main was old@{run_id}, and is free; the run stays\n"
    assert say(capsys, "history", "baseline", "show", "main", code=4).startswith(
        "swapgate: error: no baseline @main"
    )
    assert say(capsys, "history", "baseline", "show") == (
        "no baselines yet: `swapgate history baseline set RUN` makes one\n"
    )


def test_a_model_that_ran_beside_as_the_baseline_can_be_the_baseline_of_others(
    root: Path, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    pytester.runpytest("--model=new", "--baseline=old")
    beside = json.loads(say(capsys, "history", "list", "--json"))[0]["id"]
    say(capsys, "history", "baseline", "set", f"old@{beside}", "--to", "full.json", "--with-texts")
    for name in (f"old@{beside}", "@main", "full.json"):
        result = pytester.runpytest("--model=new", f"--baseline={name}", "--report=none")
        result.stdout.fnmatch_lines([f"new against old@{beside}", "*regressed 2: triage/c1, triage/c2"])


def test_writing_a_baseline_to_a_file_leaves_who_promoted_it_and_why(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(capsys, "history", "baseline", "set", "latest", "--why", "passed review 12", "--by", "Ada")
    (known,) = json.loads(say(capsys, "history", "baseline", "show", "--json"))
    said = say(capsys, "history", "baseline", "set", "@main", "--to", "main.json")
    assert "in the place of" not in said
    assert json.loads(say(capsys, "history", "baseline", "show", "--json")) == [known]
    assert "passed review 12" in (root / "main.json").read_text(encoding="utf-8")
    say(capsys, "history", "baseline", "set", "@main", "--why", "and review 13", "--by", "Bob")
    (again,) = json.loads(say(capsys, "history", "baseline", "show", "--json"))
    assert (again["promoted_by"], again["why"]) == ("Bob", "and review 13")


def test_a_file_of_facts_decides_as_the_run_itself(
    root: Path, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    say(capsys, "history", "baseline", "set", "latest", "--to", "baselines/main.json")
    content = (root / "baselines/main.json").read_text(encoding="utf-8")
    assert "about c1" not in content
    assert '"trials": [\n\n]' in content
    pytester.runpytest("--model=new", "--baseline=latest")
    by_run = compared(root)
    # Another machine has the file, and no history.
    shutil.rmtree(root / ".swapgate")
    shutil.rmtree(root / "reports")
    result = pytester.runpytest(
        "--model=new", "--baseline=baselines/main.json", "--report=json", "--report=html"
    )
    result.stdout.fnmatch_lines(["new against old@*", "*regressed 2: triage/c1, triage/c2"])
    assert compared(root) == by_run
    again = say(capsys, "report", "latest", "--report", "json")
    assert "without its baseline" not in again
    assert compared(root) == by_run
    assert "regressed 2" in say(capsys, "compare", "baselines/main.json", "latest")


def test_a_file_that_holds_another_baseline_by_now_is_told(
    root: Path, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    say(capsys, "history", "baseline", "set", "latest", "--to", "b.json")
    pytester.runpytest("--model=new", "--baseline=b.json", "--report=none")
    pytester.runpytest("--model=old", "--report=none")
    say(capsys, "history", "baseline", "set", "latest", "--to", "b.json")
    with closing(History(root / ".swapgate/history.db")) as history:
        middle = history.runs()[1].id
    assert "without its baseline old@" in say(capsys, "history", "show", middle)


def test_with_texts_the_answers_are_there_to_be_seen_and_judged_again(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = pytester.path
    monkeypatch.chdir(root)
    answers = dict.fromkeys(NAMES, RIGHT)
    judged_workspace(root, {"old": answers, "new": answers}, dict.fromkeys(NAMES, True))
    pytester.runpytest("--model=old", "--report=none")
    say(capsys, "history", "baseline", "set", "latest", "--to", "bare.json")
    said = say(capsys, "history", "baseline", "set", "latest", "--to", "full.json", "--with-texts", "--json")
    assert json.loads(said)["file"] == "full.json"
    judge = root / "judges/meaning.yml"
    judge.write_text(judge.read_text(encoding="utf-8").replace("fit the message?", "fit?"), encoding="utf-8")
    for file in ("bare.json", "full.json"):
        result = pytester.runpytest("--model=new", f"--baseline={file}", "--report=none")
        assert result.ret == 4
        result.stderr.fnmatch_lines(["*the judge 'meaning' has changed since*--rejudge*"])
    result = pytester.runpytest("--model=new", "--baseline=bare.json", "--rejudge", "--report=none")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*bare.json holds no answers that could be judged again*--with-texts"])
    assert "holds what the trials came to, and none of their texts" in say(
        capsys, "judge", "anchor", "meaning", "--from", "bare.json", code=4
    )


def test_what_is_not_whole_is_no_baseline(
    root: Path, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    pytester.runpytest("--model=new", "-k", "c1", "--report=none")
    said = say(capsys, "history", "baseline", "set", "latest", code=4)
    assert "cannot be a baseline: only part of its trials was run. Choose a complete run" in said
    pytester.runpytest("--model=new", "--model=old", "--report=none")
    said = say(capsys, "history", "baseline", "set", "latest", code=4)
    assert "holds 2 models, and one is wanted: name it, as new@" in said
    assert say(capsys, "history", "baseline", "show") == (
        "no baselines yet: `swapgate history baseline set RUN` makes one\n"
    )
    run_id = said.split("new@")[1].split(",")[0]
    assert f"@two is new@{run_id}" in say(
        capsys, "history", "baseline", "set", f"new@{run_id}", "--name", "two"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("latest", "--name", "a b"), "--name 'a b' is none: letters, digits"),
        (("latest", "--with-texts"), "--with-texts says what --to FILE holds"),
        (("nothing",), "no run 'nothing'"),
        (("@nothing",), "no baseline @nothing"),
    ],
)
def test_a_wrong_command_makes_no_baseline(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert said in say(capsys, "history", "baseline", "set", *arguments, code=4)
    assert say(capsys, "history", "baseline", "show", "--json") == "[]\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"version": "1', '"version": "2'), "written by another swapgate (format 2.0.0"),
        (('"columns": ["suite"', '"columns": ["sweet"'), "written by another swapgate"),
        (('"run_id"', '"id"'), "no baseline that can be read: "),
        (('"facts": [\n', '"facts": [\n7,'), "no baseline that can be read: "),
        (('"trials": [\n\n]}', ""), "no baseline that can be read: "),
    ],
)
def test_a_file_that_is_none_is_told(
    root: Path,
    pytester: pytest.Pytester,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    said: str,
) -> None:
    say(capsys, "history", "baseline", "set", "latest", "--to", "b.json")
    text = (root / "b.json").read_text(encoding="utf-8")
    assert change[0] in text
    (root / "b.json").write_text(text.replace(*change), encoding="utf-8")
    result = pytester.runpytest("--model=new", "--baseline=b.json")
    assert result.ret == 4
    assert said in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


def test_a_run_that_may_stop_early_looks_at_a_file_of_facts(
    root: Path, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [f"d{n:03d}" for n in range(120)]
    answers = {"old": dict.fromkeys(many, RIGHT), "new": dict.fromkeys(many, BLIND)}
    recorded_workspace(root, answers)
    lay(root, {"cases/triage.yml": suite([case(name) for name in many])})
    pytester.runpytest("--model=old", "--report=none")
    say(capsys, "history", "baseline", "set", "latest", "--to", "b.json")
    result = pytester.runpytest("--model=new", "--baseline=b.json", "--stop-early", "--report=none")
    assert result.ret == 10
    result.stdout.fnmatch_lines(["note: stopped early: new: margin overall can hardly be passed any more*"])
