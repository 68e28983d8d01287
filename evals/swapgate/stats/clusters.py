"""Trials that hang together: sums per cluster and the variance between clusters."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

FEW_CLUSTERS = 10
ONE_CLUSTER = "one cluster only: how much clusters differ is unknown, so no interval"


def few_clusters_note(clusters: int) -> str:
    """Return a warning below ten clusters, else an empty string."""
    return (
        f"only {clusters} clusters: the interval is rough below {FEW_CLUSTERS}"
        if clusters < FEW_CLUSTERS
        else ""
    )


def cluster_sums(values: Iterable[int], clusters: Iterable[Hashable]) -> tuple[list[int], list[int]]:
    """Return the sum of the values and the number of values of each cluster, in order of appearance.

    Parameters
    ----------
    values : iterable of int, length n
        One value a trial: 0 or 1 for a rate, -1, 0 or 1 for a paired difference.
    clusters : iterable of hashable, length n
        The cluster of each trial.

    Returns
    -------
    sums, sizes : list of int, length G
        Per cluster.

    Raises
    ------
    ValueError
        When the two lengths differ.

    Examples
    --------
    >>> cluster_sums([1, 1, 0], ["a", "a", "b"])
    ([2, 0], [2, 1])
    """
    sums: dict[Hashable, int] = {}
    sizes: dict[Hashable, int] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0) + value
        sizes[cluster] = sizes.get(cluster, 0) + 1
    return list(sums.values()), list(sizes.values())


def robust_variance(sums: Sequence[int], sizes: Sequence[int]) -> float:
    """Return the cluster-robust variance of the mean over all trials.

    Parameters
    ----------
    sums, sizes : sequence of int, length G >= 2
        As returned by `cluster_sums`.

    Returns
    -------
    float
        ``G / (G - 1) * sum((s_g - n_g * mean) ** 2) / N ** 2``; exactly 0.0 when no cluster deviates.

    References
    ----------
    .. [1] E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024, section 2.2.

    Examples
    --------
    >>> robust_variance([2, 0], [2, 2])
    0.25
    """
    groups, n, total = len(sizes), sum(sizes), sum(sums)
    # Integers until the division: a variance of zero is then exactly zero.
    squares = sum((n * s - size * total) ** 2 for s, size in zip(sums, sizes, strict=True))
    return groups * squares / ((groups - 1) * n**4)
