"""Rates and differences corrected for the errors of a calibrated judge, and judges that cannot gate.

A semantic result is corrected where one judge decides it: code that found an answer wrong is right about it,
and every other verdict counts as much as the labels say. With several judges nothing is known of how their
errors fall together, and what code found right needs no correction beside them: such results stand as they
are, and say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist

from swapgate.analysis.compare import Comparison, Difference
from swapgate.analysis.decision import Decision
from swapgate.analysis.grouping import group
from swapgate.analysis.pairs import Pairs
from swapgate.analysis.rates import REPORT_CONFIDENCE, Rate
from swapgate.analysis.summary import Summary
from swapgate.analysis.table import by_model
from swapgate.analysis.wording import percent
from swapgate.facts import Facts
from swapgate.records import JudgeCalibration
from swapgate.stats.between_models import errors_between_models
from swapgate.stats.interval import critical_value
from swapgate.stats.judge_errors import corrected_difference, corrected_rate
from swapgate.stats.judge_labels import MIN_LABELS, Labels, missing_class, refusal
from swapgate.stats.judge_measures import judge_quality
from swapgate.values import replace

RULE = "judge"
SEVERAL = "several judges decide, and how their errors fall together is not known"
CHANGES = "a change of blind passes is that of the verdicts"
MOST_NAMES = 3
CODE_TOO = "no judge was needed for some of these trials"
Verdicts = Sequence[bool | None]


class Corrections:
    """What the calibrations of a run's judges do to its numbers."""

    def __init__(self, calibrations: Sequence[JudgeCalibration]) -> None:
        self._judges = {one.judge: one for one in calibrations}
        self._labels: dict[tuple[str, str | None], Labels] = {}
        self._between: dict[str, float | None] = {}

    def summaries(self, summaries: Sequence[Summary], facts: Sequence[Facts]) -> tuple[Summary, ...]:
        """Return the summaries with corrected semantic and blind pass rates."""
        if not self._judges:
            return tuple(summaries)
        scopes = {s.scope for s in summaries}
        models = {(one.model, one.role): one.facts for one in by_model(facts)}
        parts = {key: group(own, listed=scopes) for key, own in models.items()}
        return tuple(
            self._summary(s, [models[key][i] for i in parts[key][s.scope].tolist()])
            for s in summaries
            for key in ((s.model, s.role),)
        )

    def comparisons(
        self, comparisons: Sequence[Comparison], pairs: Sequence[Pairs]
    ) -> tuple[Comparison, ...]:
        """Return the comparisons with corrected semantic differences; `pairs` are theirs.

        A change of blind passes stays that of the verdicts, and says so.
        """
        if not self._judges:
            return tuple(comparisons)
        return tuple(
            replace(
                c,
                differences=tuple(self._differences(c, pair)),
                blind_pass=tuple(replace(b, note=_with_why_not(b.note, CHANGES)) for b in c.blind_pass),
            )
            for c, pair in zip(comparisons, pairs, strict=True)
        )

    def decisions(self, facts: Sequence[Facts]) -> list[Decision]:
        """Return decisions for each judge whose labels show it to be no better than chance, one a reason."""
        found = []
        models = {f.model for f in facts if f.verdicts}
        for judge in self._present(facts):
            reasons = {
                why: model for model in (*sorted(models), None) if (why := refusal(self._of(judge, model)))
            }
            for why, model in reasons.items():
                of = f" on {model}" if model else ""
                reason = f"the judge {judge} cannot gate{of}: {why}. {_remedy(self._of(judge, model))}"
                found.append(Decision(rule=RULE, model=model or "", answer="inconclusive", reason=reason))
        return found

    def notes(self, facts: Sequence[Facts]) -> list[str]:
        """Return how good each judge is, one line each."""
        present = dict.fromkeys(judge for f in facts for judge, *_ in f.verdicts)
        return [self._note(judge, facts) for judge in sorted(present)]

    def _note(self, judge: str, facts: Sequence[Facts]) -> str:
        calibration = self._judges.get(judge)
        if calibration is None:
            return f"judge uncalibrated: {judge}"
        if calibration.warning:
            return f"judge uncalibrated: {judge}: {calibration.warning}"
        labels = self._of(judge, None)
        quality = judge_quality(labels, pass_share=pass_share(judge, facts))
        measures = {"sensitivity": quality.sensitivity, "specificity": quality.specificity}
        shown = [f"{name} {percent(m.estimate)}" for name, m in measures.items() if m.estimate is not None]
        head = f"judge calibrated: {judge}: {len(labels)} labels ({calibration.design.replace('_', ' ')})"
        return ", ".join([head, *shown]) + (f"; {quality.note}" if quality.note else "")

    def _present(self, facts: Sequence[Facts]) -> list[str]:
        """Return the judges of these trials that have a calibration of what they are now."""
        names = dict.fromkeys(judge for f in facts for judge, *_ in f.verdicts)
        return [name for name in names if name in self._judges and not self._judges[name].warning]

    def _only_judge(self, facts: Sequence[Facts]) -> tuple[str | None, str]:
        """Return the judge whose labels correct these trials, or None, and where one has labels why not."""
        present = self._present(facts)
        if not present:
            return None, ""
        if len({judge for f in facts for judge, *_ in f.verdicts}) > 1:
            return None, SEVERAL
        return (None, CODE_TOO) if any(f.semantic and not f.verdicts for f in facts) else (present[0], "")

    def _summary(self, summary: Summary, facts: Sequence[Facts]) -> Summary:
        judge, why_not = self._only_judge(facts)
        if judge is None:
            return replace(
                summary,
                semantic=_as_judged(summary.semantic, why_not),
                blind_pass=_as_judged(summary.blind_pass, why_not),
            )
        labels, borrowed = self._of(judge, summary.model), self._borrowed(judge, summary.model)
        structured = [f for f in facts if f.structural]
        blind = _corrected(_complement(summary.blind_pass), structured, judge, labels, borrowed)
        return replace(
            summary,
            semantic=_corrected(summary.semantic, facts, judge, labels, borrowed),
            blind_pass=_complement(blind)
            if blind.correction
            else replace(summary.blind_pass, note=blind.note),
        )

    def _differences(self, comparison: Comparison, pairs: Pairs) -> Iterator[Difference]:
        scopes = {d.scope for d in comparison.differences}
        parts = group(pairs.ours, listed=scopes)
        for difference in comparison.differences:
            inside = parts[difference.scope].tolist()
            theirs, ours = [pairs.theirs[i] for i in inside], [pairs.ours[i] for i in inside]
            yield self.difference(difference, theirs, ours)

    def difference(
        self, difference: Difference, theirs: Sequence[Facts], ours: Sequence[Facts]
    ) -> Difference:
        """Return a difference corrected where it can be; the trials of both models are its pairs."""
        if difference.measure != "semantic":
            return difference
        judge, why_not = self._only_judge([*ours, *theirs])
        if judge is None:
            return replace(difference, note=_with_why_not(difference.note, why_not))
        known = [
            (b, c)
            for b, c in zip(theirs, ours, strict=True)
            if b.semantic is not None and c.semantic is not None
        ]
        their_labels, our_labels = (self._own(judge, m) for m in (difference.baseline, difference.candidate))
        found = corrected_difference(
            [_verdict(b, judge) for b, _ in known],
            [_verdict(c, judge) for _, c in known],
            baseline_labels=their_labels,
            candidate_labels=our_labels,
            clusters=[c.cluster for _, c in known],
            confidence=difference.confidence,
        )
        if found.low is None or found.high is None or found.estimate is None:
            as_judged = replace(difference, note=_with_why_not(difference.note, found.note))
            is_lacking = _is_few(their_labels) or _is_few(our_labels) or their_labels is our_labels
            # Labels that there are, and that cannot correct, say that the verdicts are not to be gated on.
            return as_judged if is_lacking else replace(as_judged, low=None, high=None)
        error = (found.high - found.low) / (2 * critical_value(difference.confidence))
        return replace(
            difference,
            estimate=found.estimate,
            low=found.low,
            high=found.high,
            raw_estimate=difference.estimate,
            correction=f"labels of judge {judge} on both models",
            p_value=2 * NormalDist().cdf(-abs(found.estimate) / error),
            p_noninferior=NormalDist().cdf(-(found.estimate + difference.margin) / error),
            note=found.note,
        )

    def _of(self, judge: str, model: str | None) -> Labels:
        """Return the labels of a model's responses, or all where it has too few of its own."""
        own = None if model is None else self._own(judge, model)
        return self._made(judge, None) if own is None or _is_few(own) else own

    def _borrowed(self, judge: str, model: str) -> str:
        """Return whose labels stand in for those that a model has not, and whether these models differ."""
        own = self._own(judge, model)
        rows = self._judges[judge].labels
        others = sorted(
            {row.model for row in rows if row.model is not None} - {model, model.rpartition("@")[0]}
        )
        if not others or not _is_few(own) or any(row.model is None for row in rows):
            return ""
        if judge not in self._between:
            models = [row.model for row in rows]
            self._between[judge] = errors_between_models(self._made(judge, None), models, seed=0).p_value
        p_value, shown = self._between[judge], ", ".join(others[:MOST_NAMES])
        is_unlike = p_value is not None and p_value < 0.05
        differ = f", for which the judge errs unlike (p {p_value:.3f})" if is_unlike else ""
        return (
            f"{model} is corrected by labels of other models ({shown}){differ}: "
            f"label {MIN_LABELS} responses of its own"
        )

    def _own(self, judge: str, model: str) -> Labels | None:
        """Return the labels that name a model, as `MODEL` or `MODEL@RUN`; None without any."""
        named = {label.model for label in self._judges[judge].labels}
        for name in (model, model.rpartition("@")[0]):
            if name and name in named:
                return self._made(judge, name)
        return None

    def _made(self, judge: str, model: str | None) -> Labels:
        if (judge, model) not in self._labels:
            calibration = self._judges[judge]
            rows = [one for one in calibration.labels if model is None or one.model == model]
            self._labels[judge, model] = Labels(
                verdicts=[row.verdict for row in rows],
                truths=[row.truth for row in rows],
                design=calibration.design,
                clusters=[row.cluster for row in rows],
            )
        return self._labels[judge, model]


