"""People's labels beside a judge's verdicts: what they can correct, and whether the judge beats chance."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swapgate.stats.clusters import ONE_CLUSTER, as_results
from swapgate.stats.interval import Interval
from swapgate.stats.proportion import clustered_rate, wilson_interval

Design: TypeAlias = Literal["random", "by_verdict", "by_label"]
Clusters: TypeAlias = Sequence[Hashable] | NDArray[Any]

# With fewer, a judge without a single error on record may still err 15% of the time.
MIN_LABELS = 20
AT_CHANCE = (
    "the judge is at or below chance (sensitivity + specificity <= 1): among the labels, responses that it "
    "passes are no more often right than those that it fails"
)
NOT_SHOWN = "the judge is not shown to be better than chance: too few labels for how often it errs"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """People's answers beside the judge's verdicts on the same responses, one entry a label.

    `design` says how the rows were chosen: `random` among the judged responses, `by_verdict` (so many
    passing and so many failing verdicts) or `by_label` (so many truly right and so many truly wrong ones).
    `clusters` joins labels that hang together (one case, one document).
    """

    verdicts: Sequence[bool] | NDArray[Any]
    truths: Sequence[bool] | NDArray[Any]
    design: Design = "random"
    clusters: Clusters | None = None

    def __post_init__(self) -> None:
        lengths = {
            len(self.verdicts),
            len(self.truths),
            len(self.truths if self.clusters is None else self.clusters),
        }
        if len(lengths) > 1:
            raise ValueError(f"each label needs a verdict, a truth and a cluster, got {sorted(lengths)}")
        for name in ("verdicts", "truths"):
            object.__setattr__(self, name, as_results(getattr(self, name), name=name).astype(bool))

    def __len__(self) -> int:
        return len(self.truths)

    def true_share(self, *, given: bool, confidence: float = 0.95) -> Interval:
        """Return the share of truly passing responses among those that the judge passes, or fails."""
        return self._share(self.truths, self.verdicts, value=given, confidence=confidence)

    def verdict_share(self, *, given: bool, confidence: float = 0.95) -> Interval:
        """Return the share of passing verdicts among the truly right responses, or the truly wrong ones."""
        return self._share(self.verdicts, self.truths, value=given, confidence=confidence)

    def correcting_shares(self, *, confidence: float = 0.95) -> tuple[Interval, Interval]:
        """Return the two shares that correct a rate, which the design must show as they are among all trials.

        The truth given verdict pass and fail; for labels drawn by their truth the passing verdicts given
        truly right and truly wrong.
        """
        of = self.verdict_share if self.design == "by_label" else self.true_share
        return of(given=True, confidence=confidence), of(given=False, confidence=confidence)

    def _share(self, of: object, among: object, *, value: bool, confidence: float) -> Interval:
        rows = np.flatnonzero(np.asarray(among) == value)
        clusters = None if self.clusters is None else [self.clusters[int(row)] for row in rows]
        return share_of(np.asarray(of)[rows], clusters, confidence=confidence)


def refusal(labels: Labels) -> str:
    """Return why these labels cannot correct a rate, or an empty string.

    Parameters
    ----------
    labels : Labels
        With the design they were drawn by.

    Returns
    -------
    str
        A class is missing, the labels are fewer than 20, all of one kind come from one cluster, or
        sensitivity + specificity is not above 1.

    Examples
    --------
    >>> refusal(Labels(verdicts=[True, False] * 5, truths=[False, True] * 5))
    '10 labels: fewer than 20 say too little about a judge'
    >>> refusal(Labels(verdicts=[True, False] * 20, truths=[True, True] * 20))
    'no label says that a response is truly wrong'
    """
    missing = missing_class(labels)
    if missing:
        return missing
    if len(labels) < MIN_LABELS:
        return f"{len(labels)} labels: fewer than {MIN_LABELS} say too little about a judge"
    passing, failing = labels.correcting_shares()
    if passing.low is None or failing.low is None:
        return ONE_CLUSTER
    # Independence holds in both directions or in neither, so the design does not matter here.
    return AT_CHANCE if _value(passing) <= _value(failing) else ""


def beats_chance(labels: Labels, *, confidence: float = 0.95) -> bool:
    """Say whether the labels show that verdicts and truth go together.

    Parameters
    ----------
    labels : Labels
        With no class missing.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    bool
        Whether Newcombe's interval of the difference of the two correcting shares lies above 0.

    References
    ----------
    .. [1] R. G. Newcombe, "Interval estimation for the difference between independent proportions", Stat.
       Med. 17 (1998) 873-890, method 10.

    Examples
    --------
    >>> beats_chance(Labels(verdicts=[True, False] * 20, truths=[True, False] * 20))
    True
    >>> beats_chance(Labels(verdicts=[True, False] * 20, truths=[True] * 22 + [False] * 18))
    False
    """
    passing, failing = labels.correcting_shares(confidence=confidence)
    difference = from_two(lambda a, b: a - b, passing, failing, limits=(-1.0, 1.0))
    return difference.low is not None and difference.low > 0


def missing_class(labels: Labels) -> str:
    """Return which kind of label is missing, or an empty string.

    Parameters
    ----------
    labels : Labels
        Any.

    Returns
    -------
    str

    Examples
    --------
    >>> missing_class(Labels(verdicts=[True, True], truths=[True, False]))
    'no label stands beside a failing verdict'
    """
    verdicts, truths = np.asarray(labels.verdicts), np.asarray(labels.truths)
    if len(labels) == 0:
        return "no labels"
    if truths.all() or not truths.any():
        return f"no label says that a response is truly {'wrong' if truths.all() else 'right'}"
    if verdicts.all() or not verdicts.any():
        return f"no label stands beside a {'failing' if verdicts.all() else 'passing'} verdict"
    return ""


def from_two(
    of: Callable[[float, float], float],
    one: Interval,
    other: Interval,
    *,
    limits: tuple[float, float] = (0.0, 1.0),
) -> Interval:
    """Return the interval of a function of two independent shares.

    Parameters
    ----------
    of : callable
        Monotone in both shares.
    one, other : Interval
        The shares.
    limits : tuple of float
        Ends of the function's scale.

    Returns
    -------
    Interval
        Refused where one of theirs is.

    Notes
    -----
    The squares of how far the function moves when one share goes to its limit add up, for either side.

    References
    ----------
    .. [1] G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures: a general
       approach", Stat. Med. 27 (2008) 1693-1702.

    Examples
    --------
    Newcombe's interval of a difference (1998, method 10), 56 of 70 against 48 of 80:

    >>> from swapgate.stats.proportion import wilson_interval
    >>> found = from_two(lambda a, b: a - b, wilson_interval(56, 70), wilson_interval(48, 80))
    >>> round(found.low, 4), round(found.high, 4)
    (0.0524, 0.3339)
    """
    a, b = _value(one), _value(other)
    estimate, note = of(a, b), one.note or other.note
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return Interval(estimate=estimate, low=None, high=None, confidence=one.confidence, note=note)
    moves = [
        [of(limit, b) - estimate for limit in (one.low, one.high)],
        [of(a, limit) - estimate for limit in (other.low, other.high)],
    ]
    below = sqrt(sum(min(*pair, 0.0) ** 2 for pair in moves))
    above = sqrt(sum(max(*pair, 0.0) ** 2 for pair in moves))
    low, high = max(estimate - below, limits[0]), min(estimate + above, limits[1])
    return Interval(estimate=estimate, low=low, high=high, confidence=one.confidence, note=note)


def share_of(values: NDArray[Any], clusters: Clusters | None, *, confidence: float) -> Interval:
    """Return Wilson's interval of a share, the clustered one where a cluster has several values.

    Parameters
    ----------
    values : ndarray of bool, shape (n,)
        What is counted.
    clusters : sequence of hashable, length n, or None
        The group of each value.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval

    Examples
    --------
    >>> share_of(np.array([True, True, False, False]), None, confidence=0.95).estimate
    0.5
    """
    if clusters is None or len({*clusters}) == len(values):
        return wilson_interval(int(values.sum()), len(values), confidence=confidence)
    return clustered_rate(values, clusters, confidence=confidence)


def _value(share: Interval) -> float:
    return 0.0 if share.estimate is None else share.estimate
