"""Outcomes along a covariate that change places at random, and the statistics of how they lie.

The statistics see only the sums of outcomes between neighbouring cuts, so these are what is drawn.
"""

from __future__ import annotations

import numpy as np

from swapgate.stats.permutation import FloatArray, IntArray
from swapgate.stats.trend import midranks
from swapgate.values import Value

# A cut leaves at least this share of the cases on either side.
SMALLEST_SIDE = 0.10
# Groups along the covariate that are told apart at most, where outcomes are not shuffled one by one.
GROUPS = 500
# Shuffling one outcome takes this share of the time of dealing to one group.
SHUFFLE_COST = 0.2


class Shuffle(Value):
    """Every outcome may change places with every other, together with the number of cases behind it."""

    residuals: FloatArray
    sizes: FloatArray

    @property
    def movable(self) -> int:
        """Number of outcomes."""
        return len(self.residuals)

    def draw(self, rng: np.random.Generator, rows: int) -> tuple[FloatArray, FloatArray]:
        """Return outcomes and sizes in random orders, shape (rows, m); sizes (1, m) where all are equal."""
        if self.sizes.min() < self.sizes.max():
            order = rng.permuted(np.tile(np.arange(len(self.residuals)), (rows, 1)), axis=1)
            return self.residuals[order], self.sizes[order]
        residuals = np.tile(self.residuals, (rows, 1))
        for row in residuals:
            rng.shuffle(row)
        return residuals, self.sizes[None]


class Deal(Value):
    """Outcomes of few values are dealt to groups, in time that does not grow with the cases.

    `values` come with the most frequent last, `counts` say how many there are of each, `capacity` how many a
    group holds, `sizes` how many cases that are.
    """

    values: FloatArray
    counts: IntArray
    capacity: IntArray
    sizes: FloatArray

    @property
    def movable(self) -> int:
        """Number of outcomes."""
        return int(self.capacity.sum())

    def draw(self, rng: np.random.Generator, rows: int) -> tuple[FloatArray, FloatArray]:
        """Return the groups' sums of outcomes, shape (rows, groups), and sizes, shape (1, groups)."""
        left = np.tile(self.capacity, (rows, 1))
        sums = np.zeros(left.shape)
        for value, count in zip(self.values[:-1], self.counts[:-1], strict=True):
            hands = [rng.multivariate_hypergeometric(free, count, method="marginals") for free in left]
            sums += value * np.stack(hands)
            left -= np.stack(hands)
        return sums + self.values[-1] * left, self.sizes[None]


class Blocks(Value):
    """A cluster's outcomes change places together with those of another cluster of the same size.

    Most clusters are alike, so they stay where they are and the others are dealt places among them. `blocks`
    has, for each size that several clusters have, how the unlike ones differ from the usual one, shape (k,
    size), and the groups of all places, shape (clusters, size); `still` are the groups' sums of all that
    stays.
    """

    blocks: tuple[tuple[FloatArray, IntArray], ...]
    still: FloatArray
    sizes: FloatArray

    @property
    def movable(self) -> int:
        """Number of clusters that have another one of their size."""
        return sum(len(places) for _, places in self.blocks)

    def draw(self, rng: np.random.Generator, rows: int) -> tuple[FloatArray, FloatArray]:
        """Return the groups' sums of outcomes, shape (rows, groups), and sizes, shape (1, groups)."""
        sums = np.tile(self.still, (rows, 1))
        for row in range(rows):
            for unlike, places in self.blocks:
                taken = places[rng.choice(len(places), len(unlike), replace=False)]
                sums[row] += np.bincount(taken.ravel(), unlike.ravel(), minlength=len(self.still))
        return sums, self.sizes[None]


class Arrangement(Value):
    """Sums of outcomes in the covariate's order, and how they change places under the hypothesis.

    `residuals` are deviations from the mean, `sizes` the cases behind each, `scores` the covariate's ranks
    and the covariate itself, `ends` the last place before each possible cut.
    """

    residuals: FloatArray
    sizes: FloatArray
    scores: FloatArray
    ends: IntArray
    variance: float
    exchange: Shuffle | Deal | Blocks

    def observed(self) -> FloatArray:
        """Return the data's own statistics, shape (3,)."""
        return self._statistics(self.residuals[None], self.sizes[None]).ravel()

    def draw(self, rng: np.random.Generator, rows: int) -> FloatArray:
        """Return the largest of the three statistics and the ranks' trend for random exchanges, (rows, 2)."""
        drawn = self._statistics(*self.exchange.draw(rng, rows))
        return np.column_stack([drawn.max(axis=1), drawn[:, 1]])

    def _statistics(self, residuals: FloatArray, sizes: FloatArray) -> FloatArray:
        """Return the largest difference over the cuts and both trends, standardised, absolute, (rows, 3)."""
        n = self.sizes.sum()
        below = np.cumsum(sizes, axis=1)[:, self.ends]
        smallest = SMALLEST_SIDE * n
        spread = np.where((below >= smallest) & (n - below >= smallest), below * (n - below) / n, np.inf)
        sums = np.cumsum(residuals, axis=1)[:, self.ends] / np.sqrt(spread * self.variance)
        best = np.abs(sums, out=sums).max(axis=1, initial=0.0)
        squares = sizes @ (self.scores**2).T - (sizes @ self.scores.T) ** 2 / n
        trends = np.abs(residuals @ self.scores.T) / np.sqrt(squares * self.variance)
        return np.asarray(np.column_stack([best, trends]), dtype=np.float64)


