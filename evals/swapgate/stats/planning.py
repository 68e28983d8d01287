"""How many cases a plan takes for the gate to pass, or for a rate to be settled, with a given power."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, sqrt

from swapgate.stats.gate_odds import gate_power
from swapgate.stats.interval import critical_value
from swapgate.stats.power import cases_for_margin, cases_for_rate, floor_cases, require_power
from swapgate.values import Value

# Power rises in steps and falls between them. After this many steps without a fall below there is none.
STEPS = 3
MOST_CASES = 10_000_000
# Where n trials meet a bound exactly, the product may lie above it by rounding.
ROUNDING = 1e-9


class PlannedCases(Value):
    """Cases that a plan takes, the clusters they form, and the design effect that was allowed for."""

    cases: int
    clusters: int
    deff: float


def cases_for_power(
    *,
    margin: float,
    discordance: float,
    power: float = 0.80,
    difference: float = 0.0,
    confidence: float = 0.90,
    cluster_size: float = 1,
    icc: float = 0.0,
) -> PlannedCases | None:
    """Return the fewest cases from which on the gate passes with the power asked for.

    Parameters
    ----------
    margin, discordance, difference, confidence
        As for `gate_power`.
    power : float
        Probability of a pass, between 0 and 1 (both excluded).
    cluster_size : float
        Trials a cluster (cases of one source, repeats of one case).
    icc : float
        Correlation of the trials of one cluster.

    Returns
    -------
    PlannedCases or None
        None when the difference lies at or below ``-margin``: such a candidate should not pass.

    Notes
    -----
    Power saws: one case more may lower it. This is the n from which on it never falls below `power` again,
    not the first that reaches it. Clusters multiply that by ``1 + (cluster_size - 1) icc`` and by what
    Student's t costs, and take at least `floor_cases` clusters.

    References
    ----------
    .. [1] E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024, section 5.

    Examples
    --------
    >>> cases_for_power(margin=0.05, discordance=0.10)
    PlannedCases(cases=269, clusters=269, deff=1.0)
    >>> cases_for_power(margin=0.05, discordance=0.10, cluster_size=5, icc=0.3)
    PlannedCases(cases=605, clusters=121, deff=2.2)
    """
    require_power(power)
    if difference <= -margin:
        return None
    settled = cases_for_margin(difference, discordance, margin, confidence=confidence)

    def reached(n: int) -> bool:
        odds = gate_power(
            n, difference=difference, discordance=discordance, margin=margin, confidence=confidence
        )
        return odds.passes >= power

    n = _from_which_on(reached, start=settled or 1, window=ceil(STEPS / max(margin, difference + margin)))
    fewest = floor_cases(margin) if margin else 1
    return _in_clusters(n, fewest, cluster_size=cluster_size, icc=icc, confidence=confidence)


def cases_for_rate_power(
    rate: float,
    limit: float,
    *,
    power: float = 0.80,
    confidence: float = 0.90,
    cluster_size: float = 1,
    icc: float = 0.0,
) -> PlannedCases | None:
    """Return the fewest cases from which on a limit is settled with the power asked for.

    Parameters
    ----------
    rate : float
        True rate.
    limit : float
        The threshold that Wilson's interval is held against: from below when the rate lies above it, from
        above when it lies below.
    power, confidence, cluster_size, icc
        As for `cases_for_power`.

    Returns
    -------
    PlannedCases or None
        None when the rate equals the limit, or the limit is 0 or 1.

    References
    ----------
    .. [1] E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.

    Examples
    --------
    >>> cases_for_rate_power(0.92, 0.85)
    PlannedCases(cases=140, clusters=140, deff=1.0)
    """
    require_power(power)
    from scipy.special import bdtrc

    settled = cases_for_rate(rate, limit, confidence=confidence)
    if settled is None or not 0 < limit < 1:
        return None
    if rate < limit:
        rate, limit = 1 - rate, 1 - limit
    reach = critical_value(confidence)

    def reached(n: int) -> bool:
        # Wilson's lower bound is at least the limit when the score test at the limit is passed.
        fewest = ceil(n * limit + reach * sqrt(n * limit * (1 - limit)) - ROUNDING)
        return fewest <= n and float(bdtrc(fewest - 1, n, rate)) >= power

    window = ceil(STEPS / min(limit, 1 - limit))
    n = _from_which_on(reached, start=settled, window=window)
    return _in_clusters(n, 1, cluster_size=cluster_size, icc=icc, confidence=confidence)


def _from_which_on(reached: Callable[[int], bool], *, start: int, window: int) -> int:
    """Return the n from which on `reached` holds: the one after its last failure."""
    failed, n = 0, start
    while not reached(n):
        if n > MOST_CASES:
            raise ValueError(f"more than {MOST_CASES:,} cases: no plan")
        failed, n = n, 2 * n
    while n - failed > 1:
        middle = (failed + n) // 2
        failed, n = (failed, middle) if reached(middle) else (middle, n)
    while n - failed <= window:
        failed = failed if reached(n) else n
        n += 1
    return failed + 1


def _in_clusters(n: int, fewest: int, *, cluster_size: float, icc: float, confidence: float) -> PlannedCases:
    """Return the clusters that n independent cases take."""
    if cluster_size < 1 or not 0 <= icc <= 1:
        raise ValueError(f"cluster_size is at least 1 and icc 0 to 1, got {cluster_size!r} and {icc!r}")
    if cluster_size == 1:
        return PlannedCases(cases=n, clusters=n, deff=1.0)
    deff = 1 + (cluster_size - 1) * icc
    clusters = max(ceil(n * deff / cluster_size), fewest, 2)
    cost = (critical_value(confidence, df=clusters - 1) / critical_value(confidence)) ** 2
    clusters = max(clusters, ceil(n * deff * cost / cluster_size))
    return PlannedCases(cases=ceil(clusters * cluster_size), clusters=clusters, deff=deff)
