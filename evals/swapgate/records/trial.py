"""One response to one case, with everything that was said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, Protocol

from swapgate.errors import ErrorKind
from swapgate.records.call import Answer, Message
from swapgate.records.verdict import CheckResult, Verdict
from swapgate.records.written import Json, total
from swapgate.values import Value

Outcome = Literal["passed", "missed", "errored", "unscored"]
TrialRole = Literal["candidate", "baseline"]


class TrialError(Value):
    """Why a trial has no result. `source` is `model`, `judge:NAME` or `check:NAME`."""

    kind: ErrorKind
    message: str
    source: str = "model"


class Quarantined(Value):
    """Why a case does not count for now, until which day (ISO 8601), and who says so."""

    reason: str
    until: str
    by: str = ""


class Asked(Protocol):
    """What tells whose trial something is: a trial, or what stands for one or many."""

    @property
    def model(self) -> str: ...
    @property
    def role(self) -> str: ...


def is_stored_baseline(one: Asked) -> bool:
    """Whether it was brought in from an older run, as `MODEL@RUN`, and so was not planned in this one."""
    return one.role == "baseline" and "@" in one.model


class Trial(Value):
    """One response of one model to one case, with everything that was said of it.

    `case_hash` is that of the case's input, expectation and checks: trials of the same name with another
    hash are not of the same case. `covariates` are the case's numbers that failures are held against.
    `quarantine` is that of the case where it had one on the day of the run: the gate does not count it.
    """

    suite: str
    case: str
    model: str
    repeat: int = 1
    role: TrialRole = "candidate"
    path: str = ""
    line: int | None = None
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    prompt: str | None = None
    prompt_hash: str | None = None
    messages: tuple[Message, ...] = ()
    expected: Json = None
    case_hash: str | None = None
    covariates: Mapping[str, float] = field(default_factory=dict)
    answer: Answer | None = None
    checks: tuple[CheckResult, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    error: TrialError | None = None
    quarantine: Quarantined | None = None

    @property
    def structural_passed(self) -> bool | None:
        """Whether every structural check passed (True when there is none); None without an answer."""
        if self.answer is None:
            return None
        return all(c.passed for c in self.checks if c.kind == "structural")

    @property
    def semantic_passed(self) -> bool | None:
        """Whether every semantic check and every judge passed; None when nothing scored the meaning.

        A judge that was skipped because the structure failed leaves the trial not passed: an answer that
        nothing can read is not a right answer. One that left the answer unscored leaves it unknown, unless
        something else found it wrong.
        """
        if self.answer is None or self.error is not None:
            return None
        said = [c.passed for c in self.checks if c.kind == "semantic"]
        said += [v.passed is True for v in self.verdicts if v.status not in {"inapplicable", "unscored"}]
        if not all(said) or not self.has_unscored:
            return all(said) if said else None
        return None

    @property
    def has_unscored(self) -> bool:
        """Whether a judge's panel agreed too little."""
        return any(v.status == "unscored" for v in self.verdicts)

    @property
    def outcome(self) -> Outcome:
        """passed, missed, errored, or unscored: right as far as is known, and a judge could not say."""
        if self.error is not None or self.answer is None:
            return "errored"
        if not self.structural_passed or self.semantic_passed is False:
            return "missed"
        return "unscored" if self.has_unscored else "passed"

    @property
    def is_blind_pass(self) -> bool:
        """Structurally right and semantically wrong: what a check of the structure alone lets through."""
        return self.structural_passed is True and self.semantic_passed is False

    @property
    def judge_cost_usd(self) -> float | None:
        """List price of this trial's judge calls; None when any price is unknown, 0.0 without calls."""
        return total([answer.cost_usd for v in self.verdicts for answer in v.answers])
