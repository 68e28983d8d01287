"""How the JSON in an answer is told apart by its wrapping and its faults."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from swapgate.checks.json_parsing import MAX_DEPTH
from swapgate.checks.json_reading import read_json

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
CONTAINERS = VALUES.filter(lambda value: isinstance(value, dict | list))
# Prose as models write it around JSON: no brackets, no fences of its own.
PROSE = st.text(
    st.characters(exclude_characters="{}[]`\r\n", exclude_categories=("Cs", "Cc")), min_size=1
).filter(lambda text: text.strip(" \ufeff") != "")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"a": 1}', "bare"),
        (" \n[1, 2]\t\r\n", "bare"),
        ("42", "bare"),
        ('"a text"', "bare"),
        ("null", "bare"),
        ('```json\n{"a": 1}\n```', "fenced"),
        ('```\n{"a": 1}\n```\n', "fenced"),
        ('````JSON\n{"a": "```"}\n````', "fenced"),
        ('```json {"a": 1}```', "fenced"),
        ('```json\n{"a": 1}', "fenced"),
        ("```\n42\n```", "fenced"),
        ('Sure:\n{"a": 1}', "prose_before"),
        ('Sure: {"a": 1}', "prose_before"),
        ('Here it is:\n\n```json\n{"a": 1}\n```', "prose_before"),
        ('\u00a0{"a": 1}', "prose_before"),
        ('{"a": 1}\nHope that helps!', "prose_after"),
        ('{"a": 1}\n```', "prose_after"),
        ('{"a": 1}\nSee [1] for more.', "prose_after"),
        ('```json\n{"a": 1}\n```\nHope that helps!', "prose_after"),
        ('Sure: {"a": 1} Bye', "prose_around"),
        ('Sure:\n```json\n{"a": 1}\n```\nBye', "prose_around"),
        ('<json>{"a": 1}</json>', "prose_around"),
        ("{", "truncated"),
        ('{"a": [1, {"b": "c', "truncated"),
        ('Sure:\n```json\n{"a": tru', "truncated"),
        ('{"a": 1}\n{"a": 2}', "several"),
        ('{"a": 1}{"a": 2}', "several"),
        ('First:\n```json\n{"a": 1}\n```\nSecond:\n```json\n{"a": 2}\n```', "several"),
        ("{'a': 1}", "invalid"),
        ('{"a": 1,}', "invalid"),
        ('Sure: {"a": 1 /* one */}', "invalid"),
        ('```json\n{"a": [1, 2\n```', "invalid"),
        ("No JSON here.", "no_json"),
        ("- [ ] a task\n- [x] another, as in [3], done", "no_json"),
        ("[2026-11-23 07:12] done, in \x1b[31mred, [Sic] and [1.2 of 3]", "no_json"),
        ("Fill in {name} and {{place}}.", "no_json"),
        ("'text'", "no_json"),
        ("", "empty"),
        (" \n\t", "empty"),
        ("\ufeff\n", "empty"),
    ],
)
def test_kinds_are_told_apart(text: str, kind: str) -> None:
    reading = read_json(text)
    assert reading.kind == kind
    assert reading.is_recoverable == (kind not in ("truncated", "invalid", "no_json", "empty"))


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("{'a': 1}", 1, 2, "single quotes"),
        ('{"a": 1,}', 1, 8, "a comma before the closing bracket"),
        ('{\n  "a": [1,\n  2, ]\n}', 3, 4, "a comma before the closing bracket"),
        ('{"a": 1, // one\n"b": 2}', 1, 10, "a comment"),
        ("{a: 1}", 1, 2, "a key without quotes"),
        ('{"a": True}', 1, 7, "True"),
        ('{"a": None}', 1, 7, "None"),
        ('{"a": "x\ny"}', 1, 9, "a raw line break inside a string"),
        ('{"a": "\\x"}', 1, 8, "the escape '\\\\x'"),
        ('{"a": "he said "no" to me"}', 1, 17, "a quotation mark inside a string that is not escaped"),
        ('{"a": 1\n "b": 2}', 2, 2, "a missing comma"),
        ('{"a": ...}', 1, 7, "an ellipsis"),
        ("{“a”: 1}", 1, 2, "typographic quotes"),
        ('{"a": 01}', 1, 8, "a leading zero"),
        ('```json\n{"a": [1\n```', 3, 1, "the fence, closed before the value is"),
        ('text\n{"a" 1}', 2, 6, "a missing comma or colon"),
        ('{"a": 1]', 1, 8, "an unexpected ']'"),
    ],
)
def test_broken_json_says_where_and_why(text: str, line: int, column: int, problem: str) -> None:
    reading = read_json(text)
    assert (reading.kind, reading.line, reading.column) == ("invalid", line, column)
    assert problem in reading.problem


def test_a_truncated_text_names_the_value_that_it_ends_in() -> None:
    reading = read_json('Sure:\n{"a": [1,\n2')
    assert (reading.line, reading.column) == (3, 2)
    assert reading.problem == "the text ends inside the object that begins at line 2, column 1"


def test_a_part_of_a_broken_object_is_never_recovered_as_the_answer() -> None:
    assert not read_json('{"a": {"b": 1}, }').is_recoverable
    assert not read_json("{'a': {\"b\": 1}}").is_recoverable


def test_a_whole_value_after_a_broken_one_is_recovered() -> None:
    reading = read_json('Such as {\'a\': {"b": 1}}:\n```json\n{"c": 2}\n```')
    assert (reading.kind, reading.recovered) == ("prose_before", {"c": 2})


def test_the_fenced_value_is_preferred_to_one_in_passing() -> None:
    reading = read_json('The shape {"x": 0} filled in:\n```json\n{"x": 1}\n```\n')
    assert reading.recovered == {"x": 1}


def test_value_is_for_bare_json_alone_and_recovered_for_all() -> None:
    assert read_json("[1]").value == [1]
    fenced = read_json("```\n[1]\n```")
    assert (fenced.value, fenced.recovered) == (None, [1])


def test_bounds_of_the_value_include_its_fence() -> None:
    text = "Sure:\n```json\n[1]\n```\nBye"
    reading = read_json(text)
    assert text[reading.start : reading.end] == "```json\n[1]\n```"


def test_several_values_are_counted_and_the_first_recovered() -> None:
    reading = read_json('{"a": 1}\n{"a": 2}\n{"a": 3}')
    assert (reading.count, reading.recovered) == (3, {"a": 1})


def test_duplicate_keys_are_found_at_every_depth() -> None:
    reading = read_json('{"a": 1, "b": [{"c/d": 1, "c/d": 2}], "a": 2}')
    assert (reading.kind, reading.is_strict) == ("bare", False)
    assert reading.duplicate_keys == ("/a", "/b/0/c~1d")


def test_nan_and_infinity_literals_are_found_and_large_numbers_are_not() -> None:
    reading = read_json('{"a": NaN, "b": [1e999, -Infinity]}')
    assert reading.non_finite == ("/a", "/b/1")
    assert not reading.is_strict
    assert read_json("[1e999]").is_strict


def test_a_byte_order_mark_is_flagged_and_not_strict() -> None:
    reading = read_json('\ufeff{"a": 1}')
    assert (reading.kind, reading.has_bom, reading.is_strict, reading.value) == (
        "bare",
        True,
        False,
        {"a": 1},
    )


def test_lone_surrogates_are_flagged_and_pairs_are_not() -> None:
    assert read_json('["\\ud800"]').has_lone_surrogates
    assert read_json('["\ud800"]').has_lone_surrogates
    assert not read_json('["\\ud83d\\ude00"]').has_lone_surrogates


def test_integers_beyond_pythons_digit_limit_are_flagged() -> None:
    reading = read_json('{"a": ' + "9" * 5000 + ', "b": 7}')
    assert (reading.kind, reading.has_huge_ints) == ("bare", True)
    assert reading.value == {"a": math.inf, "b": 7}


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 100_000])
def test_deep_nesting_is_reported_and_never_raises(depth: int) -> None:
    for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth):
        reading = read_json(f"Sure: {text}")
        assert not reading.is_recoverable
        assert reading.is_too_deep or reading.kind == "truncated"
    assert read_json("[" * depth + "]" * depth).is_too_deep


def test_nesting_up_to_the_limit_is_read() -> None:
    assert read_json("[" * MAX_DEPTH + "]" * MAX_DEPTH).kind == "bare"


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_dumped_json_is_always_bare_and_equal(value: Any, indent: int | None, ensure_ascii: bool) -> None:
    reading = read_json(json.dumps(value, indent=indent, ensure_ascii=ensure_ascii))
    assert reading.kind == "bare"
    assert reading.value == reading.recovered == json.loads(json.dumps(value))


@given(CONTAINERS, st.sampled_from([None, 2]), PROSE, PROSE)
def test_json_in_prose_is_recovered_with_its_kind(
    value: Any, indent: int | None, before: str, after: str
) -> None:
    body = json.dumps(value, indent=indent)
    for wrapped in (body, f"```json\n{body}\n```"):
        for text, kind in (
            (f"{before}\n{wrapped}", "prose_before"),
            (f"{wrapped}\n{after}", "prose_after"),
            (f"{before}\n{wrapped}\n{after}", "prose_around"),
        ):
            reading = read_json(text)
            assert (reading.kind, reading.recovered) == (kind, value)


@given(VALUES, st.sampled_from(["```", "```json", "```JSON", "````"]), st.sampled_from([None, 2]))
def test_json_in_a_fence_is_recovered(value: Any, opening: str, indent: int | None) -> None:
    reading = read_json(f"{opening}\n{json.dumps(value, indent=indent)}\n{opening.rstrip('jsonJSON')}")
    assert (reading.kind, reading.recovered) == ("fenced", value)


@given(CONTAINERS, st.data())
def test_every_beginning_of_an_object_or_array_is_truncated(value: Any, data: st.DataObject) -> None:
    whole = json.dumps(value, indent=data.draw(st.sampled_from([None, 1])))
    cut = data.draw(st.integers(1, len(whole) - 1))
    assert read_json(whole[:cut]).kind == "truncated"


@given(st.text() | st.text("{}[]\"\\`',:/* \n\t-0123eE.truNaIjson\ufeff"))
@example('{"\\')
@example('"' + "\\" * 9)
@example("[1" + "e" * 5)
@settings(max_examples=400)
def test_no_text_ever_raises(text: str) -> None:
    reading = read_json(text)
    assert (reading.kind == "empty") == (text.removeprefix("\ufeff").strip() == "")
    assert reading.is_recoverable or reading.recovered is None


MEGABYTES_5 = 5_000_000


@pytest.mark.parametrize(
    "pattern",
    [
        "{",
        "[",
        "{}x",
        '{"a":',
        "{x:{}",
        '\\"',
        '{" ',
        '{"a" b} ',
        "{a:} ",
        '{a: "\\n}',
        "[1 x] ",
        "{a: ",
        '{"a":"\n',
        "{}\n",
        "{\n",
        "```json ",
        "{a:\n```\n",
        '{"a" "\n```\n',
    ],
)
def test_five_megabytes_of_brackets_are_read_in_linear_time(pattern: str) -> None:
    text = pattern * (MEGABYTES_5 // len(pattern))
    started = time.process_time()
    reading = read_json(text)
    assert time.process_time() - started < 2
    assert reading.kind != "bare"


def test_five_megabytes_of_json_in_prose_are_recovered_in_time() -> None:
    value = [{"a": n % 10} for n in range(MEGABYTES_5 // 10)]
    started = time.process_time()
    reading = read_json(f"Sure:\n{json.dumps(value)}\nBye")
    assert time.process_time() - started < 2
    assert reading.recovered == value
