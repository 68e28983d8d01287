"""`swapgate judge calibrate` on recorded judgments: the numbers that others have published for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recorded_judgments import crscore_ratings, llmbar_pairs, needs_data
from swapgate.cli import main
from workspaces import JUDGE, lay

pytestmark = needs_data
SUBSETS = ("Natural", "Neighbor", "GPTInst", "GPTOut", "Manual")
# LLMBar (Zeng et al., arXiv:2310.07641): accuracy over both orders by subset, in percent.
ACCURACY = {
    ("GPT-4", "Vanilla"): (95.5, 78.7, 86.4, 77.7, 80.4),
    ("GPT-4", "Vanilla_NoRules"): (93.5, 64.2, 76.6, 76.6, 75.0),
    ("ChatGPT-0301", "Vanilla"): (84.0, 28.7, 37.5, 51.1, 44.6),
    ("Falcon", "Vanilla"): (74.0, 50.4, 50.0, 54.3, 51.1),
}
# Same winner in both orders of 419, flips to the first place and to the second, right in both orders.
ORDERS = {"GPT-4": (389, 20, 10, 339), "ChatGPT-0301": (242, 160, 17, 113), "Falcon": (174, 238, 7, 114)}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, {"cases/.keep": "", "judges/meaning.yml": JUDGE})
    return tmp_path


def calibrated(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["judge", "calibrate", "meaning", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def lay_rows(root: Path, key: str, rows: Any) -> None:
    lay(
        root,
        {
            "judges/meaning.calibration.yml": f"calibration: meaning\ndesign: random\n{key}: rows.jsonl\n",
            "judges/rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        },
    )


@pytest.mark.parametrize(("judge", "prompt"), ACCURACY)
def test_accuracy_on_llmbar_is_the_published_one(root, capsys, judge, prompt):
    lay_rows(root, "pairs_from", llmbar_pairs(judge, prompt))
    found = calibrated(capsys)["pairs_of_answers"]["accuracy_by_group"]
    assert [round(100 * found[subset], 1) for subset in SUBSETS] == pytest.approx(
        list(ACCURACY[judge, prompt]), abs=0.051
    )


@pytest.mark.parametrize("judge", ORDERS)
def test_consistency_over_both_orders_is_the_recorded_one(root, capsys, judge):
    lay_rows(root, "pairs_from", llmbar_pairs(judge, "Vanilla"))
    found = calibrated(capsys)["pairs_of_answers"]
    assert (found["same"], found["to_first"], found["to_second"], found["right_in_both"]) == ORDERS[judge]
    assert found["unread"] == 0
    assert found["same winner in both orders"]["estimate"] == pytest.approx(ORDERS[judge][0] / 419, abs=1e-6)


def test_the_longer_output_wins_as_often_as_recorded(root, capsys):
    lay_rows(root, "pairs_from", llmbar_pairs("GPT-4", "Vanilla"))
    assert calibrated(capsys)["pairs_of_answers"]["longer_wins"] == 139


@pytest.mark.parametrize(
    ("criterion", "ordinal", "interval", "same"),
    [
        ("conciseness", 0.8086, 0.8067, 0.7000),
        ("comprehensiveness", 0.7744, 0.7899, 0.7444),
        ("relevance", 0.8058, 0.8044, 0.6889),
    ],
)
def test_two_raters_of_crscore_agree_as_recorded(root, capsys, criterion, ordinal, interval, same):
    lay_rows(root, "labels_from", crscore_ratings())
    found = calibrated(capsys)["annotators"]
    shown = [
        found[f"{criterion}: {name}"]["estimate"]
        for name in ("alpha (ordinal)", "alpha (interval)", "same answer")
    ]
    assert shown == pytest.approx([ordinal, interval, same], abs=5e-5)
