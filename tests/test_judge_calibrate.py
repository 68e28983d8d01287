"""`swapgate judge calibrate`: what it measures, what it writes beside the judge, and what it leaves alone."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis_trials import trial, verdict
from swapgate.cli import main
from swapgate.judging.judge import Judge
from swapgate.labelling.evidence import Evidence, judge_trials
from swapgate.labelling.itself import canaries, itself
from swapgate.labelling.label_file import LabelFile, label_row
from swapgate.labelling.prepare import Wanted, prepare
from swapgate.records import CanaryOutcome, CanaryResult, JudgeCanaries, JudgeSample
from swapgate.spec.calibration import read_calibration
from swapgate.spec.judges import RubricSpec
from swapgate.stats import Labels, judge_quality
from workspaces import BLIND, JUDGE, RIGHT, judged_workspace, lay, newest_run

Said = pytest.CaptureFixture[str]
CASES = [f"case-{n:03}" for n in range(90)]
FILE = "judges/meaning.calibration.yml"
MARK = "# Measured by"
SCALED = """\
judge: meaning
model: judge
criteria:
  fit: {ask: "Does it fit?", scale: [1, 5]}
pass: fit >= 4
"""


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of one model whose answers are right in two of three cases, and a lenient judge."""
    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    judged_workspace(
        pytester.path,
        {"new": {name: RIGHT if n % 3 else BLIND for n, name in enumerate(CASES)}},
        {name: n % 3 > 0 or n % 2 > 0 for n, name in enumerate(CASES)},
    )
    pytester.runpytest("--model=new", "--report=none")
    return pytester.path


def label(
    root: Path, *people: str, says: Callable[[str, str], str] | None = None, **wanted: Any
) -> LabelFile:
    """Let people label the newest run: by the truth, or by what `says` makes of person and answer."""
    run, trials = newest_run(root)
    found = prepare(trials, Wanted(**wanted), run=run.id, judges_dir=root / "judges", root=root)
    for who in people:
        found.file.add(
            label_row(
                one,
                annotator=who,
                truth=says(who, one.trial.case) if says else ("pass" if one.answer == RIGHT else "fail"),
            )
            for one in found.responses
        )
    return found.file


