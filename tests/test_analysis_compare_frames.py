"""Frames compared: the numbers of a run's own comparison, also from a plain table; mistakes are named."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis_trials import facts, many
from swapgate.analysis import compare_frames, trials_frame
from swapgate.analysis.compare import compare
from swapgate.analysis.pairs import pair_up
from swapgate.analysis.table import by_model


def two_models():
    return facts([*many(80, 20, model="old", role="baseline"), *many(90, 10)])


def test_a_frame_says_what_the_runs_own_comparison_says():
    own = compare(pair_up(by_model(two_models()), candidate="new", baseline="old")).differences[0]
    frame = compare_frames(trials_frame(two_models()), candidate="new", baseline="old")
    first = frame.iloc[0]
    assert (first["measure"], first["by"], first["pairs"]) == ("semantic", "", own.pairs)
    assert (first["estimate"], first["low"], first["high"]) == (own.estimate, own.low, own.high)
    assert (first["p_value"], first["p_noninferior"]) == (own.p_value, own.p_noninferior)
    assert (first["baseline_rate"], first["candidate_rate"]) == (0.8, 0.9)
    assert frame["part"].tolist() == ["", "", "s", "s"]


def test_a_plain_table_of_model_case_and_result_is_enough():
    rows = [(m, f"c{i}", i % 5 > 0 or m == "b") for i in range(60) for m in ("a", "b")]
    table = pd.DataFrame(rows, columns=["model", "case", "semantic"])
    found = compare_frames(table, candidate="b", baseline="a", by=())
    assert found["estimate"].tolist() == [pytest.approx(0.2)]
    assert found["clusters"].tolist() == [60]


def test_repeats_of_a_case_are_one_cluster_and_parts_come_by_any_column():
    rows = [
        (m, f"c{i}", r, "long" if i % 2 else "short", True)
        for i in range(12)
        for r in (1, 2)
        for m in ("a", "b")
    ]
    table = pd.DataFrame(rows, columns=["model", "case", "repeat", "length", "structural"])
    found = compare_frames(table, candidate="b", baseline="a", by=("length",))
    assert found["clusters"].tolist() == [12, 6, 6]
    assert found["pairs"].tolist() == [24, 12, 12]
    assert found["part"].tolist() == ["", "long", "short"]
    assert found["low"].notna().all()


def test_unknown_results_are_in_no_pair():
    table = pd.DataFrame(
        {"model": ["a", "b", "a", "b"], "case": ["x", "x", "y", "y"], "semantic": [True, None, True, True]}
    )
    assert compare_frames(table, candidate="b", baseline="a", by=())["pairs"].tolist() == [1]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"model": ["a"], "semantic": [True]}, "the frame lacks case"),
        ({"model": ["a"], "case": ["x"], "semantic": [True]}, "no model 'b'; it has a"),
        ({"model": ["a", "b", "b"], "case": ["x"] * 3, "semantic": [True] * 3}, "'b' has two rows"),
    ],
)
def test_mistakes_are_named(table, message):
    with pytest.raises(ValueError, match=message):
        compare_frames(pd.DataFrame(table), candidate="b", baseline="a")