def arrange(outcome: FloatArray, covariate: FloatArray, clusters: IntArray | None = None) -> Arrangement:
    """Put outcomes in the covariate's order, ready to change places.

    Parameters
    ----------
    outcome : array of shape (n,)
        A number a case, not constant.
    covariate : array of shape (n,)
        Not constant.
    clusters : array of int, shape (n,), optional
        From 0 on without a gap.

    Returns
    -------
    Arrangement
        Of cases without clusters; of whole clusters when the covariate is the same throughout each; else
        of cases that change places with all of their cluster, clusters of one size with each other.

    Examples
    --------
    >>> arrangement = arrange(np.array([0.0, 1.0, 0.0, 1.0]), np.array([1.0, 3.0, 2.0, 4.0]))
    >>> arrangement.residuals.tolist()
    [-0.5, -0.5, 0.5, 0.5]
    """
    residuals, sizes = outcome - outcome.mean(), np.ones(len(outcome))
    variance = float(residuals @ residuals) / (len(outcome) - 1)
    scores = np.stack([midranks(covariate), covariate])
    # Centred and scaled, or the variance of large covariates would be lost in rounding.
    scores = (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)
    if clusters is not None and _is_constant_within(covariate, clusters):
        first = np.unique(clusters, return_index=True)[1]
        residuals, sizes = np.bincount(clusters, residuals), np.bincount(clusters).astype(np.float64)
        covariate, scores, clusters = covariate[first], scores[:, first], None
    order = np.argsort(covariate, kind="stable")
    residuals, sizes, scores = residuals[order], sizes[order], scores[:, order]
    ends = ends_of_ties(covariate[order])
    start = _groups(ends, len(order))
    exchange = _exchange(residuals, sizes, start, None if clusters is None else clusters[order])
    if not isinstance(exchange, Shuffle):
        capacity = np.diff(np.append(start, len(order)))
        residuals, sizes = np.add.reduceat(residuals, start), exchange.sizes
        scores, ends = np.add.reduceat(scores, start, axis=1) / capacity, np.arange(len(start) - 1)
    return Arrangement(
        residuals=residuals, sizes=sizes, scores=scores, ends=ends, variance=variance, exchange=exchange
    )


def ends_of_ties(ordered: FloatArray) -> IntArray:
    """Return the last place of each distinct value but the largest.

    Parameters
    ----------
    ordered : array of shape (n,)
        Ascending.

    Returns
    -------
    array of int

    Examples
    --------
    >>> ends_of_ties(np.array([1.0, 1.0, 2.0, 3.0])).tolist()
    [1, 2]
    """
    return np.flatnonzero(np.diff(ordered) > 0)


def _is_constant_within(covariate: FloatArray, clusters: IntArray) -> bool:
    first = np.unique(clusters, return_index=True)[1]
    return bool(np.all(covariate[first][clusters] == covariate))


def _groups(ends: IntArray, places: int) -> IntArray:
    """Return the first places of groups of neighbours: equal covariates, or about a 500th of the cases."""
    if len(ends) >= GROUPS:
        steps = np.arange(1, GROUPS) * places // GROUPS
        ends = ends[np.unique(np.searchsorted(ends[:-1], steps))]
    return np.concatenate([np.zeros(1, dtype=np.int64), ends + 1])


def _exchange(
    residuals: FloatArray, sizes: FloatArray, start: IntArray, clusters: IntArray | None
) -> Shuffle | Deal | Blocks:
    if clusters is not None:
        return _blocks(residuals, sizes, start, clusters)
    # Clusters' sums of the same outcomes differ by rounding.
    values, inverse, counts = np.unique(np.round(residuals, 9), return_inverse=True, return_counts=True)
    if sizes.min() < sizes.max() or (len(values) - 1) * len(start) > SHUFFLE_COST * len(residuals):
        return Shuffle(residuals=residuals, sizes=sizes)
    exact = np.bincount(inverse, residuals) / counts
    rarest = np.argsort(counts, kind="stable")
    return Deal(
        values=exact[rarest],
        counts=counts[rarest],
        capacity=np.diff(np.append(start, len(residuals))),
        sizes=np.add.reduceat(sizes, start),
    )


def _blocks(residuals: FloatArray, sizes: FloatArray, start: IntArray, clusters: IntArray) -> Blocks:
    """Collect the clusters of each size that several have; a cluster's cases keep the covariate's order."""
    group = np.searchsorted(start, np.arange(len(residuals)), side="right") - 1
    places, size = np.argsort(clusters, kind="stable"), np.bincount(clusters)
    first = np.cumsum(size) - size
    alike = [np.flatnonzero(size == s) for s in np.unique(size)]
    stays, blocks = np.array(residuals), []
    for block in (places[first[c][:, None] + np.arange(size[c[0]])] for c in alike if len(c) > 1):
        outcomes = residuals[block]
        kinds, counts = np.unique(outcomes, axis=0, return_counts=True)
        usual = kinds[counts.argmax()]
        blocks.append((outcomes[(outcomes != usual).any(axis=1)] - usual, group[block]))
        stays[block] = usual
    return Blocks(
        blocks=tuple(blocks),
        still=np.add.reduceat(stays, start),
        sizes=np.add.reduceat(sizes, start),
    )
