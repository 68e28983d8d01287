"""`swapgate cost project`: a month in money, from given tokens and from what recorded answers took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import swapgate
from swapgate.analysis.projection import PricedAnswer, break_even, monthly_cost, saving
from swapgate.cli import main
from workspaces import RIGHT, lay, recorded_workspace

ARTICLE = """\
models:
  gpt-5.5: {provider: openai, model: gpt-5.5-2026-04-23, price: {input: 5.00, output: 30.00}}
  deepseek-v4-pro: {provider: deepseek, price: {input: 0.43, output: 0.87}}
  own: {provider: openai-compatible, base_url: "http://[::1]:1", model: m}
"""
GIVEN = ("--monthly", "40000", "--tokens-in", "800", "--tokens-out", "400")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cases").mkdir()
    return tmp_path


def projected(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["cost", "project", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_articles_bill_comes_out_to_the_cent(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(root, {"config/models.yml": ARTICLE})
    assert main(["cost", "project", *GIVEN, "--model", "gpt-5.5", "--model", "deepseek-v4-pro"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "40,000 requests a month"
    assert lines[2].split() == ["gpt-5.5", "800/400", "$16.00", "$640.00"]
    assert lines[3].split() == ["deepseek-v4-pro", "800/400", "$0.69", "$27.68"]
    assert lines[4] == "deepseek-v4-pro saves $612.32 a month against gpt-5.5, 23 times less"


def test_switch_pays_for_itself_after_months(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(root, {"config/models.yml": ARTICLE})
    options = ("--model", "gpt-5.5", "--model", "deepseek-v4-pro", "--switching-cost", "6123.20")
    assert projected(capsys, *GIVEN, *options)["break_even"][0]["months"] == pytest.approx(10)
    back = ("--model", "deepseek-v4-pro", "--model", "gpt-5.5", "--switching-cost", "1")
    main(["cost", "project", *GIVEN, *back])
    assert "gpt-5.5 never pays for a switch of $1.00" in capsys.readouterr().out


def test_a_price_that_goes_by_the_hour_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("--model", "deepseek:deepseek-v4-pro", "--model", "openai:gpt-4o-2024-08-06")
    assert main(["cost", "project", *GIVEN, *names]) == 0
    note = (
        "note: deepseek:deepseek-v4-pro costs more at certain hours, and is counted at the price of this one"
    )
    (told,) = (line for line in capsys.readouterr().out.splitlines() if "hours" in line)
    assert told.startswith(note)
    assert [one["goes_by_hours"] for one in projected(capsys, *GIVEN, *names)["models"]] == [True, False]


@pytest.fixture
def recorded(root: Path) -> Path:
    """Run two models on twenty cases: the new one is cheaper a token, and takes twice the output."""
    names = [f"c{i:02}" for i in range(20)]
    recorded_workspace(root, {m: dict.fromkeys(names, RIGHT) for m in ("old", "new")})
    for model, factor in (("old", 1), ("new", 2)):
        lines = [
            {"case": n, "output": RIGHT, "usage": {"tokens_in": 100 + i, "tokens_out": (50 + i) * factor}}
            for i, n in enumerate(names)
        ]
        lay(root, {f"outputs/{model}.jsonl": "\n".join(json.dumps(line) for line in lines)})
    prices = {"old": {"input": 5, "output": 30}, "new": {"input": 1, "output": 10}}
    models = {
        m: {"provider": "recorded", "path": f"outputs/{m}.jsonl", "price": p} for m, p in prices.items()
    }
    lay(root, {"config/models.yml": json.dumps({"models": models})})
    swapgate.run("cases/triage.yml", model="new", baseline="old", root=root)
    return root


@pytest.mark.usefixtures("recorded")
def test_each_model_is_counted_with_its_own_tokens_and_an_interval(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = projected(capsys, "--monthly", "1000")
    old, new = told["models"]
    assert (old["model"], new["model"]) == ("old", "new")
    assert (old["tokens_in"], old["tokens_out"], new["tokens_out"]) == (109.5, 59.5, 119.0)
    assert old["usd_per_month"] == pytest.approx(1000 * (109.5 * 5 + 59.5 * 30) / 1e6)
    assert old["low"] < old["usd_per_month"] < old["high"]
    (saved,) = told["savings"]
    assert saved["pairs"] == 20
    assert saved["usd_per_month"] == pytest.approx(old["usd_per_month"] - new["usd_per_month"])
    # Paired: both models' costs rise with the case, so their difference varies less than either.
    assert saved["high"] - saved["low"] < old["high"] - old["low"]


@pytest.mark.usefixtures("recorded")
def test_the_newest_run_is_taken_and_models_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    told = projected(capsys, "latest", "--monthly", "10", "--model", "new", "--model", "old")
    assert [one["model"] for one in told["models"]] == ["new", "old"]
    assert main(["cost", "project", "--monthly", "10", "--model", "other"]) == 4
    assert "no answers of other in latest" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*GIVEN, "--model", "own"), "nobody knows what own (openai-compatible m) costs"),
        ((*GIVEN, "--model", "gpt-4o-banana"), "unknown model 'gpt-4o-banana'"),
        ((*GIVEN, "--model", "openai:gpt-4o-banana"), "no other model's price is taken for it"),
        (GIVEN, "name them with --model"),
        (("--monthly", "1", "--tokens-in", "1"), "give both, or neither"),
        (("latest", *GIVEN, "--model", "gpt-5.5"), "take the place of a stored run"),
        (("--monthly", "1"), "`pytest --model=NAME` makes one"),
        (("--monthly", "0"), "--monthly"),
    ],
)
def test_what_cannot_be_projected_is_told(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    lay(root, {"config/models.yml": ARTICLE})
    assert main(["cost", "project", *arguments]) == 4
    assert told in capsys.readouterr().err


def test_answers_without_token_counts_are_said_and_never_counted_as_free(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded_workspace(root, {"only": {"a": RIGHT, "b": RIGHT}})
    models = {
        "only": {"provider": "recorded", "path": "outputs/only.jsonl", "price": {"input": 1, "output": 1}}
    }
    counted = {"case": "a", "output": RIGHT, "usage": {"tokens_in": 1000, "tokens_out": 0}}
    lines = [counted, {"case": "b", "output": RIGHT}]
    lay(root, {"config/models.yml": json.dumps({"models": models})})
    lay(root, {"outputs/only.jsonl": "\n".join(json.dumps(line) for line in lines)})
    swapgate.run("cases/triage.yml", model="only", root=root)
    assert main(["cost", "project", "--monthly", "1000"]) == 0
    out = capsys.readouterr().out
    assert "$1.00" in out
    assert "note: 1 answers of only have no token counts and are in nothing" in out


COSTS = st.lists(st.floats(0, 10), min_size=1, max_size=30)


@given(COSTS, st.integers(1, 10**6))
def test_a_month_is_the_mean_times_the_requests_and_lies_in_its_interval(
    costs: list[float], requests: int
) -> None:
    answers = [
        PricedAnswer(key=str(i), cluster=str(i), tokens_in=1, tokens_out=1, cost_usd=cost)
        for i, cost in enumerate(costs)
    ]
    found = monthly_cost("m", answers, requests=requests)
    assert found.usd_per_month == pytest.approx(sum(costs) / len(costs) * requests)
    if found.low is not None and found.high is not None:
        assert 0 <= found.low <= found.usd_per_month <= found.high
    else:
        assert found.note
    same = saving(found, found, answers=answers, against_answers=answers)
    assert same.usd_per_month == 0
    assert break_even(same, switching_usd=5).months is None
