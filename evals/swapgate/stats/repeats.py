"""Several trials of each case: rates per case, flaky cases, and how alike repeats are."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.clusters import ONE_CLUSTER, as_results, cluster_codes
from swapgate.stats.means import NO_VALUES, NO_VARIATION, as_values
from swapgate.values import Value

Labels = Sequence[Hashable] | NDArray[Any]

NO_REPEATS = "no cluster has two values: how alike they are within one is unknown"


class CaseRate(Value):
    """One case over its repeats."""

    case: Hashable
    passed: int
    repeats: int

    @property
    def rate(self) -> float:
        """Share of the repeats that passed."""
        return self.passed / self.repeats

    @property
    def is_flaky(self) -> bool:
        """Whether the case both passed and failed."""
        return 0 < self.passed < self.repeats


class IntraclassCorrelation(Value):
    """How alike the values of one cluster are: the share of the variance between clusters.

    `between` and `within` add up to 1; both are None when they could not be estimated, and `note` says why.
    `mean_size` is the mean number of values in a cluster.
    """

    between: float | None
    within: float | None
    clusters: int
    mean_size: float | None
    note: str = ""


def case_rates(passes: ArrayLike, cases: Labels) -> tuple[CaseRate, ...]:
    """Return each case's passing repeats, in order of appearance.

    Parameters
    ----------
    passes : array_like of bool, length n
        One result a trial.
    cases : sequence of hashable, length n
        The case of each trial.

    Returns
    -------
    tuple of CaseRate

    Raises
    ------
    ValueError
        When the lengths differ or a value is neither true nor false.

    Examples
    --------
    >>> [(case.case, case.rate) for case in case_rates([1, 0, 1, 1], ["a", "a", "b", "b"])]
    [('a', 0.5), ('b', 1.0)]
    """
    passed, repeats, first = count_by_case(passes, cases)
    labels = cases.tolist() if isinstance(cases, np.ndarray) else list(cases)
    return tuple(
        CaseRate(case=labels[i], passed=int(passed_i), repeats=int(repeats_i))
        for i, passed_i, repeats_i in zip(first, passed, repeats, strict=True)
    )


def flaky_cases(passes: ArrayLike, cases: Labels) -> tuple[CaseRate, ...]:
    """Return the cases that both passed and failed, those nearest to one half first.

    Parameters
    ----------
    passes : array_like of bool, length n
        One result a trial.
    cases : sequence of hashable, length n
        The case of each trial.

    Returns
    -------
    tuple of CaseRate
        Empty when every case is always the same. A case that is not listed may still be flaky: with K
        repeats, one that fails with probability q shows it with probability ``1 - q ** K - (1 - q) ** K``.

    Raises
    ------
    ValueError
        When the lengths differ or a value is neither true nor false.

    Examples
    --------
    >>> [case.case for case in flaky_cases([1, 1, 0, 1, 0, 0], ["a", "a", "b", "b", "c", "c"])]
    ['b']
    """
    flaky = [case for case in case_rates(passes, cases) if case.is_flaky]
    return tuple(sorted(flaky, key=lambda case: abs(case.rate - 0.5)))


def count_by_case(
    passes: ArrayLike, cases: Labels
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return each case's passing trials, all its trials and the place of the first, in order of appearance.

    Parameters
    ----------
    passes : array_like of bool, length n
        One result a trial.
    cases : sequence of hashable, length n
        The case of each trial.

    Returns
    -------
    passed, repeats, first : ndarray of int, shape (G,)

    Raises
    ------
    ValueError
        When the lengths differ or a value is neither true nor false.

    Examples
    --------
    >>> [counts.tolist() for counts in count_by_case([1, 0, 1, 1], ["a", "a", "b", "b"])]
    [[1, 2], [2, 2], [0, 2]]
    """
    array, codes = as_results(passes, name="passes"), cluster_codes(cases)
    _require_lengths(array, codes)
    _, first, codes, repeats = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
    passed = np.bincount(codes, weights=array, minlength=repeats.size).astype(np.int64)
    order = np.argsort(first)
    return passed[order], repeats[order], first[order]


def intraclass_correlation(values: ArrayLike, clusters: Labels) -> IntraclassCorrelation:
    """Return how much of the variance lies between clusters, by one-way analysis of variance.

    Parameters
    ----------
    values : array_like of float, length n
        One value a trial: 0 or 1, paired differences, scores.
    clusters : sequence of hashable, length n
        The cluster (or case) of each trial.

    Returns
    -------
    IntraclassCorrelation
        Refused (shares None) with a single cluster, without a cluster of two values, and when no value
        differs. The design effect of M values a cluster is ``1 + (M - 1) * between``.

    Raises
    ------
    ValueError
        When the lengths differ or a value is not a finite number.

    Notes
    -----
    ``(MSB - MSW) / (MSB + (n0 - 1) MSW)`` with ``n0 = (N - sum(n_g ** 2) / N) / (G - 1)``, clipped to 0..1:
    clusters that differ less than by chance count as no clusters at all.

    References
    ----------
    .. [1] A. Donner, "A review of inference procedures for the intraclass correlation coefficient in the
       one-way random effects model", Int. Stat. Rev. 54 (1986) 67-82.

    Examples
    --------
    >>> intraclass_correlation([1, 1, 0, 0], ["a", "a", "b", "b"]).between
    1.0
    >>> intraclass_correlation([1, 0, 1, 0], ["a", "a", "b", "b"]).between
    0.0
    """
    array, codes = as_values(values, name="values"), cluster_codes(clusters)
    _require_lengths(array, codes)
    _, codes, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    n, groups = array.size, sizes.size
    refusal = _no_correlation(array, groups)
    size = n / groups if groups else None
    if refusal:
        return IntraclassCorrelation(between=None, within=None, clusters=groups, mean_size=size, note=refusal)
    deviations = array - array.mean()
    deviations /= np.abs(deviations).max()  # the unit does not matter, and squares of tiny ones would vanish
    means = np.bincount(codes, weights=deviations) / sizes
    between = float(sizes @ means**2) / (groups - 1)
    within = float(((deviations - means[codes]) ** 2).sum()) / (n - groups)
    n0 = (n - float(sizes @ sizes) / n) / (groups - 1)
    share = min(max((between - within) / (between + (n0 - 1) * within), 0.0), 1.0)
    return IntraclassCorrelation(between=share, within=1 - share, clusters=groups, mean_size=size)


def _no_correlation(values: NDArray[np.float64], groups: int) -> str:
    """Return why the correlation cannot be estimated, or an empty string."""
    if groups < 2:
        return ONE_CLUSTER if groups else NO_VALUES
    if groups == values.size:
        return NO_REPEATS
    return NO_VARIATION if np.ptp(values) == 0 else ""


def _require_lengths(values: NDArray[Any], codes: NDArray[np.int64]) -> None:
    if values.size != codes.size:
        raise ValueError(f"each trial needs one label, got {values.size} trials and {codes.size} labels")
