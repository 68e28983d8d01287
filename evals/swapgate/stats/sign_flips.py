"""Permutation tests of paired differences: the signs of all are flipped at random, many tests in one draw."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.clusters import cluster_codes, compact_codes
from swapgate.stats.permutation import FloatArray, draw_statistics, sequential_p_value

PERMUTATIONS = 10_000
# Up to so many pairs (or clusters) all patterns of signs are counted.
_COUNTED = 12


def sign_flip_test(
    differences: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> list[float | None]:
    """Return for each column the p-value of "the differences are not below 0".

    Parameters
    ----------
    differences : array_like of float, shape (n,) or (n, tests)
        New minus old, one row a pair; several measures or subsets of the same pairs as columns, nan where a
        pair has no part in one of them.
    clusters : sequence of hashable, length n, optional
        Pairs of one cluster are flipped together; None when all are independent.
    seed : int
        Of the draws.
    permutations : int
        How many patterns of signs are drawn where there are too many to count.

    Returns
    -------
    list of float or None, one a column
        One-sided: small where the new side is worse. None where no pair differs, or there is none.

    Raises
    ------
    ValueError
        When the table has more than two dimensions or the clusters are not as many as the pairs.

    Notes
    -----
    Where it makes no difference which side a result is from, each pattern of signs is as likely as the
    observed one: the test is exact, whatever the distribution. With n pairs that differ no p-value is below
    ``2 ** -n``. Draws stop early where a p-value is large (`permutation.sequential_p_value`).

    References
    ----------
    .. [1] R. A. Fisher, "The Design of Experiments", Oliver and Boyd, 1935, section 21.
    .. [2] M. D. Smucker, J. Allan, B. Carterette, "A comparison of statistical significance tests for
       information retrieval evaluation", CIKM 2007, 623-632.

    Examples
    --------
    >>> sign_flip_test([-0.2, -0.1, -0.4, 0.1])
    [0.1875]
    >>> sign_flip_test([0.0, 0.0])
    [None]
    """
    table = np.asarray(differences, dtype=np.float64)
    table = table[:, np.newaxis] if table.ndim == 1 else table
    if table.ndim != 2:
        raise ValueError(f"differences must be a column or a table, got {table.ndim} dimensions")
    sums = _sums(np.nan_to_num(table), clusters)
    tested = np.flatnonzero((sums != 0).any(axis=0))
    found: list[float | None] = [None] * table.shape[1]
    if tested.size:
        for column, p in zip(tested.tolist(), _p_values(sums[:, tested], seed, permutations), strict=True):
            found[column] = p
    return found


def _sums(table: FloatArray, clusters: Sequence[Hashable] | NDArray[Any] | None) -> FloatArray:
    """Return one row a cluster; those in which nothing differs are left out."""
    if clusters is not None:
        codes = cluster_codes(clusters)
        if codes.size != len(table):
            raise ValueError(f"each pair needs one cluster, got {len(table)} pairs and {codes.size} clusters")
        codes = compact_codes(codes)
        table = np.column_stack([np.bincount(codes, weights=column) for column in table.T])
    differing: FloatArray = table[(table != 0).any(axis=1)]
    return differing


def _p_values(sums: FloatArray, seed: int, permutations: int) -> list[float]:
    observed = -sums.sum(axis=0)
    if len(sums) <= _COUNTED:
        drawn = _all_signs(len(sums)) @ -sums
        tolerance = 1e-9 * np.abs(sums).sum(axis=0)
        return [float(p) for p in (drawn >= observed - tolerance).mean(axis=0)]

    def draw(rng: np.random.Generator, rows: int) -> FloatArray:
        signs = rng.integers(0, 2, size=(rows, len(sums)), dtype=np.int8)
        return (1.0 - 2.0 * signs) @ -sums

    drawn = draw_statistics(draw, width=len(sums), seed=seed, permutations=permutations, observed=observed)
    return [sequential_p_value(drawn[:, column], float(one)) for column, one in enumerate(observed)]


def _all_signs(n: int) -> FloatArray:
    patterns = np.arange(2**n)[:, np.newaxis] >> np.arange(n) & 1
    return np.where(patterns == 1, -1.0, 1.0)
