"""The check `python`: the user's own functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks_running import messages, mistake, run_check
from swapgate.checks.build import UserCheckFailed

SOURCE = """
from swapgate.records import CheckResult, Finding

def yes(text):
    return True

def no(answer):
    return False

def says(output, expected):
    if expected not in output:
        return f"{expected!r} is not in the answer."

def parsed_and_variables(parsed, variables, response):
    parsed["seen"] = True
    wrong = Finding(message="Wrong language.", pointer="/lang")
    return [] if parsed["lang"] == variables["lang"] else [wrong]

def unchanged(parsed):
    return "seen" not in parsed

def full(subject):
    return CheckResult(check="mine", kind="semantic", passed=False, facts={"cost": subject.cost_usd})

def longer_than(text, words, strict=False):
    return len(text.split()) > words

def raises(text):
    return {}["missing"]

def leaves(text):
    raise SystemExit(3)

def odd(text):
    return 1

async def later(text):
    return True

value = 5
"""


@pytest.fixture
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A workspace whose module has a name of its own in each test, for modules stay imported."""
    (tmp_path / f"own_{abs(hash(request.node.name))}.py").write_text(SOURCE)
    return tmp_path


def call(root: Path, function: str) -> str:
    return f"{next(root.glob('own_*.py')).stem}:{function}"


def test_true_and_none_pass_false_and_a_sentence_fail(root: Path) -> None:
    assert run_check(f"python: {call(root, 'yes')}", root=root).passed
    assert messages(run_check(f"python: {call(root, 'no')}", root=root)) == ["python:no returned False."]
    says = f"python: {call(root, 'says')}"
    assert run_check(says, "42 apples", root=root, expected="42").passed
    assert messages(run_check(says, "apples", root=root, expected="42")) == ["'42' is not in the answer."]


def test_parameters_are_given_by_their_names(root: Path) -> None:
    written = f"python: {call(root, 'parsed_and_variables')}"
    assert run_check(written, '```\n{"lang": "fr"}\n```', root=root, variables={"lang": "fr"}).passed
    result = run_check(written, '{"lang": "fr"}', root=root, variables={"lang": "de"})
    assert [(f.pointer, f.message) for f in result.findings] == [("/lang", "Wrong language.")]


def test_a_function_that_changes_what_it_is_given_changes_nothing_for_others(root: Path) -> None:
    from swapgate.checks import Subject
    from swapgate.checks.build import build_checks, run_checks
    from swapgate.records import Response

    entries = [{"python": call(root, "parsed_and_variables")}, {"python": call(root, "unchanged")}]
    subject = Subject(response=Response(text='{"lang": "fr"}'), variables={"lang": "fr"})
    results = run_checks(build_checks(entries, base=root, root=root), subject)
    assert [(r.check, r.passed) for r in results] == [
        ("python:parsed_and_variables", True),
        ("python:unchanged", True),
    ]


def test_a_result_of_the_functions_own_keeps_the_checks_name_and_kind(root: Path) -> None:
    result = run_check(f"python: {call(root, 'full')}", root=root, cost_usd=0.5)
    assert (result.check, result.kind, result.passed, result.facts) == (
        "python:full",
        "structural",
        False,
        {"cost": 0.5},
    )


def test_args_and_kind_are_options(root: Path) -> None:
    written = f"python: {{call: '{call(root, 'longer_than')}', kind: semantic, args: {{words: 2}}}}"
    assert run_check(written, "one two three", root=root).passed
    assert run_check(written, "one", root=root).kind == "semantic"


@pytest.mark.parametrize(
    ("function", "raised"), [("raises", "KeyError: 'missing'"), ("leaves", "SystemExit: 3")]
)
def test_an_exception_is_an_error_with_its_place_and_never_a_failing_check(
    root: Path, function: str, raised: str
) -> None:
    with pytest.raises(UserCheckFailed) as caught:
        run_check(f"python: {call(root, function)}", root=root)
    line = 1 + SOURCE.splitlines().index(f"def {function}(text):") + 1
    place = f"{next(root.glob('own_*.py'))}:{line}"
    assert str(caught.value) == f"the check 'python:{function}' could not be decided: {raised} ({place})"
    assert (caught.value.exception, caught.value.place) == (raised.split(":", maxsplit=1)[0], place)


def test_an_answer_of_the_wrong_type_is_an_error(root: Path) -> None:
    with pytest.raises(UserCheckFailed, match=r"the function may return a bool, .*, got 1"):
        run_check(f"python: {call(root, 'odd')}", root=root)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("yess", "has no 'yess'. Did you mean 'yes'?"),
        ("value", "is not a function but int"),
        ("later", "is async; write a plain function"),
        ("longer_than", "wants 'words': add it to `args`."),
    ],
)
def test_functions_that_cannot_be_called_are_refused_at_load(root: Path, function: str, message: str) -> None:
    pointer, said = mistake(f"python: {call(root, function)}", root=root)
    assert pointer == "/python"
    assert message in said


def test_modules_that_cannot_be_imported_are_refused_at_load(root: Path) -> None:
    (root / "own_broken.py").write_text("import not_there_at_all\n")
    (root / "own_raising.py").write_text("1 / 0\n")
    assert "no module 'own_absent' in" in mistake("python: own_absent:check", root=root)[1]
    assert (
        "importing 'own_broken' failed: No module named 'not_there_at_all'"
        in mistake("python: own_broken:f", root=root)[1]
    )
    assert (
        "importing 'own_raising' failed: ZeroDivisionError" in mistake("python: own_raising:f", root=root)[1]
    )
    assert "wanted 'package.module:name', got 'own_broken'" in mistake("python: own_broken", root=root)[1]


def test_an_unknown_argument_names_the_nearest_parameter(root: Path) -> None:
    pointer, said = mistake(
        f"python: {{call: '{call(root, 'longer_than')}', args: {{words: 1, strct: true}}}}", root=root
    )
    assert pointer == "/python/args/strct"
    assert "has no parameter 'strct'. Did you mean 'strict'?" in said
