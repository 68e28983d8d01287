"""A run that may stop early, through pytest: when it stops, when it does not, what it stores and says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

import swapgate
from swapgate.cli import main
from swapgate.records import Stopping, Trial
from workspaces import (
    BLIND,
    RIGHT,
    calibration,
    case,
    judged_workspace,
    lay,
    newest_run,
    outputs,
    recorded_workspace,
    suite,
)

Pytester = pytest.Pytester
NAMES = [f"case-{n:02}" for n in range(90)]
# Wide, so that few cases decide: at least 14 are needed.
MARGIN: dict[str, object] = {"margin": 0.2}
SEED = "--swapgate-seed=1"
RUN = ("--stop-early", SEED, "--report=json")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SWAPGATE_MODEL", "CI", "GITHUB_ACTIONS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def wrong_on(is_wrong: Callable[[int], bool]) -> dict[str, str]:
    return {name: BLIND if is_wrong(n) else RIGHT for n, name in enumerate(NAMES)}


ALL_RIGHT = wrong_on(lambda _n: False)
HALF_WRONG = wrong_on(lambda n: n % 2 == 0)
ALL_WRONG = wrong_on(lambda _n: True)


def lay_models(pytester: Pytester, gate: object = MARGIN, **answers: Mapping[str, str]) -> None:
    """Lay the model `old`, which is always right, and others beside it."""
    recorded_workspace(pytester.path, {"old": ALL_RIGHT, **answers}, gate=gate)


def stopping(root: Path) -> Stopping:
    found = newest_run(root)[0].stopping
    assert found is not None
    return found


def answered(trials: Iterable[Trial], model: str) -> int:
    return sum(trial.model == model for trial in trials)


# When it stops


@pytest.mark.parametrize("more", [{}, {"inconclusive": "warn"}], ids=["block", "warn"])
@pytest.mark.parametrize(
    ("candidate", "looks", "ret", "words"),
    [(HALF_WRONG, 10, 10, "can hardly be passed any more"), (ALL_WRONG, 3, 1, "failed")],
    ids=["futile", "fail"],
)
def test_much_worse_candidate_stops_early_and_never_ends_with_0(
    pytester: Pytester,
    more: Mapping[str, str],
    candidate: Mapping[str, str],
    looks: int,
    ret: int,
    words: str,
) -> None:
    lay_models(pytester, {**MARGIN, **more}, new=candidate)
    result = pytester.runpytest("--model=new", "--baseline=old", f"--looks={looks}", *RUN)
    assert result.ret == ret
    found = stopping(pytester.path)
    result.stdout.fnmatch_lines(
        [
            f"note: stopped early: new: margin * triage {words} after * trials",
            f"note: saved {found.saved_trials} trials: {found.cases} of 90 cases, {looks} planned looks",
        ]
    )
    assert found.saved_trials == 180 - 2 * found.cases > 90


def test_equal_candidate_passes_before_the_end(pytester: Pytester) -> None:
    lay_models(pytester, new=ALL_RIGHT)
    result = pytester.runpytest("--model=new", "--baseline=old", *RUN)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*gate: PASS*interval over * looks*"])
    run, trials = newest_run(pytester.path)
    found = stopping(pytester.path)
    assert found.cases < 60
    assert len(trials) == 2 * found.cases == 180 - found.saved_trials
    assert result.parseoutcomes() == {"passed": len(trials), "skipped": found.saved_trials}
    assert not run.is_complete and not run.is_partial and run.planned == 180


@pytest.mark.parametrize("looks", ["--looks=10", "--looks=every-case"])
def test_every_case_stops_at_its_first_miss(pytester: Pytester, looks: str) -> None:
    lay_models(pytester, "every-case", new=wrong_on(lambda n: n == 7))
    result = pytester.runpytest("--model=new", looks, *RUN)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["note: stopped early: new: every case * triage must pass, and case-07 missed"]
    )
    _run, trials = newest_run(pytester.path)
    assert [t.case for t in trials if t.outcome == "missed"] == ["case-07"]
    assert stopping(pytester.path).saved_trials == 90 - len(trials) > 0


def test_every_case_without_a_miss_is_run_whole_even_when_the_margin_is_passed(pytester: Pytester) -> None:
    recorded_workspace(pytester.path, {"old": ALL_RIGHT, "new": ALL_RIGHT}, gate="every-case")
    lay(pytester.path, {"pyproject.toml": "[tool.swapgate.gate]\nmargin = 0.2\n"})
    result = pytester.runpytest("--model=new", "--baseline=old", *RUN)
    assert result.ret == 0
    assert stopping(pytester.path).saved_trials == 0
    assert newest_run(pytester.path)[0].is_complete


def test_rise_of_blind_passes_waits_for_the_last_case(pytester: Pytester) -> None:
    lay_models(pytester, {**MARGIN, "blind_pass": {"rise": 0.05}}, new=ALL_RIGHT)
    assert pytester.runpytest("--model=new", "--baseline=old", *RUN).ret == 0
    assert stopping(pytester.path).saved_trials == 0


def test_more_looks_stop_earlier(pytester: Pytester) -> None:
    lay_models(pytester, new=ALL_RIGHT)
    seen = []
    for looks in ("2", "9", "every-case"):
        assert pytester.runpytest("--model=new", "--baseline=old", f"--looks={looks}", *RUN).ret == 0
        found = stopping(pytester.path)
        (rule,) = found.rules
        assert rule.answer == "pass"
        assert found.looks == (int(looks) if looks != "every-case" else None)
        assert found.looks is None or rule.look <= found.looks
        seen.append(rule.trials)
    assert seen[0] > seen[1] > seen[2]


def test_planned_look_comes_after_its_share_of_the_cases(pytester: Pytester) -> None:
    lay_models(pytester, new=ALL_WRONG)
    pytester.runpytest("--model=new", "--baseline=old", "--looks=3", *RUN)
    (rule,) = stopping(pytester.path).rules
    assert (rule.answer, rule.look, rule.trials) == ("fail", 1, 30)


def test_each_of_several_candidates_stops_at_its_own_time(pytester: Pytester) -> None:
    lay_models(pytester, same=ALL_RIGHT, worse=ALL_WRONG)
    result = pytester.runpytest("--model=worse", "--model=same", "--baseline=old", "--looks=3", *RUN)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["note: stopped early: worse: *failed*", "note: stopped early: same: *passed*"]
    )
    _run, trials = newest_run(pytester.path)
    found = stopping(pytester.path)
    assert answered(trials, "worse") < answered(trials, "same") == answered(trials, "old") < 90
    assert {rule.model: rule.answer for rule in found.rules} == {"worse": "fail", "same": "pass"}
    assert found.saved_trials == 270 - len(trials)


def test_open_candidate_is_run_to_its_end_beside_a_decided_one(pytester: Pytester) -> None:
    # Worse by the margin: that takes more cases than there are.
    lay_models(pytester, near=wrong_on(lambda n: n % 5 == 0), worse=ALL_WRONG)
    pytester.runpytest("--model=worse", "--model=near", "--baseline=old", "--looks=2", *RUN)
    _run, trials = newest_run(pytester.path)
    assert (answered(trials, "near"), answered(trials, "old")) == (90, 90)
    assert answered(trials, "worse") == 45
    assert set(stopping(pytester.path).stopped) == {"worse"}


def test_stored_run_as_baseline_needs_the_candidate_alone(pytester: Pytester) -> None:
    lay_models(pytester, new=ALL_RIGHT)
    pytester.runpytest("--model=old", "--report=json")
    result = pytester.runpytest("--model=new", "--baseline=latest", *RUN)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*new minus that of old@*over * looks*"])
    _run, trials = newest_run(pytester.path)
    assert answered(trials, "new") == len(trials) < 60
    assert stopping(pytester.path).saved_trials == 90 - len(trials)


def test_suite_and_tag_are_watched_in_their_own_scope(pytester: Pytester) -> None:
    half = [case(name, tags=["hard"] if n % 2 else []) for n, name in enumerate(NAMES)]
    gates = {
        "one": {"semantic": {"min": 0.5}},
        "two": {"semantic": {"min": 0.5}, "tags": {"hard": {"semantic": {"min": 0.6}}}},
    }
    head = 'suite: {name}\nprompt: {{user: "{{{{ message }}}}"}}\nchecks: [expected]\n'
    lay(
        pytester.path,
        {
            f"cases/{name}.yml": suite(half, head=head.format(name=name), gate=gate)
            for name, gate in gates.items()
        },
    )
    wrong = [{"suite": "two", "case": name, "output": BLIND} for n, name in enumerate(NAMES) if n % 2]
    lay(
        pytester.path,
        {
            "outputs/new.jsonl": "".join(f"{json.dumps(line)}\n" for line in wrong) + outputs(ALL_RIGHT),
            "config/models.yml": "models: {new: {provider: recorded, path: outputs/new.jsonl}}\n",
        },
    )
    result = pytester.runpytest("--model=new", "--looks=3", *RUN)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["note: stopped early: new: semantic.min * two, tag hard failed*"])
    said = {(rule.suite, rule.tag): rule for rule in stopping(pytester.path).rules}
    assert list(said) == [("one", None), ("two", None), ("two", "hard")]
    assert said["one", None].answer == "pass"
    _run, trials = newest_run(pytester.path)
    hard = [t for t in trials if t.suite == "two" and "hard" in t.tags]
    assert said["two", "hard"].trials == len(hard) < 45


def test_trials_without_an_answer_decide_nothing(pytester: Pytester) -> None:
    lay_models(pytester, new={})
    result = pytester.runpytest("--model=new", "--baseline=old", *RUN)
    assert result.ret == 11
    found = stopping(pytester.path)
    assert (found.saved_trials, found.rules[0].answer, found.rules[0].trials) == (0, "go on", 0)


def test_case_that_pytest_skips_is_neither_asked_nor_waited_for(pytester: Pytester) -> None:
    lay_models(pytester, new=ALL_RIGHT)
    pytester.makeconftest(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        "        if 'case-1' in item.name:\n"
        "            item.add_marker(pytest.mark.skip(reason='not today'))\n"
    )
    result = pytester.runpytest("--model=new", "--baseline=old", *RUN)
    _run, trials = newest_run(pytester.path)
    assert result.parseoutcomes()["passed"] == len(trials)
    assert not [t.case for t in trials if t.case.startswith("case-1")]
    (rule,) = stopping(pytester.path).rules
    assert (rule.answer, 2 * rule.trials) == ("pass", len(trials))


# When it does not stop


def test_partial_selection_goes_to_its_end(pytester: Pytester) -> None:
    lay_models(pytester, new=ALL_WRONG)
    result = pytester.runpytest("--model=new", "--baseline=old", "-k", "not case-0", *RUN)
    result.stdout.fnmatch_lines(["gate not judged: partial selection"])
    run, trials = newest_run(pytester.path)
    assert (run.stopping, len(trials)) == (None, 160)


def test_workers_are_refused_with_the_reason_before_anything_runs(pytester: Pytester) -> None:
    lay_models(pytester, new=ALL_RIGHT)
    result = pytester.runpytest("--model=new", "--baseline=old", "-n", "2", *RUN)
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --stop-early decides in one process*: leave out -n"])
    assert not (pytester.path / ".swapgate").exists()


@pytest.mark.parametrize("gate", [None, {"semantic": {"min": 0.5, "on": "point"}}], ids=["none", "point"])
def test_without_a_rule_to_look_at_a_warning_is_given_and_all_is_run(
    pytester: Pytester, gate: object
) -> None:
    lay_models(pytester, gate, new=ALL_RIGHT)
    result = pytester.runpytest("--model=new", *RUN)
    assert result.ret == 0
    words = "warning: --stop-early has no rule to look at (a margin, a rate on: interval)*"
    result.stdout.fnmatch_lines([f"swapgate: {words}", words])
    assert newest_run(pytester.path)[0].stopping is None


@pytest.mark.parametrize("is_calibrated", [True, False])
def test_calibrated_judge_makes_the_run_go_to_its_end_with_a_warning(
    pytester: Pytester, is_calibrated: bool
) -> None:
    passing = dict.fromkeys(NAMES, True)
    judged_workspace(pytester.path, {"new": ALL_RIGHT}, passing, gate={"semantic": {"min": 0.5}})
    if is_calibrated:
        labels = calibration([(True, True)] * 30 + [(False, False)] * 30)
        lay(pytester.path, {"judges/meaning.calibration.yml": labels})
    result = pytester.runpytest("--model=new", *RUN)
    assert result.ret == 0
    run, trials = newest_run(pytester.path)
    if is_calibrated:
        result.stdout.fnmatch_lines(["swapgate: warning: *verdicts as they are, and meaning is calibrated*"])
        assert (run.stopping, len(trials)) == (None, 90)
    else:
        assert stopping(pytester.path).saved_trials == 90 - len(trials) > 0


def test_exact_intervals_make_the_run_go_to_its_end_with_a_warning(pytester: Pytester) -> None:
    lay_models(pytester, gate={"semantic": {"min": 0.5}}, new=ALL_RIGHT)
    lay(pytester.path, {"pyproject.toml": '[tool.swapgate.gate]\ninterval = "exact"\n'})
    result = pytester.runpytest("--model=new", *RUN)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["swapgate: warning: --stop-early knows no exact intervals*"])
    assert newest_run(pytester.path)[0].stopping is None


# What is kept, and said again


def test_stored_run_says_the_same_answer_again(
    pytester: Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_models(pytester, new=HALF_WRONG, same=ALL_RIGHT)
    for candidate in ("new", "same"):
        result = pytester.runpytest(f"--model={candidate}", "--baseline=old", *RUN)
        line = next(line for line in result.outlines if line.startswith("gate: "))
        notes = [line for line in result.outlines if line.startswith("note: s")]
        capsys.readouterr()
        assert main(["history", "show", "latest"]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert line in shown and [one for one in shown if one.startswith("note: s")] == notes
        assert main(["report", "latest", "--report", "md"]) == 0
        assert line in capsys.readouterr().out
        written = pytester.path / "reports" / newest_run(pytester.path)[0].id / "report.json"
        assert main(["report", str(written), "--report", "md", "--out", "again"]) == 0
        assert line in capsys.readouterr().out


def test_stopped_run_is_stored_with_its_looks_and_what_they_saved(pytester: Pytester) -> None:
    lay_models(pytester, new=ALL_RIGHT)
    pytester.runpytest("--model=new", "--baseline=old", *RUN)
    run, _trials = newest_run(pytester.path)
    found = stopping(pytester.path)
    assert (found.looks, found.seed, run.seed, found.planned_cases) == (10, 1, 1, 90)
    (rule,) = found.rules
    assert (rule.rule, rule.measure, rule.model, rule.answer) == ("margin", "semantic", "new", "pass")
    assert rule.trials == found.cases and rule.low is not None and rule.low > -0.2
    # A recorded output has no price.
    assert found.saved_usd is None


def test_stopped_run_is_no_baseline_for_another(
    pytester: Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_models(pytester, new=ALL_RIGHT)
    pytester.runpytest("--model=old", "--report=json")
    whole = newest_run(pytester.path)[0].id
    pytester.runpytest("--model=new", "--baseline=old", *RUN)
    run, _trials = newest_run(pytester.path)
    result = pytester.runpytest("--model=old", f"--baseline=new@{run.id}")
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*run {run.id} is no baseline*stopped early*Choose a complete run*"])
    capsys.readouterr()
    assert main(["history", "list"]) == 0
    states = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert states[run.id].endswith("stopped early") and states[whole].endswith("complete")
    assert pytester.runpytest("--model=new", "--baseline=latest", "--report=none").ret == 0
    assert newest_run(pytester.path)[0].baseline == f"old@{whole}"


def test_run_that_looked_and_did_not_stop_may_be_a_baseline(pytester: Pytester) -> None:
    lay_models(pytester, new=ALL_RIGHT, near=wrong_on(lambda n: n % 7 == 0))
    result = pytester.runpytest("--model=near", "--baseline=old", "--looks=2", *RUN)
    result.stdout.fnmatch_lines(["note: not stopped early: 2 planned looks at 90 cases decided nothing*"])
    run, _trials = newest_run(pytester.path)
    assert run.is_complete
    assert pytester.runpytest("--model=new", f"--baseline=near@{run.id}", "--report=none").ret == 0


def test_first_miss_ends_the_session_unjudged(pytester: Pytester) -> None:
    lay_models(pytester, new=HALF_WRONG)
    result = pytester.runpytest("--model=new", "--baseline=old", "-x", *RUN)
    assert result.ret == 1
    assert result.parseoutcomes()["missed"] == 1
    result.stdout.fnmatch_lines(["gate not judged: the session stopped early (*"])


@pytest.mark.parametrize("place", ["pyproject", "environment"])
def test_settings_outside_the_command_line_stop_early_too(
    pytester: Pytester, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    lay_models(pytester, new=ALL_RIGHT)
    if place == "pyproject":
        lay(pytester.path, {"pyproject.toml": "[tool.swapgate]\nstop_early = true\nlooks = 3\nseed = 5\n"})
    else:
        for name, value in (("STOP_EARLY", "1"), ("LOOKS", "3"), ("SEED", "5")):
            monkeypatch.setenv(f"SWAPGATE_{name}", value)
    assert pytester.runpytest("--model=new", "--baseline=old", "--report=none").ret == 0
    found = stopping(pytester.path)
    assert (found.looks, found.seed, found.saved_trials > 0) == (3, 5, True)


def test_same_run_from_python_stops_at_the_same_case(pytester: Pytester) -> None:
    lay_models(pytester, new=HALF_WRONG)
    pytester.runpytest("--model=new", "--baseline=old", *RUN)
    from_pytest = stopping(pytester.path)
    outcome = swapgate.run(root=pytester.path, model="new", baseline="old", stop_early=True, seed=1)
    assert outcome.run.stopping == from_pytest
    assert outcome.gate.exit_code == 10
