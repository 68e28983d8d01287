"""The main job through pytest: collection, selection, misses, exit codes. Models are recorded outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from workspaces import BLIND, FENCED, RIGHT, case, lay, newest_run, outputs, recorded_workspace, suite

GATE = {"semantic": {"min": 0.5, "on": "point"}}
Pytester = pytest.Pytester


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SWAPGATE_MODEL", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def lay_answers(
    pytester: Pytester, answers: Mapping[str, str], gate: object = GATE, **kwargs: object
) -> None:
    recorded_workspace(pytester.path, {"a": answers}, gate=gate, **kwargs)  # type: ignore[arg-type]


def report(pytester: Pytester) -> dict[str, object]:
    (found,) = pytester.path.glob("reports/*-*/report.json")
    loaded: dict[str, object] = json.loads(found.read_text(encoding="utf-8"))
    return loaded


def test_right_answers_pass_and_the_reports_are_written(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": RIGHT})
    result = pytester.runpytest("--model=a")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*gate: PASS*"])
    (folder,) = pytester.path.glob("reports/*-*")
    assert {p.name for p in folder.iterdir()} >= {"report.json", "report.md", "report.html"}


def test_blind_pass_is_shown_as_a_miss_with_its_place_and_reason(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": BLIND})
    result = pytester.runpytest("--model=a")
    result.stdout.fnmatch_lines(
        [
            "cases?triage.yml .m*",
            "cases/triage.yml:*: triage::two by a: blind pass*",
            "*expected: /label is 'bug', expected 'billing'.*",
        ]
    )
    assert result.ret == 0  # 1 of 2 is right, the gate wants half


def test_failed_gate_exits_1(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": BLIND, "two": BLIND, "three": RIGHT})
    result = pytester.runpytest("--model=a")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*gate: FAIL*semantic*33.3%*"])


def test_too_few_cases_are_inconclusive_and_exit_10(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": RIGHT}, gate={"semantic": {"min": 0.9}})
    result = pytester.runpytest("--model=a")
    assert result.ret == 10
    result.stdout.fnmatch_lines(["*gate: INCONCLUSIVE*"])


def test_inconclusive_can_be_a_warning_only(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT}, gate={"semantic": {"min": 0.9}, "inconclusive": "warn"})
    assert pytester.runpytest("--model=a").ret == 0


def test_errored_trials_are_no_misses_and_too_many_of_them_exit_11(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": RIGHT})
    lay(pytester.path, {"outputs/a.jsonl": outputs({"one": RIGHT})})
    result = pytester.runpytest("--model=a")
    assert result.ret == 11
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*triage::two by a: errored*", "*missing_recording*two*"])


def test_short_summary_begins_with_the_reason(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": RIGHT})
    lay(pytester.path, {"outputs/a.jsonl": outputs({"one": RIGHT})})
    result = pytester.runpytest("--model=a", "-ra")
    result.stdout.fnmatch_lines(["ERROR *two?a? - missing_recording*"])


def test_without_a_rule_nothing_is_judged_and_a_miss_fails_as_in_pytest(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": BLIND}, gate=None)
    result = pytester.runpytest("--model=a")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["gate not judged: no gate rule*"])


def test_every_case_gate_fails_on_one_miss(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": BLIND}, gate="every-case")
    assert pytester.runpytest("--model=a").ret == 1


def test_gate_of_pyproject_judges_all_suites_together(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": BLIND}, gate=None)
    lay(pytester.path, {"pyproject.toml": '[tool.swapgate]\ngate = {semantic = {min = 0.9, on = "point"}}\n'})
    result = pytester.runpytest("--model=a")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*gate: FAIL*"])


def test_ordinary_failing_test_leaves_1_even_when_the_gate_passes(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    pytester.makepyfile(test_plain="def test_it():\n    assert False\n")
    result = pytester.runpytest("--model=a", "cases", "test_plain.py")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*gate: PASS*"])


def test_model_option_without_a_path_runs_the_cases_only(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    pytester.makepyfile(test_plain="def test_it():\n    assert False\n")
    pytester.runpytest("--model=a").assert_outcomes(passed=1)


def test_without_a_model_yaml_cases_are_not_collected(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    result = pytester.runpytest("cases")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(
        ["swapgate: 1 suite not run, since no model is named: `pytest --model=NAME`*"]
    )
    assert not (pytester.path / ".swapgate").exists()


@pytest.mark.parametrize(
    "laid",
    [{}, {"cases/notes.txt": "x"}, {"pyproject.toml": "[tool.swapgate]\ncolour = 1\n"}],
    ids=["empty", "a folder of other things", "wrong settings"],
)
def test_nothing_is_said_of_models_where_no_cases_are(pytester: Pytester, laid: dict[str, str]) -> None:
    lay(pytester.path, laid)
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.no_fnmatch_line("*swapgate: *")


def test_model_may_come_from_the_environment(pytester: Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_answers(pytester, {"one": RIGHT})
    monkeypatch.setenv("SWAPGATE_MODEL", "a")
    pytester.runpytest("cases").assert_outcomes(passed=1)


@pytest.mark.parametrize("selection", [["-k", "two"], ["-m", "hard"], ["cases/triage.yml::two[a]"]])
def test_partial_selection_runs_it_and_judges_nothing(pytester: Pytester, selection: list[str]) -> None:
    lay_answers(pytester, {"one": BLIND, "two": RIGHT}, tags={"two": ["hard"]})
    result = pytester.runpytest("--model=a", *selection)
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 1
    assert "missed" not in result.parseoutcomes()
    result.stdout.fnmatch_lines(["gate not judged: partial selection"])


# What ends a declared name, what pytest.mark refuses or takes for a misspelling, what no expression can hold.
ODD_TAGS = [
    "lang:python",
    "size(large)",
    "(",
    ":",
    "_private",
    "parametrise",
    "two words",
    "50%",
    "日本語",
    "",
]


@pytest.mark.parametrize("strict", [[], ["--strict-markers"]])
def test_any_tag_is_a_mark_without_a_warning(pytester: Pytester, strict: list[str]) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": RIGHT}, tags={"two": [*ODD_TAGS, "plain"]})
    result = pytester.runpytest("--model=a", "-W", "error", *strict)
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    pytester.runpytest("--model=a", "-m", "plain", *strict).assert_outcomes(passed=1, deselected=1)


@pytest.mark.parametrize(
    ("selection", "passed"),
    [
        (["-m", "lang:python"], 1),
        (["-m", "not lang:python"], 1),
        (["-m", "lang"], 0),
        (["-m", "_private and 日本語"], 1),
        (["-k", "size"], 1),
    ],
)
def test_tag_that_pytest_cannot_declare_selects_its_cases(
    pytester: Pytester, selection: list[str], passed: int
) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": RIGHT}, tags={"two": ODD_TAGS})
    result = pytester.runpytest("--model=a", "--collect-only", "-q", *selection)
    assert sum("::" in line for line in result.outlines) == passed


def test_last_failed_runs_the_misses_again(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": BLIND, "three": BLIND})
    pytester.runpytest("--model=a")
    for selection in (["--lf"], ["--lf", "cases"]):
        result = pytester.runpytest("--model=a", *selection)
        assert result.parseoutcomes()["missed"] == 2
        assert "passed" not in result.parseoutcomes()
        result.stdout.fnmatch_lines(["gate not judged: partial selection"])


def test_exit_first_stops_at_the_first_miss_and_judges_nothing(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": BLIND, "three": BLIND})
    result = pytester.runpytest("--model=a", "-x")
    assert result.ret == 1
    assert result.parseoutcomes() == {"passed": 1, "missed": 1}
    result.stdout.fnmatch_lines(["gate not judged: the session stopped early*"])


def test_collect_only_lists_and_calls_nothing(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": RIGHT})
    result = pytester.runpytest("--model=a", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["cases/triage.yml::one[[]a]", "cases/triage.yml::two[[]a]"])
    assert not (pytester.path / ".swapgate").exists()
    assert not (pytester.path / "reports").exists()


def test_several_models_and_repeats_make_an_item_each(pytester: Pytester) -> None:
    recorded_workspace(pytester.path, {"a": {"one": RIGHT}, "b": {"one": RIGHT}})
    lines = "".join(json.dumps({"case": "one", "output": RIGHT, "repeat": n}) + "\n" for n in (1, 2))
    lay(pytester.path, {"outputs/a.jsonl": lines, "outputs/b.jsonl": lines})
    result = pytester.runpytest("--model=a", "--model=b", "--repeats=2", "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*::one[[]a#1] PASSED*", "*::one[[]b#2] PASSED*"])


def test_unknown_model_is_a_usage_error_that_names_the_nearest(pytester: Pytester) -> None:
    recorded_workspace(pytester.path, {"deepseek-v4-pro": {"one": RIGHT}})
    result = pytester.runpytest("--model=deepseek-v4-por")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*deepseek-v4-por*Did you mean 'deepseek-v4-pro'?*"])
    result.stderr.no_fnmatch_line("*Traceback*")


def test_missing_key_stops_before_the_first_call(pytester: Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    lay_answers(pytester, {"one": RIGHT})
    result = pytester.runpytest("--model=deepseek:deepseek-v4-pro")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*DEEPSEEK_API_KEY*--replay*"])


def test_bad_file_stops_the_run_with_its_place_and_no_traceback(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    lay(pytester.path, {"cases/broken.yml": "suite: broken\ncases:\n  - id: x\n    expectd: 1\n"})
    result = pytester.runpytest("--model=a")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*broken.yml:4: *expectd*Did you mean 'expected'?*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert not (pytester.path / ".swapgate").exists()


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("contian: x", "unknown check 'contian'*Did you mean 'contains'?"),
        ("schema: {type: 12}", "schema"),
        ("regex: '('", "regex"),
    ],
)
def test_wrong_check_is_named_with_its_line(pytester: Pytester, check: str, words: str) -> None:
    lay_answers(pytester, {"one": RIGHT})
    lay(
        pytester.path,
        {"cases/triage.yml": f"suite: t\nchecks:\n  - json: strict\n  - {check}\ncases: [{{id: x}}]\n"},
    )
    result = pytester.runpytest("--model=a")
    assert result.ret == 2
    result.stdout.fnmatch_lines([f"*triage.yml:4: *{words}*"])


def test_baseline_model_runs_beside_and_the_margin_decides(pytester: Pytester) -> None:
    names = [f"case-{n}" for n in range(80)]
    good = dict.fromkeys(names, RIGHT)
    bad = {name: (BLIND if n % 2 else RIGHT) for n, name in enumerate(names)}
    recorded_workspace(pytester.path, {"old": good, "new": bad})
    result = pytester.runpytest("--model=new", "--baseline=old")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*case-1*", "*gate: FAIL*old*"])
    assert pytester.runpytest("--model=old", "--baseline=old").ret == 4


def test_equal_models_pass_the_margin(pytester: Pytester) -> None:
    answers = {f"case-{n}": RIGHT for n in range(80)}
    recorded_workspace(pytester.path, {"old": answers, "new": answers})
    result = pytester.runpytest("--model=new", "--baseline=old")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*gate: PASS*"])


def test_stored_run_and_report_serve_as_baseline(pytester: Pytester) -> None:
    answers = {f"case-{n}": RIGHT for n in range(80)}
    recorded_workspace(pytester.path, {"old": answers, "new": answers})
    pytester.runpytest("--model=old")
    (written,) = pytester.path.glob("reports/*-*/report.json")
    for baseline in ("latest", str(written)):
        result = pytester.runpytest("--model=new", f"--baseline={baseline}")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["*old@*", "*gate: PASS*"])


def test_partial_run_never_becomes_a_baseline(pytester: Pytester) -> None:
    recorded_workspace(pytester.path, {"a": {"one": RIGHT, "two": RIGHT}})
    pytester.runpytest("--model=a", "-k", "one")
    (folder,) = pytester.path.glob("reports/*-*")
    result = pytester.runpytest("--model=a", f"--baseline={folder.name}")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*no baseline*part of its trials*"])


def test_latest_is_the_newest_complete_run_of_another_model(pytester: Pytester) -> None:
    answers = {f"case-{n}": RIGHT for n in range(60)}
    recorded_workspace(pytester.path, {"old": answers, "new": answers})
    result = pytester.runpytest("--model=new", "--baseline=latest")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*'latest' is neither*there is no history yet (.swapgate/history.db)*"])
    pytester.runpytest("--model=old")
    pytester.runpytest("--model=new")
    pytester.runpytest("--model=old", "-k", "case-1")
    result = pytester.runpytest("--model=new", "--baseline=latest")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*old@*", "*gate: PASS*60 pairs*"])


def test_cases_changed_since_the_baseline_are_left_out_and_counted(pytester: Pytester) -> None:
    answers = {f"case-{n}": RIGHT for n in range(70)}
    recorded_workspace(pytester.path, {"old": answers, "new": answers}, gate=GATE)
    pytester.runpytest("--model=old")
    path = pytester.path / "cases" / "triage.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("about case-1", "quite another matter, case-1"))
    result = pytester.runpytest("--model=new", "--baseline=latest")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*on 59 pairs*", "warning: 11 of the cases * were changed*"])


def test_unknown_baseline_is_a_usage_error(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    result = pytester.runpytest("--model=a", "--baseline=nonesuch")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*'nonesuch'*"])


def test_junit_carries_the_model_and_the_results_as_properties(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": BLIND})
    pytester.runpytest("--model=a", "--junitxml=out.xml")
    text = (pytester.path / "out.xml").read_text(encoding="utf-8")
    assert '<property name="semantic" value="false"' in text.lower()
    assert 'failures="1"' in text


def test_report_json_tells_structure_from_meaning(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": BLIND, "three": FENCED, "four": RIGHT})
    pytester.runpytest("--model=a")
    (summary, *_rest) = report(pytester)["summaries"]  # type: ignore[misc]
    assert (summary["structural"]["passed"], summary["structural"]["n"]) == (3, 4)
    assert (summary["semantic"]["passed"], summary["semantic"]["n"]) == (3, 4)
    assert (summary["blind_pass"]["passed"], summary["blind_pass"]["n"]) == (1, 3)


def test_quiet_and_report_none_write_no_files(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    result = pytester.runpytest("--model=a", "-q", "--report=none")
    assert result.ret == 0
    assert not (pytester.path / "reports").exists()


def test_conftest_may_skip_a_case(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": RIGHT})
    pytester.makeconftest(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    items[0].add_marker(pytest.mark.skip(reason='not today'))\n"
    )
    pytester.runpytest("--model=a").assert_outcomes(passed=1, skipped=1)


def test_fragment_files_are_part_of_their_suite_only(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    head = suite([case("one")]).replace("cases:", "cases_from: more/*.yml\ncases:")
    lay(
        pytester.path,
        {
            "cases/triage.yml": head,
            "cases/more/x.yml": json.dumps([case("two")]),
            "outputs/a.jsonl": outputs({"one": RIGHT, "two": BLIND}),
        },
    )
    result = pytester.runpytest("--model=a")
    assert result.parseoutcomes() == {"passed": 1, "missed": 1}
    result.stdout.fnmatch_lines(["cases/more/x.yml:1: triage::two by a*"])


def test_plugin_costs_a_session_without_cases_nothing(pytester: Pytester) -> None:
    heavy = ["yaml", "pydantic", "httpx", "jsonschema", "pandas", "scipy", "numpy", "jinja2", "sqlalchemy"]
    pytester.makepyfile(
        "import sys\n"
        f"HEAVY = {heavy!r}\n"
        "def test_nothing_heavy_is_imported():\n"
        "    assert [name for name in HEAVY if name in sys.modules] == []\n"
        "    assert [name for name in sys.modules if name.startswith('swapgate.')] == ['swapgate.plugin']\n"
    )
    pytester.makefile(".yml", other="a: 1")
    result = pytester.runpytest_subprocess(
        "-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:anyio", "-p", "no:pytester"
    )
    result.assert_outcomes(passed=1)


def test_first_call_does_not_wait_for_what_only_the_end_needs(pytester: Pytester) -> None:
    answers = (
        "import pathlib, sys\n"
        "FIRST = list(sys.modules)\n"
        "def answer(message):\n"
        "    pathlib.Path('loaded').write_text(' '.join(FIRST))\n"
        f"    return {RIGHT!r}\n"
    )
    model = {"provider": "python", "model": "answers:answer"}
    lay(
        pytester.path,
        {
            "cases/triage.yml": suite([case(str(n)) for n in range(9)]),
            "config/models.yml": json.dumps({"models": {"own": model}}),
            "answers.py": answers,
        },
    )
    pytester.runpytest_subprocess("--model=own", "--concurrency=1").assert_outcomes(passed=9)
    loaded = (pytester.path / "loaded").read_text(encoding="utf-8").split()
    late = ["numpy", "sqlalchemy", "swapgate.analysis.outcome", "swapgate.engine.batch_lane"]
    assert [name for name in late if name in loaded] == []


def test_two_suites_of_one_name_are_refused_with_both_places(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    lay(pytester.path, {"cases/zweite.yml": suite([case("two")])})
    result = pytester.runpytest("--model=a")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["cases/zweite.yml:1: the suite 'triage' is already in cases/triage.yml*"])


def test_unknown_report_format_is_refused_before_anything_runs(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    result = pytester.runpytest("--model=a", "--report=htm")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*unknown format 'htm'. Did you mean 'html'?*"])
    assert not (pytester.path / ".swapgate").exists()


def test_broken_cache_is_named_with_its_remedy(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    lay(pytester.path, {".swapgate/cache.db": "no database " * 100})
    result = pytester.runpytest("--model=a")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*cache.db: the cache cannot be used*Move the file away*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_missing_recordings_stop_before_a_run_is_begun(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    result = pytester.runpytest("--model=a", "--recordings=nonesuch.jsonl")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*nonesuch.jsonl: the recordings cannot be read: No such file or directory"])
    assert not (pytester.path / "reports").exists()


def test_rule_without_a_bound_is_refused(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT}, gate={"semantic": {"on": "point"}})
    result = pytester.runpytest("--model=a")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*gate.semantic*`min` or `max`*"])


def test_task_is_called_by_its_own_name_everywhere(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    models = {"a": {"provider": "recorded", "path": "outputs/a.jsonl"}}
    config = json.dumps({"models": models, "tasks": {"booking": {"model": "a"}}})
    lay(pytester.path, {"config/models.yml": config})
    assert pytester.runpytest("--model=booking").ret == 0
    written = report(pytester)
    assert [m["name"] for m in written["run"]["models"]] == ["booking"]  # type: ignore[index]
    assert [t["model"] for t in written["trials"]] == ["booking"]  # type: ignore[attr-defined]


def test_live_and_replay_exclude_each_other(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    result = pytester.runpytest("--model=a", "--replay", "--live")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--live calls always and --replay never*"])


def test_workspace_below_pytests_rootdir_is_refused_with_the_remedy(
    pytester: Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_answers(pytester, {"one": RIGHT})
    inner = pytester.path / "inner"
    recorded_workspace(inner, {"a": {"other": RIGHT}}, gate=GATE)
    lay(pytester.path, {"pyproject.toml": "[tool.pytest.ini_options]\n"})
    lay(inner, {"pyproject.toml": "[tool.swapgate]\n"})
    monkeypatch.chdir(inner)
    result = pytester.runpytest("--model=a")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*inner*pyproject.toml holds [[]tool.swapgate]*--rootdir=.*"])
    lay(inner, {"pyproject.toml": "[tool.pytest.ini_options]\n[tool.swapgate]\n"})
    result = pytester.runpytest("--model=a")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["swapgate: 1 trial of 1 case*"])


def test_path_without_cases_is_said(pytester: Pytester) -> None:
    lay_answers(pytester, {"one": RIGHT})
    pytester.makepyfile(test_plain="def test_it():\n    pass\n")
    result = pytester.runpytest("--model=a", "test_plain.py")
    result.stdout.fnmatch_lines(["swapgate: warning: no case is selected; suites lie in cases"])


def test_key_of_a_judge_that_no_selected_case_has_is_not_asked_for(
    pytester: Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    lay_answers(pytester, {"one": RIGHT, "two": RIGHT})
    judged = {**case("two"), "judges": ["j"]}
    judge = "judge: j\nmodel: openai:gpt-5.5\ncriteria: {good: {ask: Is it?}}\npass: good\n"
    lay(pytester.path, {"cases/triage.yml": suite([case("one"), judged], gate=GATE), "judges/j.yml": judge})
    assert pytester.runpytest("--model=a", "-k", "one").ret == 0
    assert pytester.runpytest("--model=a").ret == 4


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tools: [{nam: x}]", "triage.yml:2: *tool with a name*"),
        ("prompt: {user: x, output: schema}", "triage.yml:2: *`output: schema`*no check `schema`*"),
        (
            "checks: [expected]",
            "triage.yml:3: *check 'expected' cannot check case 'one'*no `expected`: add it*",
        ),
    ],
)
def test_mistakes_that_would_cost_calls_are_found_before_the_run(
    pytester: Pytester, line: str, words: str
) -> None:
    lay_answers(pytester, {"one": RIGHT})
    lay(
        pytester.path, {"cases/triage.yml": f"suite: triage\n{line}\ncases: [{{id: one, input: {{x: y}}}}]\n"}
    )
    result = pytester.runpytest("--model=a")
    assert result.ret == 2
    result.stdout.fnmatch_lines([f"*{words}"])


def test_ctrl_c_while_the_run_is_concluded_ends_in_one_line(
    pytester: Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_answers(pytester, {"one": RIGHT, "two": RIGHT})
    with monkeypatch.context() as patched:
        patched.setattr("swapgate.driving.ending.write_reports", lambda *_given, **_more: press_ctrl_c())
        result = pytester.runpytest("--model=a")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stderr.fnmatch_lines(["Exit: swapgate: interrupted while the run was concluded*"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    run, trials = newest_run(pytester.path)
    assert (len(trials), run.is_complete) == (2, True)


def press_ctrl_c() -> None:
    raise KeyboardInterrupt


HELD = """
    from pathlib import Path
    import pytest

    held = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(item):
        held.append(sum(one._job is not None for one in item.session.items))

    def pytest_sessionfinish(session):
        if hasattr(session.config, "workerinput"):
            Path(session.config.workerinput["workerid"] + ".held").write_text(str(max(held)))
"""


def test_a_worker_holds_the_cases_of_its_own_share_alone(pytester: Pytester) -> None:
    lay_answers(pytester, {f"case-{number}": RIGHT for number in range(40)})
    pytester.makeconftest(HELD)
    assert pytester.runpytest_subprocess("--model=a", "-n2", "--report=none").ret == 0
    held = [int((pytester.path / f"gw{number}.held").read_text()) for number in range(2)]
    assert all(count <= 20 for count in held), held


def test_trials_that_are_run_again_are_read_once_for_all(pytester: Pytester) -> None:
    lay_answers(pytester, {f"case-{number}": RIGHT for number in range(9)})
    pytester.makeconftest(
        """
        def pytest_sessionfinish(session):
            first = [item.parent.job(item.name) for item in session.items]
            again = [item.parent.job(item.name) for item in session.items]
            assert len(first) == 9 and all(map(lambda a, b: a is b, first, again))
            print("read once")
        """
    )
    result = pytester.runpytest("--model=a", "--report=none", "-s")
    result.stdout.fnmatch_lines(["*read once*"])
