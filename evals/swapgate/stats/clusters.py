"""Results and clusters as arrays: sums per cluster and the variance between clusters.

numpy is imported inside the functions: the plan before a run's first call reaches this module.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

FEW_CLUSTERS = 10
ONE_CLUSTER = "one cluster only: how much clusters differ is unknown, so no interval"


def few_clusters_note(clusters: int) -> str:
    """Return a warning below ten clusters, else an empty string."""
    return (
        f"only {clusters} clusters: the interval is rough below {FEW_CLUSTERS}"
        if clusters < FEW_CLUSTERS
        else ""
    )


def as_results(values: ArrayLike, *, name: str) -> NDArray[np.int64]:
    """Return results as an array of zeros and ones.

    Parameters
    ----------
    values : array_like of bool or of 0 and 1, length n
        A list, an array, a column of a table.
    name : str
        What the caller calls them, for the error.

    Returns
    -------
    ndarray of int, shape (n,)

    Raises
    ------
    ValueError
        When a value is neither (nan, None, a score), or the values are not one-dimensional.

    Examples
    --------
    >>> as_results([True, False, 1.0], name="passes").tolist()
    [1, 0, 1]
    """
    import numpy as np

    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got {array.ndim} dimensions")
    if array.dtype.kind in "biuf":
        known = (array == 0) | (array == 1)
    else:
        known = np.array([isinstance(v, int | float | np.generic) and v in (0, 1) for v in array], dtype=bool)
    if not known.all():
        first = int(np.argmin(known))
        raise ValueError(
            f"{name}[{first}] is {array[first]!s}: a result is True or False (1 or 0). "
            "Leave trials without a result out, in every argument alike"
        )
    return array.astype(np.int64)


def cluster_codes(clusters: Sequence[Hashable] | NDArray[Any]) -> NDArray[np.int64]:
    """Return one small integer for each label, the same for equal labels.

    Parameters
    ----------
    clusters : sequence of hashable, or ndarray, length n
        Texts, numbers or tuples; the rows of a two-dimensional array. An array of integers is quickest.

    Returns
    -------
    ndarray of int, shape (n,)
        From 0 on; for an array of integers some may stay unused.

    Raises
    ------
    ValueError
        When a label is missing (None, nan) or not hashable.

    Examples
    --------
    >>> cluster_codes(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    import numpy as np

    labels = clusters if isinstance(clusters, list | tuple) else np.asarray(clusters)
    if isinstance(labels, np.ndarray):
        if labels.ndim == 1 and labels.dtype.kind in "iu" and labels.size:
            return _integer_codes(labels)
        if labels.ndim not in (1, 2):
            raise ValueError(f"clusters must have one label a trial, got {labels.ndim} dimensions")
        labels = labels.tolist() if labels.ndim == 1 else [tuple(row) for row in labels.tolist()]
    # For texts one pass through a dict is several times quicker than sorting them.
    known: dict[Hashable, int] = {}
    try:
        codes = [known.setdefault(label, len(known)) for label in labels]
    except TypeError as exc:
        raise ValueError(f"cluster labels must be texts, numbers or tuples of them: {exc}") from exc
    for label in known:
        if _is_missing(label):
            raise ValueError(
                f"a cluster label is {label!r}: give a trial that belongs to no group a label of its own"
            )
    return np.array(codes, dtype=np.int64)


def count_codes(codes: NDArray[np.int64]) -> int:
    """Return how many different codes there are: several times quicker than sorting them.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Small and not negative, as from `cluster_codes`.

    Returns
    -------
    int

    Examples
    --------
    >>> count_codes(cluster_codes(["b", "a", "b"]))
    2
    """
    import numpy as np

    return int(np.count_nonzero(np.bincount(codes)))


def compact_codes(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return codes from 0 on without a gap, in the same order.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Small and not negative, as from `cluster_codes`.

    Returns
    -------
    ndarray of int, shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> compact_codes(np.array([5, 2, 5, 9])).tolist()
    [1, 0, 1, 2]
    """
    import numpy as np

    compact: NDArray[np.int64] = (np.cumsum(np.bincount(codes) > 0) - 1)[codes]
    return compact


def cluster_sums(
    values: ArrayLike, clusters: Sequence[Hashable] | NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sum of the values and the number of values of each cluster.

    Parameters
    ----------
    values : array_like of int, length n
        One value a trial: 0 or 1 for a rate, -1, 0 or 1 for a paired difference.
    clusters : sequence of hashable, or ndarray, length n
        The cluster of each trial, as for `cluster_codes`.

    Returns
    -------
    sums, sizes : ndarray of int, shape (G,)
        Per cluster; the clusters of labels in order of appearance, those of integer arrays in their order.

    Raises
    ------
    ValueError
        When the two lengths differ, a value is not whole, or a label is missing or not hashable.

    Examples
    --------
    >>> sums, sizes = cluster_sums([1, 1, 0], ["a", "a", "b"])
    >>> sums.tolist(), sizes.tolist()
    ([2, 0], [2, 1])
    """
    import numpy as np

    array, codes = np.asarray(values), cluster_codes(clusters)
    if len(array) != len(codes):
        raise ValueError(f"each trial needs one cluster, got {len(array)} trials and {len(codes)} clusters")
    with np.errstate(invalid="ignore"):  # nan is found by the comparison below
        whole = array.astype(np.int64)
    if not np.array_equal(whole, array):
        raise ValueError("values must be whole numbers: their sums are kept exact")
    sizes = np.bincount(codes)
    # A sum of doubles is exact as long as it stays below 2 ** 53.
    sums = np.bincount(codes, weights=whole).astype(np.int64)
    return sums[sizes > 0], sizes[sizes > 0]


def robust_variance(sums: ArrayLike, sizes: ArrayLike) -> float:
    """Return the cluster-robust variance of the mean over all trials.

    Parameters
    ----------
    sums, sizes : array_like of int, length G >= 2
        As returned by `cluster_sums`.

    Returns
    -------
    float
        ``G / (G - 1) * sum((s_g - n_g * mean) ** 2) / N ** 2``; exactly 0.0 when no cluster deviates.

    Raises
    ------
    ValueError
        With fewer than two clusters.

    References
    ----------
    .. [1] E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024, section 2.2.

    Examples
    --------
    >>> robust_variance([2, 0], [2, 2])
    0.25
    """
    import numpy as np

    s, m = np.asarray(sums, dtype=np.int64), np.asarray(sizes, dtype=np.int64)
    groups, n, total = len(m), int(m.sum()), int(s.sum())
    if groups < 2:
        raise ValueError(f"a variance between clusters needs at least two, got {groups}")
    # The sum of (n s - m total) ** 2, multiplied out so that only Python's integers grow large: no rounding
    # and no overflow, and a variance of zero is exactly zero.
    squares = n * n * int(s @ s) - 2 * n * total * int(s @ m) + total * total * int(m @ m)
    return groups * squares / ((groups - 1) * n**4)


def variance_of_mean(deviations: ArrayLike, n: int) -> float:
    """Return the cluster-robust variance of a mean of any numbers; `robust_variance` is for whole ones.

    Parameters
    ----------
    deviations : array_like of float, length G >= 2
        Each cluster's sum of its values' deviations from the mean.
    n : int
        Number of values.

    Returns
    -------
    float
        ``G / (G - 1) * sum(d_g ** 2) / n ** 2``.

    References
    ----------
    .. [1] E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024, section 2.2.

    Examples
    --------
    >>> variance_of_mean([1.0, -1.0], 4)
    0.25
    """
    import numpy as np

    d = np.asarray(deviations, dtype=np.float64)
    return len(d) / (len(d) - 1) * float(d @ d) / n**2


def _integer_codes(labels: NDArray[Any]) -> NDArray[np.int64]:
    import numpy as np

    lowest, highest = int(labels.min()), int(labels.max())
    if labels.dtype != np.uint64 and highest - lowest < 4 * len(labels):
        return labels.astype(np.int64) - lowest
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _is_missing(label: Hashable) -> bool:
    """Whether a label is None, nan or a table's missing value, none of which equals itself."""
    return label is None or str(operator.eq(label, label)) != "True"


def tempered_design_effect(seen: float, *, varying: int, most: float) -> float:
    """Return a design effect drawn towards the largest possible one, by as much as one cluster weighs.

    Parameters
    ----------
    seen : float
        The estimated design effect, at least 1.
    varying : int
        Clusters that show any variation: that hold both results of a rate, or a pair that differs.
    most : float
        The design effect if the trials of a cluster were always alike.

    Returns
    -------
    float
        ``(varying * seen + most) / (varying + 1)``: `most` where nothing varies, `seen` in the long run.

    Notes
    -----
    Near rates of 0 and 1 the variance between clusters hangs on a handful of them: one flake among identical
    repeats takes the estimate from the largest design effect to nearly 1, and coverage to .56 (30 cases of
    20 repeats). One cluster's worth of the largest holds it above .93 and costs some 5% of width at 30
    clusters. Our own construction, checked by simulation.

    Examples
    --------
    >>> tempered_design_effect(1.0, varying=0, most=5.0), tempered_design_effect(1.0, varying=9, most=5.0)
    (5.0, 1.4)
    """
    return (varying * seen + most) / (varying + 1)
