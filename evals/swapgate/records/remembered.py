"""What a history knows of its runs beside their records: how they ended, and which are baselines."""

from __future__ import annotations

from swapgate.records.trial import TrialRole
from swapgate.values import Value


class Tally(Value):
    """How one model did in one suite of one run, counted.

    The four outcomes add up to `trials`. Of the trials whose structure, or meaning, is known, so many were
    right. `cost_usd` is the list price of the model's own answers and of all judges, None where unknown.
    """

    run_id: str
    suite: str
    model: str
    role: TrialRole
    cases: int
    trials: int
    passed: int
    missed: int
    errored: int
    unscored: int
    structural_known: int
    structural_right: int
    semantic_known: int
    semantic_right: int
    cost_usd: float | None


class PromotedRun(Value):
    """A run that others are compared with under a name (`--baseline=@NAME`): which, by whom, when and why.

    `model` is the one of its models that is meant. `promoted_at` is ISO 8601 in UTC.
    """

    name: str
    run_id: str
    model: str
    promoted_at: str
    promoted_by: str
    why: str = ""
