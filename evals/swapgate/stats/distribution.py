"""Pass rates of prompts, tags or repeated cases: how they are distributed, and whether two models differ."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.clusters import (
    FEW_CLUSTERS,
    ONE_CLUSTER,
    as_results,
    cluster_codes,
    compact_codes,
    count_codes,
)
from swapgate.stats.permutation import (
    ROUNDING,
    FloatArray,
    IntArray,
    Progress,
    draw_statistics,
    smallest_p_value,
)
from swapgate.values import Value

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Steps of the grid on which two distribution functions are compared.
GRID = 100
BINS = 10


class RateDistribution(Value):
    """One model's pass rates over units, each unit counting the same.

    `rates` are sorted; `quantiles` are those at `QUANTILES`; `sd` is the rates' standard deviation and
    `between_sd` what is left of it once the noise of the units' few trials is taken out (0.0 when noise
    explains it all); `counts` are the units in ten equal bins from 0 to 1.
    """

    rates: tuple[float, ...]
    quantiles: tuple[float, ...]
    mean: float
    sd: float
    between_sd: float
    counts: tuple[int, ...]


class DistributionComparison(Value):
    """Two models' distributions of pass rates over the same units.

    Attributes
    ----------
    baseline, candidate : RateDistribution or None
        None when refused.
    units, clusters : int
        Units compared, and clusters that may be swapped.
    mean_difference, spread_difference : float or None
        Candidate minus baseline, of the means and of `between_sd`.
    p_value : float or None
        Of "the two models are exchangeable", for mean, spread and shape together.
    mean_p_value, spread_p_value, shape_p_value : float or None
        The parts, each by itself: they say what differs once `p_value` says that something does.
    permutations : int
        Swaps drawn.
    note : str
        Why it was refused, or warnings.
    """

    baseline: RateDistribution | None
    candidate: RateDistribution | None
    units: int
    clusters: int
    mean_difference: float | None = None
    spread_difference: float | None = None
    p_value: float | None = None
    mean_p_value: float | None = None
    spread_p_value: float | None = None
    shape_p_value: float | None = None
    permutations: int = 0
    note: str = ""


def rate_distributions(
    baseline_passes: ArrayLike,
    candidate_passes: ArrayLike,
    units: Sequence[Hashable] | NDArray[Any],
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    seed: int,
    permutations: int = 2000,
    progress: Progress | None = None,
) -> DistributionComparison:
    """Compare how two models' pass rates are distributed over units.

    Parameters
    ----------
    baseline_passes, candidate_passes : array_like of bool or of 0 and 1, length n
        Whether each model passed; same trials in the same order.
    units : sequence of hashable, or ndarray, length n
        What a pass rate belongs to: the prompt, the tag, or the case when it was repeated.
    clusters : sequence of hashable, or ndarray, length n, optional
        What is independent: the case, when units hold several. None when that is the unit.
    seed : int
        Of the swaps.
    permutations : int
        Number of random swaps.
    progress : callable, optional
        Called with the share of the swaps done.

    Returns
    -------
    DistributionComparison
        Units with a single trial are left out, and counted in the note: their rates show no spread but
        chance. Refused with fewer than two other units, and with a single cluster.

    Raises
    ------
    ValueError
        When lengths differ or an outcome is neither 0 nor 1.

    Notes
    -----
    Within whole clusters the two models' outcomes are swapped at random, which is exact when the models are
    exchangeable there: the hypothesis is that it makes no difference which model is which. Three statistics
    look for ways to break it: the difference of the mean rates; that of the variances between units, without
    the noise of few trials; and the distance of the distribution functions F and G on a grid, ``sum((F -
    G)^2 / (H (1 - H)))`` with their mean H, after Anderson and Darling. `p_value` is that of the smallest of
    their three p-values among the swaps, so that three looks count as one [2]_.

    A spread that differs breaks exchangeability even where the means agree. The reverse holds with care:
    models whose means lie far apart differ in spread also because rates near 1 have no room, so a small
    `spread_p_value` then does not speak of spread alone.

    With equal means of .80, spreads of .10 and .25, and 60 units of five trials, `p_value` told two models
    apart in 81% of 3,000 runs, the distance alone in 71% and the means alone in 4%; exchangeable ones in 4%.

    References
    ----------
    .. [1] T. W. Anderson and D. A. Darling, "Asymptotic theory of certain goodness of fit criteria based on
       stochastic processes", Ann. Math. Stat. 23 (1952) 193-212.
    .. [2] P. H. Westfall and S. S. Young, "Resampling-Based Multiple Testing", Wiley, 1993.

    Examples
    --------
    Forty cases of five repeats: the baseline passes four of five everywhere, the candidate all or few.

    >>> units = [i // 5 for i in range(200)]
    >>> baseline = [i % 5 > 0 for i in range(200)]
    >>> candidate = [i % 5 > 2 or i // 5 % 3 > 0 for i in range(200)]
    >>> found = rate_distributions(baseline, candidate, units, seed=1)
    >>> round(found.mean_difference, 2), found.mean_p_value > 0.5, found.p_value < 0.01
    (-0.01, True, True)
    """
    before = as_results(baseline_passes, name="baseline_passes")
    after = as_results(candidate_passes, name="candidate_passes")
    unit = cluster_codes(units)
    cluster = unit if clusters is None else cluster_codes(clusters)
    if not before.shape == after.shape == unit.shape == cluster.shape:
        raise ValueError("outcomes, units and clusters must have one value a trial each")
    kept = np.bincount(unit, minlength=1)[unit] > 1
    counts = {"units": count_codes(unit[kept]), "clusters": count_codes(cluster[kept])}
    left_out = len(unit) - int(kept.sum())
    if refusal := _refusal(**counts, left_out=left_out):
        return DistributionComparison(baseline=None, candidate=None, note=refusal, **counts)
    swaps = _Swaps.of(before[kept], after[kept], unit[kept], cluster[kept])
    drawn = draw_statistics(
        swaps.draw, width=swaps.width, seed=seed, permutations=permutations, progress=progress
    )
    parts, p_value = smallest_p_value(drawn, swaps.statistics(np.zeros((1, swaps.swappable)))[0])
    baseline, candidate = (_distribution(rates, noise) for rates, noise in swaps.rates_and_noise())
    return DistributionComparison(
        baseline=baseline,
        candidate=candidate,
        **counts,
        mean_difference=candidate.mean - baseline.mean,
        spread_difference=candidate.between_sd - baseline.between_sd,
        p_value=p_value,
        mean_p_value=parts[0],
        spread_p_value=parts[1],
        shape_p_value=parts[2],
        permutations=permutations,
        note="; ".join(_warnings(clusters=counts["clusters"], left_out=left_out, swappable=swaps.swappable)),
    )


def _refusal(*, units: int, clusters: int, left_out: int) -> str:
    """Return why two distributions cannot be compared, or an empty string."""
    if units == 0 and left_out:
        return "every unit has a single trial: its rate shows no spread but chance"
    if units < 2:
        return f"{units} unit{'' if units == 1 else 's'} of several trials: fewer than 2"
    return ONE_CLUSTER if clusters < 2 else ""


def _warnings(*, clusters: int, left_out: int, swappable: int) -> Iterator[str]:
    if clusters < FEW_CLUSTERS:
        yield f"only {clusters} clusters: little can be told below {FEW_CLUSTERS}"
    if left_out:
        yield f"{left_out} unit{'' if left_out == 1 else 's'} of a single trial left out"
    if swappable == 0:
        yield "the models agree on every trial"


def _distribution(rates: FloatArray, noise: FloatArray) -> RateDistribution:
    """Return one model's distribution; `noise` is the sampling variance of each unit's rate."""
    ordered = np.sort(rates)
    between = float(rates.var(ddof=1) - noise.mean())
    bins = np.minimum(np.floor(rates * BINS + ROUNDING), BINS - 1).astype(np.int64)
    return RateDistribution(
        rates=tuple(ordered.tolist()),
        quantiles=tuple(np.quantile(ordered, QUANTILES).tolist()),
        mean=float(rates.mean()),
        sd=float(rates.std(ddof=1)),
        between_sd=sqrt(max(between, 0.0)),
        counts=tuple(np.bincount(bins, minlength=BINS).tolist()),
    )


class _Swaps(Value):
    """Two models' passes in pieces that are swapped with their cluster, and the statistics after swaps.

    A piece is what one cluster brings to one unit; the trials of a unit that is a single cluster are pieces
    by themselves. Of each unit and model, `sums` (shape (2, 3, units)) holds the passes s of its pieces, s
    squared, and s times the piece's trials, as rows. Only the pieces on which the models differ are kept:
    `change` (shape (3, pieces)) is what a swap adds to the baseline's sums, `owner` the cluster that swaps,
    `start` where a unit's pieces begin, `moving` these units.
    """

    sums: FloatArray
    trials: FloatArray
    squares: FloatArray
    pieces: FloatArray
    change: FloatArray
    owner: IntArray
    start: IntArray
    moving: IntArray

    @classmethod
    def of(cls, before: IntArray, after: IntArray, unit: IntArray, cluster: IntArray) -> _Swaps:
        """Collect the pieces of trials, none of whose units has a single one."""
        unit, cluster = (compact_codes(codes) for codes in (unit, cluster))
        piece = np.unique(unit * (cluster.max() + 1) + cluster, return_inverse=True)[1]
        first = np.unique(piece, return_index=True)[1]
        is_alone = (np.bincount(unit[first]) == 1)[unit]
        piece = np.where(is_alone, piece.max() + 1 + np.arange(len(unit)), piece)
        _, first, piece = np.unique(piece, return_index=True, return_inverse=True)
        size, home = np.bincount(piece).astype(np.float64), unit[first]
        passes = [np.bincount(piece, model) for model in (before, after)]
        weights = np.array([[s, s * s, s * size] for s in passes])
        sums = np.array([[np.bincount(home, row) for row in model] for model in weights])
        differing = np.flatnonzero(passes[0] != passes[1])
        differing = differing[np.argsort(home[differing], kind="stable")]
        moving, start = np.unique(home[differing], return_index=True)
        return cls(
            sums=sums,
            trials=np.bincount(home, size).astype(np.float64),
            squares=np.bincount(home, size * size).astype(np.float64),
            pieces=np.bincount(home).astype(np.float64),
            change=(weights[1] - weights[0])[:, differing],
            owner=np.unique(cluster[first][differing], return_inverse=True)[1],
            start=start,
            moving=moving,
        )

    @property
    def swappable(self) -> int:
        """Number of clusters whose swap changes anything."""
        return int(self.owner.max(initial=-1)) + 1

    @property
    def width(self) -> int:
        """Numbers that one swap holds in memory."""
        return len(self.owner) + len(self.moving) + GRID

    def draw(self, rng: np.random.Generator, rows: int) -> FloatArray:
        """Return the statistics after random swaps."""
        return self.statistics(rng.integers(0, 2, size=(rows, self.swappable), dtype=np.int8))

    def statistics(self, swapped: NDArray[np.generic]) -> FloatArray:
        """Return the differences of mean, spread and shape, shape (rows, 3), for swaps of shape (rows, m)."""
        if self.swappable == 0:
            return np.zeros((len(swapped), 3))
        pieces = swapped[:, self.owner]
        moved = np.stack([np.add.reduceat(pieces * row, self.start, axis=1) for row in self.change])
        sums = self.sums[:, :, None, self.moving]
        baseline, noise_b = self._rates(sums[0] + moved, self.moving)
        candidate, noise_c = self._rates(sums[1] - moved, self.moving)
        # Units on which the models agree add the same to both: only the square of the sum sees them.
        still, units = np.delete(self.sums[0, 0] / self.trials, self.moving), len(self.trials)
        mean = (candidate - baseline).sum(axis=1) / units
        middle = (candidate + baseline).sum(axis=1) / units + 2 * still.sum() / units
        squares = (candidate**2 - baseline**2).sum(axis=1) - mean * middle * units
        spread = squares / (units - 1) - (noise_c - noise_b).sum(axis=1) / units
        shape = _distance(_histograms(baseline), _histograms(candidate), _histograms(still[None]))
        return np.column_stack([np.abs(mean), np.abs(spread), shape])

    def rates_and_noise(self) -> list[tuple[FloatArray, FloatArray]]:
        """Return for each model its units' rates and their sampling variances."""
        everything = np.arange(len(self.trials))
        return [self._rates(model, everything) for model in self.sums]

    def _rates(self, sums: FloatArray, units: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return units' rates and their sampling variances between pieces."""
        trials, pieces = self.trials[units], self.pieces[units]
        rates = sums[0] / trials
        deviations = sums[1] - 2 * rates * sums[2] + rates * rates * self.squares[units]
        return rates, deviations * (pieces / (pieces - 1) / trials**2)


def _histograms(rates: FloatArray) -> FloatArray:
    """Return per row the number of rates up to each step of the grid."""
    rows = np.arange(len(rates))[:, None] * (GRID + 1)
    steps = np.ceil(rates * GRID - ROUNDING).astype(np.int64)
    counts = np.bincount((rows + steps).ravel(), minlength=len(rates) * (GRID + 1))
    return np.cumsum(counts.reshape(len(rates), GRID + 1), axis=1, dtype=np.float64)


def _distance(baseline: FloatArray, candidate: FloatArray, both: FloatArray) -> FloatArray:
    """Return Anderson and Darling's distance of the distributions, weighted evenly along the grid."""
    units = baseline[:, -1:] + both[:, -1:]
    middle = ((baseline + candidate) / 2 + both) / units
    room = middle * (1 - middle)
    apart = ((candidate - baseline) / units) ** 2
    return np.asarray(np.divide(apart, room, out=np.zeros_like(apart), where=room > 0).mean(axis=1))
