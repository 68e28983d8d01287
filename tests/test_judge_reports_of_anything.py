"""A report on a judge comes of any labels and pairs: numbers or reasons, never nan, never an exception."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from swapgate.errors import SpecError
from swapgate.judging.judge import Judge
from swapgate.labelling.calibrate import judge_report
from swapgate.labelling.evidence import Evidence
from swapgate.labelling.measured import as_json
from swapgate.labelling.show import markdown, terminal_lines
from swapgate.spec.calibration import calibration_of
from swapgate.spec.judges import RubricSpec
from swapgate.spec.source import Document
from swapgate.spec.yaml_core import Place

JUDGE = Judge(
    RubricSpec.model_validate(
        yaml.safe_load(
            'judge: qa\nmodel: j\ncriteria:\n  fit: {ask: "Fits?", scale: [1, 5]}\n  clear: {ask: "Clear?"}\n'
            "pass: fit >= 4 and clear\n"
        )
    )
)
SCORES = st.fixed_dictionaries({}, optional={"fit": st.integers(1, 5), "clear": st.integers(0, 1)})
LABEL = st.fixed_dictionaries(
    {"verdict": st.sampled_from(["pass", "fail", None]), "truth": st.sampled_from(["pass", "fail", "skip"])},
    optional={
        "case": st.sampled_from("abcdef"),
        "model": st.sampled_from(["m1", "m2", "m3"]),
        "repeat": st.integers(1, 40),
        "cluster": st.sampled_from(["x", "y"]),
        "scores": SCORES,
        "truth_scores": SCORES,
        "note": st.text(max_size=8),
        "characters": st.integers(0, 50),
    },
)
SIDE = st.sampled_from(["a", "b", "tie"])
PAIR = st.fixed_dictionaries(
    {"winner": SIDE | st.none(), "winner_swapped": SIDE | st.none(), "truth": SIDE},
    optional={
        "group": st.sampled_from(["g", "h"]),
        "characters": st.tuples(st.integers(0, 9), st.integers(0, 9)),
    },
)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(LABEL, max_size=60),
    st.lists(PAIR, max_size=12),
    st.sampled_from(["random", "by_verdict", "by_label"]),
)
def test_any_labels_and_pairs_make_a_report(labels, pairs, design):
    # Three people, or one, for every response, and one verdict and one set of scores for each.
    people = ["ann", "bob", "eve"] if len(labels) % 2 else ["ann"]
    rows = []
    for number, label in enumerate(labels):
        row = {**label, "response": f"{number // len(people):08x}", "annotator": people[number % len(people)]}
        first = rows[number - number % len(people)] if number % len(people) else row
        rows.append({**row, "verdict": first["verdict"], "scores": first.get("scores", {})})
    written = {"calibration": "qa", "design": design, "labels": rows, "pairs": pairs}
    document = Document(path=Path("qa.calibration.yml"), data=written, place=Place(1), shown="qa")
    if not rows and not pairs:
        with pytest.raises(SpecError, match="the calibration has no labels"):
            calibration_of(document, "qa")
        return
    calibration = calibration_of(document, "qa")
    report = judge_report(Evidence(calibration=calibration, judge=JUDGE))
    json.dumps(as_json(report), allow_nan=False)
    assert "\n".join(terminal_lines(report, disagreements=2))
    assert markdown(report)
    for section in report.sections:
        for measure in section.measures:
            assert measure.estimate is not None or measure.note, measure
            if measure.low is not None and measure.high is not None:
                assert measure.low < measure.high, measure


@pytest.mark.parametrize("verdict", ["pass", "fail"])
@pytest.mark.parametrize("design", ["random", "by_verdict", "by_label"])
def test_a_judge_that_says_the_same_of_everything_is_refused_with_the_reason(verdict, design):
    rows = [{"verdict": verdict, "truth": truth} for truth in ("pass", "fail") * 20]
    written = {"calibration": "qa", "design": design, "labels": rows}
    document = Document(path=Path("qa.calibration.yml"), data=written, place=Place(1), shown="qa")
    report = judge_report(Evidence(calibration=calibration_of(document, "qa"), judge=JUDGE))
    other = "failing" if verdict == "pass" else "passing"
    assert report.advice == (f"these labels correct no rate: no label stands beside a {other} verdict",)
    assert report.section("agreement") is None