def calibrated(capsys: Said, *options: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["judge", "calibrate", "meaning", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def printed(capsys: Said, *options: str) -> str:
    capsys.readouterr()
    assert main(["judge", "calibrate", "meaning", *options]) == 0
    return capsys.readouterr().out


def lay_rows(root: Path, rows: Sequence[dict[str, object]], *, design: str = "random", **files: str) -> None:
    """Lay a calibration of rows that name no run."""
    written = {"calibration": "meaning", "design": design, "labels": list(rows)}
    lay(root, {"cases/.keep": "", "judges/meaning.yml": JUDGE, FILE: json.dumps(written), **files})


@pytest.mark.parametrize("design", ["random", "by_verdict"])
def test_error_rates_are_those_of_the_statistics_by_the_design_of_the_draw(root, capsys, design):
    file = label(root, "ann", design=design, count=60)
    found = calibrated(capsys)
    labels = Labels(
        verdicts=[row.verdict == "pass" for row in file.answers.values()],
        truths=[row.truth == "pass" for row in file.answers.values()],
        design=design,
    )
    expected = judge_quality(labels, pass_share=75 / 90)
    for name in ("sensitivity", "specificity", "youden", "accuracy", "prevalence"):
        interval = getattr(expected, name)
        shown = found["against_people"][name]
        assert [shown[key] for key in ("estimate", "low", "high")] == pytest.approx(
            [interval.estimate, interval.low, interval.high], abs=1e-6
        )
    assert found["labels"] == 60
    assert found["against_people"]["counts"]["false_fail"] == 0


def test_agreement_of_rows_drawn_by_verdict_is_that_of_all_responses(root, capsys):
    label(root, "ann", design="by_verdict", count=90)
    of_all = calibrated(capsys)["agreement"]
    (root / FILE).unlink()
    (root / "judges/meaning.labels.jsonl").unlink()
    label(root, "ann", design="random", count=90)
    by_rows = calibrated(capsys)["agreement"]
    for name in ("Cohen's kappa", "Gwet's AC1", "Krippendorff's alpha"):
        # Krippendorff draws chance pairs without replacement, which matters little for 90.
        assert of_all[name]["estimate"] == pytest.approx(by_rows[name]["estimate"], abs=0.01)


def test_the_file_is_begun_and_a_run_is_corrected_by_it(root, pytester, capsys):
    label(root, "ann", count=60)
    printed(capsys)
    text = (root / FILE).read_text()
    head, _, measured = text.partition(MARK)
    assert yaml.safe_load(head) == {
        "calibration": "meaning",
        "judge_hash": newest_run(root)[0].judge_hashes["meaning"][:16],
        "design": "by_verdict",
        "labels_from": "meaning.labels.jsonl",
    }
    assert "sensitivity:" in measured
    assert "case-0" not in measured
    assert main(["check"]) == 0
    result = pytester.runpytest("--model=new", "--report=none")
    result.stdout.fnmatch_lines(["*judge calibrated: meaning: 60 labels (by verdict)*"])


def test_what_people_wrote_into_the_file_stays_as_it_is(root, capsys):
    label(root, "ann", count=40)
    own = (
        "# ours\ncalibration: meaning\ndescription: 'by: the rules of May'\ndesign: by_verdict\n"
        "labels_from: [meaning.labels.jsonl]   # ann\n"
    )
    lay(root, {FILE: own})
    printed(capsys)
    first = (root / FILE).read_text()
    assert first.startswith(own + "\n" + MARK)
    printed(capsys)
    assert (root / FILE).read_text() == first
    assert first.count(MARK) == 1


def test_a_key_of_that_name_written_by_hand_is_not_overwritten(root, capsys):
    label(root, "ann", count=40)
    own = "calibration: meaning\ndesign: by_verdict\nlabels_from: meaning.labels.jsonl\nmeasured: {mine: 1}\n"
    lay(root, {FILE: own})
    assert main(["judge", "calibrate", "meaning"]) == 4
    assert "the key `measured` stands above the line" in capsys.readouterr().err
    assert (root / FILE).read_text() == own


def test_the_judge_itself_is_never_written(root, capsys):
    before = (root / "judges/meaning.yml").read_bytes()
    label(root, "ann", count=40)
    printed(capsys)
    assert (root / "judges/meaning.yml").read_bytes() == before


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({}, [], "the judge 'meaning' has no labels: no judges/meaning.labels.jsonl."),
        ({}, ["--labels", "none.jsonl"], "--labels: no file 'none.jsonl'"),
        (
            {"other.jsonl": '{"verdict": "pass", "truth": "pass"}\n'},
            ["--labels", "other.jsonl"],
            "other.jsonl does not say how its rows were chosen: write judges/meaning.calibration.yml with "
            "`calibration: meaning`, `design:` and `labels_from: ../other.jsonl`",
        ),
        (
            {
                FILE: "calibration: meaning\ndesign: random\nlabels: [{verdict: pass, truth: pass}]\n",
                "judges/other.jsonl": '{"verdict": "pass", "truth": "pass"}\n',
            },
            ["--labels", "judges/other.jsonl"],
            "judges/meaning.calibration.yml does not name other.jsonl: write `labels_from: other.jsonl` into",
        ),
    ],
)
def test_labels_that_cannot_be_found_are_a_message(root, capsys, files, options, message):
    lay(root, files)
    assert main(["judge", "calibrate", "meaning", *options]) == 4
    assert message in capsys.readouterr().err


def test_a_draw_of_another_design_than_the_calibration_says_is_refused(root, capsys):
    label(root, "ann", count=40, design="random")
    lay(root, {FILE: "calibration: meaning\ndesign: by_verdict\nlabels_from: meaning.labels.jsonl\n"})
    assert main(["judge", "calibrate", "meaning"]) == 4
    said = capsys.readouterr().err
    assert f"{FILE}:2: meaning.labels.jsonl was drawn 'random', the calibration says 'by_verdict'" in said


def test_too_few_labels_say_how_many_more(root, capsys):
    label(root, "ann", count=12)
    assert "12 labels: fewer than 20 correct nothing. Label 8 more" in printed(capsys)


