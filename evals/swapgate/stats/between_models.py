"""Does a judge err alike on the responses of several models: may the labels of one speak for another?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from swapgate.stats.interval import Interval
from swapgate.stats.judge_labels import Labels, from_two
from swapgate.values import Value

Ints = NDArray[np.int64]
ONE_MODEL = "the labels are of one model"
FEWEST = 10


class ModelDifference(Value):
    """Two models' share that the correction uses, beside one verdict (or, by label, one truth).

    `given` is the verdict or truth; `difference` is the first model's share minus the second's.
    """

    first: str
    second: str
    given: bool
    difference: Interval


class BetweenModels(Value):
    """Whether error rates differ: a permutation p-value over all models, and the two that lie furthest apart.

    `p_value` is None, and `note` says why, where nothing can be said. A large p-value is no proof that
    the rates are the same: `widest` shows what difference the labels leave possible.
    """

    p_value: float | None
    models: tuple[str, ...]
    widest: ModelDifference | None = None
    note: str = ""


def errors_between_models(
    labels: Labels,
    models: Sequence[str | None],
    *,
    seed: int,
    permutations: int = 2000,
    confidence: float = 0.95,
) -> BetweenModels:
    """Test whether a judge's verdicts mean the same for the responses of several models.

    Parameters
    ----------
    labels : Labels
        Of all models together.
    models : sequence of str or None, length n
        Whose response each label is of; rows without a model are left out, and so are models with fewer than
        ten labels.
    seed : int
        Of the permutations.
    permutations : int
        Number of them.
    confidence : float
        Two-sided coverage of the widest difference's interval.

    Returns
    -------
    BetweenModels

    Raises
    ------
    ValueError
        When the lengths differ.

    Notes
    -----
    What must be the same is what a correction takes from the labels: the truth given the verdict, or for
    labels drawn by their truth the verdict given the truth. The models' names change places among the labels
    of one verdict (truth), which leaves the numbers that a design fixes as they are; the statistic is
    Pearson's chi-square of models by answers, added over both verdicts. The interval is Newcombe's and that
    of the widest among several differences, and so somewhat too narrow.

    References
    ----------
    .. [1] P. Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 3rd edition, Springer, 2005.

    Examples
    --------
    >>> labels = Labels(
    ...     verdicts=[True] * 60 + [False] * 60,
    ...     truths=[True] * 30 + [True] * 10 + [False] * 20 + [False] * 60,
    ... )
    >>> found = errors_between_models(labels, (["a"] * 30 + ["b"] * 30) * 2, seed=1)
    >>> found.p_value < 0.01, found.widest.first, round(found.widest.difference.estimate, 2)
    (True, 'a', 0.67)
    """
    if len(models) != len(labels):
        raise ValueError(f"each label needs a model, got {len(labels)} and {len(models)}")
    named = [m for m in dict.fromkeys(models) if m is not None]
    known = sorted(m for m in named if sum(m == one for one in models) >= FEWEST)
    if len(known) < 2:
        note = ONE_MODEL if len(named) < 2 else f"fewer than two models have {FEWEST} labels"
        return BetweenModels(p_value=None, models=tuple(known), note=note)
    rows = np.array([place for place, m in enumerate(models) if m in known])
    codes = np.array([known.index(str(models[place])) for place in rows], dtype=np.int64)
    given, answers = _parts(labels)
    p_value = _p_value(codes, given[rows], answers[rows], seed=seed, permutations=permutations)
    return BetweenModels(
        p_value=p_value, models=tuple(known), widest=_widest(labels, models, known, confidence)
    )


def _parts(labels: Labels) -> tuple[Ints, Ints]:
    """Return what a correction conditions on, and what it reads there."""
    verdicts, truths = (np.asarray(part, dtype=np.int64) for part in (labels.verdicts, labels.truths))
    return (truths, verdicts) if labels.design == "by_label" else (verdicts, truths)


def _p_value(codes: Ints, given: Ints, answers: Ints, *, seed: int, permutations: int) -> float:
    random = np.random.default_rng(seed)
    strata = [np.flatnonzero(given == value) for value in (0, 1)]
    drawn = np.tile(codes, (permutations + 1, 1))
    for rows in strata:
        drawn[1:, rows] = random.permuted(drawn[1:, rows], axis=1)
    found = sum(_chi_squares(drawn[:, rows], answers[rows]) for rows in strata)
    # The sample itself counts as one of the permutations, so that no p-value is 0.
    return float(np.mean(np.asarray(found) >= np.asarray(found)[0] - 1e-9))


def _chi_squares(codes: Ints, answers: Ints) -> NDArray[np.float64]:
    """Return Pearson's statistic of each row of model codes against the answers."""
    n, rate = len(answers), float(answers.mean()) if len(answers) else 0.0
    if rate in (0.0, 1.0):
        return np.zeros(len(codes))
    found = np.zeros(len(codes))
    for code in range(int(codes.max()) + 1):
        is_of = codes == code
        sizes = is_of.sum(axis=1)
        off = is_of @ answers - sizes * rate
        found += np.where(sizes > 0, off**2 / np.maximum(sizes * rate * (1 - rate), 1 / n), 0.0)
    return found


def _widest(
    labels: Labels, models: Sequence[str | None], known: Sequence[str], confidence: float
) -> ModelDifference | None:
    shares = {m: _of(labels, models, m).correcting_shares(confidence=confidence) for m in known}
    found = [
        ModelDifference(first=one, second=two, given=place == 0, difference=difference)
        for at, one in enumerate(known)
        for two in known[at + 1 :]
        for place in (0, 1)
        if (difference := _difference(shares[one][place], shares[two][place])).low is not None
    ]
    return max(found, key=lambda d: abs(d.difference.estimate or 0.0), default=None)


def _difference(one: Interval, two: Interval) -> Interval:
    return from_two(lambda a, b: a - b, one, two, limits=(-1.0, 1.0))


def _of(labels: Labels, models: Sequence[str | None], model: str) -> Labels:
    rows = [place for place, one in enumerate(models) if one == model]
    clusters: list[Hashable] | None = None
    if labels.clusters is not None:
        clusters = [labels.clusters[place] for place in rows]
    return Labels(
        verdicts=np.asarray(labels.verdicts)[rows],
        truths=np.asarray(labels.truths)[rows],
        design=labels.design,
        clusters=clusters,
    )
