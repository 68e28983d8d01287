"""Planned looks at a running comparison: a group-sequential gate on Tango's z or on a rate's score z."""

from __future__ import annotations

from collections.abc import Sequence
from math import copysign, inf, sqrt
from typing import Literal

from swapgate.stats.boundaries import Spending, critical_values, predictive_bound
from swapgate.stats.clusters import ONE_CLUSTER
from swapgate.stats.interval import Interval, critical_value
from swapgate.stats.power import floor_cases
from swapgate.stats.proportion import wilson_bounds
from swapgate.stats.tango import tango_interval, tango_z
from swapgate.values import Value

Answer = Literal["pass", "fail", "futile", "go on", "inconclusive"]
# Simulated: power falls by half a point, and a candidate worse by twice the margin costs a third of the plan.
FUTILE_CHANCE = 0.005


class LookAnswer(Value):
    """What one look says.

    `answer`: pass and fail are decided at the error rate of the whole test; futile: the test would hardly be
    passed at its end, which is no evidence of a failure; inconclusive: the last look decided nothing.
    `z` (as a normal quantile) is held against `critical` and its negative, then against `futility`.
    `interval` is the repeated confidence interval: all looks' intervals hold the truth together.
    """

    answer: Answer
    look: int
    fraction: float
    z: float | None
    critical: float
    futility: float | None
    interval: Interval


