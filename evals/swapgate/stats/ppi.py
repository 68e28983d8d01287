"""Prediction-powered inference: labels of a random part, the judge's verdicts as a control variate."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swapgate.stats.clusters import ONE_CLUSTER, as_results, cluster_sums, few_clusters_note, variance_of_mean
from swapgate.stats.interval import critical_value
from swapgate.stats.judge_errors import CorrectedInterval
from swapgate.stats.judge_labels import Clusters, Labels, refusal
from swapgate.values import Value

NOT_RANDOM = "prediction-powered inference needs labels drawn at random"
Ints = NDArray[np.int64]


def ppi_rate(
    labels: Labels,
    verdicts: NDArray[Any] | list[bool],
    *,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
) -> CorrectedInterval:
    """Return the true pass rate from labelled trials and the verdicts on the unlabelled ones.

    Parameters
    ----------
    labels : Labels
        Drawn at random from the judged trials.
    verdicts : sequence of bool, length N
        On the judged trials without a label.
    clusters : sequence of hashable, length N, optional
        The outermost group of each of these; that of the labels is in `labels`.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    CorrectedInterval
        Refused with the reason for labels that are not drawn at random or that cannot correct.

    Raises
    ------
    ValueError
        When the lengths differ.

    Notes
    -----
    With truth Y and verdict f, on n labelled and N further trials::

        theta = mean_n(Y - lambda f) + lambda mean_N(f)
        variance = var(Y - lambda f) / n + lambda^2 var(f) / N
        lambda = cov(Y, f) / ((1 + n / N) var(f)), within 0 to 1

    For variance and lambda one label of either error is added, so that few labels without an error do not
    pass for a judge without error; t(n - 1) is the quantile. For one rate the interval is as wide as that of
    `corrected_rate`.

    References
    ----------
    .. [1] A. N. Angelopoulos, J. C. Duchi, T. Zrnic, "PPI++: efficient prediction-powered inference",
       arXiv:2311.01453, 2023.

    Examples
    --------
    >>> labels = Labels(verdicts=[True] * 50 + [False] * 50, truths=[True] * 45 + [False] * 55)
    >>> found = ppi_rate(labels, [True] * 300 + [False] * 100)
    >>> round(found.estimate, 3), round(found.low, 2), round(found.high, 2)
    (0.623, 0.56, 0.68)
    """
    others = as_results(verdicts, name="verdicts")
    why_not = NOT_RANDOM if labels.design != "random" else refusal(labels)
    raw = _mean(np.concatenate([np.asarray(labels.verdicts, dtype=np.int64), others]))
    if why_not:
        return _refused(why_not, raw, confidence)
    sample = _Sample(
        truths=np.asarray(labels.truths, dtype=np.int64),
        verdicts=np.asarray(labels.verdicts, dtype=np.int64),
        clusters=labels.clusters,
        others=others,
        other_clusters=clusters,
        added=((1, 0), (0, 1)),
    )
    return sample.interval(raw=raw, limits=(0.0, 1.0), confidence=confidence)


def ppi_difference(
    baseline_labels: Labels,
    candidate_labels: Labels,
    baseline: NDArray[Any] | list[bool],
    candidate: NDArray[Any] | list[bool],
    *,
    clusters: Clusters | None = None,
    confidence: float = 0.90,
) -> CorrectedInterval:
    """Return the true difference of two models from trials that are labelled for both.

    Parameters
    ----------
    baseline_labels, candidate_labels : Labels, length n
        Of both models' responses to the same trials in the same order, which are drawn at random.
    baseline, candidate : sequence of bool, length N
        The verdicts on both models' responses to the trials without labels.
    clusters : sequence of hashable, length N, optional
        The outermost group of each of these; that of the labelled trials is in `baseline_labels`.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    CorrectedInterval
        Of candidate minus baseline; refused as `ppi_rate`.

    Raises
    ------
    ValueError
        When the lengths differ.

    Notes
    -----
    As `ppi_rate`, with the differences of truths and of verdicts, and one pair added of which only the
    candidate, one of which only the baseline is right [2]_. What is hard for both models cancels, which
    `corrected_difference` cannot use.

    References
    ----------
    .. [1] A. N. Angelopoulos, J. C. Duchi, T. Zrnic, arXiv:2311.01453, 2023.
    .. [2] D. G. Bonett, R. M. Price, "Adjusted Wald confidence interval for a difference of binomial
       proportions based on paired data", J. Educ. Behav. Stat. 37 (2012) 479-488.

    Examples
    --------
    >>> one = Labels(verdicts=[True] * 30 + [False] * 20, truths=[True] * 30 + [False] * 20)
    >>> two = Labels(verdicts=[True] * 40 + [False] * 10, truths=[True] * 30 + [False] * 20)
    >>> found = ppi_difference(one, two, [True] * 240 + [False] * 160, [True] * 320 + [False] * 80)
    >>> round(found.raw, 2), round(found.low, 2), round(found.high, 2)
    (0.2, -0.05, 0.05)
    """
    if len(baseline_labels) != len(candidate_labels) or len(baseline) != len(candidate):
        raise ValueError("both models need the same trials in the same order")
    both = {"baseline": baseline_labels, "candidate": candidate_labels}
    truths, seen = (
        np.subtract(getattr(candidate_labels, name), getattr(baseline_labels, name), dtype=np.int64)
        for name in ("truths", "verdicts")
    )
    others = as_results(candidate, name="candidate") - as_results(baseline, name="baseline")
    raw = _mean(np.concatenate([seen, others]))
    reasons = [f"{name}: {why}" for name, each in both.items() if (why := refusal(each))]
    if any(each.design != "random" for each in both.values()):
        reasons.insert(0, NOT_RANDOM)
    if reasons:
        return _refused("; ".join(reasons), raw, confidence)
    sample = _Sample(
        truths=truths,
        verdicts=seen,
        clusters=baseline_labels.clusters,
        others=others,
        other_clusters=clusters,
        added=((1, 0), (-1, 0)),
    )
    return sample.interval(raw=raw, limits=(-1.0, 1.0), confidence=confidence)


class _Sample(Value):
    """Truths and verdicts of the labelled trials, verdicts of the others; or differences of them.

    `added` are pairs of truth and verdict that join the labels for the variance and for lambda.
    """

    truths: Ints
    verdicts: Ints
    clusters: Clusters | None
    others: Ints
    other_clusters: Clusters | None
    added: tuple[tuple[int, int], tuple[int, int]]

    def interval(
        self, *, raw: float | None, limits: tuple[float, float], confidence: float
    ) -> CorrectedInterval:
        """Return the interval with the power-tuned lambda."""
        n, further = len(self.truths), len(self.others)
        tuned = self._tuned()
        residuals = self.truths - tuned * self.verdicts
        worth, groups = _independent([(self.truths, 1.0), (self.verdicts, -tuned)], self.clusters)
        other_worth, other_groups = _independent([(self.others, 1.0)], self.other_clusters)
        if groups == 1 or (other_groups == 1 < further):
            return _refused(ONE_CLUSTER, raw, confidence)
        with_errors = np.append(residuals, [truth - tuned * verdict for truth, verdict in self.added])
        by_labels = float(with_errors.var()) / worth
        by_verdicts = tuned**2 * float(self.others.var()) / other_worth if further else 0.0
        half = critical_value(confidence, df=groups - 1) * sqrt(by_labels + by_verdicts)
        estimate = float(residuals.mean()) + (tuned * float(self.others.mean()) if further else 0.0)
        estimate = min(max(estimate, limits[0]), limits[1])
        return CorrectedInterval(
            estimate=estimate,
            low=max(estimate - half, limits[0]),
            high=min(estimate + half, limits[1]),
            confidence=confidence,
            note=few_clusters_note(groups) if groups < n else "",
            raw=raw,
            label_share=by_labels / (by_labels + by_verdicts),
        )

    def _tuned(self) -> float:
        n, further = len(self.truths), len(self.others)
        truths, verdicts = np.column_stack([[self.truths, self.verdicts], np.transpose(self.added)])
        if further == 0 or np.ptp(verdicts) == 0:
            return 0.0
        covariance = float(np.mean(truths * (verdicts - verdicts.mean())))
        return min(max(covariance / ((1 + n / further) * float(verdicts.var())), 0.0), 1.0)


def _independent(parts: list[tuple[Ints, float]], clusters: Clusters | None) -> tuple[float, int]:
    """Return how many independent values a weighted sum of columns is worth, and the number of clusters."""
    n = len(parts[0][0])
    if clusters is None or n == 0:
        return float(n), n
    values = sum(weight * column for column, weight in parts)
    totals = sum(weight * cluster_sums(column, clusters)[0] for column, weight in parts)
    sizes = cluster_sums(parts[0][0], clusters)[1]
    groups, largest = len(sizes), float(sizes.max())
    if groups in (1, n):
        return float(n), groups
    spread = float(np.var(values))
    if spread == 0:
        return n / largest, groups
    between = variance_of_mean(totals - sizes * np.mean(values), n)
    return n / min(max(between * n / spread, 1.0), largest), groups


def _mean(values: Ints) -> float | None:
    return float(values.mean()) if len(values) else None


def _refused(note: str, raw: float | None, confidence: float) -> CorrectedInterval:
    return CorrectedInterval(estimate=None, low=None, high=None, confidence=confidence, note=note, raw=raw)
