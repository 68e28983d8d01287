"""A trial in one phase of pytest, where nobody looks at the others; in three where somebody does."""

from __future__ import annotations

import json

import pytest

from workspaces import RIGHT, case, lay, recorded_workspace, suite

PHASES = """\
import pathlib
def pytest_runtest_logreport(report):
    with pathlib.Path(__file__).with_name("phases").open("a") as out:
        print(report.when, file=out)
"""
ANSWERS = {"new": {f"case-{n}": RIGHT for n in range(3)}}


def phases(pytester: pytest.Pytester) -> list[str]:
    return (pytester.path / "phases").read_text(encoding="utf-8").split()


def test_trial_is_one_phase_and_pytest_counts_it(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, ANSWERS)
    lay(pytester.path, {"conftest.py": PHASES})
    pytester.runpytest("--model=new").assert_outcomes(passed=3)
    assert phases(pytester) == ["call"] * 3


def test_conftest_that_looks_at_the_phases_sees_all_three(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, ANSWERS)
    watcher = "def pytest_runtest_setup(item):\n    pass\n"
    lay(pytester.path, {"conftest.py": PHASES + watcher})
    pytester.runpytest("--model=new").assert_outcomes(passed=3)
    assert phases(pytester) == ["setup", "call", "teardown"] * 3


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-k", "case-1 or case-2"],
        ["cases/triage.yml::case-1[new]"],
        ["--shard=1/2"],
        ["--stop-early", "--swapgate-seed=1"],
    ],
    ids=["plain", "keyword", "node id", "shard", "stop-early"],
)
def test_case_is_held_no_longer_than_its_trial(pytester: pytest.Pytester, options: list[str]) -> None:
    recorded_workspace(
        pytester.path,
        {"new": {f"case-{n}": RIGHT for n in range(60)}},
        gate={"semantic": {"min": 0.4}},  # decided long before the last case
    )
    counter = (
        "import gc\n"
        "def held():\n"
        "    from swapgate.spec.suite import PlacedCase\n"
        "    return sum(type(one) is PlacedCase for one in gc.get_objects())\n"
        "def pytest_collection_modifyitems():\n"
        "    print('collected:', held())\n"
        "def pytest_sessionfinish():\n"
        "    gc.unfreeze()\n"
        "    print('held:', held())\n"
    )
    lay(pytester.path, {"conftest.py": counter})
    ran = pytester.runpytest_subprocess("--model=new", "-s", *options)
    assert (ran.parseoutcomes().get("skipped", 0) > 0) == ("--stop-early" in options)
    ran.stdout.fnmatch_lines(["*collected: 60*", "*held: [0-3]"])  # those that were asked for last


def test_trial_that_is_over_can_be_run_once_more(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, ANSWERS)
    again = (
        "import pytest\n"
        "@pytest.hookimpl(wrapper=True)\n"
        "def pytest_runtest_protocol(item):\n"
        "    was_run = yield\n"
        "    item.runtest()\n"
        "    print('again:', item.finished.facts.case)\n"
        "    return was_run\n"
    )
    lay(pytester.path, {"conftest.py": again})
    ran = pytester.runpytest("--model=new", "-s")
    ran.assert_outcomes(passed=3)
    ran.stdout.fnmatch_lines([f"*again: case-{n}*" for n in range(3)])


def test_conftest_can_still_skip_a_trial_in_its_setup(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, ANSWERS)
    lay(
        pytester.path,
        {
            "conftest.py": (
                "import pytest\n"
                "def pytest_runtest_setup(item):\n"
                "    if 'case-1' in item.name:\n"
                "        pytest.skip('not today')\n"
            )
        },
    )
    pytester.runpytest("--model=new").assert_outcomes(passed=2, skipped=1)


