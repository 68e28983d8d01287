"""Pass rates and paired differences corrected for a judge's errors, by how its labels were drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swapgate.stats.clusters import ONE_CLUSTER, cluster_sums, few_clusters_note, variance_of_mean
from swapgate.stats.interval import Interval, critical_value
from swapgate.stats.judge_labels import NOT_SHOWN, Clusters, Labels, beats_chance, refusal
from swapgate.stats.judge_readings import FAILED, KNOWN_WRONG, PASSED, Floats, Reading, reading
from swapgate.values import Value

_STRATA = {False: FAILED, True: PASSED, None: KNOWN_WRONG}
NO_TRIALS = "no trials"
CONTRADICTION = "the verdicts contradict the labels: by these the judge errs too often for such verdicts"
ONE_SET = "a judge may favour one of two models: a difference needs labels of each, under its name"
Verdicts = Sequence[bool | None] | NDArray[Any]
Strata = NDArray[np.int64]


class CorrectedInterval(Interval):
    """An interval corrected for a judge's errors.

    `raw` is what the verdicts say by themselves. `label_share` is the part of the variance that comes from
    the labels: near 1, more labels help and more cases do not. `effective_n` counts independent trials.
    """

    raw: float | None
    label_share: float | None = None


def corrected_rate(
    verdicts: Verdicts,
    labels: Labels,
    *,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
) -> CorrectedInterval:
    """Return the true pass rate behind a judge's verdicts.

    Parameters
    ----------
    verdicts : sequence of bool or None, length n
        One verdict a trial; None where code has found the trial wrong already (its structure failed, or a
        semantic check did), whatever a judge said. Such trials need no label.
    labels : Labels
        Of verdicts of this judge; the design they were drawn by decides the method.
    clusters : sequence of hashable, length n, optional
        The outermost group of each trial; None when all are independent.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    CorrectedInterval
        Refused, with the reason, without trials, with one cluster, and with labels that cannot correct (see
        `judge_labels.refusal`). Labels drawn by their truth must also show the judge to be better than
        chance; for the other designs a note warns when they do not.

    Raises
    ------
    ValueError
        When the lengths differ, or a verdict is neither True, False nor None.

    Notes
    -----
    Labels drawn at random or by verdict show r_s, the share of truly passing trials given verdict s::

        theta = p1 r1 + p0 r0
        variance = (p1 r1^2 + p0 r0^2 - theta^2) / n + p1^2 r1 (1 - r1) / k1 + p0^2 r0 (1 - r0) / k0

    the verdict-stratified estimate [1]_, with half a success and half a failure added to each r_s. Labels
    drawn by their truth show sensitivity and specificity instead; theta is then Rogan and Gladen's estimate
    with the interval that Lee et al. [2]_ take from Lang and Reiczigel [3]_.

    The first term is the variance of a mean over trials of the value that each verdict stands for. As in
    Agresti and Coull's interval, half of z^2 trials are added at either end, which gives it a width when all
    verdicts agree. With clusters n is divided by the design effect (the largest cluster where the verdicts
    do not vary), and t(G - 1) takes the place of z in that term.

    References
    ----------
    .. [1] Chen et al., arXiv:2601.05420, 2026.
    .. [2] C. Lee, T. Zeng, J. Jeong, J. Sohn, K. Lee, "How to correctly report LLM-as-a-judge evaluations",
       arXiv:2511.21140, 2025.
    .. [3] Z. Lang, J. Reiczigel, "Confidence limits for prevalence of disease adjusted for estimated
       sensitivity and specificity", Prev. Vet. Med. 113 (2014) 13-22.

    Examples
    --------
    A judge passes 400 of 1000 trials; 200 labels of each kind show a sensitivity of .9, a specificity of .7:

    >>> labels = Labels(
    ...     verdicts=[True] * 180 + [False] * 20 + [True] * 60 + [False] * 140,
    ...     truths=[True] * 200 + [False] * 200,
    ...     design="by_label",
    ... )
    >>> found = corrected_rate([True] * 400 + [False] * 600, labels)
    >>> round(found.estimate, 6), round(found.low, 7), round(found.high, 7)
    (0.166667, 0.0563507, 0.262733)
    """
    strata = _strata(verdicts)
    raw = float((strata == PASSED).mean()) if len(strata) else None
    why_not = _objection(labels, confidence) if len(strata) else NO_TRIALS
    if why_not:
        return _refused(why_not, raw=raw, confidence=confidence)
    known = reading(labels)
    in_play = _in_play(known.values, strata)
    table = _Table(
        cells=strata,
        points=known.points,
        values=known.values,
        ends=(int(in_play.argmin()), int(in_play.argmax())),
        label_part=known.label_part,
    )
    note = "" if beats_chance(labels, confidence=confidence) else NOT_SHOWN
    return table.interval(clusters, limits=(0.0, 1.0), raw=raw, confidence=confidence, note=note)


def corrected_difference(
    baseline: Verdicts,
    candidate: Verdicts,
    *,
    baseline_labels: Labels | None,
    candidate_labels: Labels | None,
    clusters: Clusters | None = None,
    confidence: float = 0.90,
) -> CorrectedInterval:
    """Return the true difference of two models' pass rates behind a judge's verdicts.

    Parameters
    ----------
    baseline, candidate : sequence of bool or None, length n
        The verdicts on each model's responses to the same trials; None as for `corrected_rate`.
    baseline_labels, candidate_labels : Labels or None
        Labels of each model's own responses; None where there are none, or none that name the model.
    clusters : sequence of hashable, length n, optional
        The outermost group of each pair.
    confidence : float
        Two-sided coverage; 0.90 leaves the gate's 5% on either side.

    Returns
    -------
    CorrectedInterval
        Of candidate minus baseline. Refused as for `corrected_rate`, without labels of one model, and with
        one and the same labels for both: they would take for granted that the judge favours neither.

    Raises
    ------
    ValueError
        When the lengths differ, or a verdict is neither True, False nor None.

    Notes
    -----
    Each model's verdicts stand for the values that its own labels give. The verdict part of the variance is
    that of the paired differences of these values, and the label parts of both models add to it. Half of
    z^2 pairs are added at either end, which gives pairs that all agree the width of Tango's interval.

    References
    ----------
    .. [1] Chen et al., arXiv:2601.05420, 2026.

    Examples
    --------
    Both models are right half of the time, but the judge also passes 60% of the candidate's wrong responses:

    >>> fair = Labels(verdicts=[True] * 50 + [False] * 50, truths=[True] * 50 + [False] * 50)
    >>> fond = Labels(verdicts=[True] * 80 + [False] * 20, truths=[True] * 50 + [False] * 50)
    >>> verdicts = [True] * 100 + [False] * 100, [True] * 160 + [False] * 40
    >>> found = corrected_difference(*verdicts, baseline_labels=fair, candidate_labels=fond)
    >>> round(found.raw, 2), round(found.low, 2), round(found.high, 2)
    (0.3, -0.09, 0.09)
    """
    before, after = _strata(baseline), _strata(candidate)
    if len(before) != len(after):
        raise ValueError(f"the two models need the same trials, got {len(before)} and {len(after)}")
    raw = float((after == PASSED).mean() - (before == PASSED).mean()) if len(before) else None
    if baseline_labels is None or candidate_labels is None or baseline_labels is candidate_labels:
        return _refused(_lack(baseline_labels, candidate_labels), raw=raw, confidence=confidence)
    both = {"baseline": baseline_labels, "candidate": candidate_labels}
    objections = [f"{name}: {why}" for name, each in both.items() if (why := _objection(each, confidence))]
    if raw is None or objections:
        return _refused("; ".join(objections) or NO_TRIALS, raw=raw, confidence=confidence)
    table = _pairs(before, after, reading(baseline_labels), reading(candidate_labels))
    doubts = [
        f"{n}: {NOT_SHOWN}" for n, each in both.items() if not beats_chance(each, confidence=confidence)
    ]
    return table.interval(
        clusters, limits=(-1.0, 1.0), raw=raw, confidence=confidence, note="; ".join(doubts)
    )


class _Table(Value):
    """Trials by stratum, or pairs by the strata of both models, and the value that each cell stands for.

    `ends` are the cells of the lowest and of the highest value in play.
    """

    cells: Strata
    points: Floats
    values: Floats
    ends: tuple[int, int]
    label_part: Callable[[Floats, float], tuple[float, float]]

    def interval(
        self,
        clusters: Clusters | None,
        *,
        limits: tuple[float, float],
        raw: float | None,
        confidence: float,
        note: str,
    ) -> CorrectedInterval:
        """Return the interval of the mean value over the trials."""
        counts = np.bincount(self.cells, minlength=len(self.values))
        estimate = min(max(float(counts @ self.points) / len(self.cells), limits[0]), limits[1])
        n, groups = self._independent(clusters)
        if groups == 1 < len(self.cells):
            return _refused(ONE_CLUSTER, raw=raw, confidence=confidence)
        is_clustered = groups < len(self.cells)
        reach = critical_value(confidence, df=groups - 1 if is_clustered else None)
        weights = (counts / len(self.cells) * n).astype(np.float64)
        weights[list(self.ends)] += reach**2 / 2
        shares = weights / (n + reach**2)
        z = critical_value(confidence)
        by_labels, shift = self.label_part(shares, z)
        by_verdicts = float(shares @ self.values**2 - (shares @ self.values) ** 2) / (n + reach**2)
        half = sqrt(reach**2 * by_verdicts + z**2 * by_labels)
        centre = float(shares @ self.values) + shift
        low, high = max(min(centre - half, estimate), limits[0]), min(max(centre + half, estimate), limits[1])
        if low >= high:
            return _refused(CONTRADICTION, raw=raw, confidence=confidence)
        return CorrectedInterval(
            estimate=estimate,
            low=low,
            high=high,
            confidence=confidence,
            effective_n=n,
            note=note or (few_clusters_note(groups) if is_clustered else ""),
            raw=raw,
            label_share=by_labels / (by_labels + by_verdicts),
        )

    def _independent(self, clusters: Clusters | None) -> tuple[float, int]:
        """Return how many independent trials these are worth, and the number of clusters."""
        n = len(self.cells)
        if clusters is None:
            return float(n), n
        sizes = cluster_sums(self.cells, clusters)[1]
        groups = len(sizes)
        if groups in (1, n):
            return float(n), groups
        if len(np.unique(self.cells)) == 1:
            return n / float(sizes.max()), groups
        each = self.values[self.cells]
        totals = sum(
            self.values[cell] * cluster_sums(self.cells == cell, clusters)[0]
            for cell in np.unique(self.cells)
        )
        between = variance_of_mean(totals - sizes * each.mean(), n)
        return n / float(np.clip(between * n / each.var(), 1.0, sizes.max())), groups


def _pairs(before: Strata, after: Strata, old: Reading, new: Reading) -> _Table:
    """Return the table of pairs, a row for each stratum of the candidate, a column for the baseline's."""

    def label_part(shares: Floats, z: float) -> tuple[float, float]:
        table = shares.reshape(3, 3)
        (one, up), (other, down) = (
            new.label_part(table.sum(axis=1), z),
            old.label_part(table.sum(axis=0), z),
        )
        return one + other, up - down

    after_values, before_values = _in_play(new.values, after), _in_play(old.values, before)
    lowest = 3 * after_values.argmin() + before_values.argmax()
    highest = 3 * after_values.argmax() + before_values.argmin()
    return _Table(
        cells=3 * after + before,
        points=np.subtract.outer(new.points, old.points).ravel(),
        values=np.subtract.outer(new.values, old.values).ravel(),
        ends=(int(lowest), int(highest)),
        label_part=label_part,
    )


