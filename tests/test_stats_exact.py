"""Exact tests of paired tables: published p-values, statsmodels, and error rates by counting every table."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, xlogy
from scipy.stats import beta, binom, multinomial
from statsmodels.stats.contingency_tables import mcnemar

from swapgate.stats.exact import mcnemar_exact, mcnemar_midp, unconditional_interval, unconditional_p
from swapgate.stats.interval import critical_value
from swapgate.stats.tango import tango_interval, tango_z

tables = st.tuples(*[st.integers(0, 30)] * 3).map(lambda t: (t[0], t[1], sum(t))).filter(lambda t: t[2] > 0)
FINE = np.concatenate([[0.0, 1e-5, 1e-4, 1e-3], np.linspace(0.002, 1, 120)])


@cache
def all_tables(n: int) -> np.ndarray:
    """Return n10 and n01 of every table of n pairs."""
    return np.array([(n10, n01) for n10 in range(n + 1) for n01 in range(n + 1 - n10)])


@cache
def orders(n: int) -> np.ndarray:
    """Return the logarithm of the number of orders in which each table's pairs may come."""
    n10, n01 = all_tables(n).T
    return gammaln(n + 1) - gammaln(n10 + 1) - gammaln(n01 + 1) - gammaln(n - n10 - n01 + 1)


def probabilities(n: int, difference: float, discordance: float) -> np.ndarray:
    p10, p01 = max((discordance - difference) / 2, 0), max((discordance + difference) / 2, 0)
    n10, n01 = all_tables(n).T
    rest = xlogy(n - n10 - n01, max(1 - p10 - p01, 0))
    return np.exp(orders(n) + xlogy(n10, p10) + xlogy(n01, p01) + rest)


def test_the_probabilities_of_all_tables_are_multinomial():
    counts = all_tables(9)
    columns = np.column_stack([counts, 9 - counts.sum(axis=1)])
    for difference, psi in ((-0.2, 0.2), (0.0, 0.5), (0.1, 0.37), (0.4, 1.0)):
        p = [(psi - difference) / 2, (psi + difference) / 2, 1 - psi]
        ours = probabilities(9, difference, psi)
        assert ours == pytest.approx(multinomial.pmf(columns, 9, p), rel=1e-9, abs=1e-15)
        assert ours.sum() == pytest.approx(1)


def worst_probability(chosen: np.ndarray, n: int, difference: float, low: float, high: float) -> float:
    """Return the largest probability of the chosen tables over a fine grid of discordances."""
    grid = np.clip(low + FINE * (high - low), abs(difference), None)
    return max(probabilities(n, difference, psi)[chosen].sum() for psi in grid)


def plausible(discordant: int, n: int, gamma: float) -> tuple[float, float]:
    low = beta.ppf(gamma / 2, discordant, n - discordant + 1) if discordant else 0.0
    return low, beta.ppf(1 - gamma / 2, discordant + 1, n - discordant) if discordant < n else 1.0


def test_mcnemars_published_p_values_are_reproduced():
    assert mcnemar_exact(16, 6) == pytest.approx(0.052479, abs=5e-7)
    assert mcnemar_midp(16, 6) == pytest.approx(0.034690, abs=5e-7)
    # Fagerland et al. 2013, airway hyper-responsiveness: 1 and 7 discordant pairs.
    assert mcnemar_midp(1, 7) == pytest.approx(0.0390625)
    assert mcnemar_exact(1, 7) == pytest.approx(0.0703125)


@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_agrees_with_statsmodels_and_with_the_definition_of_mid_p(n10, n01):
    exact = mcnemar([[3, n10], [n01, 3]], exact=True).pvalue if n10 + n01 else 1.0
    assert mcnemar_exact(n10, n01) == pytest.approx(exact)
    n = n10 + n01
    if n:
        weights = [math.comb(n, k) / 2**n for k in range(n + 1)]
        far = sum(w for k, w in enumerate(weights) if abs(2 * k - n) > abs(n10 - n01))
        near = sum(w for k, w in enumerate(weights) if abs(2 * k - n) == abs(n10 - n01))
        assert mcnemar_midp(n10, n01) == pytest.approx(far + near / 2)
    assert mcnemar_midp(n10, n01) == mcnemar_midp(n01, n10)


def test_no_discordant_pair_is_no_evidence_of_a_difference():
    assert mcnemar_midp(0, 0) == mcnemar_exact(0, 0) == 1.0
    assert unconditional_p(0, 0, 40) > 0.5


