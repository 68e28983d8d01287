"""The whole report on a judge, put together from its parts; where it differs from people, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil, sqrt

import numpy as np

from swapgate.judging.subject import answer_text, as_text
from swapgate.labelling.across_models import between_models
from swapgate.labelling.against_people import against_people, agreement, correlations
from swapgate.labelling.annotators import annotators
from swapgate.labelling.evidence import CONFIDENCE, Evidence
from swapgate.labelling.itself import canaries, itself, length
from swapgate.labelling.measured import Disagreement, JudgeReport, Section, count
from swapgate.labelling.pairs import pairs
from swapgate.labelling.threshold import thresholds
from swapgate.records import Trial, Verdict
from swapgate.spec.labels import LabelledVerdict, response_key
from swapgate.stats.interval import critical_value
from swapgate.stats.judge_labels import MIN_LABELS, Labels, refusal
from swapgate.stats.judge_readings import reading

# What the labels may add to a corrected rate before more of them are worth asking for.
WANTED = 0.05


def judge_report(evidence: Evidence) -> JudgeReport:
    """Return everything that labels, pairs and the runs at hand say of a judge."""
    calibration = evidence.calibration
    found: list[Section | None] = []
    if evidence.rows:
        found += [against_people(evidence), agreement(evidence), correlations(evidence)]
        found += [between_models(evidence), *thresholds(evidence)]
    found += [annotators(evidence), itself(evidence), canaries(evidence), length(evidence), pairs(evidence)]
    return JudgeReport(
        judge=calibration.judge,
        judge_hash=calibration.judge_hash,
        design=calibration.spec.design,
        labels=len(evidence.rows),
        pairs=len(calibration.pairs),
        sections=tuple(section for section in found if section is not None),
        disagreements=tuple(_disagreements(evidence)),
        advice=tuple(_advice(evidence)),
    )


def _disagreements(evidence: Evidence) -> Iterator[Disagreement]:
    """Yield the responses on which judge and people differ, those that it wrongly passes first."""
    written: dict[object, list[LabelledVerdict]] = {}
    for place, row in enumerate(evidence.calibration.truths.written):
        written.setdefault(response_key(row, place), []).append(row)
    trials = evidence.trial_of()
    places = [place for place, row in enumerate(evidence.rows) if row.verdict != row.truth]
    for place in sorted(places, key=lambda place: evidence.rows[place].verdict == "fail"):
        row = evidence.rows[place]
        # A row without a name of its own is found by what it says.
        own = written.get(response_key(row, -1), [row])
        yield _disagreement(row, own, trials.get(place))


def _disagreement(
    row: LabelledVerdict, own: Sequence[LabelledVerdict], found: tuple[Trial, Verdict] | None
) -> Disagreement:
    trial, verdict = found or (None, None)
    turns = [m.content for m in trial.messages if m.role == "user"] if trial else []
    return Disagreement(
        model=row.model,
        suite=row.suite,
        case=row.case,
        repeat=row.repeat,
        verdict=row.verdict or "",
        truth=row.truth,
        votes=", ".join(f"{n} {word}" for word, n in Counter(one.truth for one in own).most_common()),
        notes=tuple(f"{one.annotator or 'note'}: {one.note}" for one in own if one.note),
        reason=verdict.reason if verdict else None,
        inputs=(("prompt", "\n\n".join(turns)),) if turns else (),
        reference=as_text(trial.expected) if trial and trial.expected is not None else None,
        answer=answer_text(trial.answer.response) if trial and trial.answer else None,
    )


def _advice(evidence: Evidence) -> Iterator[str]:
    """Yield what to do next: more labels and how many, labels of this definition, the runs that lack."""
    warning = evidence.calibration.warning(evidence.judge.definition_hash)
    if warning:
        yield warning
    if evidence.missing:
        runs = ", ".join(evidence.missing)
        yield f"not at hand: {runs}. Without them no text is shown, and the judge by itself is not measured"
    if evidence.open and any(row.reused for row in evidence.calibration.truths.written):
        yield (
            f"{count(evidence.open, 'drawn response')} without an answer: answers that were taken over are "
            "no random part of the draw, so that these numbers hold only once all are answered"
        )
    if not evidence.rows:
        if not evidence.calibration.pairs:
            yield f"no response has both a truth and a verdict: label {MIN_LABELS} at least"
        return
    labels = evidence.labels
    if len(labels) < MIN_LABELS:
        lacking = MIN_LABELS - len(labels)
        yield f"{count(len(labels), 'label')}: fewer than {MIN_LABELS} correct nothing. Label {lacking} more"
    elif why_not := refusal(labels):
        yield f"these labels correct no rate: {why_not}"
    else:
        yield _width(labels, evidence.pass_share)


def _width(labels: Labels, pass_share: float | None) -> str:
    """Return how much of a corrected rate's width comes from the labels, and how many would do."""
    p = float(np.mean(labels.verdicts)) if pass_share is None else pass_share
    z = critical_value(CONFIDENCE)
    half = z * sqrt(reading(labels).label_part(np.array([1 - p, p, 0.0]), z)[0])
    alone = f"the labels alone leave a corrected rate {100 * half:.1f} points uncertain either way"
    if half <= WANTED:
        return f"{alone}: more cases help more than more labels"
    needed = ceil(len(labels) * (half / WANTED) ** 2)
    return f"{alone}; {100 * WANTED:.0f} points take about {needed:,} labels drawn like these"
