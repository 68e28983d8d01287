"""How the answers to a judge's questions become its scores: what is decided early is decided rightly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from swapgate.errors import UsageError
from swapgate.judging.kinds import kind_of
from swapgate.judging.kinds.checklist import Checklist
from swapgate.judging.kinds.pairwise import Pairwise
from swapgate.judging.kinds.plain import PROBE
from swapgate.judging.parse import ReplyReader
from swapgate.judging.questions import ABSTAINS, one_of
from swapgate.records import Answer, Response
from swapgate.spec.judge_kinds import ChecklistSpec, ClassifierSpec, Item, PairwiseSpec
from swapgate.spec.judges import JudgeSpec
from swapgate.spec.passrule import PassRule

RULES = (
    "required and not forbidden",
    "score >= 0.5",
    "score > 0.74 and not forbidden",
    "required or score >= 0.9",
    "not (score < 0.3) and i0",
    "mean(i0, i1) >= 0.5",
)
ITEMS = st.lists(
    st.builds(
        lambda sort, weight: Item(
            ask="?", weight=weight, required=sort == "required", forbidden=sort == "forbidden"
        ),
        st.sampled_from(["required", "forbidden", "plain"]),
        st.sampled_from([0.5, 1.0, 2.0]),
    ),
    min_size=2,
    max_size=4,
)
SAID = st.lists(st.sampled_from([0.0, 1.0, None]), min_size=4, max_size=4)


def checklist(items: list[Item]) -> ChecklistSpec:
    named = {f"i{n}": item for n, item in enumerate(items)}
    return ChecklistSpec(judge="j", kind="checklist", model="m", items=named)


def decided(spec: ChecklistSpec, rule: PassRule, scores: Mapping[str, float]) -> bool | None:
    bounds = Checklist(spec).overall(scores, list(spec.items))
    points = {name: low for name, (low, high) in bounds.items() if low == high}
    return rule.evaluate({**scores, **points}, bounds)


@given(ITEMS, SAID, st.sampled_from(RULES))
def test_a_rule_decided_without_some_items_holds_whatever_they_turn_out_to_be(
    items: list[Item], said: list[float | None], text: str
) -> None:
    spec = checklist(items)
    try:
        rule = PassRule.parse(text, spec.scores())
    except UsageError:
        assume(False)
    known = {name: score for name, score in zip(spec.items, said, strict=False) if score is not None}
    answer = decided(spec, rule, known)
    unknown = [name for name in spec.items if name not in known]
    complete = [
        decided(spec, rule, {**known, **dict(zip(unknown, rest, strict=True))})
        for rest in product([0.0, 1.0], repeat=len(unknown))
    ]
    assert None not in complete
    if answer is not None:
        assert set(complete) == {answer}


@given(ITEMS, SAID)
def test_the_share_grows_with_every_item_that_is_met(items: list[Item], said: list[float | None]) -> None:
    spec = checklist(items)
    scores = {name: score or 0.0 for name, score in zip(spec.items, said, strict=False)}
    before = Checklist(spec).overall(scores, list(scores))["score"]
    for name in scores:
        after = Checklist(spec).overall({**scores, name: 1.0}, list(scores))["score"]
        assert after >= before
    everything = Checklist(spec).overall(dict.fromkeys(scores, 1.0), list(scores))["score"]
    assert everything == (1.0, 1.0)


@pytest.mark.parametrize(
    ("first", "second", "score"),
    [(1, 1, 1), (0, 0, 0), (1, 0, 0.5), (0, 1, 0.5), (0.5, 0.5, 0.5), (1, 0.5, 0.5), (0.5, 0, 0.5)],
)
def test_two_orders_come_to_a_win_or_a_loss_only_where_they_agree(
    first: float, second: float, score: float
) -> None:
    kind = Pairwise(PairwiseSpec(judge="j", kind="pairwise", model="m"))
    assert kind.of_sample({"shown_first": first, "shown_second": second}) == {"score": score}
    assert kind.of_sample({"shown_first": first}) == {}


def test_a_pairwise_call_is_the_same_question_under_the_same_name_in_both_orders() -> None:
    kind = Pairwise(PairwiseSpec(judge="j", kind="pairwise", model="m"))
    first, second = kind.shapes(PROBE)
    assert (first.example, first.schema, list(first.criteria)) == (
        second.example, second.schema, list(second.criteria),
    )  # fmt: skip
    assert (first.gives, second.gives) == (("shown_first",), ("shown_second",))


@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=3), min_size=2, max_size=5, unique=True))
def test_a_label_scores_1_and_all_others_0(labels: list[str]) -> None:
    question = one_of("?", dict.fromkeys(labels, "meaning"))
    for label in labels:
        assert question.words[label] == {other: float(other == label) for other in labels}
    assert question.words["cannot_assess"] == {}
    assert set(question.gives("label")) == set(labels)


WORDS = [ABSTAINS, "first", "second", "tie", "yes", "no", "good", "bad", "Good", "pass", ""]
REPLIES = st.dictionaries(
    st.sampled_from(["verdict", "score", "i0", "i1", "label", "evidence", "reasoning"]),
    st.sampled_from(WORDS) | st.none() | st.integers(-1, 6) | st.lists(st.text(max_size=3), max_size=2),
)
KINDS: list[JudgeSpec] = [
    ChecklistSpec(judge="j", kind="checklist", model="m", items={"i0": "?", "i1": "?"}),
    ClassifierSpec.model_validate(
        {
            "judge": "j",
            "kind": "classifier",
            "model": "m",
            "ask": "?",
            "labels": {"good": "", "bad": ""},
            "pass": ["good"],
        }
    ),
    PairwiseSpec(judge="j", kind="pairwise", model="m"),
]


@given(st.sampled_from(KINDS), REPLIES | st.text(max_size=30))
def test_a_reply_scores_what_was_asked_with_the_offered_words_or_nothing(
    spec: JudgeSpec, said: dict[str, object] | str
) -> None:
    text = said if isinstance(said, str) else json.dumps(said)
    for shape in kind_of(spec).shapes(PROBE):
        sample = ReplyReader(shape).read(Answer(response=Response(text=text), model="m"), output="x")
        assert set(sample.scores) <= set(shape.gives)
        assert all(0 <= score <= 1 for score in sample.scores.values())
        if sample.status == "valid":
            assert isinstance(said, dict)
            assert all(said[key] in shape.criteria[name].words for key, name in shape.keys.items())
        else:
            assert sample.scores == {}
