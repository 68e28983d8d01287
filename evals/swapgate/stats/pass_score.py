"""From which score on a judge's verdict should be a pass, and how sure people's labels are of that."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.clusters import as_results, cluster_codes, compact_codes
from swapgate.values import Value

Floats = NDArray[np.float64]
ROUNDING = 1e-12
ONE_TRUTH = "people say the same of every response: no score separates right from wrong"
ONE_SCORE = "the judge gave every response the same score"


class Cut(Value):
    """What the judge would be if scores of `score` and more passed.

    `pass_share` is the share of passes among the responses, to be held against the share of truly right ones.
    `chosen` is the share of resamples in which this cut was the best, `beaten` the share of those in which
    the best cut of all labels had the higher index.
    """

    score: float
    sensitivity: float
    specificity: float
    youden: float
    accuracy: float
    pass_share: float
    chosen: float
    beaten: float


class PassScore(Value):
    """Every possible cut, and the best by Youden's index (sensitivity + specificity - 1).

    `lowest` and `highest` span the cuts that are best in 95% of the resamples. `optimism` is by how much the
    best cut's index on these labels exceeds, on average, what it is on others. All None, with a note, where
    no cut can be chosen.
    """

    cuts: tuple[Cut, ...]
    best: float | None
    lowest: float | None
    highest: float | None
    optimism: float | None
    note: str = ""


def choose_pass_score(
    scores: ArrayLike,
    truths: ArrayLike,
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    weights: ArrayLike | None = None,
    seed: int,
    resamples: int = 1000,
) -> PassScore:
    """Choose the score from which on a verdict should be a pass.

    Parameters
    ----------
    scores : array_like of float, length n
        The judge's.
    truths : array_like of bool, length n
        Whether people let the same response pass.
    clusters : sequence of hashable, length n, optional
        Responses that hang together; they are drawn together.
    weights : array_like of float, length n, optional
        How many responses each one stands for, when they were not drawn with equal chances.
    seed : int
        Of the resamples.
    resamples : int
        Number of bootstrap samples.

    Returns
    -------
    PassScore
        Without a choice when people say the same of all, or the judge does.

    Raises
    ------
    ValueError
        When lengths differ or a score is not finite.

    Notes
    -----
    Every observed score but the lowest is a cut. Among cuts of the same index the one counts whose share of
    passes is nearest to that of truly right responses, then the stricter one. A cut that was chosen on the
    labels that measure it looks better than it is: the optimism is Efron's, the mean over resamples of the
    index of the resample's best cut there, minus that of the same cut on all labels [2]_.

    References
    ----------
    .. [1] W. J. Youden, "Index for rating diagnostic tests", Cancer 3 (1950) 32-35.
    .. [2] B. Efron, "Estimating the error rate of a prediction rule: improvement on cross-validation",
       J. Am. Stat. Assoc. 78 (1983) 316-331.

    Examples
    --------
    >>> found = choose_pass_score([1, 2, 3, 3, 4, 5] * 10, [0, 0, 1, 1, 1, 1] * 10, seed=1)
    >>> found.best, [cut.youden for cut in found.cuts]
    (3.0, [0.5, 1.0, 0.5, 0.25])
    """
    x, right = np.asarray(scores, dtype=np.float64), as_results(truths, name="truths").astype(bool)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not x.shape == right.shape == w.shape or not np.isfinite(x).all():
        raise ValueError("scores, truths and weights need one finite value a response each")
    points = np.unique(x)[1:]
    if len(x) == 0 or right.all() or not right.any() or len(points) == 0:
        note = ONE_SCORE if len(points) == 0 and len(x) else ONE_TRUTH
        return PassScore(cuts=(), best=None, lowest=None, highest=None, optimism=None, note=note)
    passes = np.greater_equal.outer(x, points).astype(np.float64)
    drawn = _resampled(w, clusters, seed=seed, resamples=resamples)
    shares = {"all": _shares(w[None, :], passes, right), "drawn": _shares(drawn, passes, right)}
    best = int(_best(shares["all"])[0])
    chosen = _best(shares["drawn"])
    youden, there = shares["all"]["youden"][0], shares["drawn"]["youden"]
    optimism = float(np.mean(there[np.arange(len(chosen)), chosen] - youden[chosen]))
    counts = np.bincount(chosen, minlength=len(points)) / len(chosen)
    lowest, highest = np.quantile(points[chosen], [0.025, 0.975], method="inverted_cdf")
    cuts = tuple(
        Cut(
            score=float(point),
            chosen=float(counts[place]),
            beaten=float(np.mean(there[:, best] > there[:, place] + ROUNDING)),
            **{name: float(values[0, place]) for name, values in shares["all"].items() if name != "distance"},
        )
        for place, point in enumerate(points)
    )
    return PassScore(
        cuts=cuts, best=float(points[best]), lowest=float(lowest), highest=float(highest), optimism=optimism
    )


def _resampled(
    weights: Floats, clusters: Sequence[Hashable] | NDArray[Any] | None, *, seed: int, resamples: int
) -> Floats:
    """Return a row of weights a resample: clusters drawn with replacement, each with all it holds."""
    n = len(weights)
    codes = np.arange(n) if clusters is None else compact_codes(cluster_codes(clusters))
    groups = int(codes.max()) + 1
    counts = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    return np.asarray(counts[:, codes] * weights, dtype=np.float64)


def _shares(weights: Floats, passes: Floats, right: NDArray[np.bool_]) -> Mapping[str, Floats]:
    """Return each measure with a row a set of weights and a column a cut; nothing of a kind counts as 0."""
    of_right, of_wrong = weights * right, weights * ~right
    total_right, total_wrong = (np.maximum(part.sum(axis=1), 1e-300) for part in (of_right, of_wrong))
    total = total_right + total_wrong
    hits, false = of_right @ passes, of_wrong @ passes
    sensitivity, specificity = hits / total_right[:, None], 1 - false / total_wrong[:, None]
    pass_share = (hits + false) / total[:, None]
    found = {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "youden": sensitivity + specificity - 1,
        "accuracy": (hits + total_wrong[:, None] - false) / total[:, None],
        "pass_share": pass_share,
        "distance": np.abs(pass_share - (total_right / total)[:, None]),
    }
    # Sums of weights leave 0.9999999 where all passed.
    return {name: np.round(values, 12) for name, values in found.items()}


def _best(shares: Mapping[str, Floats]) -> NDArray[np.int64]:
    """Return the best cut of each row: by index, then by distance, then the stricter one."""
    youden = shares["youden"]
    is_best = youden == youden.max(axis=1, keepdims=True)
    distance = np.where(is_best, shares["distance"], np.inf)
    flipped = distance[:, ::-1]
    return np.asarray(distance.shape[1] - 1 - flipped.argmin(axis=1), dtype=np.int64)
