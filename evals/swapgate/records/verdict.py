"""What is said of an answer: findings of checks, and verdicts of judges with all that they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from swapgate.records.call import Answer
from swapgate.records.written import Json, total
from swapgate.values import Value

CheckKind = Literal["structural", "semantic"]
SampleStatus = Literal[
    "valid", "unparseable", "off_scale", "refused", "empty", "truncated", "unsupported_evidence"
]
VerdictStatus = Literal["scored", "skipped", "inapplicable", "error", "unscored"]


class Finding(Value):
    """One thing that a check found: where (JSON pointer, "" for the whole answer), what it wanted and got."""

    message: str
    pointer: str = ""
    wanted: str = ""
    got: str = ""

    @property
    def unsaid_pointer(self) -> str:
        """The pointer, empty where the message begins with it: `/label is 'bug', expected 'billing'.`"""
        return "" if self.message.startswith(f"{self.pointer} ") else self.pointer

    @property
    def placed_message(self) -> str:
        """The message, which says where."""
        return f"{self.unsaid_pointer}: {self.message}" if self.unsaid_pointer else self.message


class CheckResult(Value):
    """What one check says of one answer. `facts` are for machines, for example `{"json_kind": "fenced"}`."""

    check: str
    kind: CheckKind
    passed: bool
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)


class Evidence(Value):
    """A quote that a judge gave, and whether it occurs in the answer."""

    quote: str
    is_verbatim: bool


class JudgeSample(Value):
    """One answer of a judge, raw text kept, whatever became of it.

    `weights` are the probabilities of each point of a criterion's scale, where a score is their mean.
    `is_weighted` says whether every score is; None where nobody asked for it.
    """

    status: SampleStatus
    raw: str
    scores: Mapping[str, float] = field(default_factory=dict)
    reasoning: str = ""
    evidence: tuple[Evidence, ...] = ()
    criterion: str | None = None
    problem: str = ""
    answer: Answer | None = None
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    is_weighted: bool | None = None


class Spread(Value):
    """How far apart the scores of one criterion are: the lowest, the highest, and their standard deviation.

    `sd` is that of a sample (over n - 1).
    """

    n: int
    low: float
    high: float
    sd: float


class Opinion(Value):
    """What one of several models says of an answer by itself: a member of a panel, or a stage.

    `stage` is 2 for the model that a verdict was escalated to. `calls` of the verdict's samples are its own:
    they stand one opinion after the other.
    """

    model: str
    status: VerdictStatus
    stage: int = 1
    passed: bool | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    spread: Mapping[str, Spread] = field(default_factory=dict)
    agreement: float | None = None
    reason: str = ""
    calls: int = 0


class Escalation(Value):
    """That a judge may ask a second model, and `why` it did: empty where the first was sure enough."""

    to: str
    why: str = ""


class Rival(Value):
    """The other answer that a pairwise judge compared with: of a model, or the case's reference.

    `answer` is how it was had, None for a reference. `is_shared` says that a trial of its own has it too, to
    which its price belongs.
    """

    name: str
    text: str
    answer: Answer | None = None
    is_shared: bool = False


class Verdict(Value):
    """What one judge says of one answer: each score's mean over valid samples, and whether it passes.

    `inapplicable` is the status of a judge that has nothing to say of this answer, such as the baseline's own
    where answers are compared with it; it counts neither as passed nor as missed. `model` is what gave the
    scores: the model that decided, of a panel all of them, or what stands in its place where a judge is code.
    `unscored` says that the panel agreed too little: neither a pass nor a fail. `agreement` is the share of
    the samples, or of a panel's members, whose own verdict is this one; None where there is one alone.
    `spread` is that of the same scores. `suspicions` are what in the answer speaks to the judge instead of
    the user; they change nothing.
    """

    judge: str
    model: str
    definition_hash: str
    status: VerdictStatus
    passed: bool | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    samples: tuple[JudgeSample, ...] = ()
    rival: Rival | None = None
    spread: Mapping[str, Spread] = field(default_factory=dict)
    agreement: float | None = None
    opinions: tuple[Opinion, ...] = ()
    escalation: Escalation | None = None
    suspicions: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every answer that was had for this verdict alone: the samples', and a rival's of no other use."""
        samples = [s.answer for s in self.samples if s.answer]
        rival = self.rival.answer if self.rival and not self.rival.is_shared else None
        return (*samples, rival) if rival else tuple(samples)

    @property
    def cost_usd(self) -> float | None:
        """List price of all its answers; None as soon as one of them has no known price."""
        return total([answer.cost_usd for answer in self.answers])
