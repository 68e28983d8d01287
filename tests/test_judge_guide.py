"""The hour of docs/judges.md: its workspace, its commands and what they print are what really happens."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from swapgate.cli import main
from swapgate.labelling.label_file import label_row
from swapgate.labelling.prepare import Labelling, Wanted, prepare
from workspaces import newest_run

PAGE = (Path(__file__).parents[1] / "docs" / "judges.md").read_text(encoding="utf-8")
CONSOLE = dict(
    block.removeprefix("$ ").split("\n", 1)
    for block in re.findall(r"```console\n(\$ swapgate.*?)\n```", PAGE, re.DOTALL)
    if "\n" in block and not block.count("\n$ ")
)


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SWAPGATE_MODEL", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    (script,) = (block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "quotes" in block)
    (pytester.path / "lay.py").write_text(script)
    subprocess.run([sys.executable, "lay.py"], cwd=pytester.path, check=True)
    return pytester.path


def run(pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    return str(pytester.runpytest("--model=assistant").stdout)


def labelling(root: Path, **wanted: Path) -> Labelling:
    found, trials = newest_run(root)
    return prepare(trials, Wanted(**wanted), run=found.id, judges_dir=root / "judges", root=root)


def answer_all(found: Labelling) -> int:
    """Answer what is open as somebody does who can multiply; return how much that was."""
    rows = [
        label_row(
            one,
            annotator="ann",
            truth="pass" if f" {one.trial.expected} " in one.answer else "fail",
        )
        for one in found.responses
        if ("ann", one.id) not in found.file.answers
    ]
    found.file.add(rows)
    return len(rows)


def same(text: str) -> list[str]:
    """Return the lines of an output without what a change of the judge's own words would change."""
    return re.sub(r"definition [0-9a-f]{8}", "definition X", text).rstrip().splitlines()


def test_the_hour_goes_as_the_page_says(root, pytester, monkeypatch, capsys):
    before = run(pytester, capsys)
    assert "note: judge uncalibrated: quotes" in before
    assert "64.5% [" in before

    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    capsys.readouterr()
    assert main(["judge", "label", "latest", "--annotator", "ann"]) == 0
    shown = same(CONSOLE["swapgate judge label latest --annotator ann"])
    assert same(capsys.readouterr().out)[: len(shown) - 1] == shown[:-1]

    trials = newest_run(root)[1]
    right = sum(f" {one.expected} " in one.answer.response.text for one in trials) / len(trials)
    assert f"`lay.py` made {right:.1%} of these answers right" in PAGE

    assert answer_all(labelling(root)) == 60
    command = "swapgate judge calibrate quotes --disagreements 1"
    assert main(command.split()[1:]) == 0
    assert same(capsys.readouterr().out) == same(CONSOLE[command])

    after = run(pytester, capsys)
    assert "79.3%*" in after
    assert "judge calibrated: quotes: 60 labels (by verdict)" in after

    judge = root / "judges/quotes.yml"
    judge.write_text(judge.read_text().replace("correct >= 4", "correct >= 3"))
    run(pytester, capsys)
    files = {"out": root / "judges/quotes-2.labels.jsonl", "reuse": root / "judges/quotes.labels.jsonl"}
    assert 0 < answer_all(labelling(root, **files)) < 30
    calibration = root / "judges/quotes.calibration.yml"
    text = calibration.read_text().replace("quotes.labels.jsonl", "quotes-2.labels.jsonl")
    calibration.write_text(re.sub(r"\njudge_hash: [^\n]*", "", text, count=1))
    assert main(["judge", "calibrate", "quotes"]) == 0
    assert "the judge passes from 3 on now, which is the best of these" in capsys.readouterr().out
    assert "judge calibrated: quotes: 60 labels (by verdict)" in run(pytester, capsys)
