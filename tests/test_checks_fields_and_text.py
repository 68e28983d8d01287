"""The checks of single fields and of text: enum, required_keys, regex, contains, length, not_*."""

from __future__ import annotations

import pytest

from checks_running import messages, mistake, run_check

ANSWER = '{"label": "Bug", "issues": [{"severity": "low", "line": 3}], "summry": "Fine. Sorry!"}'


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("enum: {pointer: /label, values: [bug, billing]}", ["Only the case differs from 'bug'."]),
        ("enum: {/label: [bugs, other]}", ["The nearest is 'bugs'."]),
        (
            "enum: {/label: [Bug], /issues/0/severity: [high]}",
            ["/issues/0/severity is 'low', wanted one of 'high'."],
        ),
        ("enum: [{pointer: /label, values: [Bug]}, {pointer: /kind, values: [a]}]", ["/kind is missing."]),
        (
            "enum: {pointer: /issues/1/line, values: [1]}",
            ["/issues/1/line is missing. /issues/1 is missing too."],
        ),
        ("enum: {pointer: /label/x, values: [1]}", ["/label/x is missing. /label is a string."]),
        ("enum: {pointer: /issues/0/line, values: [3.0, 4]}", []),
    ],
)
def test_enum_names_the_nearest_allowed_value(written: str, said: list[str]) -> None:
    result = run_check(written, ANSWER)
    assert result.passed == (not said)
    assert len(result.findings) == len(said)
    for message, part in zip(messages(result), said, strict=True):
        assert part in message


def test_enum_tells_true_from_1_and_the_whole_answer_may_be_the_value() -> None:
    assert not run_check("enum: {pointer: /a, values: [1]}", '{"a": true}').passed
    assert run_check("enum: {values: [yes_, no_]}", '"yes_"').passed


def test_required_keys_takes_names_and_pointers() -> None:
    result = run_check("required_keys: [label, summary, /issues/0/line, /issues/0/colunm, a/b]", ANSWER)
    assert [f.pointer for f in result.findings] == ["/summary", "/issues/0/colunm", "/a~1b"]
    assert messages(result)[0] == "/summary is missing. The nearest key is 'summry'."
    assert run_check("required_keys: label", ANSWER).passed


def test_regex_searches_anywhere_and_a_flag_changes_it() -> None:
    assert run_check("regex: 'b.g'", "a bug").passed
    assert messages(run_check("regex: '^bug'", "Bug")) == [
        "The answer has no match of the pattern '^bug': 'Bug'."
    ]
    assert run_check("regex: {pattern: '^bug', flags: [ignore_case]}", "Bug").passed


def test_not_regex_shows_where_the_match_stands() -> None:
    result = run_check("not_regex: {pattern: 'sorry', flags: [ignore_case], pointer: /summry}", ANSWER)
    assert messages(result) == ["/summry has 'Sorry' at character 6: 'Fine. Sorry!'."]
    assert result.findings[0].pointer == "/summry"


def test_a_field_that_is_no_text_fails_a_check_of_text() -> None:
    assert messages(run_check("regex: {pattern: x, pointer: /issues}", ANSWER)) == [
        "/issues is an array, wanted text."
    ]
    assert messages(run_check("contains: {all: [x], pointer: /nothing}", "no JSON")) == [
        "The answer holds no JSON that can be looked into (no_json)."
    ]


@pytest.mark.parametrize(
    ("written", "passes"),
    [
        ("contains: one", True),
        ("contains: [one, two]", True),
        ("contains: [one, three]", False),
        ("contains: {any: [three, two]}", True),
        ("contains: {any: [three, four]}", False),
        ("contains: {all: ONE}", False),
        ("contains: {all: ONE, ignore_case: true}", True),
        ("not_contains: three", True),
        ("not_contains: [three, two]", False),
        ("not_contains: {all: [one, three]}", True),
        ("not_contains: {all: [one, two]}", False),
        ("not_contains: {any: TWO, ignore_case: true}", False),
    ],
)
def test_contains_and_its_opposite(written: str, passes: bool) -> None:
    assert run_check(written, "one and two").passed == passes


def test_not_contains_shows_the_place_in_its_surroundings() -> None:
    text = "I read the diff. As an AI model, I cannot run it at all."
    assert messages(run_check("not_contains: As an AI", text)) == [
        "The answer has 'As an AI' at character 17: 'I read the diff. As an AI model, I cannot run...'."
    ]


def test_length_counts_characters_and_words() -> None:
    result = run_check("length: {min_chars: 20, max_words: 2}", "one two three")
    assert messages(result) == [
        "The answer has 13 characters, wanted at least 20.",
        "The answer has 3 words, wanted at most 2.",
    ]
    assert run_check("length: {max_chars: 3, pointer: /label}", ANSWER).passed


@pytest.mark.parametrize(
    ("written", "pointer", "message"),
    [
        (
            "enum: {pointer: label, values: [a]}",
            "/enum/pointer",
            "'pointer' must start with '/', got 'label': write '/label'",
        ),
        (
            "enum: {pointer: /a, value: [a]}",
            "/enum/value",
            "unknown key 'value' in an enum. Did you mean 'values'?",
        ),
        ("enum: [{pointer: /a, values: []}]", "/enum/0/values", "'[0].values' must not be empty, got []"),
        ("enum", "", "its options are missing: write them after its name"),
        (
            "regex: '('",
            "/regex",
            "invalid regular expression '(': missing ), unterminated subpattern at position 0",
        ),
        ("regex: {patern: x}", "/regex/patern", "unknown key 'patern' in the check. Did you mean 'pattern'?"),
        ("contains: ''", "/contains", "the check must not hold an empty piece of text: every answer has it"),
        ("length: {max_words: -1}", "/length/max_words", "'max_words' must be at least 0, got -1"),
        (
            "length: {min_words: 5, max_words: 1}",
            "/length",
            "the check must not have min_words 5 above max_words 1",
        ),
        (
            "length: {}",
            "/length",
            "the check must have a bound: min_chars, max_chars, min_words or max_words",
        ),
    ],
)
def test_mistakes_in_options_say_where_and_what(written: str, pointer: str, message: str) -> None:
    name = pointer.split("/")[1] if pointer else "enum"
    assert mistake(written) == (pointer, f"check {name!r}: {message}")
