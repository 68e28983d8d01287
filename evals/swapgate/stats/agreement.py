"""Agreement between raters: in percent, and beyond chance by Cohen, Gwet and Krippendorff."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swapgate.stats.interval import Interval, critical_value
from swapgate.stats.proportion import wilson_bounds
from swapgate.values import Value

Weights: TypeAlias = Literal["identity", "linear", "quadratic", "ordinal"]
Level: TypeAlias = Literal["nominal", "ordinal", "interval"]
# Units in rows, raters in columns; None or nan where a rater gave no rating.
Ratings: TypeAlias = Sequence[Sequence[float | None]] | NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]

TOO_FEW = "fewer than two units with two ratings each"
NO_VARIATION = "all ratings are the same: agreement beyond chance is undefined"


def percent_agreement(ratings: Ratings, *, confidence: float = 0.95) -> Interval:
    """Return how often two ratings of a unit are the same.

    Parameters
    ----------
    ratings : array_like of numbers, shape (units, raters)
        Numbers or booleans, None or nan where missing.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval
        Wilson's, the agreement of each unit counting as one trial.

    Raises
    ------
    ValueError
        When the ratings are no table of finite numbers.

    Examples
    --------
    >>> percent_agreement([[1, 1], [2, 2], [1, 2], [3, 3]]).estimate
    0.75
    """
    table = _Table.of(ratings, weights="identity", categories=None)
    n = int(table.is_shared.sum())
    if n < 2:
        return _refused(TOO_FEW, confidence)
    agreed = table.agreed()
    low, high = wilson_bounds(agreed, n, confidence=confidence)
    return Interval(estimate=agreed, low=low, high=high, confidence=confidence, effective_n=n)


def cohen_kappa(
    first: Sequence[float] | NDArray[Any],
    second: Sequence[float] | NDArray[Any],
    *,
    weights: Weights = "identity",
    categories: Sequence[float] | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Return Cohen's kappa of two raters.

    Parameters
    ----------
    first, second : sequence of numbers, length n
        The ratings of each, same units in the same order.
    weights : {"identity", "linear", "quadratic", "ordinal"}
        What a disagreement costs: all the same, by distance on the scale, by its square, by its rank.
    categories : sequence of numbers, optional
        The scale, when not all of it is used.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval
        Refused below two units, and when all ratings are the same.

    Raises
    ------
    ValueError
        When the lengths differ, or a rating is missing or none of the categories.

    Notes
    -----
    The standard error is that of Fleiss, Cohen and Everitt [2]_, the quantile t(n - 1). Where it is 0, as
    when all agree, Wilson's limits of the agreement take its place.

    References
    ----------
    .. [1] J. Cohen, Educ. Psychol. Meas. 20 (1960) 37-46; weighted: Psychol. Bull. 70 (1968) 213-220.
    .. [2] J. L. Fleiss, J. Cohen, B. S. Everitt, "Large sample standard errors of kappa and weighted kappa",
       Psychol. Bull. 72 (1969) 323-327.

    Examples
    --------
    >>> kappa = cohen_kappa([1] * 25 + [0] * 25, [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15)
    >>> round(kappa.estimate, 3)
    0.4
    """
    pairs = np.column_stack([np.asarray(first, dtype=float), np.asarray(second, dtype=float)])
    if np.isnan(pairs).any():
        raise ValueError("kappa needs both ratings of every unit: leave the others out")
    table = _Table.of(pairs, weights=weights, categories=categories)
    n, w = len(pairs), table.weights
    if n < 2:
        return _refused(TOO_FEW, confidence)
    codes = np.searchsorted(table.categories, pairs)
    joint = np.bincount(codes[:, 0] * len(w) + codes[:, 1], minlength=w.size).reshape(w.shape) / n
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    agreed, expected = float((w * joint).sum()), float(rows @ w @ columns)
    if np.isclose(expected, 1):
        return _refused(NO_VARIATION, confidence)
    kappa = (agreed - expected) / (1 - expected)
    reach = w - np.add.outer(w @ columns, rows @ w) * (1 - kappa)
    variance = float((joint * reach**2).sum()) - (kappa - expected * (1 - kappa)) ** 2
    error = sqrt(max(variance, 0.0) / n) / (1 - expected)
    return _interval(agreed, expected, error, n=n, confidence=confidence)


