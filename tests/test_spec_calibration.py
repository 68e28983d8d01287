"""Calibration files: what is read from where, the exact words for what is wrong, and what statistics get."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swapgate.errors import SpecError
from swapgate.spec.calibration import Calibration, read_calibration
from swapgate.spec.calibration_files import is_calibration

HEAD = "calibration: qa\ndesign: random\n"
ROW = "  - {verdict: pass, truth: fail}\n"


@pytest.fixture
def judges(tmp_path: Path) -> Path:
    (tmp_path / "judges").mkdir()
    return tmp_path / "judges"


def read(judges: Path, text: str, **others: str) -> Calibration:
    (judges / "qa.calibration.yml").write_text(text)
    for name, content in others.items():
        (judges / name.replace("__", ".")).write_text(content)
    found = read_calibration(judges, "qa", root=judges.parent)
    assert found is not None
    return found


def problem(judges: Path, text: str, **others: str) -> str:
    with pytest.raises(SpecError) as caught:
        read(judges, text, **others)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"{HEAD}labels:\n  - {{verdict: pas, truth: fail}}\n",
            "judges/qa.calibration.yml:4: 'labels[0].verdict' must be 'pass' or 'fail', got 'pas'."
            " Did you mean 'pass'?",
        ),
        (
            f"{HEAD}labels:\n  - {{verdict: pass, truth: fail, modle: x}}\n",
            "judges/qa.calibration.yml:4: unknown key 'modle' in a labelled verdict. Did you mean 'model'?",
        ),
        (
            f"calibration: qa\ndesign: by-label\nlabels:\n{ROW}",
            "judges/qa.calibration.yml:2: 'design' must be 'random', 'by_verdict' or 'by_label',"
            " got 'by-label'. Did you mean 'by_label'?",
        ),
        (
            f"calibration: qa\nlabels:\n{ROW}",
            "judges/qa.calibration.yml:1: a calibration is missing the key 'design'",
        ),
        (
            f"calibration: other\ndesign: random\nlabels:\n{ROW}",
            "judges/qa.calibration.yml:1: the calibration of 'other' stands in qa.calibration.yml:"
            " write `calibration: qa`, or rename the file to other.calibration.yml",
        ),
        (
            HEAD,
            "judges/qa.calibration.yml:1: the calibration has no labels: write `labels:` or `labels_from:`",
        ),
        (
            f"{HEAD}labels_from: qa.labels.csv\n",
            "judges/qa.calibration.yml:3: labels_from: 'qa.labels.csv' is no .jsonl file, a label a line",
        ),
        (
            f"{HEAD}labels:\n  - {{model: a, case: x, verdict: pass, truth: fail}}\n"
            "  - {model: a, case: x, verdict: fail, truth: fail}\n",
            "judges/qa.calibration.yml:5: the response to case 'x' is already labelled at"
            " judges/qa.calibration.yml:4: keep one label, or name the model and the repeat",
        ),
    ],
)
def test_a_mistake_is_named_at_its_line_with_the_remedy(judges, text, message):
    assert problem(judges, text) == message


def test_a_missing_file_of_labels_names_the_nearest(judges):
    text = f"{HEAD}labels_from: qa.label.jsonl\n"
    assert problem(judges, text, qa__labels__jsonl="") == (
        "judges/qa.calibration.yml:3: labels_from: no file 'qa.label.jsonl' (looked in judges/)."
        " Did you mean 'qa.labels.jsonl'?"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"verdict": "pass", "truth": "yes"}',
            "judges/more.jsonl:2: 'truth' must be 'pass', 'fail' or 'skip', got 'yes'",
        ),
        ('{"verdict": "pass"}', "judges/more.jsonl:2: a label is missing the key 'truth'"),
        (
            '{"verdict": ',
            "judges/more.jsonl:2: not valid JSON: Expecting value: line 1 column 13 (char 12)",
        ),
    ],
)
def test_a_mistake_in_a_line_is_named_at_that_line(judges, line, message):
    assert problem(judges, f"{HEAD}labels_from: more.jsonl\n", more__jsonl=f"\n{line}\n") == message


def test_rows_of_both_places_are_read_in_order(judges):
    more = "\n".join(json.dumps({"model": "b", "verdict": v, "truth": "pass"}) for v in ("pass", "fail"))
    found = read(judges, f"{HEAD}labels:\n{ROW}labels_from: [more.jsonl]\n", more__jsonl=more)
    assert [(row.model, row.verdict, row.truth) for row in found.rows] == [
        (None, "pass", "fail"),
        ("b", "pass", "pass"),
        ("b", "fail", "pass"),
    ]
    assert found.judge == "qa"
    assert found.models == ("b",)


def test_labels_are_given_to_statistics_pooled_and_by_model(judges):
    found = read(
        judges,
        "calibration: qa\ndesign: by_verdict\nlabels:\n"
        "  - {model: a, suite: s, case: x, repeat: 1, verdict: pass, truth: pass}\n"
        "  - {model: a, suite: s, case: x, repeat: 2, verdict: pass, truth: fail}\n"
        "  - {model: b, suite: s, case: x, cluster: repo, verdict: fail, truth: fail}\n"
        "  - {verdict: fail, truth: pass}\n",
    )
    pooled, of_a = found.labels(), found.labels_of("a")
    assert pooled.design == "by_verdict"
    assert (list(pooled.verdicts), list(pooled.truths)) == (
        [True, True, False, False],
        [True, False, False, True],
    )
    assert of_a is not None
    assert list(of_a.truths) == [True, False]
    assert len({*of_a.clusters}) == 1
    assert len({*pooled.clusters}) == 3
    assert found.labels_of("c") is None


def test_another_definition_of_the_judge_is_a_warning(judges):
    found = read(judges, f"{HEAD}judge_hash: 3f2a3f2a\nlabels:\n{ROW}")
    assert found.warning("3f2a3f2a" + "0" * 56) == ""
    assert found.warning("ab" * 32) == (
        "qa.calibration.yml labels verdicts of another definition of judge 'qa' "
        "(3f2a3f2a, now abababab): label verdicts of this one"
    )
    assert read(judges, f"{HEAD}labels:\n{ROW}").warning("ab" * 32) == ""


def test_a_judge_without_a_calibration_has_none(judges):
    assert read_calibration(judges, "qa") is None


def test_a_calibration_is_told_from_a_judge_by_its_name(judges):
    assert is_calibration(judges / "qa.calibration.yml")
    assert is_calibration(judges / "qa.calibration.yaml")
    assert not is_calibration(judges / "qa.yml")
    (judges / "qa.calibration.yaml").write_text(f"{HEAD}labels:\n{ROW}")
    assert read_calibration(judges, "qa") is not None


def drawn(**more: object) -> str:
    draw = {
        "judge": "qa",
        "judge_hash": "ab" * 32,
        "run": "r1",
        "design": "random",
        "seed": 0,
        "count": 1,
        "drawn": {"pass": 1, "fail": 0},
        "population": {"m": {"pass": 5, "fail": 2}},
        **more,
    }
    return json.dumps({"draw": draw}) + "\n" + '{"verdict": "pass", "truth": "pass"}\n'


@pytest.mark.parametrize(
    ("head", "more", "message"),
    [
        ("", {"judge": "other"}, "3: more.jsonl labels verdicts of the judge 'other': take it away"),
        (
            "",
            {"design": "by_verdict"},
            "2: more.jsonl was drawn 'by_verdict', the calibration says 'random': write what was done",
        ),
        (
            "judge_hash: cdcdcdcd\n",
            {},
            "4: more.jsonl labels verdicts of definition abababab, not of cdcdcdcd: "
            "leave the key away, the file says it itself",
        ),
    ],
)
def test_a_label_file_that_was_drawn_otherwise_is_refused(judges, head, more, message):
    text = f"{HEAD}labels_from: more.jsonl\n{head}"
    assert problem(judges, text, more__jsonl=drawn(**more)) == f"judges/qa.calibration.yml:{message}"


def test_label_files_of_two_definitions_are_refused(judges):
    text = f"{HEAD}labels_from: [one.jsonl, two.jsonl]\n"
    said = problem(judges, text, one__jsonl=drawn(), two__jsonl=drawn(judge_hash="cd" * 32))
    assert said == (
        "judges/qa.calibration.yml:3: two.jsonl labels verdicts of definition cdcdcdcd, not of abababab: "
        "keep one of the files"
    )


def test_a_label_file_says_the_definition_itself(judges):
    found = read(judges, f"{HEAD}labels_from: more.jsonl\n", more__jsonl=drawn())
    assert found.judge_hash == "ab" * 32
    assert "of another definition" in found.warning("cd" * 32)
    assert [draw.population["m"].passing for draw in found.draws] == [5]
