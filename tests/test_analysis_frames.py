"""Trials as a pandas frame: one row a trial, unknown values as NA."""

from __future__ import annotations

import pandas as pd

from analysis_trials import answer, errored, facts, trial, verdict
from swapgate.analysis.frames import COLUMNS, trials_frame


def test_one_row_a_trial_with_checks_and_scores_as_columns():
    frame = trials_frame(
        facts([trial("a", semantic=True, cluster="doc"), trial("b", semantic=False, repeat=2)])
    )
    assert list(frame.columns) == [*COLUMNS, "check:json", "score:meaning.accuracy"]
    first, second = frame.to_dict("records")
    assert (first["case"], first["outcome"], first["semantic"], first["blind_pass"]) == (
        "a",
        "passed",
        True,
        False,
    )
    assert (second["repeat"], second["outcome"], second["blind_pass"]) == (2, "missed", True)
    assert (first["cluster"], second["cluster"]) == ("s/doc", "s/b")
    assert (first["tokens_in"], first["cost_usd"], first["judge_cost_usd"]) == (100, 0.01, 0.002)
    assert frame["score:meaning.accuracy"].mean() == 3.5
    assert frame["check:json"].all()


def test_what_is_unknown_is_na_and_not_zero_or_false():
    frame = trials_frame(facts([trial("a", answer=answer(cost_usd=None)), errored("b")]))
    assert frame["semantic"].isna().all()
    assert frame["cost_usd"].isna().all()
    assert frame.loc[1, ["structural", "tokens_in", "latency_s", "check:json"]].isna().all()
    assert frame["error_kind"].isna().tolist() == [True, False]
    assert frame.loc[1, "error_kind"] == "timeout"


def test_rates_from_the_frame_are_those_of_the_summary():
    trials = [
        trial("a", semantic=True),
        trial("b", semantic=False),
        trial("c", structural=False, semantic=False),
    ]
    frame = trials_frame(facts(trials))
    assert frame["semantic"].mean() == 1 / 3
    assert frame["blind_pass"].mean() == 0.5
    assert frame["structural"].dtype == pd.BooleanDtype()


def test_judges_that_differ_between_trials_share_one_frame():
    other = verdict(True, judge="tone")
    frame = trials_frame(facts([trial("a", semantic=True), trial("b", verdicts=(other,))]))
    assert frame["score:meaning.accuracy"].isna().tolist() == [False, True]
    assert frame["score:tone.accuracy"].isna().tolist() == [True, False]


def test_no_trials_give_the_columns_and_no_row():
    frame = trials_frame(facts([]))
    assert frame.empty
    assert list(frame.columns) == list(COLUMNS)
