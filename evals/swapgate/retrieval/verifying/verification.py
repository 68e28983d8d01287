"""What a verification found out: measures of both indexes, overall and by slice, and what follows."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from swapgate.errors import ExitCode
from swapgate.retrieval.index import Side
from swapgate.stats.interval import Interval
from swapgate.values import Value

VerdictWord = Literal["passed", "failed", "inconclusive"]
RulingAnswer = Literal["pass", "fail", "inconclusive"]
LabelSource = Literal["qrels", "judge", "qrels and judge", "none"]
EXIT_CODES: dict[VerdictWord, ExitCode] = {
    "passed": ExitCode.OK,
    "failed": ExitCode.FAILED,
    "inconclusive": ExitCode.INCONCLUSIVE,
}


class Compared(Value):
    """One measure of both indexes on the same queries; `difference` is new minus old.

    `p_worse` is that of the permutation test of "the new index is no worse", `p_adjusted` the same after Holm
    over all slices and measures. `condensed` is the difference where unjudged results are passed over, None
    where that says nothing. `answer` is None for a measure that is only shown.
    """

    metric: str
    margin: float | None
    old: float | None
    new: float | None
    difference: Interval
    p_worse: float | None = None
    p_adjusted: float | None = None
    condensed: Interval | None = None
    answer: RulingAnswer | None = None
    reason: str = ""
    needed: int | None = None


class SideScope(Value):
    """One index on the queries of a scope.

    `unjudged` is the share of its first k results without a label, `first_percentile` and `last_percentile`
    where the scores of the first and of the k-th result lie among those of random pairs of the same
    embedding (medians over queries).
    """

    unjudged: float | None = None
    first_percentile: float | None = None
    last_percentile: float | None = None
    empty: int = 0


class Changed(Value):
    """How much the results differ. It says "changed", and nothing of better or worse."""

    overlap: Interval
    rank_biased_overlap: Interval
    same_first: Interval


class Scope(Value):
    """All queries (`name` None), or one slice of them. `queries` counts those that are measured."""

    name: str | None
    queries: int
    compared: tuple[Compared, ...]
    changed: Changed
    old: SideScope
    new: SideScope
    answer: RulingAnswer = "inconclusive"
    reason: str = ""


class SideFacts(Value):
    """What asking one index took. Seconds are of embedding and search together."""

    model: str
    fingerprint: str
    p50_s: Interval
    p95_s: Interval
    failed: int
    errors: tuple[str, ...] = ()
    cost_usd: float | None = None
    missing_relevant: int = 0


class Graded(Value):
    """What the judge did: `graded` documents, and how it agrees with people on those that they labelled.

    `kappa` is Cohen's, quadratic weights; `within_one` the share of grades that differ by one at most.
    """

    judge: str
    graded: int
    failed: int
    paid_usd: float
    first_error: str | None = None
    checked: int = 0
    kappa: Interval | None = None
    exact: float | None = None
    within_one: float | None = None
    path: str | None = None


class Result(Value):
    """One result of a query, with its grade where there is one."""

    id: str
    grade: int | None
    text: str | None = None


class WorstQuery(Value):
    """A query on which the new index lost most, with the first results of both."""

    id: str
    text: str
    slices: tuple[str, ...]
    metric: str
    old_value: float
    new_value: float
    old: tuple[Result, ...]
    new: tuple[Result, ...]
    failed: str | None = None


class LeftOut(Value):
    """Queries that are not measured, by reason."""

    without_labels: int = 0
    without_relevant: int = 0
    old_failed: int = 0
    both_failed: int = 0


class Verification(Value):
    """The decision about a stage. `reasons` are sentences, the one that decides first.

    `relevant_from` is the grade from which a result counts as relevant, `k` what the application shows.
    """

    migration: str
    version: int
    at: str
    verdict: VerdictWord
    reasons: tuple[str, ...]
    labels: LabelSource
    k: int
    relevant_from: int
    asked: int
    too_many_errors: bool
    overall: Scope
    slices: tuple[Scope, ...]
    old: SideFacts
    new: SideFacts
    left_out: LeftOut
    graded: Graded | None = None
    worst: tuple[WorstQuery, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether the stage may go on."""
        return self.verdict == "passed"

    @property
    def exit_code(self) -> ExitCode:
        """What a command ends with for it."""
        return ExitCode.TOO_MANY_ERRORS if self.too_many_errors else EXIT_CODES[self.verdict]

    def side(self, side: Side) -> SideFacts:
        """Return what asking one side took."""
        return self.old if side == "old" else self.new

    @property
    def failed_slices(self) -> tuple[str, ...]:
        """The slices that are shown to be worse."""
        return tuple(one.name for one in self.slices if one.answer == "fail" and one.name is not None)
