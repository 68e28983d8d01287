"""The short form of every statistical goal, and what a benchmark writes; limits have some room here.

The long forms print the tables of docs/statistics.md: `python benchmarks/statistics.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import nightly
from benchmarks.table import Row

ROOT = Path(__file__).parents[1]
GOALS = sorted(path.stem for path in (ROOT / "benchmarks" / "goals").glob("*.py") if path.stem != "__init__")
# Another version of a generator draws other numbers: the quick cells have some hundred runs.
ROOM = 0.03


def test_there_are_ten_goals():
    assert len(GOALS) == 10


@pytest.mark.parametrize("goal", GOALS)
def test_the_short_form_of_a_goal_is_kept(goal):
    rows = list(import_module(f"benchmarks.goals.{goal}").rows(quick=True))
    assert rows
    assert [f"{row.goal}: {row.value} {row.limit}" for row in rows if not is_kept(row)] == []


def is_kept(row: Row) -> bool:
    relation, _, bound = row.limit.partition(" ")
    room = ROOM * max(1.0, abs(float(bound))) if float(bound) else 0.0
    return row.value <= float(bound) + room if relation == "<=" else row.value >= float(bound) - room


def test_a_drop_is_seen_as_soon_as_the_page_on_nights_says():
    rows = [nightly._delay(history, 200, limit=5) for history in (30, 70)]
    assert [f"{row.goal}: {row.value}" for row in rows if not is_kept(row)] == []


@pytest.mark.parametrize(
    ("value", "limit", "ok"), [(0.05, "<= 0.07", True), (0.08, "<= 0.07", False), (1, ">= 2", False)]
)
def test_a_row_is_ok_when_its_value_keeps_its_limit(value, limit, ok):
    assert Row(goal="g", value=value, limit=limit).ok is ok


def test_a_benchmark_prints_its_table_and_writes_its_rows(tmp_path):
    script = tmp_path / "measured.py"
    script.write_text(
        "from benchmarks.table import Row, run\n"
        "def measure(*, quick):\n"
        "    yield Row(goal='a', value=0.5, limit='<= 1', beside={'naive': 2})\n"
        "    yield Row(goal='b', value=3, limit='<= 1')\n"
        "run(measure, description='')\n"
    )
    done = subprocess.run(
        [sys.executable, str(script), "--quick", "--json", str(tmp_path / "rows.json")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 1
    assert "| a | 0.5 | <= 1 | yes | naive 2 |" in done.stdout
    assert json.loads((tmp_path / "rows.json").read_text()) == [
        {"goal": "a", "value": 0.5, "limit": "<= 1", "ok": True, "beside": {"naive": 2.0}},
        {"goal": "b", "value": 3.0, "limit": "<= 1", "ok": False},
    ]


SHARED = {"__init__", "table", "made_trials"}
SCRIPTS = [p for p in sorted((ROOT / "benchmarks").glob("*.py")) if p.stem not in SHARED]


@pytest.mark.parametrize("script", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_every_benchmark_is_a_script_with_its_options(script):
    done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout
    assert "--json FILE" in done.stdout


JUDGING = ROOT / "benchmarks" / "judging.py"


def test_the_benchmark_of_judging_says_what_it_lacks(tmp_path):
    for folder in ({}, {"SWAPGATE_DATA": str(tmp_path)}):
        environ = {name: value for name, value in os.environ.items() if name != "SWAPGATE_DATA"}
        done = subprocess.run(
            [sys.executable, str(JUDGING), "--quick"],
            capture_output=True,
            text=True,
            env={**environ, **folder},
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(
            "SWAPGATE_DATA names no folder of recorded judgments (llmbar/items.jsonl"
        )


@pytest.mark.skipif(not os.environ.get("SWAPGATE_DATA"), reason="SWAPGATE_DATA names no recorded judgments")
def test_the_short_form_on_recorded_judgments_is_kept():
    rows = list(import_module("benchmarks.judging").measure(quick=True))
    assert [f"{row.goal}: {row.value} {row.limit}" for row in rows if not is_kept(row)] == []
    assert len(rows) == 11