def gwet_ac(
    ratings: Ratings,
    *,
    weights: Weights = "identity",
    categories: Sequence[float] | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Return Gwet's AC1 (identity weights) or AC2, which stays sensible when nearly all ratings are the same.

    Parameters
    ----------
    ratings : array_like of numbers, shape (units, raters)
        Numbers or booleans, None or nan where missing; any number of raters.
    weights : {"identity", "linear", "quadratic", "ordinal"}
        As for `cohen_kappa`.
    categories : sequence of numbers, optional
        The scale, when not all of it is used; it changes what is expected by chance.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval
        Refused below two units with two ratings, and when only one category is known.

    Raises
    ------
    ValueError
        When the ratings are no table of finite numbers, or one is none of the categories.

    References
    ----------
    .. [1] K. L. Gwet, "Computing inter-rater reliability and its variance in the presence of high
       agreement", Br. J. Math. Stat. Psychol. 61 (2008) 29-48.
    .. [2] K. L. Gwet, "Handbook of Inter-Rater Reliability", 4th edition, Advanced Analytics, 2014.

    Examples
    --------
    >>> ac1 = gwet_ac([[1, 1]] * 18 + [[0, 0], [1, 0]])
    >>> round(ac1.estimate, 3)
    0.942
    """
    table = _Table.of(ratings, weights=weights, categories=categories)
    n, q = len(table.counts), len(table.categories)
    if table.is_shared.sum() < 2:
        return _refused(TOO_FEW, confidence)
    if q < 2:
        return _refused(NO_VARIATION, confidence)
    shares = table.counts / table.sizes[:, None]
    used = shares.mean(axis=0)
    scale = float(table.weights.sum()) / (q * (q - 1))
    agreed, expected = table.agreed(), scale * float(used @ (1 - used))
    estimate = (agreed - expected) / (1 - expected)
    each = np.where(table.is_shared, table.agreed_each() - expected, 0.0) * n / table.is_shared.sum()
    chance = scale * (shares @ (1 - used)) - expected
    influence = (each - 2 * (1 - estimate) * chance) / (1 - expected) - estimate
    error = sqrt(float(influence @ influence) / (n * (n - 1)))
    return _interval(agreed, expected, error, n=n, confidence=confidence)


def krippendorff_alpha(ratings: Ratings, *, level: Level = "nominal", confidence: float = 0.95) -> Interval:
    """Return Krippendorff's alpha of any number of raters with missing ratings.

    Parameters
    ----------
    ratings : array_like of numbers, shape (units, raters)
        Numbers or booleans, None or nan where missing.
    level : {"nominal", "ordinal", "interval"}
        The scale: which differences between two ratings count, and how much.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval
        Refused below two units with two ratings, and when all ratings are the same.

    Raises
    ------
    ValueError
        When the ratings are no table of finite numbers.

    Notes
    -----
    Units with a single rating are left out. The standard error is Gwet's linearisation [2]_ with the
    differences taken as given, the quantile t(n - 1).

    References
    ----------
    .. [1] K. Krippendorff, "Computing Krippendorff's alpha-reliability", University of Pennsylvania, 2011.
    .. [2] K. L. Gwet, "Handbook of Inter-Rater Reliability", 4th edition, Advanced Analytics, 2014.

    Examples
    --------
    >>> alpha = krippendorff_alpha([[1, 1], [2, 2], [1, 2], [3, 3], [3, None]])
    >>> round(alpha.estimate, 3)
    0.667
    """
    table = _Table.of(ratings, weights="identity", categories=None).shared()
    n, total = len(table.counts), float(table.sizes.sum())
    if n < 2:
        return _refused(TOO_FEW, confidence)
    if len(table.categories) < 2:
        return _refused(NO_VARIATION, confidence)
    table = table.weighted(_alpha_weights(table, level))
    mean_size, w = total / n, table.weights
    used = table.counts.sum(axis=0) / total
    each = table.agreed_each() * table.sizes / mean_size
    expected = float(used @ w @ used)
    # Krippendorff draws the chance pairs without replacement.
    agreed = float(each.mean()) * (1 - 1 / total) + 1 / total
    plain = (float(each.mean()) - expected) / (1 - expected)
    excess = table.sizes / mean_size - 1
    agreement = each - float(each.mean()) * excess
    chance = table.counts @ (w @ used) / mean_size - expected * excess
    influence = (agreement - expected - 2 * (1 - plain) * (chance - expected)) / (1 - expected) - plain
    error = sqrt(float(influence @ influence) / (n * (n - 1)))
    return _interval(agreed, expected, error, n=n, confidence=confidence)


class _Table(Value):
    """How many raters put each unit (row) into each category (column)."""

    counts: Floats
    categories: Floats
    weights: Floats

    @classmethod
    def of(cls, ratings: Ratings, *, weights: Weights, categories: Sequence[float] | None) -> _Table:
        """Count the ratings; units that nobody rated are left out."""
        values = np.asarray(ratings, dtype=float)
        if values.ndim != 2 and values.size:
            raise ValueError(f"ratings need a row a unit and a column a rater, got {values.ndim} dimensions")
        given = ~np.isnan(values)
        if np.isinf(values).any():
            raise ValueError("ratings must be finite")
        known = np.unique(values[given] if categories is None else np.asarray(categories, dtype=float))
        if not np.isin(values[given], known).all():
            unknown = np.setdiff1d(values[given], known)[0]
            raise ValueError(f"the rating {unknown:g} is none of the categories")
        units = np.nonzero(given)[0]
        counts = np.zeros((len(values), len(known)))
        np.add.at(counts, (units, np.searchsorted(known, values[given])), 1)
        return cls(counts=counts[counts.any(axis=1)], categories=known, weights=_weights(known, weights))

    @property
    def sizes(self) -> Floats:
        """Number of ratings of each unit."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.float64)

    @property
    def is_shared(self) -> NDArray[np.bool_]:
        """Whether a unit has two ratings, and so a pair of them."""
        return self.sizes >= 2

    def shared(self) -> _Table:
        """Return the table of units with two ratings, and the categories that these use."""
        counts = self.counts[self.is_shared]
        is_used = counts.any(axis=0)
        weights = self.weights[np.ix_(is_used, is_used)]
        return _Table(counts=counts[:, is_used], categories=self.categories[is_used], weights=weights)

    def weighted(self, weights: Floats) -> _Table:
        """Return the table with other weights."""
        return _Table(counts=self.counts, categories=self.categories, weights=weights)

    def agreed_each(self) -> Floats:
        """Return the weighted share of agreeing pairs in each unit, 0 where there is no pair."""
        pairs = self.sizes * (self.sizes - 1)
        agreeing = (self.counts * (self.counts @ self.weights - 1)).sum(axis=1)
        return np.asarray(agreeing / np.maximum(pairs, 1), dtype=np.float64)

    def agreed(self) -> float:
        """Return the weighted share of agreeing pairs, each unit counting once."""
        return float(self.agreed_each()[self.is_shared].mean())


def _weights(categories: Floats, kind: Weights) -> Floats:
    """Return how much two categories agree, 1 for the same; Gwet 2014, chapter 3."""
    q = len(categories)
    if q < 2 or kind == "identity":
        return np.eye(q)
    if kind == "ordinal":
        ranks = np.abs(np.subtract.outer(np.arange(q), np.arange(q)))
        return np.asarray(1 - ranks * (ranks + 1) / (q * (q - 1)), dtype=np.float64)
    distance = np.abs(np.subtract.outer(categories, categories)) / float(np.ptp(categories))
    return np.asarray(1 - (distance if kind == "linear" else distance**2), dtype=np.float64)


def _alpha_weights(table: _Table, level: Level) -> Floats:
    """Return Krippendorff's squared differences as weights, 1 for none and 0 for the largest."""
    if level == "nominal":
        return np.eye(len(table.categories))
    used = table.counts.sum(axis=0)
    # Ordinal: the ratings between two categories, half of both included.
    position = table.categories if level == "interval" else np.cumsum(used) - used / 2
    squared = np.subtract.outer(position, position) ** 2
    return np.asarray(1 - squared / squared.max(), dtype=np.float64)


def _interval(agreed: float, expected: float, error: float, *, n: int, confidence: float) -> Interval:
    estimate = (agreed - expected) / (1 - expected)
    reach = critical_value(confidence, df=n - 1)
    if error > 1e-12:
        low, high = estimate - reach * error, estimate + reach * error
    else:
        bounds = wilson_bounds(min(max(agreed, 0.0), 1.0), n, confidence=confidence)
        low, high = ((bound - expected) / (1 - expected) for bound in bounds)
    low, high = min(max(low, -1.0), estimate), max(min(high, 1.0), estimate)
    return Interval(estimate=estimate, low=low, high=high, confidence=confidence, effective_n=n)


def _refused(note: str, confidence: float) -> Interval:
    return Interval(estimate=None, low=None, high=None, confidence=confidence, note=note)
