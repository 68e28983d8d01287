"""How a judge's verdicts and scores stand to people's: error rates, agreement beyond chance, correlations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from swapgate.labelling.evidence import CONFIDENCE, Evidence
from swapgate.labelling.measured import Measure, Section, Table
from swapgate.spec.labels import LabelledVerdict
from swapgate.stats.agreement import cohen_kappa, gwet_ac, krippendorff_alpha
from swapgate.stats.correlations import (
    Method,
    correlation,
    group_correlation,
    within_group_correlation,
)
from swapgate.stats.interval import Interval
from swapgate.stats.judge_labels import Labels, from_two, missing_class
from swapgate.stats.judge_measures import MEASURES, judge_quality


def against_people(evidence: Evidence) -> Section:
    """Return error rates of the judge against people."""
    labels, truths = evidence.labels, evidence.calibration.truths
    quality = judge_quality(labels, pass_share=evidence.pass_share, confidence=CONFIDENCE)
    measures = [
        Measure.of(name, getattr(quality, name), n=len(labels), is_share=name != "youden")
        for name in MEASURES
    ]
    left = [
        ("ties", truths.ties),
        ("skipped by everybody", truths.skipped),
        ("without verdict", truths.unread),
    ]
    lines = (
        [f"left out: {', '.join(f'{n} {what}' for what, n in left if n)}"] if any(n for _, n in left) else []
    )
    if quality.note:
        lines.append(quality.note)
    return Section(
        key="against_people",
        title="Against people",
        measures=tuple(measures),
        lines=tuple(lines),
        table=_counts(labels),
        facts={"counts": dict(_cells(labels)), **{what.replace(" ", "_"): n for what, n in left}},
    )


def agreement(evidence: Evidence) -> Section | None:
    """Return agreement beyond chance between judge and people; None without labels of both kinds."""
    labels = evidence.labels
    if missing_class(labels):
        return None
    measures = list(_verdict_agreement(labels, evidence.pass_share))
    for name in scored_criteria(evidence):
        rows = _both_scores(evidence, name)
        pairs = [(row.scores[name], row.truth_scores[name]) for row in rows]
        first, second = zip(*pairs, strict=True)
        measures += [
            Measure.of(
                f"{name}: weighted kappa", cohen_kappa(first, second, weights="quadratic"), n=len(rows)
            ),
            Measure.of(f"{name}: AC2", gwet_ac(pairs, weights="quadratic"), n=len(rows)),
            Measure.of(f"{name}: alpha (ordinal)", krippendorff_alpha(pairs, level="ordinal"), n=len(rows)),
        ]
    return Section(key="agreement", title="Agreement beyond chance", measures=tuple(measures))


def correlations(evidence: Evidence) -> Section | None:
    """Return whether the judge's scores rise with people's: over responses, inside cases, over models."""
    measures = [measure for name in evidence.judge.spec.scores() for measure in _correlated(evidence, name)]
    if not measures:
        return None
    is_by_verdict = evidence.calibration.spec.design == "by_verdict"
    line = "of the labelled responses, which were drawn by verdict: not those of all"
    return Section(
        key="correlations",
        title="Do its scores rise with people's",
        measures=tuple(measures),
        lines=(line,) if is_by_verdict else (),
    )


def scored_criteria(evidence: Evidence) -> list[str]:
    """Return the criteria on a scale for which both the judge and people gave scores."""
    scores = evidence.judge.spec.scores()
    return [n for n, score in scores.items() if not score.is_bare and len(_both_scores(evidence, n)) > 1]


def _both_scores(evidence: Evidence, name: str) -> list[LabelledVerdict]:
    return [row for row in evidence.rows if name in row.scores and name in row.truth_scores]


def _verdict_agreement(labels: Labels, pass_share: float | None) -> Iterator[Measure]:
    n = len(labels)
    if labels.design == "random":
        pairs = [(float(v), float(t)) for v, t in zip(labels.verdicts, labels.truths, strict=True)]
        verdicts, truths = zip(*pairs, strict=True)
        yield Measure.of("Cohen's kappa", cohen_kappa(verdicts, truths), n=n)
        yield Measure.of("Gwet's AC1", gwet_ac(pairs), n=n)
        yield Measure.of("Krippendorff's alpha", krippendorff_alpha(pairs), n=n)
        return
    one, other = labels.correcting_shares(confidence=CONFIDENCE)
    names: dict[str, Callable[[float, float], float]] = {
        "Cohen's kappa": lambda v, t: v * t + (1 - v) * (1 - t),
        "Gwet's AC1": lambda v, t: (v + t) * (1 - (v + t) / 2),
        "Krippendorff's alpha": lambda v, t: ((v + t) / 2) ** 2 + (1 - (v + t) / 2) ** 2,
    }
    for name, chance in names.items():
        yield Measure.of(name, _from_shares(one, other, labels.design, pass_share, chance), n=n)


def _from_shares(
    one: Interval,
    other: Interval,
    design: str,
    pass_share: float | None,
    chance: Callable[[float, float], float],
) -> Interval:
    """Return agreement beyond chance among all responses, from what the labels show of each kind.

    `chance` is the agreement expected of shares v of passing verdicts and t of truly right responses.
    """
    if pass_share is None:
        note = "this needs the share of passing verdicts among all judged trials"
        return Interval(estimate=None, low=None, high=None, confidence=CONFIDENCE, note=note)
    p = pass_share

    def beyond(a: float, b: float) -> float:
        if design == "by_verdict":
            agreed, truth = p * a + (1 - p) * (1 - b), p * a + (1 - p) * b
        else:
            truth = min(max((p - b) / (a - b), 0.0), 1.0) if a > b else 0.5
            agreed = a * truth + (1 - b) * (1 - truth)
        expected = chance(p, truth)
        return (agreed - expected) / (1 - expected) if expected < 1 else 0.0

    return from_two(beyond, one, other, limits=(-1.0, 1.0))


def _correlated(evidence: Evidence, name: str) -> Iterator[Measure]:
    """Yield the correlations of one criterion; people's verdict stands in where they gave no scores."""
    is_scored = name in scored_criteria(evidence)
    rows = _both_scores(evidence, name) if is_scored else [r for r in evidence.rows if name in r.scores]
    judged = [row.scores[name] for row in rows]
    if len(rows) < 2 or {*judged} <= {0.0, 1.0}:
        return
    people = [r.truth_scores[name] if is_scored else float(r.truth == "pass") for r in rows]
    models, cases = [row.model for row in rows], [(row.suite, row.case) for row in rows]
    methods: tuple[tuple[Method, str], ...] = (("spearman", "Spearman"), ("kendall", "Kendall tau-b"))
    for method, shown in methods:
        found = correlation(judged, people, method=method, confidence=CONFIDENCE)
        yield Measure.of(f"{name}: {shown}", found)
        if len({*models}) > 1 and None not in models:
            by_model = group_correlation(judged, people, models, method=method, confidence=CONFIDENCE)
            yield Measure.of(f"{name}: {shown} of models", by_model)
        if 1 < len({*cases}) < len(cases):
            inside = within_group_correlation(judged, people, cases, method=method, confidence=CONFIDENCE)
            yield Measure.of(f"{name}: {shown} inside cases", inside)


def _cells(labels: Labels) -> dict[str, int]:
    pairs = list(zip(labels.verdicts, labels.truths, strict=True))
    cells = {"true_pass": (1, 1), "false_pass": (1, 0), "false_fail": (0, 1), "true_fail": (0, 0)}
    return {
        name: sum((bool(v), bool(t)) == (bool(a), bool(b)) for v, t in pairs)
        for name, (a, b) in cells.items()
    }


def _counts(labels: Labels) -> Table:
    cells = _cells(labels)
    return Table(
        header=("", "people: pass", "people: fail"),
        rows=(
            ("judge: pass", str(cells["true_pass"]), str(cells["false_pass"])),
            ("judge: fail", str(cells["false_fail"]), str(cells["true_fail"])),
        ),
    )
