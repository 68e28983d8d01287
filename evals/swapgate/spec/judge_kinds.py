"""The kinds of judges beside the rubric, as they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from swapgate.records import Json
from swapgate.spec.embedders import WORDLLAMA
from swapgate.spec.judges import Calls, JudgeHead, JudgeSpec, Range, RubricSpec
from swapgate.spec.suite import Written

SHARE = Range(step=None, is_bare=False, words="goes from 0 to 1")
YES_OR_NO = Range(words="is 1 (yes) or 0 (no)")
# What an answer can be to a reference; together they cover every answer.
RELATIONS: Mapping[str, str] = {
    "equivalent": "it says what the reference says; wording, order and harmless detail may differ",
    "entailed": "all that it says follows from the reference, but something that matters is left out",
    "unsupported": "it adds or changes something that matters; the reference neither says nor excludes it",
    "contradicting": "something in it cannot be true if the reference is",
}
ASK_RELATION = "How does the answer stand to the reference answer, as an answer to the task's input?"
ASK_BETTER = (
    "Which answer serves the task's input better? The more correct one; if both are as correct, the more "
    "complete one; if both are as complete, the clearer one. Neither their order nor their length counts."
)


def _pointer(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"must start with '/', got {text!r}: write '/{text}'")
    return text


Pointer = Annotated[str, AfterValidator(_pointer)]


class Item(Written):
    """One question of a checklist, answered by yes / no / cannot_assess.

    A `required` one must be yes, a `forbidden` one no; `weight` is its part in the score.
    """

    ask: str
    weight: Annotated[float, Field(gt=0)] = 1.0
    required: bool = False
    forbidden: bool = False


class Facts(Written):
    """Where the case's `expected` lists facts that its answer must state, and must not state."""

    required: Pointer | None = None
    forbidden: Pointer | None = None


class ChecklistSpec(JudgeSpec):
    """The kind `checklist`: atomic questions, and facts that the case itself brings.

    Scores are each item (1 is the wanted answer, of a forbidden one too), their weighted share `score`, and,
    where there are such, `required` (1: all of them are met) and `forbidden` (1: one of them is present).
    """

    kind: Literal["checklist"]
    calls: Calls = "together"
    items: dict[str, str | Item] = Field(default_factory=dict)
    facts: Facts | None = None
    unassessed: Literal["unknown", "left_out"] = "unknown"
    pass_: str | None = Field(default=None, alias="pass")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.items and (self.facts is None or not (self.facts.required or self.facts.forbidden)):
            raise ValueError("asks nothing: give it `items`, or `facts` that the cases bring")
        return self

    @property
    def written_items(self) -> dict[str, Item]:
        """The items of the file; a bare text is the question."""
        return {name: Item(ask=it) if isinstance(it, str) else it for name, it in self.items.items()}

    def scores(self) -> Mapping[str, Range]:
        """Return the items, the share, and what sums up required and forbidden ones."""
        items = self.written_items
        facts = self.facts or Facts()
        found = dict.fromkeys(items, YES_OR_NO) | {"score": SHARE}
        if facts.required or any(item.required for item in items.values()):
            found["required"] = Range(words="is 1 (all that is required is there) or 0")
        if facts.forbidden or any(item.forbidden for item in items.values()):
            found["forbidden"] = Range(words="is 1 (something forbidden is there) or 0")
        return found

    def rule_text(self) -> str:
        """Return the rule: all that is required and nothing forbidden, or else every item met."""
        if self.pass_ is not None:
            return self.pass_
        words = {"required": "required", "forbidden": "not forbidden"}
        return " and ".join(words[name] for name in self.scores() if name in words) or "score >= 1"


class LabelSpec(JudgeSpec):
    """A kind that puts one of its `labels`, each with its meaning, on an answer; `pass` says which pass.

    Each label is a score: the share of samples that gave it.
    """

    ask: str
    labels: dict[str, str] = Field(min_length=2)
    pass_: str | tuple[str, ...] = Field(alias="pass")

    @property
    def noun(self) -> tuple[str, str]:
        """What messages call one and several of the scores."""
        return "label", "labels"

    def scores(self) -> Mapping[str, Range]:
        """Return the labels."""
        return dict.fromkeys(self.labels, Range(words="is 1 (given) or 0"))


class ClassifierSpec(LabelSpec):
    """The kind `classifier`: one label out of a set of the user's."""

    kind: Literal["classifier"]


class ReferenceSpec(LabelSpec):
    """The kind `reference`: how the answer stands to the case's `expected`."""

    kind: Literal["reference"]
    ask: str = ASK_RELATION
    labels: dict[str, str] = Field(default_factory=lambda: dict(RELATIONS), min_length=2)
    pass_: str | tuple[str, ...] = Field(default=("equivalent",), alias="pass")


class PairwiseSpec(JudgeSpec):
    """The kind `pairwise`: the answer against another one, in both orders, without names.

    `against` is `baseline`, `reference` or the name of a model. `score` is 1 for a win, 0 for a loss, and 0.5
    for a tie, which also is what two orders that disagree come to.
    """

    kind: Literal["pairwise"]
    against: str = "baseline"
    ask: str = ASK_BETTER
    reasoning: bool = False
    evidence: bool = False
    pass_: str = Field(default="not worse", alias="pass")

    def scores(self) -> Mapping[str, Range]:
        """Return the score, what it comes to, and what each order said."""
        order = Range(step=0.5, is_bare=False, words="is 1 (win), 0.5 (tie) or 0 (loss)")
        return {
            "score": order,
            "better": Range(words="is 1 (score above 0.5) or 0"),
            "worse": Range(words="is 1 (score below 0.5) or 0"),
            "shown_first": order,
            "shown_second": order,
        }


class SimilaritySpec(JudgeHead):
    """The kind `similarity`: the cosine of the embeddings of the answer and of the case's `expected`.

    `embed` is `wordllama` or a function of the user's, `package.module:name`, from texts to vectors.
    `pointer` compares one field of both in place of the whole.
    """

    kind: Literal["similarity"]
    embed: str = WORDLLAMA
    pointer: Pointer | None = None
    pass_: str = Field(alias="pass")

    def scores(self) -> Mapping[str, Range]:
        """Return the one score."""
        return {"similarity": Range(low=-1, step=None, is_bare=False, words="goes from -1 to 1")}


class PythonSpec(JudgeHead):
    """The kind `python`: a function of the user's scores the answer; `returns` names its scores."""

    kind: Literal["python"]
    call: str
    args: dict[str, Json] = Field(default_factory=dict)
    returns: Annotated[tuple[str, ...], Field(min_length=1)] = ("score",)
    pass_: str | None = Field(default=None, alias="pass")

    def scores(self) -> Mapping[str, Range]:
        """Return the scores; the function may give any number."""
        unbounded = Range(low=float("-inf"), high=float("inf"), step=None, words="may be any number")
        return dict.fromkeys(self.returns, unbounded)

    def rule_text(self) -> str:
        """Return the rule: by default every score above one half, as True is and False is not."""
        return self.pass_ if self.pass_ is not None else " and ".join(self.returns)


KINDS: Mapping[str, type[JudgeHead]] = {
    "rubric": RubricSpec,
    "checklist": ChecklistSpec,
    "reference": ReferenceSpec,
    "classifier": ClassifierSpec,
    "pairwise": PairwiseSpec,
    "similarity": SimilaritySpec,
    "python": PythonSpec,
}