def test_the_published_unconditional_p_differs_from_ours_by_the_order_of_the_tables_only():
    # (59, 6, 16, 80): the R package contingencytables prints 0.034053 for gamma = 1e-4, with the tables
    # ordered by McNemar's z. Ours are ordered by their Tango bound, so that test and interval agree.
    n, (low, high) = 161, plausible(22, 161, 1e-4)
    grid = np.linspace(low, high, 1000)[:, np.newaxis]
    discordant = np.arange(1, n + 1)
    fewest = np.ceil((discordant + 10 / math.sqrt(22) * np.sqrt(discordant)) / 2 - 1e-9)
    by_z = 2 * binom.sf(fewest - 1, discordant, 0.5)
    assert (binom.pmf(discordant, n, grid) @ by_z).max() + 1e-4 == pytest.approx(0.034053, abs=5e-7)

    bound, counts = tango_interval(6, 16, n).low, all_tables(n)
    by_bound = (
        np.array([tango_z(a, b, n, difference=bound) for a, b in counts]) >= critical_value(0.95) - 1e-9
    )
    low, high = plausible(22, n, 5e-5)
    worst = max(probabilities(n, 0.0, psi)[by_bound].sum() for psi in np.linspace(low, high, 60))
    assert unconditional_p(6, 16, n) == pytest.approx(worst + 5e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("n10", "n01", "n", "difference"),
    [(0, 0, 30, -0.1), (3, 1, 20, -0.2), (2, 5, 15, 0.0), (5, 4, 24, -0.05), (0, 6, 9, 0.3), (1, 9, 12, 0.6)],
)
def test_the_p_value_is_the_worst_over_every_plausible_discordance(n10, n01, n, difference):
    bound = tango_interval(n10, n01, n, confidence=0.90).low
    scores = np.array([tango_z(a, b, n, difference=bound) for a, b in all_tables(n)])
    low, high = plausible(n10 + n01, n, 1e-4)
    worst = worst_probability(
        scores >= critical_value(0.90) - 1e-9, n, difference, max(low, abs(difference)), high
    )
    p = unconditional_p(n10, n01, n, difference=difference, confidence=0.90)
    assert worst + 1e-4 - 1e-8 <= p <= worst + 1e-4 + 2e-4


@pytest.mark.parametrize("confidence", [0.90, 0.95])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 16, 26])
def test_neither_bound_is_beyond_the_truth_more_often_than_promised(n, confidence):
    lows = np.array([unconditional_interval(a, b, n, confidence=confidence).low for a, b in all_tables(n)])
    worst = 0.0
    for difference in (-0.93, -0.5, -0.2, -0.1, -0.05, 0.0, 0.02, 0.1, 0.4, 0.97):
        grid = abs(difference) + (1 - abs(difference)) * FINE
        beyond = lows > difference
        worst = max(worst, *(probabilities(n, difference, psi)[beyond].sum() for psi in grid))
    assert worst <= (1 - confidence) / 2 + 1e-12
    # Not needlessly wide either: some truth comes near the level.
    assert n < 16 or worst > 0.96 * (1 - confidence) / 2


@given(tables, st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.9999]))
@settings(max_examples=60)
def test_an_exact_interval_holds_its_estimate_has_width_and_mirrors_the_swap(table, confidence):
    n10, n01, n = table
    ours, swapped = (unconditional_interval(*t, n, confidence=confidence) for t in ((n10, n01), (n01, n10)))
    assert -1 <= ours.low <= (n01 - n10) / n <= ours.high <= 1
    assert ours.high - ours.low > 1e-3
    assert (ours.low, ours.high) == (-swapped.high, -swapped.low)


@given(tables, st.sampled_from([-0.1, -0.05, 0.0, 0.05, 0.3]), st.sampled_from([0.90, 0.95]))
@settings(max_examples=80)
def test_a_difference_is_rejected_exactly_when_the_bound_lies_above_it(table, difference, confidence):
    low = unconditional_interval(*table, confidence=confidence).low
    p = unconditional_p(*table, difference=difference, confidence=confidence)
    if abs(low - difference) > 1e-6:
        assert (p <= (1 - confidence) / 2) == (low > difference)


@given(tables, st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=80)
def test_the_p_value_rises_with_the_hypothesis(table, one, other):
    low, high = sorted((one, other))
    p_low, p_high = (unconditional_p(*table, difference=d) for d in (low, high))
    assert 0 < p_low <= p_high + 1e-6 <= 1 + 1e-6


def test_agreeing_pairs_pass_a_margin_from_its_floor_on():
    for n, margin in ((59, 0.05), (99, 0.03), (29, 0.10)):
        assert unconditional_interval(0, 0, n, confidence=0.90).low > -margin
        assert unconditional_interval(0, 0, n - 1, confidence=0.90).low <= -margin


def test_all_pairs_lost_give_the_end_of_the_scale():
    assert unconditional_interval(12, 0, 12).low == -1.0
    assert unconditional_interval(0, 12, 12).high == 1.0
    assert unconditional_p(12, 0, 12) == 1.0


def test_no_pairs_are_refused_by_name():
    interval = unconditional_interval(0, 0, 0)
    assert (interval.estimate, interval.low, interval.high, interval.note) == (None, None, None, "no pairs")
    assert unconditional_p(0, 0, 0) == 1.0


def test_impossible_counts_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="n10=5, n01=6, n=10"):
        unconditional_interval(5, 6, 10)


def test_with_many_pairs_the_exact_interval_is_the_score_interval():
    exact, score = (f(900, 850, 10_000, confidence=0.90) for f in (unconditional_interval, tango_interval))
    assert (exact.low, exact.high) == pytest.approx((score.low, score.high), abs=2e-5)
