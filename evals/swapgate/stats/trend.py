"""Whether failures lean to one end of a covariate: the Mann-Whitney test, its effect size, fitted slopes."""

from __future__ import annotations

from math import erfc, sqrt

import numpy as np

from swapgate.stats.interval import Interval, critical_value
from swapgate.stats.permutation import ROUNDING, FloatArray, IntArray

ONE_KIND = "failures and passes are not both present"
PERFECT_FIT = "the outcome lies exactly on the fitted line: how sure its slope is cannot be said"
SEPARATED = "failures and passes do not overlap along the covariate: the slope has no upper limit"
UNDETERMINED = "extreme values of the covariate leave its slope undetermined"
HALVINGS = 60
# Condition number from which on a matrix has no inverse worth the name.
SINGULAR = 1e13
NEWTON_STEPS = 100
CONVERGED = 1e-9


def midranks(values: FloatArray) -> FloatArray:
    """Return the rank of each value from 1 on, equal values sharing their mean rank.

    Parameters
    ----------
    values : array of shape (n,)

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> midranks(np.array([10.0, 30.0, 10.0])).tolist()
    [1.5, 3.0, 1.5]
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(middle[inverse], dtype=np.float64)


def rank_trend_p_value(outcome: FloatArray, covariate: FloatArray) -> float:
    """Return the two-sided p-value of "the outcome does not lean to one end of the covariate".

    Parameters
    ----------
    outcome : array of shape (n,)
        0 or 1 (then this is the Mann-Whitney test), or any number a case.
    covariate : array of shape (n,)

    Returns
    -------
    float
        From the normal distribution, without continuity correction; 1.0 when either is constant.

    Notes
    -----
    The statistic is the sum of outcome times midrank with its permutation variance, which for two groups
    is the Mann-Whitney variance with its correction for ties.

    References
    ----------
    .. [1] H. B. Mann and D. R. Whitney, Ann. Math. Stat. 18 (1947) 50-60.

    Examples
    --------
    >>> round(rank_trend_p_value(np.array([0.0, 0, 0, 1, 1]), np.array([1.0, 2, 3, 4, 5])), 4)
    0.0833
    """
    ranks = midranks(covariate)
    ranks, deviation = ranks - ranks.mean(), outcome - outcome.mean()
    variance = float((ranks @ ranks) * (deviation @ deviation)) / max(len(ranks) - 1, 1)
    return erfc(abs(float(ranks @ deviation)) / sqrt(2 * variance)) if variance > 0 else 1.0


def superiority(
    failed: FloatArray, covariate: FloatArray, clusters: IntArray | None = None, *, confidence: float = 0.95
) -> Interval:
    """Return the probability that a failure's covariate exceeds a pass's (ties count half), the AUC.

    Parameters
    ----------
    failed : array of shape (n,)
        0 or 1.
    covariate : array of shape (n,)
    clusters : array of int, shape (n,), optional
        From 0 on without a gap; at least two distinct ones.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval
        Newcombe's fifth method, which keeps a width also at 0 and 1; with clusters its variance is
        multiplied by their design effect and t(G - 1) takes the normal quantile's place. Refused without
        a failure or a pass.

    References
    ----------
    .. [1] R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney
       statistic. Part 2", Stat. Med. 25 (2006) 559-573.
    .. [2] N. A. Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 53 (1997)
       567-578.

    Examples
    --------
    >>> interval = superiority(np.array([0.0, 0, 0, 1, 1]), np.array([1.0, 2, 3, 4, 5]))
    >>> interval.estimate, round(interval.low, 2), interval.high
    (1.0, 0.44, 1.0)
    """
    if failed.min(initial=1) == failed.max(initial=0):
        return _refused(ONE_KIND, confidence)
    placed = _placements(failed, covariate)
    share = float(placed[failed == 1].mean())
    deff, df = 1.0, None
    if clusters is not None:
        deff, df = _placement_design_effect(placed - share, failed, clusters), int(clusters.max())
    reach = critical_value(confidence, df=df) * sqrt(deff)
    low, high = (_newcombe_bound(share, failed, end=end, reach=reach) for end in (0.0, 1.0))
    return Interval(estimate=share, low=low, high=high, confidence=confidence)


def logistic_slope(
    failed: FloatArray, covariate: FloatArray, clusters: IntArray | None = None, *, confidence: float = 0.95
) -> Interval:
    """Return the change of the log-odds of a failure per unit of the covariate.

    Parameters
    ----------
    failed : array of shape (n,)
        0 or 1, or a share between.
    covariate : array of shape (n,)
        Not constant.
    clusters : array of int, shape (n,), optional
        From 0 on without a gap.
    confidence : float
        Two-sided coverage of Wald's interval.

    Returns
    -------
    Interval
        Refused, with a note, when no failure's covariate lies among those of the passes, for the likelihood
        then has no maximum, and when extreme values leave nothing to fit. Shares and clusters take the
        cluster-robust variance.

    References
    ----------
    .. [1] A. Albert and J. A. Anderson, "On the existence of maximum likelihood estimates in logistic
       regression models", Biometrika 71 (1984) 1-10.

    Examples
    --------
    >>> slope = logistic_slope(np.array([0.0, 1, 0, 1]), np.array([1.0, 2, 3, 4]))
    >>> round(slope.estimate, 3), slope.low < 0 < slope.high
    (0.908, True)
    >>> logistic_slope(np.array([0.0, 0, 1, 1]), np.array([1.0, 2, 3, 4])).note == SEPARATED
    True
    """
    from scipy.special import expit

    if failed.min(initial=1) == failed.max(initial=0):
        return _refused(ONE_KIND, confidence)
    if _is_separated(failed, covariate):
        return _refused(SEPARATED, confidence)
    # Scaled by what extreme values do not move: they would crowd all others into one point.
    lower, middle, upper = np.quantile(covariate, (0.25, 0.5, 0.75))
    scale = float(upper - lower) or float(covariate.std())
    design = np.column_stack([np.ones(len(covariate)), (covariate - middle) / scale])
    coefficients = _fit_logistic(failed, design)
    if coefficients is None:
        return _refused(UNDETERMINED, confidence)
    fitted = expit(design @ coefficients)
    inverse = np.linalg.inv((design.T * (fitted * (1 - fitted))) @ design)
    is_binary = bool(np.all((failed == 0) | (failed == 1)))
    if is_binary and clusters is None:
        variance, df = float(inverse[1, 1]), None
    else:
        variance, df = _robust_slope_variance(design, failed - fitted, inverse, clusters)
    return _wald(float(coefficients[1]), variance, scale=scale, df=df, confidence=confidence)


def linear_slope(
    outcome: FloatArray, covariate: FloatArray, clusters: IntArray | None = None, *, confidence: float = 0.95
) -> Interval:
    """Return the change of a mean outcome per unit of the covariate, by least squares.

    Parameters
    ----------
    outcome : array of shape (n,)
        Any number a case, such as the difference of two models.
    covariate : array of shape (n,)
        Not constant.
    clusters : array of int, shape (n,), optional
        From 0 on without a gap.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval
        With the heteroscedasticity- or cluster-robust variance and t(G - 1); refused when the outcome
        lies exactly on the line.

    References
    ----------
    .. [1] H. White, "A heteroskedasticity-consistent covariance matrix estimator", Econometrica 48 (1980)
       817-838.

    Examples
    --------
    >>> round(linear_slope(np.array([0.0, 1, 0, 1]), np.array([1.0, 2, 3, 4])).estimate, 3)
    0.2
    """
    scale = float(covariate.std())
    design = np.column_stack([np.ones(len(covariate)), (covariate - covariate.mean()) / scale])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ (design.T @ outcome)
    variance, df = _robust_slope_variance(design, outcome - design @ coefficients, inverse, clusters)
    return _wald(float(coefficients[1]), variance, scale=scale, df=df, confidence=confidence)


def _refused(note: str, confidence: float) -> Interval:
    return Interval(estimate=None, low=None, high=None, confidence=confidence, note=note)


def _placements(failed: FloatArray, covariate: FloatArray) -> FloatArray:
    """Return per failure the share of passes below it, per pass the share of failures above it."""
    below = {}
    for group in (0, 1):
        values = np.sort(covariate[failed == group])
        places = sum(np.searchsorted(values, covariate, side=side) for side in ("left", "right"))
        below[group] = places / (2 * len(values))
    return np.where(failed == 1, below[0], 1 - below[1])


def _placement_design_effect(deviation: FloatArray, failed: FloatArray, clusters: IntArray) -> float:
    size = np.where(failed == 1, failed.sum(), len(failed) - failed.sum())
    influence = deviation / size
    largest, naive = float(np.bincount(clusters).max()), float(influence @ influence)
    between = np.bincount(clusters, influence)
    # Placements that are all the same do not show that a cluster's cases bring anything new.
    return min(max(float(between @ between) / naive, 1.0), largest) if naive > 0 else largest


def _newcombe_bound(share: float, failed: FloatArray, *, end: float, reach: float) -> float:
    """Return by bisection where the distance from the estimate is `reach` standard errors."""
    ones = float(failed.sum())
    zeros = len(failed) - ones
    middle = (len(failed) / 2) - 1
    near, far = share, end
    for _ in range(HALVINGS):
        theta = (near + far) / 2
        tie_free = 1 + middle * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        error = sqrt(theta * (1 - theta) * tie_free / (ones * zeros))
        near, far = (theta, far) if abs(theta - share) <= reach * error else (near, theta)
    return far


def _is_separated(failed: FloatArray, covariate: FloatArray) -> bool:
    fails, passes = covariate[failed > 0], covariate[failed < 1]
    return bool(fails.min() >= passes.max() or fails.max() <= passes.min())


def _fit_logistic(failed: FloatArray, design: FloatArray) -> FloatArray | None:
    """Return the maximum likelihood coefficients by Newton's method with halved steps, None if it fails."""
    from scipy.special import expit

    def log_likelihood(beta: FloatArray) -> float:
        eta = design @ beta
        return float(failed @ eta - np.logaddexp(0, eta).sum())

    beta = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        fitted = expit(design @ beta)
        information = (design.T * (fitted * (1 - fitted))) @ design
        if np.linalg.cond(information) > SINGULAR:
            return None
        step = np.linalg.solve(information, design.T @ (failed - fitted))
        if np.abs(step).max() < CONVERGED * (1 + np.abs(beta).max()):
            return beta + step
        while log_likelihood(beta + step) < log_likelihood(beta) and np.abs(step).max() > CONVERGED:
            step = step / 2
        beta = beta + step
    return None


def _robust_slope_variance(
    design: FloatArray, residuals: FloatArray, inverse: FloatArray, clusters: IntArray | None
) -> tuple[float, int]:
    """Return the sandwich variance of the slope, and its degrees of freedom."""
    influence = (design @ inverse[:, 1]) * residuals
    sums = influence if clusters is None else np.bincount(clusters, influence)
    return float(sums @ sums) * len(sums) / (len(sums) - 1), len(sums) - 1


def _wald(
    coefficient: float, variance: float, *, scale: float, df: int | None, confidence: float
) -> Interval:
    if variance <= ROUNDING * coefficient**2 * ROUNDING:
        return _refused(PERFECT_FIT, confidence)
    half = critical_value(confidence, df=df) * sqrt(variance)
    low, high = (coefficient - half) / scale, (coefficient + half) / scale
    return Interval(estimate=coefficient / scale, low=low, high=high, confidence=confidence)
