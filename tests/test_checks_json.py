"""The check `json`."""

from __future__ import annotations

import pytest

from checks_running import messages, mistake, run_check

BARE, FENCED, PROSE, SEVERAL = '{"a": 1}', '```json\n{"a": 1}\n```', 'Sure:\n{"a": 1}', '{"a": 1}\n{"a": 2}'
BROKEN = '{"a": 1,}'


@pytest.mark.parametrize(
    ("mode", "passing"),
    [
        ("strict", {BARE}),
        ("fenced", {BARE, FENCED}),
        ("permissive", {BARE, FENCED, PROSE, SEVERAL}),
    ],
)
def test_modes_allow_more_and_more_wrapping(mode: str, passing: set[str]) -> None:
    for text in (BARE, FENCED, PROSE, SEVERAL, BROKEN, "no", ""):
        assert run_check(f"json: {mode}", text).passed == (text in passing)


def test_the_bare_name_is_strict() -> None:
    assert not run_check("json", FENCED).passed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FENCED, "The JSON stands in a ``` fence."),
        (
            "Sure: [1, 2] Bye!",
            "The JSON has text around it, 5 characters before it: 'Sure:' and 4 characters after it: 'Bye!'.",
        ),
        (SEVERAL, "The answer holds 2 JSON values, not one."),
        (
            '{"a": [1,',
            "The JSON is cut off at line 1, column 10: "
            "the text ends inside the object that begins at line 1, column 1.",
        ),
        (BROKEN, "The JSON is broken at line 1, column 8: a comma before the closing bracket."),
        ("I cannot do that.", "The answer holds no JSON: 'I cannot do that.'."),
        (" ", "The answer is empty."),
    ],
)
def test_each_kind_of_wrapping_has_its_sentence(text: str, message: str) -> None:
    assert messages(run_check("json: strict", text)) == [message]


def test_facts_say_the_kind_and_what_a_permissive_parser_would_have_hidden() -> None:
    assert run_check("json", PROSE).facts == {
        "json_kind": "prose_before",
        "recoverable": True,
        "duplicate_keys": [],
    }
    assert run_check("json", BROKEN).facts["recoverable"] is False


def test_duplicate_keys_nan_and_byte_order_marks_fail_unless_permissive() -> None:
    text = '\ufeff{"a": 1, "a": NaN}'
    strict = run_check("json: strict", text)
    assert [(f.pointer, f.got) for f in strict.findings] == [
        ("/a", "duplicate"),
        ("/a", "NaN or Infinity"),
        ("", "U+FEFF"),
    ]
    assert strict.facts["duplicate_keys"] == ["/a"]
    assert not run_check("json: fenced", text).passed
    assert run_check("json: permissive", text).passed


def test_the_root_must_be_as_wanted() -> None:
    result = run_check("json: {mode: fenced, root: object}", "```\n[1]\n```")
    assert messages(result) == ["The JSON is an array; wanted an object."]
    assert run_check("json: {root: array}", "[1]").passed


def test_control_characters_of_the_answer_never_reach_a_message() -> None:
    (message,) = messages(run_check("json", "\x1b[31mred\ud800"))
    assert message == "The answer holds no JSON: '\\x1b[31mred\\ud800'."


def test_a_misspelt_mode_names_the_nearest() -> None:
    assert mistake("json: strct") == (
        "/json",
        "check 'json': the check must be 'strict', 'fenced' or 'permissive', got 'strct'. "
        "Did you mean 'strict'?",
    )