class GroupSequential:
    """Planned looks at one rule, with its error rates kept over all of them.

    Parameters
    ----------
    looks : sequence of int
        Numbers of cases after which looks are planned, as from `planned_looks`; the last is the whole plan.
        Looks at other numbers are allowed, and kept: what a look may spend depends on its own size only.
    alpha : float
        One-sided error rate of a pass, and of a fail.
    spending : {"obrien-fleming", "pocock"}
        How alpha is spread: late, at nearly the power of a single test, or evenly, for earlier stops.
    futility : float or None
        Chance of still passing below which the answer is futile; None never gives up.
    taken : sequence of float
        Fractions of the looks taken before, to resume from.

    Notes
    -----
    With t = n / planned the statistic behaves like a Brownian motion at times t. Clusters lower z by their
    design effect and leave t alone, as long as their sizes do not drift. A pass rejects "worse by the margin
    or more" at the upper boundary, a fail rejects "not worse by the margin" at its mirror image, each at
    one-sided alpha. The futility bound is not binding: going on below it costs no error rate.
    Ten looks spent late and this futility take about 6% more cases for the power of a single test at the end.

    References
    ----------
    .. [1] K. K. G. Lan and D. L. DeMets, Biometrika 70 (1983) 659-663.
    .. [2] C. Jennison and B. W. Turnbull, "Interim analyses: the repeated confidence interval approach",
       J. R. Stat. Soc. B 51 (1989) 305-361.

    Examples
    --------
    >>> gate = GroupSequential([100, 200, 300, 400])
    >>> gate.look_margin(2, 3, 100, margin=0.05).answer
    'go on'
    >>> answer = gate.look_margin(3, 7, 200, margin=0.05)
    >>> answer.answer, round(answer.critical, 3), round(answer.interval.low, 3)
    ('pass', 2.54, -0.026)
    """

    def __init__(
        self,
        looks: Sequence[int],
        *,
        alpha: float = 0.05,
        spending: Spending = "obrien-fleming",
        futility: float | None = FUTILE_CHANCE,
        taken: Sequence[float] = (),
    ) -> None:
        if not looks or looks[0] < 1:
            raise ValueError(f"looks must be numbers of cases above 0, got {looks!r}")
        self._planned = looks[-1]
        self._fractions = [n / self._planned for n in looks]
        self._alpha, self._spending, self._futility = alpha, spending, futility
        self.taken = list(taken)

    def look_margin(
        self,
        n10: int,
        n01: int,
        n: int,
        *,
        margin: float,
        deff: float = 1.0,
        clusters: int | None = None,
        is_last: bool = False,
    ) -> LookAnswer:
        """Return what the paired counts so far say about a margin.

        Parameters
        ----------
        n10, n01, n : int
            Pairs that only the baseline, only the candidate passes, and all pairs so far.
        margin : float
            Tolerated drop, 0 to 1 (excluded); the same at every look.
        deff : float
            Pairs so far worth one independent pair.
        clusters : int, optional
            Clusters so far, for Student's t; None when all pairs are independent.
        is_last : bool
            Whether no case will follow, though the plan is not reached: all of alpha is then spent.

        Returns
        -------
        LookAnswer
            With an interval of candidate minus baseline. A pass also takes `floor_cases` clusters.
        """
        look = self._take(n, is_last=is_last)
        if n == 0 or clusters == 1:
            return self._unknown(look, (n01 - n10) / n if n else None)
        df = None if clusters is None else clusters - 1
        z = _normal_z(tango_z(n10, n01, n, difference=-margin, deff=deff), df)
        factor = self._widening(look.critical, df)
        if factor == inf:
            interval = self._interval((n01 - n10) / n, -1.0, 1.0)
        else:
            interval = tango_interval(n10, n01, n, confidence=self._confidence, deff=deff * factor**2)
        enough = not margin or (n if clusters is None else clusters) >= floor_cases(margin)
        return self._answer(look, z, interval, can_pass=enough)

    def look_rate(
        self,
        passed: int,
        n: int,
        *,
        minimum: float,
        deff: float = 1.0,
        clusters: int | None = None,
        is_last: bool = False,
    ) -> LookAnswer:
        """Return what the passes so far say about the least rate that is asked for.

        Parameters
        ----------
        passed, n : int
            Passes and trials so far. For a highest rate count the failures and take 1 minus the rate.
        minimum : float
            Least rate, 0 to 1; the same at every look.
        deff, clusters, is_last
            As for `look_margin`.

        Returns
        -------
        LookAnswer
            With an interval of the rate.
        """
        look = self._take(n, is_last=is_last)
        if n == 0 or clusters == 1:
            return self._unknown(look, passed / n if n else None)
        df, rate = None if clusters is None else clusters - 1, passed / n
        distance, spread = rate - minimum, sqrt(minimum * (1 - minimum) * deff / n)
        z = _normal_z(distance / spread if spread else copysign(inf, distance) if distance else 0.0, df)
        factor = self._widening(look.critical, df)
        low, high = (
            (0.0, 1.0)
            if factor == inf
            else wilson_bounds(rate, n / (deff * factor**2), confidence=self._confidence)
        )
        return self._answer(look, z, self._interval(rate, low, high), can_pass=True)

    @property
    def _confidence(self) -> float:
        return 1 - 2 * self._alpha

    def _take(self, n: int, *, is_last: bool) -> _Look:
        """Note a look at n cases and return its boundaries; one without new cases can decide nothing."""
        if self.taken and self.taken[-1] >= 1:
            raise ValueError("the last look has been taken: nothing of alpha is left")
        # A last look short of the plan counts as the whole of it, which asks for a little more than it must.
        fraction = 1.0 if is_last else min(n / self._planned, 1.0)
        if fraction <= (self.taken[-1] if self.taken else 0.0):
            return _Look(number=len(self.taken), fraction=fraction, critical=inf, futility=None)
        self.taken.append(fraction)
        ahead = [t for t in self._fractions if t > fraction]
        values = critical_values([*self.taken, *ahead], alpha=self._alpha, spending=self._spending)
        futility = None
        if ahead and self._futility is not None:
            futility = predictive_bound(fraction, final=values[-1], chance=self._futility)
        number = len(self.taken)
        return _Look(number=number, fraction=fraction, critical=values[number - 1], futility=futility)

    def _answer(self, look: _Look, z: float, interval: Interval, *, can_pass: bool) -> LookAnswer:
        answer: Answer = "inconclusive" if look.fraction >= 1 else "go on"
        if z >= look.critical and can_pass:
            answer = "pass"
        elif z <= -look.critical:
            answer = "fail"
        elif look.futility is not None and z < look.futility:
            answer = "futile"
        return look.says(answer, z, interval)

    def _unknown(self, look: _Look, estimate: float | None) -> LookAnswer:
        interval = Interval(
            estimate=estimate,
            low=None,
            high=None,
            confidence=self._confidence,
            note="no cases yet" if estimate is None else ONE_CLUSTER,
        )
        return look.says("inconclusive" if look.fraction >= 1 else "go on", None, interval)

    def _interval(self, estimate: float, low: float, high: float) -> Interval:
        return Interval(estimate=estimate, low=low, high=high, confidence=self._confidence)

    def _widening(self, critical: float, df: int | None) -> float:
        """Return how much wider than a single look's interval this look's is."""
        if critical != inf and df is not None:
            from scipy.special import ndtr, stdtrit

            critical = -float(stdtrit(df, ndtr(-critical)))
        return critical / critical_value(self._confidence)


class _Look(Value):
    number: int
    fraction: float
    critical: float
    futility: float | None

    def says(self, answer: Answer, z: float | None, interval: Interval) -> LookAnswer:
        return LookAnswer(
            answer=answer,
            look=self.number,
            fraction=self.fraction,
            z=z,
            critical=self.critical,
            futility=self.futility,
            interval=interval,
        )


def _normal_z(z: float, df: int | None) -> float:
    """Return the normal quantile with the tail of Student's t."""
    if df is None or z == 0:
        return z
    from scipy.special import ndtri, stdtr

    return copysign(float(ndtri(stdtr(df, -abs(z)))), z)