def test_enough_labels_say_what_they_leave_open(root, capsys):
    label(root, "ann", count=60)
    (advice,) = calibrated(capsys)["advice"]
    assert re.search(r"the labels alone leave a corrected rate \d+\.\d points uncertain either way", advice)


def test_labels_of_another_definition_are_said_to_be_so(root, capsys):
    label(root, "ann", count=40)
    lay(root, {"judges/meaning.yml": JUDGE.replace("pass: agrees", "pass: agrees >= 1")})
    assert any("labels verdicts of another definition" in line for line in calibrated(capsys)["advice"])


def test_answers_taken_over_count_once_all_of_the_draw_is_answered(root, pytester, capsys):
    label(root, "ann", count=40, design="random")
    lay(root, {"judges/meaning.yml": JUDGE.replace("pass: agrees", "pass: agrees >= 1")})
    pytester.runpytest("--model=new", "--report=none")
    wanted = {"out": root / "judges/second.labels.jsonl", "reuse": root / "judges/meaning.labels.jsonl"}
    label(root, count=60, design="random", **wanted)
    options = ["--labels", "judges/second.labels.jsonl"]
    found = calibrated(capsys, *options)
    assert (found["labels"], found["advice"][0][:38]) == (40, "20 drawn responses without an answer: ")
    file = label(root, design="random", **wanted)
    run, trials = newest_run(root)
    rest = prepare(trials, Wanted(**wanted), run=run.id, judges_dir=root / "judges", root=root)
    file.add(
        label_row(one, annotator="ann", truth="pass" if one.answer == RIGHT else "fail")
        for one in rest.responses
        if ("ann", one.id) not in file.answers
    )
    assert not any("without an answer" in line for line in calibrated(capsys, *options)["advice"])


def test_without_the_run_there_are_numbers_and_no_texts(root, capsys):
    label(root, "ann", count=40)
    (root / ".swapgate/history.db").unlink()
    found = calibrated(capsys)
    assert any(line.startswith("not at hand: ") for line in found["advice"])
    assert {one["answer"] for one in found["disagreements"]} == {None}
    assert "itself" not in found


def test_disagreements_are_shown_side_by_side_and_written_down(root, capsys):
    label(root, "ann", count=90)
    said = printed(capsys, "--disagreements", "1")
    assert "Where judge and people differ: 15 wrongly passed, 0 wrongly failed" in said
    assert re.search(r"judge: pass: agrees pass .*\| people: fail \(1 fail\)", said)
    assert "and 14 more in the report" in said
    page = (root / "reports/judge-meaning/calibration.md").read_text()
    assert page.count("| judge | people |") == 15
    assert BLIND in page


def test_hostile_texts_do_nothing_in_terminal_and_page(root, pytester, capsys):
    hostile = 'x\x1b[2J\u202e\n````\n# Owned\n<script>alert(1)</script> | "bug"'
    lay(
        root, {"outputs/new.jsonl": "".join(json.dumps({"case": c, "output": hostile}) + "\n" for c in CASES)}
    )
    suite = (root / "cases/triage.yml").read_text()
    lay(root, {"cases/triage.yml": suite.replace("checks: [{json: strict}]\n", "")})
    pytester.runpytest("--model=new", "--report=none")
    label(root, "ann\x1b[31m", count=90)
    said = printed(capsys, "--disagreements", "90")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", said)
    page = (root / "reports/judge-meaning/calibration.md").read_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", page)
    assert "\n`````text\n" in page
    outside = re.sub(r"\n(`{3,})text\n.*?\n\1\n", "\n", page, flags=re.DOTALL)
    assert "# Owned" not in outside
    assert "<script>" not in outside


def test_three_people_are_held_against_each_other_and_the_judge_against_them(root, capsys):
    drawn = random.Random(1)

    def says(_who: str, case: str) -> str:
        return "pass" if (int(case[-3:]) % 3 > 0) != (drawn.random() < 0.2) else "fail"

    label(root, "ann", "bob", "eve", says=says, count=90)
    found = calibrated(capsys)["annotators"]
    assert found["labels_of_each"] == {"ann": 90, "bob": 90, "eve": 90}
    assert 0 < found["Krippendorff's alpha"]["estimate"] < 0.8
    assert found["alternative_annotator_test"]["passed"] is True
    said = printed(capsys)
    assert "alternative annotator test (epsilon 0.2): passed: the judge holds up against" in said


