"""The order of a run that may stop early, and after how many of its cases to look."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from hashlib import sha256
from itertools import accumulate


def random_order(clusters: Sequence[Hashable], *, seed: int) -> list[int]:
    """Return the indices of the cases in an order whose clusters are shuffled and stay whole.

    Parameters
    ----------
    clusters : sequence of hashable, length n
        The cluster of each case: texts, numbers or tuples of them.
    seed : int
        Stored with the run.

    Returns
    -------
    list of int, length n
        A permutation; within a cluster the given order is kept.

    Notes
    -----
    Clusters are sorted by the SHA-256 of the seed and their label. Unlike a generator's shuffle this is the
    same on every platform and in every version, and cases that come or go leave the order of the others.

    Examples
    --------
    >>> random_order(["a", "a", "b", "c", "b"], seed=1)
    [2, 4, 0, 1, 3]
    """
    # Plain Python's values: the texts of numpy's differ between its versions.
    labels = [c.item() if hasattr(c, "item") else c for c in clusters]
    keys = {label: sha256(f"{seed}\0{label!r}".encode()).digest() for label in dict.fromkeys(labels)}
    return sorted(range(len(labels)), key=lambda i: keys[labels[i]])


def planned_looks(sizes: Sequence[int], looks: int = 10) -> tuple[int, ...]:
    """Return the numbers of cases after which to look: about even, after whole clusters, the last after all.

    Parameters
    ----------
    sizes : sequence of int
        Cases of each cluster, in the order of the run; ``[1] * n`` for n independent cases.
    looks : int
        How many looks to plan; fewer come out where there are fewer clusters.

    Returns
    -------
    tuple of int
        Increasing; empty without cases.

    Examples
    --------
    >>> planned_looks([1] * 269, 4)
    (68, 135, 202, 269)
    >>> planned_looks([5, 40, 5, 5, 5], 4)
    (45, 60)
    """
    if looks < 1:
        raise ValueError(f"at least one look is needed, got {looks!r}")
    ends = list(accumulate(sizes))
    total = ends[-1] if ends else 0
    reached = (next(e for e in ends if e * looks >= total * k) for k in range(1, looks + 1) if total)
    return tuple(dict.fromkeys(reached))
