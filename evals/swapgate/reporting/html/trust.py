"""How far each judge of a run can be trusted: people's labels, canaries, agreement with itself, quotes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swapgate.analysis.correction import pass_share
from swapgate.analysis.judge_use import JudgeUse
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.rates import Rate
from swapgate.facts import Facts
from swapgate.records import CanaryResult, JudgeCalibration, JudgeCanaries, Verdict
from swapgate.stats.interval import Interval
from swapgate.stats.judge_labels import Labels
from swapgate.stats.judge_measures import judge_quality
from swapgate.values import Value

_LISTED = 20
_DRAWN = {"random": "at random", "by_verdict": "by verdict", "by_label": "by label"}


@dataclass(slots=True)
class Seen:
    """What the verdicts of one judge show of it.

    Of `asked_again` verdicts several samples or models were asked for; in `unanimous` ones all said the
    same, and `agreement` sums the shares that did. `invented` of its `quotes` are not in the answer.
    """

    asked_again: int = 0
    unanimous: int = 0
    agreement: float = 0.0
    quotes: int = 0
    invented: int = 0
    spoken_to: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        if verdict.agreement is not None:
            self.asked_again += 1
            self.unanimous += verdict.agreement >= 1
            self.agreement += verdict.agreement
        quotes = [quote for s in verdict.samples if s.status == "valid" for quote in s.evidence]
        self.quotes += len(quotes)
        self.invented += sum(not quote.is_verbatim for quote in quotes)
        self.spoken_to += bool(verdict.suspicions)


class Calibrated(Value):
    """People's labels beside a judge's verdicts; the rates are refused where the design cannot give them."""

    labels: int
    design: str
    passes_right: Rate
    fails_wrong: Rate
    note: str


class JudgeTrust(Value):
    """One judge of a run. None stands for what was not tried."""

    judge: str
    use: JudgeUse | None
    seen: Seen
    calibrated: Calibrated | None
    canaries: JudgeCanaries | None

    @property
    def tried(self) -> list[CanaryResult]:
        """The canaries that got a verdict."""
        return [] if self.canaries is None else [r for r in self.canaries.results if r.outcome != "error"]

    @property
    def let_pass(self) -> tuple[CanaryResult, ...]:
        """The first of the canaries that the judge let through."""
        return () if self.canaries is None else self.canaries.passed[:_LISTED]

    @property
    def mean_agreement(self) -> float | None:
        """The mean share of samples or models that agree with the verdict."""
        return self.seen.agreement / self.seen.asked_again if self.seen.asked_again else None


def judge_trust(outcome: RunOutcome, seen: Mapping[str, Seen]) -> list[JudgeTrust]:
    """Return what is known of each judge, by name."""
    uses = {use.judge: use for use in outcome.judges}
    calibrations = {one.judge: one for one in outcome.run.calibrations}
    canaries = {one.judge: one for one in outcome.run.canaries}
    judged = dict.fromkeys(judge for one in outcome.facts for judge, *_ in one.verdicts)
    return [
        JudgeTrust(
            judge=judge,
            use=uses.get(judge),
            seen=seen.get(judge, Seen()),
            calibrated=_calibrated(calibrations.get(judge), outcome.facts),
            canaries=canaries.get(judge),
        )
        for judge in sorted({*judged, *uses, *calibrations, *canaries})
    ]


def _calibrated(found: JudgeCalibration | None, facts: Iterable[Facts]) -> Calibrated | None:
    if found is None:
        return None
    labels = Labels(
        verdicts=[one.verdict for one in found.labels],
        truths=[one.truth for one in found.labels],
        design=found.design,
        clusters=[one.cluster for one in found.labels],
    )
    quality = judge_quality(labels, pass_share=pass_share(found.judge, list(facts)))
    right = [one.verdict for one in found.labels if one.truth]
    wrong = [one.verdict for one in found.labels if not one.truth]
    return Calibrated(
        labels=len(labels),
        design=_DRAWN[found.design],
        passes_right=_rate(quality.sensitivity, right.count(True), len(right)),
        fails_wrong=_rate(quality.specificity, wrong.count(False), len(wrong)),
        note=found.warning or quality.note,
    )


def _rate(share: Interval, passed: int, n: int) -> Rate:
    return Rate(passed=passed, n=n, clusters=n, rate=share.estimate, low=share.low, high=share.high)