def _strata(verdicts: Verdicts) -> Strata:
    try:
        return np.array([_STRATA[verdict] for verdict in verdicts], dtype=np.int64)
    except (KeyError, TypeError) as exc:
        raise ValueError(f"a verdict is True, False or None (known to be wrong), got {exc}") from exc


def _in_play(values: Floats, strata: Strata) -> Floats:
    """Return the values of both verdicts, and that of known wrong where there is such a trial."""
    return values if (strata == KNOWN_WRONG).any() else values[:KNOWN_WRONG]


def _objection(labels: Labels, confidence: float) -> str:
    why_not = refusal(labels)
    if why_not or labels.design != "by_label" or beats_chance(labels, confidence=confidence):
        return why_not
    # Rogan and Gladen divide by Youden's index: an interval that reaches 0 leaves the ratio unbounded.
    return NOT_SHOWN


def _lack(baseline: Labels | None, candidate: Labels | None) -> str:
    if (baseline is None) == (candidate is None):
        return ONE_SET
    return f"no labels of the {'baseline' if baseline is None else 'candidate'}: {ONE_SET}"


def _refused(note: str, *, raw: float | None, confidence: float) -> CorrectedInterval:
    return CorrectedInterval(estimate=None, low=None, high=None, confidence=confidence, note=note, raw=raw)
