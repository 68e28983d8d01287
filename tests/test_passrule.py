"""The `pass:` rule of a judge: what it accepts, what it refuses, and what it decides without a score."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swapgate.errors import UsageError
from swapgate.spec.passrule import PassRule

NAMES = ("accuracy", "tone", "depth")
SCORES = {"accuracy": 4.0, "tone": 2.0, "depth": 3.0}


def holds(text: str, **scores: float) -> bool | None:
    return PassRule.parse(text, NAMES).evaluate(scores)


def problem(text: str, *, bare: tuple[str, ...] | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        PassRule.parse(text, NAMES, bare=bare)
    return str(caught.value)


def test_the_articles_rule_holds_from_four_on() -> None:
    rule = PassRule.parse("factual_accuracy >= 4", ["factual_accuracy", "specificity", "relevance"])
    assert rule.names == ("factual_accuracy",)
    assert [rule.evaluate({"factual_accuracy": n}) for n in (1, 3.9, 4, 5)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy >= 4 and tone >= 3", False),
        ("accuracy >= 4 or tone >= 3", True),
        ("not tone >= 3", True),
        ("1 <= tone < depth < accuracy", True),
        ("mean(accuracy, tone, depth) == 3", True),
        ("min(accuracy, tone) >= 3", False),
        ("max(accuracy, tone) >= 4", True),
        ("(accuracy + tone) / 2 - 0.5 * depth > 1", True),
        ("-tone != 2", True),
        ("accuracy >= 4\n  and depth >= 3", True),
    ],
)
def test_expressions_mean_what_they_say(text: str, expected: bool) -> None:
    assert holds(text, **SCORES) is expected


def test_a_bare_criterion_follows_the_majority_of_its_samples() -> None:
    assert [holds("accuracy", accuracy=score) for score in (0.0, 0.5, 2 / 3, 1.0)] == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy >= 4", None),
        ("not accuracy >= 4", None),
        ("accuracy >= 4 and tone >= 3", False),
        ("accuracy >= 4 and tone >= 2", None),
        ("accuracy >= 4 or tone >= 2", True),
        ("accuracy >= 4 or tone >= 3", None),
        ("min(accuracy, tone) >= 3", False),
        ("min(accuracy, tone) > 1", None),
        ("max(accuracy, tone) >= 2", True),
        ("max(accuracy, tone) == 1", False),
        ("mean(accuracy, tone) >= 1", None),
        ("accuracy + tone >= 1", None),
        ("3 < tone < accuracy", False),
    ],
)
def test_a_missing_score_leaves_open_only_what_depends_on_it(text: str, expected: bool | None) -> None:
    assert holds(text, tone=2.0) is expected


def test_a_division_by_zero_and_not_a_number_decide_nothing() -> None:
    assert holds("accuracy / tone > 1", accuracy=4.0, tone=0.0) is None
    assert holds("accuracy >= 4", accuracy=float("nan")) is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("acuracy >= 4", "Did you mean 'accuracy'?"),
        ("avg(accuracy) >= 4", "unknown function 'avg'"),
        ("median(accuracy) >= 4", "Did you mean 'mean'?"),
        ("accuracy = 4", "write `==`, not `=`"),
        ("accuracy => 4", "write `>=`, not `=>`"),
        ("accuracy >= 4 && tone >= 3", "write `and`, not `&&`"),
        ("accuracy >= 4 AND tone >= 3", "write `and`, not `AND`"),
        ("accuracy >=", "column"),
        ("", "the rule is empty"),
        ("4 >= 3", "names no criterion"),
        ("mean(accuracy, tone)", "is a number, not a condition"),
        ("(accuracy > 3) + 1 > 1", "is a condition where a number is wanted"),
        ("accuracy ** 2 > 3", "'accuracy ** 2' is not part of the language"),
        ("accuracy >= '4'", "\"'4'\" is not part of the language"),
        ("accuracy is 4", "a comparison is one of"),
        ("accuracy == True", "'True' is not part of the language"),
        ("__import__('os').system('true') >= 0", "is not part of the language"),
        ("(lambda: accuracy)() > 1", "is not part of the language"),
        ("mean(*accuracy) > 1", "is not part of the language"),
        ("mean() > accuracy", "is not part of the language"),
        ("accuracy > 1e999", "too large"),
        ("accuracy > 3 # almost", "'#'"),
        ("-" * 200 + "accuracy > 1", "nested deeper"),
        ("accuracy > " + "1" * 1000, "more than 1000"),
        ("accuracy > \x00", "cannot be read"),
        ("accuracy > \ud800", "cannot be read"),
    ],
)
def test_what_is_refused_is_named(text: str, part: str) -> None:
    assert part in problem(text)


def test_a_criterion_on_a_scale_must_be_compared() -> None:
    assert "'tone' is a number, not a condition; compare it, as in `tone >= 4`" in problem(
        "tone", bare=("depth",)
    )
    assert PassRule.parse("depth and tone > 1", NAMES, bare=("depth",)).names == ("depth", "tone")


@given(
    st.text(
        alphabet=st.sampled_from(list("accuracytone()<>=!+-*/., 0123456789andornotmeiquc\"'[]{}:#\\\n")),
        max_size=60,
    )
)
@example("(" * 900)
@example("not " * 240 + "accuracy")
@example("accuracy" + "+1" * 400 + ">1")
@example("1or accuracy")
@example("'\\d' == accuracy")
def test_no_text_raises_anything_but_the_declared_error(text: str) -> None:
    try:
        rule = PassRule.parse(text, NAMES)
    except UsageError:
        return
    assert rule.evaluate(SCORES) in {True, False, None}


@given(st.text(max_size=40))
def test_no_unicode_text_raises_anything_but_the_declared_error(text: str) -> None:
    try:
        rule = PassRule.parse(text, NAMES)
    except UsageError:
        return
    assert rule.evaluate({}) in {True, False, None}


def _joined(parts: list[str], by: str) -> str:
    return f"({by.join(parts)})"


def _numbers() -> st.SearchStrategy[str]:
    leaf = st.sampled_from(NAMES) | st.integers(0, 6).map(str) | st.sampled_from(["0.5", "2.25"])
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
            st.tuples(st.sampled_from(["mean", "min", "max"]), st.lists(inner, min_size=2, max_size=3)).map(
                lambda t: f"{t[0]}({', '.join(t[1])})"
            ),
            inner.map(lambda t: f"-{t}"),
        ),
        max_leaves=5,
    )


def _conditions() -> st.SearchStrategy[str]:
    comparison = st.tuples(
        _numbers(), st.sampled_from([" < ", " <= ", " > ", " >= ", " == ", " != "]), _numbers()
    ).map("".join)
    return st.recursive(
        comparison | st.sampled_from(NAMES),
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(lambda p: _joined(p, " and ")),
            st.lists(inner, min_size=2, max_size=3).map(lambda p: _joined(p, " or ")),
            inner.map(lambda t: f"(not {t})"),
        ),
        max_leaves=5,
    )


def _mean(*values: float) -> float:
    return sum(values) / len(values)


def _python_says(text: str, scores: dict[str, float]) -> bool:
    return bool(eval(text, {"__builtins__": {}, "mean": _mean, "min": min, "max": max}, scores))  # the oracle


@given(
    _conditions().filter(lambda t: "/" not in t and any(n in t for n in NAMES)),
    st.tuples(*[st.sampled_from([0.0, 1.0])] * 3),
)
def test_the_rule_agrees_with_python(text: str, values: tuple[float, ...]) -> None:
    scores = dict(zip(NAMES, values, strict=True))
    assert PassRule.parse(text, NAMES).evaluate(scores) is _python_says(text, scores)


@given(_conditions().filter(lambda t: "/" not in t and any(n in t for n in NAMES)), st.sampled_from(NAMES))
def test_what_is_decided_without_a_score_holds_whatever_it_is(text: str, missing: str) -> None:
    known = {n: 1.0 for n in NAMES if n != missing}
    decided = PassRule.parse(text, NAMES).evaluate(known)
    if decided is None:
        return
    whatever = (-3.0, 0.0, 0.5, 1.0, 2.0, 7.5)
    rule = PassRule.parse(text, NAMES)
    assert {rule.evaluate({**known, missing: value}) for value in whatever} == {decided}


def test_truth_tables_are_kleenes() -> None:
    values: dict[str, bool | None] = {"t": True, "f": False, "u": None}
    scores = {"t": 1.0, "f": 0.0}
    for (a, left), (b, right) in product(values.items(), repeat=2):
        both = PassRule.parse(f"{a} and {b}", "tfu").evaluate(scores)
        either = PassRule.parse(f"{a} or {b}", "tfu").evaluate(scores)
        assert both is (False if False in (left, right) else None if None in (left, right) else True)
        assert either is (True if True in (left, right) else None if None in (left, right) else False)


@pytest.mark.parametrize(
    ("text", "bound", "value"),
    [
        ("a >= 4", ("a", 4), 3),
        ("mean(a, b) >= 3.5", ("mean(a, b)", 3.5), 2.5),
        ("min(a, b) + 1 >= 2", ("min(a, b) + 1", 2), 3),
        ("a > 3", None, None),
        ("4 <= a", None, None),
        ("a >= b", None, None),
        ("a >= 3 and b >= 1", None, None),
        ("1 <= a <= 3", None, None),
    ],
)
def test_the_bound_of_a_rule_and_what_is_held_against_it(text, bound, value):
    rule = PassRule.parse(text, ["a", "b"])
    assert rule.bound == bound
    assert rule.value({"a": 3, "b": 2}) == value


def test_what_is_compared_is_unknown_without_a_score():
    assert PassRule.parse("mean(a, b) >= 3", ["a", "b"]).value({"a": 3}) is None
