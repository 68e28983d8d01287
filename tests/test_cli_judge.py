"""`swapgate judge`: the list of judges, and one of them as it is after `extends`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swapgate.cli import main
from swapgate.judging.load import load_judges
from workspaces import lay

JUDGES = {
    "judges/careful.yml": "judge: careful\nextends: swapgate/faithfulness\nmodel: m\nitems: {altered: }\n",
    "judges/likes.yml": "judge: likes\nkind: python\ncall: likes:score\n",
    "judges/broken.yml": "judge: broken\nmodel: m\n",
    "cases/s.yml": "suite: s\ncases: [{id: a, input: {q: x}}]\n",
    "likes.py": "def score(text):\n    return True\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay(tmp_path, JUDGES)
    return tmp_path


def called(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["judge", *words, "--root", str(root)])
    said = capsys.readouterr()
    return code, said.out, said.err


def as_json(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, _err = called(root, capsys, *words, "--json")
    assert code == 0
    return json.loads(out)


def test_the_list_holds_the_workspaces_judges_and_the_library(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {row["name"]: row for row in as_json(root, capsys, "list")}
    assert rows["careful"]["extends"] == "swapgate/faithfulness"
    assert (rows["careful"]["kind"], rows["careful"]["model"]) == ("checklist", "m")
    assert (rows["likes"]["kind"], rows["likes"]["model"], rows["likes"]["pass"]) == ("python", None, "score")
    assert (rows["swapgate/refusal"]["source"], rows["swapgate/refusal"]["model"]) == ("library", None)


def test_a_broken_judge_is_warned_of_and_the_others_are_listed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = called(root, capsys, "list")
    assert code == 0
    assert "careful" in out
    assert "broken.yml:1: a judge is missing the key 'criteria'" in err


def test_a_judge_is_shown_as_it_is_after_extends_with_its_hash_and_calls(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = as_json(root, capsys, "show", "careful")
    assert list(shown["definition"]["items"]) == ["supported", "contradiction", "admits_gaps"]
    loaded = load_judges(["careful"], judges_dir=root / "judges")["careful"]
    assert shown["definition_hash"] == loaded.definition_hash
    assert len(shown["calls"]) == 3
    assert "The answer to judge:" in shown["calls"][0]["messages"][-1]["content"]
    assert shown["calls"][0]["schema"]["required"] == ["evidence", "reasoning", "verdict"]


def test_a_judge_of_the_library_is_shown_without_a_hash(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = as_json(root, capsys, "show", "swapgate/preference")
    assert (shown["kind"], shown["definition_hash"], len(shown["calls"])) == ("pairwise", None, 2)
    code, out, _err = called(root, capsys, "show", "swapgate/preference")
    assert code == 0
    assert "--- call 2 of 2, user ---" in out
    assert "hash: none before it has a model" in out


def test_a_judge_that_asks_for_facts_of_the_case_is_shown_with_one(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = "judge: facts\nkind: checklist\nmodel: m\nfacts: {required: /must/state}\n"
    lay(root, {"judges/facts.yml": facts})
    (call,) = as_json(root, capsys, "show", "facts")["calls"]
    assert "- required_1, yes, no or cannot_assess: Does the answer state" in call["messages"][-1]["content"]


def test_a_judge_that_is_code_makes_no_calls(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = as_json(root, capsys, "show", "likes")
    assert (shown["calls"], shown["definition"]["pass"]) == ([], "score")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("carefull", "Did you mean 'careful'"),
        ("swapgate/tones", "Did you mean 'swapgate/tone'"),
        ("broken", ":1:"),
    ],
)
def test_an_unknown_or_broken_judge_is_a_usage_error(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, problem: str
) -> None:
    code, _out, err = called(root, capsys, "show", name)
    assert code == 4
    assert problem in err
