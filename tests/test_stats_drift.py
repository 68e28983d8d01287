"""Drift over nights: how often the detector is wrong, how soon it is right, and what it remembers."""

from __future__ import annotations

from math import inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import beta

from swapgate.stats.drift import DriftDetector, drift_evidence

ALARM = log(365 / 0.15)


def runs(nights: int, rate: float, *, reference_nights: int, count: int, seed: int):
    rng = np.random.default_rng(seed)
    return rng.binomial(50, rate, (count, nights)), rng.binomial(50 * reference_nights, 0.95, count)


def test_a_quiet_year_has_few_false_alarms_however_short_the_reference():
    for reference_nights in (5, 30):
        passed, reference = runs(365, 0.95, reference_nights=reference_nights, count=200, seed=1)
        evidence = drift_evidence(
            passed, 50, reference_passed=reference, reference_n=50 * reference_nights, drop=0.08
        )
        assert np.mean((evidence >= ALARM).any(axis=1)) <= 0.15


def test_a_drop_of_eight_points_is_seen_within_five_nights_on_average():
    passed, reference = runs(60, 0.87, reference_nights=30, count=400, seed=2)
    evidence = drift_evidence(passed, 50, reference_passed=reference, reference_n=1500, drop=0.08)
    alarms = evidence >= ALARM
    assert alarms.any(axis=1).all()
    assert np.mean(alarms.argmax(axis=1) + 1) <= 5


def test_the_mean_time_to_a_false_alarm_is_at_least_the_threshold():
    # A low threshold, so that the time can be waited for; the rate comes from the prior's own distribution.
    rng = np.random.default_rng(3)
    rates = beta(190.5, 10.5).rvs(400, random_state=rng)
    passed = rng.binomial(50, rates[:, None], (400, 400))
    evidence = drift_evidence(passed, 50, reference_passed=[190] * 400, reference_n=[200] * 400, drop=0.1)
    alarms = evidence >= log(20)
    times = np.where(alarms.any(axis=1), alarms.argmax(axis=1) + 1, 400)
    assert times.mean() >= 20


def test_with_a_known_rate_it_is_shiryaev_roberts():
    passed, rate, drop = [48, 47, 44, 41], 0.95, 0.05
    logs = -inf
    for x in passed:
        ratio = x * log((rate - drop) / rate) + (50 - x) * log((1 - rate + drop) / (1 - rate))
        logs = np.logaddexp(0.0, logs) + ratio
    found = drift_evidence(passed, 50, reference_passed=95_000_000, reference_n=100_000_000, drop=drop)
    assert found[-1] == pytest.approx(logs, abs=1e-3)


def test_the_evidence_is_the_sum_of_bayes_factors_over_all_starts():
    passed, points, drop = np.array([46, 40, 43]), 101, 0.06
    p = beta(95.5, 5.5).ppf((np.arange(points) + 0.5) / points)[:, None]
    same = passed * np.log(p) + (50 - passed) * np.log1p(-p)
    fallen = passed * np.log(p - drop) + (50 - passed) * np.log1p(-p + drop)
    starts = [logsumexp(same[:, :k].sum(axis=1) + fallen[:, k:].sum(axis=1)) for k in range(3)]
    found = drift_evidence(passed, 50, reference_passed=95, reference_n=100, drop=drop)
    assert found[-1] == pytest.approx(logsumexp(starts) - logsumexp(same.sum(axis=1)))


def test_night_by_night_is_the_whole_series():
    passed = [48, 46, 47, 41, 43, 40, 42]
    detector = DriftDetector(950, 1000, drop=0.08)
    one_by_one = [log(detector.add(x, 50).evidence) for x in passed]
    whole = drift_evidence(passed, 50, reference_passed=950, reference_n=1000, drop=0.08)
    assert one_by_one == pytest.approx(whole.tolist())


def test_the_nights_are_all_the_state_there_is():
    detector = DriftDetector(475, 500)
    for passed in (47, 46, 44):
        detector.add(passed, 50)
    resumed = DriftDetector(475, 500, nights=detector.nights)
    assert resumed.add(42, 50) == detector.add(42, 50)
    assert detector.nights == [(47, 50), (46, 50), (44, 50), (42, 50)]


def test_an_alarm_names_the_night_of_the_drop_and_ends_when_the_rate_recovers():
    detector = DriftDetector(1425, 1500, drop=0.08)
    readings = [detector.add(passed, 50) for passed in [48, 47, 48, 47, 48] + [42] * 5]
    assert readings[-1].is_alarm
    assert readings[-1].since == 5
    assert readings[4].since is None
    quiet = [detector.add(49, 50) for _ in range(12)]
    assert not quiet[-1].is_alarm


def test_dependent_cases_say_less():
    passed = [42] * 6
    plain, clustered = (
        drift_evidence(passed, 50, reference_passed=1425, reference_n=1500, deff=deff)[-1]
        for deff in (1.0, 3.0)
    )
    assert clustered < plain


def test_a_night_without_cases_changes_nothing():
    with_gap = drift_evidence([46, 0, 44], [50, 0, 50], reference_passed=475, reference_n=500)
    without = drift_evidence([46, 44], 50, reference_passed=475, reference_n=500)
    assert with_gap[[0, 2]].tolist() == without.tolist()
    assert DriftDetector(475, 500).add(0, 0).evidence == 0.0


def test_no_nights_have_no_evidence():
    assert drift_evidence([], 50, reference_passed=475, reference_n=500).shape == (0,)


@given(
    st.integers(0, 60),
    st.integers(0, 60),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=10),
    st.floats(0.01, 0.99),
)
@settings(deadline=None, max_examples=60)
def test_the_evidence_is_never_nan(passed, failed, nights, drop):
    detector = DriftDetector(passed, passed + failed, drop=drop)
    for good, bad in nights:
        reading = detector.add(good, good + bad)
        assert 0 <= reading.evidence < inf
        assert reading.is_alarm == (reading.since is not None)


@given(st.integers(1, 50))
@settings(deadline=None)
def test_more_passes_are_less_evidence(passed):
    fewer, more = (
        drift_evidence([x], 50, reference_passed=475, reference_n=500)[0] for x in (passed - 1, passed)
    )
    assert more < fewer


def test_impossible_counts_and_options_are_mistakes():
    with pytest.raises(ValueError, match="passed must lie between 0 and n"):
        DriftDetector(11, 10)
    with pytest.raises(ValueError, match="passed must lie between 0 and n"):
        DriftDetector(9, 10).add(51, 50)
    for options in ({"drop": 0.0}, {"false_alarms_per_year": 0.0}, {"deff": 0.5}):
        with pytest.raises(ValueError, match="drop lies between 0 and 1"):
            DriftDetector(9, 10, **options)
