"""Permutation tests' common part: seeded draws in blocks of bounded memory, early stops, p-values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Progress = Callable[[float], None]

# Elements of a block: about the size of a processor's cache, and the reason why memory stays bounded.
BLOCK = 500_000
# Draws at least as large as the observed statistic after which the p-value is known to a tenth of itself.
ENOUGH = 100
# Sums of the same numbers in another order differ by less than this share.
ROUNDING = 1e-9


def draw_statistics(
    draw: Callable[[np.random.Generator, int], FloatArray],
    *,
    width: int,
    seed: int,
    permutations: int,
    observed: FloatArray | None = None,
    progress: Progress | None = None,
) -> FloatArray:
    """Return the statistics of random permutations, one row a permutation.

    Parameters
    ----------
    draw : callable
        Takes a generator and a number of rows; returns the statistics of so many permutations.
    width : int
        Numbers that one permutation holds in memory.
    seed : int
        Of the generator.
    permutations : int
        Rows to draw, at least 1.
    observed : array of shape (k,), optional
        The data's own statistics: drawing stops once each was reached `ENOUGH` times.
    progress : callable, optional
        Called after each block with the share done; 1.0 at the end.

    Returns
    -------
    array of shape (rows, k)

    Examples
    --------
    >>> rows = draw_statistics(lambda rng, n: rng.random((n, 1)), width=1, seed=7, permutations=50)
    >>> rows.shape
    (50, 1)
    """
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, got {permutations!r}")
    rng, blocks, done = np.random.default_rng(seed), [], 0
    reached = np.zeros(0 if observed is None else len(observed), dtype=np.int64)
    while done < permutations and (observed is None or reached.min() < ENOUGH):
        # The first blocks are small, so that an early stop spares the others.
        rows = min(max(1, BLOCK // max(1, width)), max(2 * ENOUGH, done), permutations - done)
        blocks.append(draw(rng, rows))
        done += rows
        if observed is not None:
            reached += _reaches(blocks[-1], observed).sum(axis=0)
        if progress is not None:
            progress(done / permutations)
    if progress is not None and done < permutations:
        progress(1.0)
    return np.concatenate(blocks)


def sequential_p_value(drawn: FloatArray, observed: float) -> float:
    """Return the p-value of a statistic among its permutations, which may have been stopped early.

    Parameters
    ----------
    drawn : array of shape (rows,)
        The statistic of each permutation, in the order of drawing.
    observed : float
        The data's own.

    Returns
    -------
    float
        ``ENOUGH / l`` when the l-th draw is the `ENOUGH`-th to reach the observed one, otherwise
        ``(1 + reached) / (1 + rows)``. Both are valid: P(p <= a) <= a under the hypothesis.

    References
    ----------
    .. [1] J. Besag and P. Clifford, "Sequential Monte Carlo p-values", Biometrika 78 (1991) 301-304.

    Examples
    --------
    >>> sequential_p_value(np.array([0.1, 0.4, 0.2]), 0.3)
    0.5
    """
    reached = np.flatnonzero(_reaches(drawn, observed))
    if len(reached) >= ENOUGH:
        return ENOUGH / (int(reached[ENOUGH - 1]) + 1)
    return (1 + len(reached)) / (1 + len(drawn))


def smallest_p_value(drawn: FloatArray, observed: FloatArray) -> tuple[list[float], float]:
    """Return each statistic's p-value, and the p-value of the smallest among them.

    Parameters
    ----------
    drawn : array of shape (rows, k)
        The statistics of each permutation.
    observed : array of shape (k,)
        The data's own.

    Returns
    -------
    each : list of float
        The share of the permutations, the data's own among them, that reach the observed statistic.
    combined : float
        The share of them whose smallest p-value is at most the observed smallest: looking at k
        statistics is paid for, whatever their correlation.

    References
    ----------
    .. [1] P. H. Westfall and S. S. Young, "Resampling-Based Multiple Testing", Wiley, 1993.

    Examples
    --------
    >>> smallest_p_value(np.array([[0.0, 5.0], [1.0, 0.0], [2.0, 1.0]]), np.array([3.0, 2.0]))
    ([0.25, 0.5], 0.5)
    """
    rows = np.vstack([observed, drawn])
    p_values = np.column_stack([_shares_reaching(column) for column in rows.T])
    smallest = p_values.min(axis=1)
    return [float(p) for p in p_values[0]], float(np.mean(smallest <= smallest[0]))


def _reaches(drawn: FloatArray, observed: FloatArray | float) -> NDArray[np.bool_]:
    return np.asarray(drawn >= observed - ROUNDING * np.abs(observed))


def _shares_reaching(column: FloatArray) -> FloatArray:
    """Return for each element the share of the elements that are at least as large."""
    rounded = column - ROUNDING * np.abs(column)
    return (len(column) - np.searchsorted(np.sort(column), rounded, side="left")) / len(column)
