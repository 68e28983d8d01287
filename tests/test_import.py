"""`swapgate import`: files that other tools wrote, and what of them a suite cannot say."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import swapgate
from swapgate.cli import main
from swapgate.convert.imported import as_id, as_variable, unique_ids
from swapgate.convert.reading import Source
from swapgate.spec.read_suites import read_suite
from workspaces import lay

FILES = Path(__file__).parent / "imports"
MODELS = "models: {judge-model: {provider: openai, model: gpt-5.5-2026-04-23}}\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cases").mkdir()
    lay(tmp_path, {"config/models.yml": MODELS})
    return tmp_path


def imported(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    code = main(["import", *map(str, arguments), "--suite", "it", "--json"])
    told = capsys.readouterr()
    assert code == 0, told.err
    found: dict[str, Any] = json.loads(told.out)
    return found


def cases_of(root: Path, name: str = "it") -> dict[str, Any]:
    loaded = read_suite(root / "cases" / f"{name}.yml", root=root)
    return {placed.case.id: placed.case for placed in loaded.cases}


@pytest.mark.parametrize(
    ("file", "form", "cases"),
    [
        ("promptfoo/promptfooconfig.yaml", "promptfoo", 6),
        ("openai_evals.jsonl", "openai-evals", 3),
        ("inspect.json", "inspect", 2),
        ("deepeval.json", "deepeval", 2),
        ("deepeval.csv", "deepeval", 2),
        ("pydantic_evals.yaml", "pydantic-evals", 3),
        ("langsmith.jsonl", "langsmith", 2),
    ],
)
def test_file_of_a_tool_is_recognised_and_becomes_a_suite_without_mistakes(
    root: Path, capsys: pytest.CaptureFixture[str], file: str, form: str, cases: int
) -> None:
    told = imported(capsys, FILES / file)
    assert (told["format"], told["cases"]) == (form, cases)
    assert told["untranslated"]
    assert main(["check"]) == 0, capsys.readouterr().out
    assert all((root / path).is_file() for path in told["files"])


def test_promptfoo_tests_become_cases_with_checks_judges_and_suites_a_prompt(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = imported(capsys, FILES / "promptfoo" / "promptfooconfig.yaml")
    suites = [path for path in told["files"] if path.endswith(".yml") and path.startswith("cases/")]
    assert suites == ["cases/it-prompts-1.yml", "cases/it-prompts-2.yml", "cases/it-short.yml"]
    cases = cases_of(root, "it-short")
    assert list(cases) == ["Lost-parcel", "Labels", "Labels-2", "Transformed", "Hours", "case-6"]
    assert cases["Lost-parcel"].checks == (
        {"latency": {"max_s": 4.0}},
        {"contains": {"all": ["Leeds"], "ignore_case": True}},
        {"not_contains": {"all": ["calm down"], "ignore_case": True}},
    )
    assert cases["Lost-parcel"].judges == ("rubric",)
    assert [cases[name].input["city"] for name in ("Labels", "Labels-2")] == ["Leeds", "York"]
    assert cases["Transformed"].checks == ()
    left = {(one["place"], one["what"]) for one in told["untranslated"]}
    assert ("Lost-parcel", "javascript") in left
    assert ("the configuration", "sharing") in left
    assert "--model=openai:gpt-4.1-mini --model=anthropic:claude-sonnet-4-6" in told["notes"][0]


def test_promptfoo_prompts_of_one_name_in_two_folders_make_a_suite_each(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = "prompts: [file://support/tone.txt, file://sales/tone.txt]\nproviders: [openai:gpt-4.1-mini]\n"
    lay(
        root,
        {
            "theirs/promptfooconfig.yaml": config + "tests: [{vars: {city: Leeds}}]\n",
            "theirs/support/tone.txt": "Calmly: {{ city }}",
            "theirs/sales/tone.txt": "Loudly: {{ city }}",
        },
    )
    imported(capsys, root / "theirs" / "promptfooconfig.yaml")
    prompts = {
        name: read_suite(root / "cases" / f"{name}.yml", root=root).suite.prompt
        for name in ("it-tone", "it-tone-2")
    }
    assert [getattr(prompt, "user", None) for prompt in prompts.values()] == [
        "Calmly: {{ city }}",
        "Loudly: {{ city }}",
    ]


def test_pydantic_evaluators_become_checks_and_judges(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = imported(capsys, FILES / "pydantic_evals.yaml")
    suite = read_suite(root / "cases" / "it.yml", root=root).suite
    assert suite.checks == ({"expected": "text"}, {"latency": {"max_s": 3.5}})
    cases = cases_of(root)
    assert cases["france"].checks == ({"contains": {"all": ["Paris"]}},)
    assert cases["germany"].judges == ("rubric",)
    assert [one["what"] for one in told["untranslated"]] == ["HasPoliteTone", "metadata"]
    assert "names one city" in (root / "judges" / "rubric.yml").read_text(encoding="utf-8")


def test_inspect_samples_bring_their_answers_which_can_be_run_again_as_recorded(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(capsys, FILES / "inspect.json")
    lay(
        root,
        {"config/models.yml": "models: {old: {provider: recorded, path: outputs/it-mockllm-model.jsonl}}\n"},
    )
    outcome = swapgate.run("cases/it.yml", model="old", repeats=2, root=root)
    found = {(trial.case, trial.repeat): trial.outcome for trial in outcome.trials}
    assert found == {
        ("france", 1): "passed",
        ("france", 2): "passed",
        ("2", 1): "passed",
        ("2", 2): "missed",
    }


def test_what_models_yml_lacks_is_said_in_lines_that_can_be_copied_into_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(FILES / "inspect.json")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-3] == "the recorded answers are models, to be declared in config/models.yml below `models:`"
    lay(root, {"config/models.yml": MODELS.replace("}}", f"}}, {said[-2].strip()}}}")})
    outcome = swapgate.run("cases/capitals.yml", model="capitals-mockllm-model", root=root)
    assert {trial.outcome for trial in outcome.trials} == {"passed"}


def test_judges_without_a_model_are_told_before_the_check(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "the judges ask judge-model, which is not declared: declare it in config/models.yml"
    assert main(["import", str(FILES / "pydantic_evals.yaml"), "--suite", "first"]) == 0
    assert told not in capsys.readouterr().out
    (root / "config" / "models.yml").unlink()
    assert main(["import", str(FILES / "pydantic_evals.yaml"), "--force"]) == 0
    assert told in capsys.readouterr().out
    arguments = ["--force", "--judge-model", "openai:gpt-5.5-2026-04-23"]
    assert main(["import", str(FILES / "pydantic_evals.yaml"), *arguments]) == 0
    assert "not declared" not in capsys.readouterr().out


def test_zipped_log_of_inspect_is_read_or_says_what_to_do(
    root: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = main(["import", str(FILES / "inspect.eval"), "--dry-run"])
    told = capsys.readouterr()
    assert code == 0 or "`inspect log convert --to json`" in told.err
    log = json.loads((FILES / "inspect.json").read_text(encoding="utf-8"))
    with zipfile.ZipFile(tmp_path / "own.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({key: log[key] for key in log if key != "samples"}))
        for sample in log["samples"]:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
    assert imported(capsys, tmp_path / "own.eval")["cases"] == 2
    assert set(cases_of(root)) == {"france", "2"}


@pytest.mark.parametrize(
    ("way", "checks", "judges"),
    [("equals", ({"expected": "text"},), ()), ("contains", ({"contains": {"all": ["time"]}},), ())],
)
def test_reference_is_compared_as_asked_and_told_where_nobody_asked(
    root: Path, capsys: pytest.CaptureFixture[str], way: str, checks: object, judges: object
) -> None:
    told = imported(capsys, FILES / "openai_evals.jsonl")
    assert "give --expect equals, contains or judge" in told["untranslated"][-1]["why"]
    told = imported(capsys, FILES / "openai_evals.jsonl", "--expect", way, "--force")
    assert told["untranslated"] == []
    case = cases_of(root)["case-1"]
    assert (case.checks, case.judges, case.expected) == (checks, judges, "time")
    assert [turn.role for turn in case.messages] == ["system", "user"]


def test_reference_can_be_left_to_a_judge(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys, FILES / "langsmith.jsonl", "--expect", "judge")
    assert all(case.judges == ("factual_accuracy",) for case in cases_of(root).values())
    assert main(["check"]) == 0
    capsys.readouterr()


def test_criteria_of_a_hosted_eval_are_read_from_beside_its_data(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = {"item": {"id": "a", "question": "2+2?", "answer": "4"}, "sample": {"output_text": "4"}}
    grader = {"type": "score_model", "name": "quality", "model": "o3"}
    equal = {
        "type": "string_check",
        "name": "equal",
        "input": "{{ sample.output_text }}",
        "operation": "eq",
        "reference": "{{ item.answer }}",
    }
    lay(root, {"sums.jsonl": json.dumps(item) + "\n"})
    lay(root, {"sums.eval.json": json.dumps({"object": "eval", "testing_criteria": [equal, grader]})})
    told = imported(capsys, "sums.jsonl")
    assert cases_of(root)["a"].checks == ({"regex": {"pattern": r"\A\s*4\s*\Z"}},)
    assert [one["place"] for one in told["untranslated"]] == ["criterion quality"]
    assert main(["import", "sums.eval.json"]) == 4
    assert "this is an eval's definition, without its data" in capsys.readouterr().err


def test_csv_columns_are_variables(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(
        root,
        {"rows.csv": 'id,question,expected,tags,output\none,"When, then?",Soon.,"a, b",Now.\n,Why?,,,\n'},
    )
    told = imported(capsys, "rows.csv", "--expect", "equals")
    cases = cases_of(root)
    assert cases["one"].input == {"question": "When, then?"}
    assert (cases["one"].tags, cases["one"].expected) == (("a", "b"), "Soon.")
    assert list(cases) == ["one", "case-2"]
    assert "outputs/it-imported.jsonl" in told["files"]


def test_braintrust_rows_are_read_from_json_and_csv(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "id": "r1",
        "dataset_id": "d",
        "_xact_id": "1",
        "input": {"q": "x"},
        "expected": "y",
        "tags": ["t"],
    }
    lay(root, {"rows.json": json.dumps([row])})
    assert imported(capsys, "rows.json")["format"] == "braintrust"
    assert cases_of(root)["r1"].tags == ("t",)
    lay(root, {"rows.csv": 'id,span_id,input,expected,metadata\nr2,s,"{""q"": 1}",y,"{""a"": 2}"\n'})
    told = imported(capsys, "rows.csv", "--force")
    assert told["format"] == "braintrust"
    assert cases_of(root)["r2"].input == {"q": 1}
    assert "a case has tags alone: a" in told["untranslated"][0]["why"]


@pytest.mark.parametrize(
    ("files", "arguments", "told"),
    [
        ({"a.json": "{"}, ("a.json", "--from", "langsmith"), "a.json:1: not valid JSON"),
        ({"a.jsonl": '{"x": 1}\n{'}, ("a.jsonl", "--from", "langsmith"), "a.jsonl:2: not valid JSON"),
        ({"a.jsonl": '{"x": NaN}'}, ("a.jsonl", "--from", "langsmith"), "a.jsonl:1: not valid JSON: NaN"),
        ({"a.json": '{"x": 1}'}, ("a.json",), "no format fits: say which it is with --from"),
        ({"a.csv": ""}, ("a.csv", "--from", "csv"), "wanted a line of column names"),
        ({"a.csv": "x\n1,2\n"}, ("a.csv", "--from", "csv"), "a.csv:2: a row has more cells than the header"),
        ({"a.yml": "x: &a [*a]"}, ("a.yml", "--from", "promptfoo"), "a.yml"),
        ({"a.eval": "no zip"}, ("a.eval",), "not a whole log of Inspect"),
        ({}, ("a.json",), "a.json: there is no such file"),
        ({}, ("cases",), "cases: it is a folder, not a file"),
        ({}, ("/dev/null",), "/dev/null: it is a device or a pipe, not a file"),
        ({"a.csv": "x\n1\n"}, ("a.csv", "--from", "cvs"), "unknown format 'cvs'. Did you mean 'csv'?"),
        ({"a.csv": "x\n1\n"}, ("a.csv", "--expect", "same"), "write equals, contains or judge"),
        ({"a.csv": "x\n1\n"}, ("a.csv", "--suite", "a b"), "letters, digits"),
    ],
)
def test_what_cannot_be_imported_is_told_with_its_place_and_nothing_is_written(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    arguments: tuple[str, ...],
    told: str,
) -> None:
    lay(root, files)
    assert main(["import", *arguments]) == 4
    assert told in capsys.readouterr().err
    assert list((root / "cases").iterdir()) == []


def test_conversational_goldens_are_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(FILES / "deepeval_conversation.json")]) == 4
    assert "conversational goldens" in capsys.readouterr().err


def test_files_that_are_there_are_kept_unless_force_is_given(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(root, {"cases/it.yml": "mine", "rows.csv": "q\nwhat\n"})
    assert main(["import", "rows.csv", "--suite", "it"]) == 4
    assert "cases/it.yml: already there" in capsys.readouterr().err
    assert (root / "cases" / "it.yml").read_text(encoding="utf-8") == "mine"
    assert main(["import", "rows.csv", "--suite", "it", "--force"]) == 0
    assert main(["import", "rows.csv", "--suite", "other", "--dry-run"]) == 0
    assert "would write cases/other.yml" in capsys.readouterr().out
    assert not (root / "cases" / "other.yml").exists()


def test_many_cases_stand_in_a_file_of_their_own(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(root, {"rows.csv": "q\n" + "".join(f"what {i}\n" for i in range(120))})
    told = imported(capsys, "rows.csv")
    assert told["files"] == ["cases/it.jsonl", "cases/it.yml"]
    assert len(cases_of(root)) == 120


def test_a_workspace_that_cannot_be_written_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(root, {"rows.csv": "q\nwhat\n"})
    shutil.rmtree(root / "cases")
    (root / "cases").write_text("a file", encoding="utf-8")
    assert main(["import", "rows.csv", "--suite", "it", "--root", str(root)]) == 3
    assert "cannot be written" in capsys.readouterr().err


@given(st.lists(st.text(max_size=20), min_size=1, max_size=20))
def test_any_names_become_ids_once_each(names: list[str]) -> None:
    ids = unique_ids(names)
    assert len(set(ids)) == len(names)
    assert all(found and as_id(found) == found for found in ids)


@given(st.text(max_size=20))
def test_any_name_becomes_a_variable(name: str) -> None:
    assert as_variable(name).isidentifier()


def test_a_string_with_a_line_separator_stays_whole(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"x": "one\u2028two"}\n\n{"x": "three"}\n', encoding="utf-8")
    assert Source(rows).lines == [(1, {"x": "one\u2028two"}), (3, {"x": "three"})]
