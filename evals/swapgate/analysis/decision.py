"""What a gate says: one decision a rule, and the answer for the whole run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swapgate.errors import ExitCode

GateAnswer = Literal["pass", "fail", "inconclusive", "not_judged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One rule applied to one model on one suite (suite None: overall).

    `needed_cases` is how many independent cases in all would settle it if the observed rates stay,
    `needed_cost_usd` what the ones still missing would cost (candidate and judges).
    """

    rule: str
    suite: str | None
    model: str
    answer: GateAnswer
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    needed_cases: int | None = None
    needed_cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """The answer for the whole run: its worst decision, said in one sentence."""

    answer: GateAnswer
    reason: str
    exit_code: ExitCode
    decisions: tuple[Decision, ...] = ()
    notes: tuple[str, ...] = ()
