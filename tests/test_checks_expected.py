"""The check `expected`: the answer against the case's reference."""

from __future__ import annotations

import pytest

from checks_running import messages, mistake, run_check
from swapgate.checks.build import UserCheckFailed
from swapgate.records import Json


def test_it_is_semantic_and_compares_the_named_fields() -> None:
    result = run_check(
        "expected: [/label, /n]", '{"label": "bug", "n": 2.0, "x": 1}', expected={"label": "billing", "n": 2}
    )
    assert (result.check, result.kind) == ("expected", "semantic")
    assert messages(result) == ["/label is 'bug', expected 'billing'."]


def test_the_wrapping_of_the_json_is_no_matter_of_meaning() -> None:
    assert run_check(
        "expected: /label", 'Sure:\n```json\n{"label": "bug"}\n```', expected={"label": "bug"}
    ).passed


def test_an_answer_without_json_and_a_missing_field_are_misses() -> None:
    assert not run_check("expected: [/label]", "bug", expected={"label": "bug"}).passed
    assert messages(run_check("expected: [/label]", '{"lable": "bug"}', expected={"label": "bug"})) == [
        "/label is missing. The nearest key is 'lable'."
    ]


def test_the_bare_name_compares_every_field_but_the_judges_reference() -> None:
    expected: Json = {"label": "bug", "ok": True, "summary": "for judges", "answer": "for judges"}
    assert run_check("expected", '{"label": "bug", "ok": true, "summary": "other"}', expected=expected).passed
    assert not run_check("expected", '{"label": "bug", "ok": 1}', expected=expected).passed


def test_case_and_tolerance_are_options() -> None:
    options = "{pointers: [/label, /score], ignore_case: true, tolerance: 0.1}"
    expected: Json = {"label": "Bug", "score": 0.5}
    assert run_check(f"expected: {options}", '{"label": "bug", "score": 0.58}', expected=expected).passed
    assert not run_check(f"expected: {options}", '{"label": "bug", "score": 0.7}', expected=expected).passed


def test_values_are_compared_whole() -> None:
    assert run_check(
        "expected: [/a]", '{"a": {"y": [1, 2], "x": null}}', expected={"a": {"x": None, "y": [1, 2]}}
    ).passed
    assert not run_check("expected: [/a]", '{"a": [2, 1]}', expected={"a": [1, 2]}).passed


@pytest.mark.parametrize("expected", ["Yes", {"answer": "Yes", "summary": "..."}])
def test_text_compares_the_whole_answer(expected: Json) -> None:
    assert run_check("expected: text", " Yes\n", expected=expected).passed
    assert messages(run_check("expected: text", "yes", expected=expected)) == [
        "The answer is 'yes', expected 'Yes'."
    ]
    assert run_check("expected: {text: true, ignore_case: true}", "yes", expected=expected).passed


@pytest.mark.parametrize(
    ("written", "expected", "said"),
    [
        ("expected: [/label]", {"other": 1}, "has no /label"),
        ("expected: [/label]", None, "has no `expected`"),
        ("expected: text", None, "has no `expected`"),
        ("expected", "plain text", "has no fields to compare"),
        ("expected", {"summary": "for judges"}, "has no fields to compare"),
        ("expected: text", {"label": "bug"}, "is no text"),
    ],
)
def test_a_case_without_the_reference_is_an_error_and_no_miss(
    written: str, expected: Json, said: str
) -> None:
    with pytest.raises(UserCheckFailed, match=said) as caught:
        run_check(written, '{"label": "bug"}', expected=expected)
    assert caught.value.check == "expected"


def test_text_and_pointers_exclude_each_other() -> None:
    assert mistake("expected: {text: true, pointers: [/a]}")[0] == "/expected"
    assert "must start with '/', got 'label': write '/label'" in mistake("expected: label")[1]
