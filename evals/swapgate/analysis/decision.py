"""What a gate says: one decision a rule, and the answer for the whole run."""

from __future__ import annotations

from typing import Literal

from swapgate.analysis.scopes import Scoped
from swapgate.errors import ExitCode
from swapgate.values import Value

GateAnswer = Literal["pass", "fail", "inconclusive", "not_judged"]


class Decision(Scoped):
    """One rule applied to one model on one scope: `suite`, `prompt` and `tag` name it, all None: overall.

    `needed_cases` is how many independent cases in all would settle it if the observed rates stay,
    `needed_cost_usd` what the ones still missing would cost (candidate and judges). `needed_repeats` is how
    many repeats of today's cases would, None where no number of them can or it is not known. `is_futile`
    says that a run stopped early because the rule could hardly be passed any more.
    """

    rule: str
    model: str
    answer: GateAnswer
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    needed_cases: int | None = None
    needed_cost_usd: float | None = None
    needed_repeats: int | None = None
    is_futile: bool = False


class GateResult(Value):
    """The answer for the whole run: its worst decision, said in one sentence."""

    answer: GateAnswer
    reason: str
    exit_code: ExitCode
    decisions: tuple[Decision, ...] = ()
    notes: tuple[str, ...] = ()