def _remedy(labels: Labels) -> str:
    """Return what to do about labels that cannot correct: the judge may be good, and the labels too alike."""
    if missing_class(labels) or len(labels) < MIN_LABELS:
        return "Label more of these responses: `swapgate judge label`"
    return "Mend the judge, or label its verdicts anew"


def _corrected(rate: Rate, facts: Sequence[Facts], judge: str, labels: Labels, borrowed: str) -> Rate:
    """Return the pass rate of these trials without the judge's errors, or as it is, with the reason.

    `borrowed` says that the labels are of other models, empty when they are not.
    """
    known = [f for f in facts if f.semantic is not None]
    verdicts, clusters = [_verdict(f, judge) for f in known], [f.cluster for f in known]
    shown, decided = (
        corrected_rate(verdicts, labels, clusters=clusters, confidence=confidence)
        for confidence in (REPORT_CONFIDENCE, rate.gate_confidence)
    )
    # What is no contradiction at one confidence may be one at the other.
    bounds = []
    for one in (shown, decided):
        if one.low is None or one.high is None:
            return replace(_as_judged(rate, one.note), gate_low=None, gate_high=None)
        bounds += [one.low, one.high]
    return replace(
        rate,
        rate=shown.estimate,
        # With a handful of trials the wider of the two approximations may end a hair inside the other.
        low=min(bounds),
        high=max(bounds),
        gate_low=decided.low,
        gate_high=decided.high,
        effective_n=shown.effective_n,
        note="; ".join(filter(None, (shown.note, borrowed))),
        raw_rate=rate.rate,
        correction=f"{len(labels)} labels of judge {judge}",
    )


