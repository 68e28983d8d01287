"""People among themselves: how far they agree, and whether the judge could stand in for one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping

from swapgate.labelling.evidence import CONFIDENCE, Evidence
from swapgate.labelling.measured import Measure, Section
from swapgate.records import Json
from swapgate.spec.labels import LabelledVerdict, response_key
from swapgate.stats.agreement import gwet_ac, krippendorff_alpha, percent_agreement
from swapgate.stats.annotators import AnnotatorTest, alternative_annotator_test

Given = Mapping[Hashable, Mapping[Hashable, float]]


def annotators(evidence: Evidence) -> Section | None:
    """Return how far people agree, None with fewer than two of them."""
    verdicts = _verdicts(evidence)
    if len(verdicts) < 2:
        return None
    scores = {name: _scores(evidence, name) for name in _criteria(evidence.calibration.truths.written)}
    measures = list(_measures("", _table(verdicts), is_scale=False))
    for name, given in scores.items():
        measures += _measures(f"{name}: ", _table(given), is_scale=True)
    test = alternative_annotator_test(verdicts, _judge_verdicts(evidence), epsilon=evidence.epsilon)
    by_scores = {
        name: alternative_annotator_test(given, judged, epsilon=evidence.epsilon, alignment="rmse")
        for name, given in scores.items()
        if (judged := _judge_scores(evidence, name))
    }
    numbers = {str(name): len(own) for name, own in verdicts.items()}
    listed = ", ".join(f"{name} {n}" for name, n in sorted(numbers.items()))
    told = [_told("alternative annotator test", test)]
    told += [_told(f"the same by the scores of {name}", one) for name, one in by_scores.items()]
    return Section(
        key="annotators",
        title="People among themselves",
        measures=tuple(measures),
        lines=(f"labels of each: {listed}", *told),
        facts={
            "labels_of_each": dict(sorted(numbers.items())),
            "alternative_annotator_test": _plain(test),
            "alternative_annotator_test_by_scores": {name: _plain(one) for name, one in by_scores.items()},
        },
    )


def _verdicts(evidence: Evidence) -> dict[Hashable, dict[Hashable, float]]:
    """Return each person's answers as 1 and 0 by response."""
    found: dict[Hashable, dict[Hashable, float]] = defaultdict(dict)
    for place, row in enumerate(evidence.calibration.truths.written):
        if row.annotator is not None and row.truth != "skip":
            found[row.annotator][response_key(row, place)] = float(row.truth == "pass")
    return dict(found)


def _scores(evidence: Evidence, name: str) -> dict[Hashable, dict[Hashable, float]]:
    found: dict[Hashable, dict[Hashable, float]] = defaultdict(dict)
    for place, row in enumerate(evidence.calibration.truths.written):
        if row.annotator is not None and name in row.truth_scores:
            found[row.annotator][response_key(row, place)] = row.truth_scores[name]
    return dict(found)


def _judge_verdicts(evidence: Evidence) -> dict[Hashable, float]:
    rows = enumerate(evidence.calibration.truths.written)
    return {response_key(r, i): float(r.verdict == "pass") for i, r in rows if r.verdict is not None}


def _judge_scores(evidence: Evidence, name: str) -> dict[Hashable, float]:
    rows = enumerate(evidence.calibration.truths.written)
    return {response_key(r, i): r.scores[name] for i, r in rows if name in r.scores}


def _criteria(rows: tuple[LabelledVerdict, ...]) -> list[str]:
    return sorted({name for row in rows for name in row.truth_scores})


def _table(given: Given) -> list[list[float | None]]:
    """Return a row a response and a column a person."""
    responses = dict.fromkeys(response for own in given.values() for response in own)
    return [[own.get(response) for own in given.values()] for response in responses]


def _measures(prefix: str, table: list[list[float | None]], *, is_scale: bool) -> Iterator[Measure]:
    n = sum(sum(value is not None for value in row) >= 2 for row in table)
    if not table or len(table[0]) < 2:
        return
    found = percent_agreement(table, confidence=CONFIDENCE)
    yield Measure.of(f"{prefix}same answer", found, n=n, is_share=True)
    if is_scale:
        yield Measure.of(f"{prefix}alpha (ordinal)", krippendorff_alpha(table, level="ordinal"), n=n)
        yield Measure.of(f"{prefix}alpha (interval)", krippendorff_alpha(table, level="interval"), n=n)
        yield Measure.of(f"{prefix}AC2", gwet_ac(table, weights="quadratic"), n=n)
    else:
        yield Measure.of(f"{prefix}Krippendorff's alpha", krippendorff_alpha(table), n=n)
        yield Measure.of(f"{prefix}Gwet's AC1", gwet_ac(table), n=n)


def _told(name: str, test: AnnotatorTest) -> str:
    if test.passed is None:
        return f"{name}: {test.note}"
    won = sum(comparison.is_won for comparison in test.comparisons)
    left_out = f" ({test.note})" if test.note else ""
    return (
        f"{name} (epsilon {test.epsilon:g}): {'passed' if test.passed else 'not passed'}: the judge holds up "
        f"against {won} of {len(test.comparisons)} people, average advantage probability "
        f"{test.advantage or 0:.2f}{left_out}"
    )


def _plain(test: AnnotatorTest) -> Json:
    return {
        "passed": test.passed,
        "winning_rate": test.winning_rate,
        "advantage": test.advantage,
        "epsilon": test.epsilon,
        "note": test.note,
        "comparisons": [
            {
                "annotator": str(one.annotator),
                "items": one.items,
                "judge_advantage": one.judge_advantage,
                "human_advantage": one.human_advantage,
                "p_value": one.p_value,
                "is_won": one.is_won,
            }
            for one in test.comparisons
        ],
    }
