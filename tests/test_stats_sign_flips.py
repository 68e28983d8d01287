"""Sign flips: a published example, the level where nothing differs, clusters, many columns at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import permutation_test

from swapgate.stats import sign_flip_test

# Darwin's maize: Fisher 1935, section 21: 863 of 32,768 patterns reach the observed sum, one-sided.
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def test_fishers_example_of_darwins_plants() -> None:
    [p] = sign_flip_test([-one for one in DARWIN], permutations=40_000)
    assert p == pytest.approx(863 / 32_768, rel=0.15)


def test_few_pairs_are_counted_as_scipy_counts_them() -> None:
    differences = np.array([-0.5, -0.1, 0.2, -0.3, -0.05, 0.0, -0.2])
    expected = permutation_test(
        (differences,), np.sum, permutation_type="samples", alternative="less", n_resamples=np.inf
    )
    assert sign_flip_test(differences) == [pytest.approx(expected.pvalue)]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(table=arrays(np.float64, (8, 3), elements=st.integers(-3, 3).map(float)))
def test_each_column_is_tested_as_if_it_were_alone(table: np.ndarray) -> None:
    # With few pairs all patterns are counted: no draw makes a difference.
    together = sign_flip_test(table)
    alone = [sign_flip_test(column)[0] for column in table.T]
    assert together == [None if one is None else pytest.approx(one) for one in alone]


def test_the_level_holds_where_sides_are_alike() -> None:
    rng = np.random.default_rng(5)
    # 1,000 experiments of 40 queries as columns; most differences are 0, as with real indexes.
    table = rng.choice([0.0, 0.0, 0.0, 0.3, -0.3, 1.0, -1.0], size=(40, 1000))
    p_values = np.array([p for p in sign_flip_test(table, seed=1) if p is not None])
    for level in (0.01, 0.05, 0.2):
        # Four standard errors above the level.
        assert np.mean(p_values <= level) <= level + 4 * np.sqrt(level * (1 - level) / 1000)


def test_a_loss_is_found() -> None:
    rng = np.random.default_rng(6)
    [p] = sign_flip_test(rng.normal(-0.1, 0.3, size=200))
    assert p < 0.001
    [other_way] = sign_flip_test(rng.normal(0.1, 0.3, size=200))
    assert other_way > 0.99


def test_pairs_of_one_cluster_are_one() -> None:
    differences = [-1.0] * 12
    assert sign_flip_test(differences) == [2**-12]
    assert sign_flip_test(differences, ["a"] * 6 + ["b"] * 6) == [0.25]
    with pytest.raises(ValueError, match="12 pairs and 2 clusters"):
        sign_flip_test(differences, ["a", "b"])


def test_nothing_to_test_has_no_p_value() -> None:
    assert sign_flip_test([]) == [None]
    assert sign_flip_test([[0.0, np.nan], [0.0, np.nan]]) == [None, None]
    with pytest.raises(ValueError, match="a column or a table"):
        sign_flip_test(np.zeros((2, 2, 2)))


def test_the_same_seed_gives_the_same() -> None:
    differences = np.random.default_rng(7).normal(size=50)
    assert sign_flip_test(differences, seed=3) == sign_flip_test(differences, seed=3)
