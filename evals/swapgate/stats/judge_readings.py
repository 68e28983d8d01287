"""What a verdict stands for, given labels: the value of each verdict and what the labels' noise adds."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from swapgate.stats.judge_labels import Labels
from swapgate.values import Value

Floats = NDArray[np.float64]
# A trial's stratum is its verdict, 0 or 1; or code has found it wrong already, and no judge has a say.
FAILED, PASSED, KNOWN_WRONG = 0, 1, 2


class Reading(Protocol):
    """The value of a trial in each stratum, whose mean over trials is the true pass rate.

    `points` gives the estimate, `values` the centre of the interval; both have shape (3,).
    """

    @property
    def points(self) -> Floats:
        """Values without any adjustment for few labels, or with that of the estimate."""
        ...

    @property
    def values(self) -> Floats:
        """Values with the adjustment of the interval."""
        ...

    def label_part(self, shares: Floats, z: float) -> tuple[float, float]:
        """Return what the labels add for trials with these shares: variance, and shift of the centre."""
        ...


def reading(labels: Labels) -> Reading:
    """Return what a verdict stands for.

    Parameters
    ----------
    labels : Labels
        Ones that `refusal` has no objection to.

    Returns
    -------
    Reading
        By the truth given the verdict, or for labels drawn by their truth by sensitivity and specificity.

    Examples
    --------
    >>> labels = Labels(verdicts=[True] * 9 + [False] * 9, truths=[True] * 7 + [False] * 11)
    >>> reading(labels).values.round(3).tolist()
    [0.05, 0.75, 0.0]
    """
    passing, failing = labels.correcting_shares()
    shares = passing.estimate or 0.0, failing.estimate or 0.0
    worth = passing.effective_n or 1.0, failing.effective_n or 1.0
    return (_ByTruth if labels.design == "by_label" else _ByVerdict)(shares=shares, worth=worth)


def _adjusted(shares: tuple[float, float], worth: tuple[float, float], added: float) -> tuple[float, float]:
    """Return the shares with this many successes and as many failures added."""
    one, other = ((share * n + added) / (n + 2 * added) for share, n in zip(shares, worth, strict=True))
    return one, other


class _ByVerdict(Value):
    """The truth given verdict pass and verdict fail, and how many independent labels each is worth."""

    shares: tuple[float, float]
    worth: tuple[float, float]

    @property
    def points(self) -> Floats:
        return self.values

    @property
    def values(self) -> Floats:
        passed, failed = _adjusted(self.shares, self.worth, 0.5)
        return np.array([failed, passed, 0.0])

    def label_part(self, shares: Floats, z: float) -> tuple[float, float]:
        values = self.values
        per_label = values * (1 - values) / (*self.worth[::-1], 1.0)
        return float(shares**2 @ per_label), 0.0


class _ByTruth(Value):
    """Verdict pass given truly right (sensitivity) and truly wrong, and what each is worth in labels."""

    shares: tuple[float, float]
    worth: tuple[float, float]

    @property
    def points(self) -> Floats:
        return _inverse(*self.shares)

    @property
    def values(self) -> Floats:
        return _inverse(*_adjusted(self.shares, self.worth, 1.0))

    def label_part(self, shares: Floats, z: float) -> tuple[float, float]:
        """Return Lang and Reiczigel's terms; known wrong trials are no part of the truly wrong ones."""
        sensitivity, false_pass = _adjusted(self.shares, self.worth, 1.0)
        right = float(shares @ self.values)
        wrong = float(shares[:KNOWN_WRONG].sum()) - right
        by_right = sensitivity * (1 - sensitivity) / (self.worth[0] + 2)
        by_wrong = false_pass * (1 - false_pass) / (self.worth[1] + 2)
        variance = (right**2 * by_right + wrong**2 * by_wrong) / (sensitivity - false_pass) ** 2
        return variance, 2 * z * z * (right * by_right - wrong * by_wrong)


def _inverse(sensitivity: float, false_pass: float) -> Floats:
    """Return Rogan and Gladen's estimate as a value for each verdict."""
    youden = sensitivity - false_pass
    return np.array([-false_pass / youden, (1 - false_pass) / youden, 0.0])
