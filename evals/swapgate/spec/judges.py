"""Judges as written in `judges/*.yml`: what all kinds share, and the rubric. `judge_kinds` has the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from swapgate.records import Json
from swapgate.spec.judge_models import Decide, Escalate
from swapgate.spec.passrule import PassRule
from swapgate.spec.suite import JudgeWhen, Written
from swapgate.values import Value

# What a canary tries on a judge; the texts are in judging/canaries.py.
CanaryKind = Literal[
    "empty",
    "opener",
    "constant",
    "instruction",
    "verdict",
    "delimiter",
    "invisible",
    "role",
    "authority",
    "length",
    "echo",
]
TEMPLATE_NAMES = ("input", "expected", "output", "criteria", "markers")
# The parts of a judge's reply, in the order that serves most judges.
ORDER: tuple[Part, ...] = ("evidence", "reasoning", "verdict")

Part = Literal["evidence", "reasoning", "verdict"]
Calls = Literal["together", "per_criterion"]


class Range(Value):
    """The values of one score. One that `is_bare` lies between 0 and 1 and may stand alone in a rule.

    `step` is the distance of two scores of one sample, None where there may be any between the ends.
    """

    low: float = 0
    high: float = 1
    step: float | None = 1
    is_bare: bool = True
    words: str = "is 1 (pass) or 0 (fail)"


class JudgeHead(Written):
    """What a judge of every kind has. `pass` is a small expression over the judge's scores."""

    judge: str
    kind: str
    extends: str | None = None
    description: str | None = None
    pass_: str | tuple[str, ...] | None = Field(default=None, alias="pass")
    when: JudgeWhen | None = None

    def scores(self) -> Mapping[str, Range]:
        """Return every score that the rule may name."""
        return {}

    def rule_text(self) -> str:
        """Return the rule; a list of labels holds when more than half of the samples give one of them."""
        if isinstance(self.pass_, tuple):
            return self.pass_[0] if len(self.pass_) == 1 else f"{' + '.join(self.pass_)} > 0.5"
        return self.pass_ or ""

    def pass_rule(self) -> PassRule:
        """Return the rule after `pass:`; raise UsageError when it is wrong."""
        scores = self.scores()
        bare = [name for name, score in scores.items() if score.is_bare]
        return PassRule.parse(self.rule_text(), scores, bare=bare, noun=self.noun)

    @property
    def wanted(self) -> str:
        """The rule as reasons tell it."""
        listed = self.pass_ if isinstance(self.pass_, tuple) else (self.rule_text(),)
        return " or ".join(" ".join(text.split()) for text in listed)

    @property
    def noun(self) -> tuple[str, str]:
        """What messages call one and several of the scores."""
        return "score", "scores"


class JudgeSpec(JudgeHead):
    """A judge of a kind that asks a model.

    Several models are a panel: `decide` says how their verdicts become one, `min_agreement` which share of
    them must agree.
    """

    model: str | tuple[str, ...]
    decide: Decide | None = None
    min_agreement: Annotated[float, Field(gt=0, le=1)] | None = None
    min_members: Annotated[int, Field(ge=2)] | None = None
    escalate: Escalate | None = None
    samples: Annotated[int, Field(ge=1, le=100)] = 1
    min_valid_samples: Annotated[int, Field(ge=1)] | None = None
    params: dict[str, Json] = Field(default_factory=dict)
    reasoning: bool = True
    evidence: bool | Literal["required"] = True
    canaries: bool | Literal["warn"] = False
    canaries_except: tuple[CanaryKind, ...] = ()
    logprobs: bool = False
    order: Annotated[tuple[Part, ...], Field(min_length=3, max_length=3)] = ORDER
    system: str | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """The models that are asked about every answer: one, or those of the panel."""
        return (self.model,) if isinstance(self.model, str) else self.model

    @property
    def needed_members(self) -> int:
        """How many members of a panel must have a verdict: more than half unless the judge says otherwise."""
        return self.min_members or len(self.members) // 2 + 1

    @property
    def needed_agreement(self) -> float:
        """The share of those members that must agree."""
        return 1.0 if self.decide == "unanimous" else self.min_agreement or 0.0

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that may be asked: the members, then the one that unsure verdicts are escalated to."""
        return (*self.members, self.escalate.to) if self.escalate is not None else self.members

    @property
    def shown_models(self) -> str:
        """The models for people, as `gpt-5.5`, or `panel: a, b; then c`."""
        panel = "" if isinstance(self.model, str) else "panel: "
        then = f"; then {self.escalate.to}" if self.escalate is not None else ""
        return f"{panel}{', '.join(self.members)}{then}"

    def placed_models(self) -> Iterator[tuple[str, str]]:
        """Yield each model that may be asked, with the JSON pointer of where it is written."""
        for number, name in enumerate(self.members):
            yield "/model" if isinstance(self.model, str) else f"/model/{number}", name
        if self.escalate is not None:
            yield "/escalate/to", self.escalate.to

    @property
    def parts(self) -> Sequence[Part]:
        """The parts of a reply in their order, those that are not asked for left out."""
        unasked = {
            part
            for part, is_asked in (("evidence", self.evidence), ("reasoning", self.reasoning))
            if not is_asked
        }
        return [part for part in self.order if part not in unasked]


class Criterion(Written):
    """One question to the judge, answered by an integer on `scale`, else by pass / fail / cannot_assess."""

    ask: str
    scale: tuple[int, int] | None = None
    anchors: dict[int, str] = Field(default_factory=dict)


class RubricSpec(JudgeSpec):
    """The kind `rubric`: criteria, each passed or failed, or on a scale with anchors.

    `template` (Jinja2, sandboxed) takes the place of the built-in user message; it sees `input`, `expected`,
    `output`, `criteria` and `markers`.
    """

    kind: Literal["rubric"] = "rubric"
    calls: Calls = "together"
    criteria: dict[str, Criterion] = Field(min_length=1)
    pass_: str = Field(alias="pass")
    template: str | None = None

    @property
    def noun(self) -> tuple[str, str]:
        """What messages call one and several of the scores."""
        return "criterion", "criteria"

    def scores(self) -> Mapping[str, Range]:
        """Return the criteria with their scales."""
        return {name: _range(criterion) for name, criterion in self.criteria.items()}


def _range(criterion: Criterion) -> Range:
    if criterion.scale is None:
        return Range()
    low, high = criterion.scale
    return Range(low=low, high=high, is_bare=False, words=f"goes from {low} to {high}")