def _is_few(labels: Labels | None) -> bool:
    return labels is None or len(labels) < MIN_LABELS


def _as_judged(rate: Rate, why_not: str) -> Rate:
    """Return the rate as it is, with the reason why it was not corrected."""
    return replace(rate, note=_with_why_not(rate.note, why_not)) if rate.n else rate


def _with_why_not(note: str, why_not: str) -> str:
    reason = f"not corrected for the judge's errors: {why_not}" if why_not else ""
    return "; ".join(filter(None, (note, reason)))


def _complement(rate: Rate) -> Rate:
    """Return the rate of what is not counted: blind passes are the structurally right that are wrong."""

    def turned(value: float | None) -> float | None:
        return None if value is None else 1 - value

    return replace(
        rate,
        passed=rate.n - rate.passed,
        rate=turned(rate.rate),
        low=turned(rate.high),
        high=turned(rate.low),
        gate_low=turned(rate.gate_high),
        gate_high=turned(rate.gate_low),
        raw_rate=turned(rate.raw_rate),
    )


def _verdict(facts: Facts, judge: str) -> bool | None:
    """Return the judge's verdict, None where code has found the answer wrong already."""
    if facts.is_code_wrong:
        return None
    return next((passed is True for name, _, _, passed in facts.verdicts if name == judge), facts.semantic)


def pass_share(judge: str, facts: Sequence[Facts]) -> float | None:
    """Return the share of passing verdicts, None at 0 and 1, where it says nothing."""
    said = [
        v is True for f in facts for name, _, status, v in f.verdicts if name == judge and status == "scored"
    ]
    share = sum(said) / len(said) if said else 0.0
    return share if 0 < share < 1 else None