def test_junit_gets_every_trial_with_its_properties(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, ANSWERS)
    pytester.runpytest("--model=new", "--junitxml=junit.xml").assert_outcomes(passed=3)
    written = (pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert written.count("<testcase") == 3
    assert written.count('<property name="structural" value="true"') == 3


def test_ordinary_tests_before_and_after_trials_are_set_up_and_torn_down(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, ANSWERS)
    test = (
        "import pytest\n"
        "@pytest.fixture(scope='module')\n"
        "def opened():\n"
        "    yield 1\n"
        "    print('torn down')\n"
        "def test_it(opened):\n"
        "    assert opened\n"
    )
    lay(pytester.path, {"cases/test_before.py": test, "more/test_after.py": test})
    result = pytester.runpytest("cases/test_before.py", "cases/triage.yml", "more", "--model=new", "-s")
    result.assert_outcomes(passed=5)
    assert result.stdout.str().count("torn down") == 2


def test_phases_stand_where_the_users_own_code_may_print(pytester: pytest.Pytester) -> None:
    lay(
        pytester.path,
        {
            "cases/own.yml": suite([case("one")], head="suite: own\nprompt: {user: '{{ message }}'}\n"),
            "app.py": "def answer(message):\n    return 'fine'\n",
            "config/models.yml": "models: {mine: {provider: python, model: 'app:answer'}}\n",
            "conftest.py": PHASES,
        },
    )
    pytester.runpytest("--model=mine").assert_outcomes(passed=1)
    assert phases(pytester) == ["setup", "call", "teardown"]


def test_own_modules_are_not_rewritten_for_asserts(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, ANSWERS)
    told = (
        "import sys\ndef pytest_unconfigure():\n"
        "    print(type(sys.modules['swapgate.driving.session'].__loader__))\n"
    )
    lay(pytester.path, {"conftest.py": told})
    result = pytester.runpytest_subprocess("--model=new", "-s")
    result.stdout.fnmatch_lines(["*SourceFileLoader*"])


# What pytest-rerunfailures does with a test that fails; its hooks of the phases are what makes it seen.
RERUNS = """\
from _pytest.runner import runtestprotocol
def pytest_runtest_setup(item):
    pass
def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for left in (2, 1, 0):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        again = left > 0 and any(report.failed for report in reports)
        for report in reports:
            if again and report.failed:
                report.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=report)
        if not again:
            break
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
def pytest_report_teststatus(report):
    if report.outcome == "rerun":
        return "rerun", "R", ("RERUN", {"yellow": True})
"""
WAVERING = """\
import pathlib
def answer(message):
    calls = pathlib.Path("calls")
    calls.write_text((calls.read_text() if calls.exists() else "") + "x")
    return "wrong" if calls.read_text() == "x" else "right"
"""


@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=str)
def test_a_plugin_that_runs_failures_again_asks_no_model_again(
    pytester: pytest.Pytester, workers: list[str]
) -> None:
    head = "suite: s\nprompt: {user: '{{ message }}'}\nchecks: [{contains: {all: [right]}}]\n"
    lay(
        pytester.path,
        {
            "conftest.py": RERUNS,
            "app.py": WAVERING,
            "config/models.yml": "models: {app: {provider: python, model: 'app:answer'}}\n",
            "cases/s.yml": suite([case("one")], head=head, gate="every-case"),
        },
    )
    result = pytester.runpytest("--model=app", "--live", "--report=json", *workers)
    assert (pytester.path / "calls").read_text() == "x"
    result.stdout.fnmatch_lines(["gate: FAIL *of 1 trial 1 missed", "*= 2 rerun, 1 missed in *"])
    assert result.ret == 1
    written = json.loads((pytester.path / "reports" / "latest" / "report.json").read_text())
    assert [trial["answer"]["response"]["text"] for trial in written["trials"]] == ["wrong"]


@pytest.mark.parametrize("options", [[], ["--full-trace"]], ids=["place", "full trace"])
def test_pytest_parses_the_way_to_an_interruption_only_to_show_it(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    recorded_workspace(pytester.path, ANSWERS)
    interrupted = (
        "import pytest\n"
        "def pytest_runtest_logreport():\n"
        "    raise KeyboardInterrupt\n"
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_keyboard_interrupt(excinfo):\n"
        "    print('frames:', len(excinfo.traceback))\n"
    )
    lay(pytester.path, {"conftest.py": interrupted})
    ran = pytester.runpytest("--model=new", "-s", *options, no_reraise_ctrlc=True)
    assert ran.ret == pytest.ExitCode.INTERRUPTED
    frames = int(ran.stdout.str().partition("frames: ")[2].partition("\n")[0])
    assert (frames > 1) == bool(options)
    ran.stdout.fnmatch_lines(["*conftest.py:3: KeyboardInterrupt*"])