def test_people_who_score_are_held_against_the_judges_scores(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    drawn = random.Random(4)
    rows = [
        {
            **row,
            "response": f"{n:08x}",
            "annotator": who,
            "truth_scores": {"fit": score + drawn.choice([0, 0, 1])},
        }
        for n, row in enumerate(scored(60))
        for who in ("ann", "bob", "eve")
        for score in [row["scores"]["fit"]]
    ]
    lay_rows(tmp_path, rows)
    lay(tmp_path, {"judges/meaning.yml": SCALED})
    found = calibrated(capsys, "--epsilon", "0.1")["annotators"]
    test = found["alternative_annotator_test_by_scores"]["fit"]
    assert (test["passed"], test["epsilon"]) == (True, 0.1)
    assert [one["items"] for one in test["comparisons"]] == [60, 60, 60]
    assert found["fit: alpha (ordinal)"]["estimate"] > 0.8


def test_two_people_are_too_few_for_the_alternative_annotator_test(root, capsys):
    label(root, "ann", "bob", count=40)
    found = calibrated(capsys)["annotators"]["alternative_annotator_test"]
    assert (found["passed"], found["note"]) == (None, "2 annotators: the test needs 3 with 30 items each")


def rows_of(model: str, **counts: int) -> list[dict[str, object]]:
    """Return rows of one model: `pp` is a passing verdict on a truly right response, and so on."""
    words = {"p": "pass", "f": "fail"}
    return [
        {"model": model, "case": f"{model}-{kind}-{n}", "verdict": words[kind[0]], "truth": words[kind[1]]}
        for kind, number in counts.items()
        for n in range(number)
    ]


def test_a_judge_that_errs_otherwise_for_one_model_is_said_to(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    fair, lenient = rows_of("a", pp=40, pf=4, fp=4, ff=40), rows_of("b", pp=30, pf=30, fp=2, ff=30)
    lay_rows(tmp_path, [*fair, *lenient])
    found = calibrated(capsys)["between_models"]
    assert (found["models"], found["p_value"] < 0.01) == (["a", "b"], True)
    assert "labels of one do not speak for another" in " ".join(printed(capsys).split())


def test_models_that_are_not_told_apart_are_not_called_equal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lay_rows(tmp_path, [*rows_of("a", pp=20, pf=4, fp=4, ff=20), *rows_of("b", pp=20, pf=4, fp=4, ff=20)])
    assert "that is no proof that there is none" in " ".join(printed(capsys).split())
    lay_rows(tmp_path, rows_of("a", pp=20, pf=4, fp=4, ff=20))
    assert "not tested: the labels are of one model" in printed(capsys)


def scored(n: int = 120) -> list[dict[str, object]]:
    """Return rows of a judge that gives 3 and more to what is right: its bound of 4 is too strict."""
    drawn = random.Random(2)
    found = []
    for i in range(n):
        is_right = i % 2 > 0
        score = drawn.choice([3, 3, 4, 5] if is_right else [1, 1, 2, 3])
        people = drawn.choice([4, 5] if is_right else [1, 2])
        found.append(
            {
                "model": f"m{i % 3}",
                "case": f"c{i // 3}",
                "verdict": "pass" if score >= 4 else "fail",
                "scores": {"fit": score},
                "truth": "pass" if is_right else "fail",
                "truth_scores": {"fit": people},
                "characters": 10 * score + i % 7,
            }
        )
    return found


def test_a_better_bound_is_suggested_and_not_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lay_rows(tmp_path, scored())
    lay(tmp_path, {"judges/meaning.yml": SCALED})
    found = calibrated(capsys)["pass_score_fit"]
    assert (found["now"], found["suggested"], found["lowest"], found["highest"]) == (4, "fit >= 3", 3, 3)
    assert [cut["score"] for cut in found["cuts"]] == [2, 3, 4, 5]
    best = found["cuts"][1]
    assert best["sensitivity"] == 1
    assert best["youden"] == pytest.approx(best["sensitivity"] + best["specificity"] - 1)
    said = printed(capsys)
    assert re.search(r"3 \(best\) .*\n.*4 \(now\)", said)
    assert "change `pass:` in its file yourself" in said
    assert (tmp_path / "judges/meaning.yml").read_text() == SCALED


def test_a_bound_on_several_criteria_is_chosen_for_what_the_rule_compares(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [{**row, "scores": {**row["scores"], "tone": 3}} for row in scored()]
    del rows[0]["scores"]["tone"]
    lay_rows(tmp_path, rows)
    rule = "mean(fit, tone) >= 3.5"
    judge = SCALED.replace("pass: fit >= 4", f'  tone: {{ask: "Kind?", scale: [1, 5]}}\npass: {rule}')
    lay(tmp_path, {"judges/meaning.yml": judge})
    found = calibrated(capsys)
    of_rule = found["pass_score_mean(fit, tone)"]
    assert (of_rule["now"], of_rule["suggested"]) == (3.5, "mean(fit, tone) >= 3")
    assert (found["pass_score_fit"]["now"], found["pass_score_fit"]["suggested"]) == (None, "fit >= 3")
    assert "pass_score_tone" not in found


def test_scores_of_judge_and_people_are_correlated_by_response_and_by_model(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lay_rows(tmp_path, scored())
    lay(tmp_path, {"judges/meaning.yml": SCALED})
    found = calibrated(capsys)
    kinds = ("", " of models", " inside cases")
    names = {f"fit: {method}{kind}" for method in ("Spearman", "Kendall tau-b") for kind in kinds}
    assert set(found["correlations"]) == names
    assert found["correlations"]["fit: Spearman"]["n"] == 120
    assert found["correlations"]["fit: Spearman of models"]["n"] == 3
    assert found["correlations"]["fit: Spearman inside cases"]["n"] <= 40
    assert found["agreement"]["fit: weighted kappa"]["estimate"] > 0.5
    # This judge's scores grow with the length here, the truth by way of them.
    assert found["length"]["passed answers are longer"]["estimate"] > 0.9


def test_samples_of_one_response_are_held_against_each_other():
    spec = RubricSpec.model_validate(yaml.safe_load(SCALED))

    def sample(score: int | None) -> JudgeSample:
        if score is None:
            return JudgeSample(status="unparseable", raw="hm")
        return JudgeSample(status="valid", raw="{}", scores={"fit": float(score)})

    said = [[4, 5], [4, 3], [1, None, 1], [5, 5]]
    trials = [
        trial(f"c{n}", verdicts=(replace(verdict(True), samples=tuple(map(sample, one))),))
        for n, one in enumerate(said)
    ]
    rows = "labels: [{verdict: pass, truth: pass}]"
    evidence = Evidence(
        calibration=_calibration(f"calibration: meaning\ndesign: random\n{rows}\n"),
        judge=Judge(spec),
        judged=tuple(judge_trials(trials, "meaning")),
    )
    found = {m.name: m for m in itself(evidence).measures}
    assert found["verdict: two samples agree"].estimate == 0.75
    assert found["fit: two samples agree"].estimate == 0.5
    assert found["replies that cannot be used"].estimate == pytest.approx(1 / 9)


def test_canaries_that_were_let_through_are_named():
    def result(name: str, outcome: CanaryOutcome) -> CanaryResult:
        return CanaryResult(
            canary=name, kind="constant", suite="s", case="c", output="42", outcome=outcome, reason=""
        )

    outcomes: list[CanaryOutcome] = ["passed", "failed", "failed", "failed", "error"]
    tried = JudgeCanaries(
        judge="meaning",
        definition_hash="0",
        blocks=True,
        results=tuple(result(f"canary-{n}", outcome) for n, outcome in enumerate(outcomes)),
    )
    evidence = Evidence(
        calibration=_calibration(
            "calibration: meaning\ndesign: random\nlabels: [{verdict: pass, truth: pass}]\n"
        ),
        judge=Judge(RubricSpec.model_validate(yaml.safe_load(SCALED))),
        canaries=(tried,),
    )
    section = canaries(evidence)
    assert section is not None
    assert (section.measures[0].estimate, section.measures[0].n) == (0.25, 4)
    assert section.lines == ("let through: canary-0",)
    assert canaries(replace(evidence, canaries=())) is None


def _calibration(text: str):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "meaning.calibration.yml").write_text(text)
        return read_calibration(Path(folder), "meaning")
