"""What is said about outcomes along a covariate: the result, and how its answer is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from swapgate.stats.clusters import FEW_CLUSTERS, count_codes
from swapgate.stats.cuts import cut_range
from swapgate.stats.exchange import SMALLEST_SIDE, Arrangement, Blocks, arrange
from swapgate.stats.interval import Interval
from swapgate.stats.permutation import (
    ROUNDING,
    FloatArray,
    IntArray,
    Progress,
    draw_statistics,
    sequential_p_value,
)
from swapgate.stats.trend import rank_trend_p_value
from swapgate.values import Value

Mask = NDArray[np.bool_]
Answer = Literal["threshold", "trend, no threshold", "not separated", "too few failures"]

# Cases (clusters) of either kind below which nothing is said.
FEWEST = 5
# Twice a log-likelihood, below which a trend explains the failures nearly as well as the step does.
CLEAR_ADVANTAGE = 6.0
UNLIKE_SIZES = f"fewer than {FEWEST} clusters have another one of their size to change places with"


class CovariateEffect(Value):
    """How failures (or the difference of two models) depend on a covariate.

    Attributes
    ----------
    answer : str
        "threshold", "trend, no threshold", "not separated" or "too few failures", the refusal.
    cases, clusters : int
        Cases, and clusters of them (cases without clusters).
    rate : float or None
        Overall failure rate, or candidate's minus baseline's; None without cases.
    p_value : float or None
        Of "the outcome does not depend on the covariate", for cuts and trends together.
    trend_p_value : float or None
        Of the trend alone; `p_value` decides the answer.
    permutations : int
        Exchanges drawn.
    superiority : Interval or None
        Probability that a failure's covariate exceeds a pass's; None for shares and differences.
    slope : Interval or None
        Change per unit of the covariate: of the log-odds of a failure, or of the difference.
    advantage : float or None
        By how much the best step fits better than the best trend, as twice a log-likelihood.
    cut, cut_low, cut_high : float or None
        The outcome changes above `cut`; the data do not exclude cuts in ``[cut_low, cut_high]``. Only with a
        threshold.
    below, above : Interval or None
        Rate (difference) of the cases at most at, and above the cut. Only with a threshold.
    note : str
        Why it was refused, or warnings.
    """

    answer: Answer
    cases: int
    clusters: int
    rate: float | None
    p_value: float | None = None
    trend_p_value: float | None = None
    permutations: int = 0
    superiority: Interval | None = None
    slope: Interval | None = None
    advantage: float | None = None
    cut: float | None = None
    cut_low: float | None = None
    cut_high: float | None = None
    below: Interval | None = None
    above: Interval | None = None
    note: str = ""


class _Counts(TypedDict):
    cases: int
    clusters: int
    rate: float | None


class Outcomes(Value):
    """Outcomes as numbers and as shares of each kind, their covariate, their clusters' numbers."""

    outcome: FloatArray
    kinds: FloatArray
    x: FloatArray
    codes: IntArray | None


class Plan(Value):
    """What the caller asked for."""

    seed: int
    permutations: int
    alpha: float
    confidence: float
    progress: Progress | None


def assess(
    data: Outcomes, plan: Plan, *, side: Callable[[Mask], Interval], slope: Interval, auc: Interval | None
) -> CovariateEffect:
    """Test outcomes against their covariate, and say where they change.

    Parameters
    ----------
    data : Outcomes
        Neither outcomes nor covariate constant.
    plan : Plan
    side : callable
        Returns the interval of the rate of the cases in a mask.
    slope, auc : Interval
        Passed on to the result.

    Returns
    -------
    CovariateEffect
        Refused when fewer than five clusters may change places.

    Examples
    --------
    >>> failed = np.arange(60) % 2 * (np.arange(60) > 40.0)
    >>> data = Outcomes(
    ...     outcome=failed, kinds=np.stack([failed, 1 - failed], axis=1), x=np.arange(60.0), codes=None
    ... )
    >>> plan = Plan(seed=1, permutations=999, alpha=0.05, confidence=0.95, progress=None)
    >>> blank = Interval(estimate=None, low=None, high=None, confidence=0.95)
    >>> assess(data, plan, side=lambda is_in: blank, slope=blank, auc=None).cut
    40.0
    """
    arrangement = arrange(data.outcome, data.x, data.codes)
    if arrangement.exchange.movable < FEWEST:
        return refused(data.outcome, data.codes, UNLIKE_SIZES)
    observed = arrangement.observed()
    targets = np.array([observed.max(), observed[1]])
    drawn = draw_statistics(
        arrangement.draw,
        width=len(arrangement.residuals),
        seed=plan.seed,
        permutations=plan.permutations,
        observed=targets,
        progress=plan.progress,
    )
    p_value, trend_p = (sequential_p_value(drawn[:, i], float(targets[i])) for i in (0, 1))
    place = cut_range(data.kinds, data.outcome, data.x, data.codes, confidence=plan.confidence)
    # Of two values the step is the trend: rounding must not make a threshold of it.
    gain = float(observed[0] ** 2 * (1 - ROUNDING) - observed[1:].max() ** 2)
    advantage = None if place is None else gain / place.deff
    answer = _answer(p_value, advantage, alpha=plan.alpha)
    step = place if answer == "threshold" else None
    return CovariateEffect(
        answer=answer,
        **_counts(data.outcome, data.codes),
        p_value=p_value,
        trend_p_value=rank_trend_p_value(data.outcome, data.x) if data.codes is None else trend_p,
        permutations=len(drawn),
        superiority=auc,
        slope=slope,
        advantage=advantage,
        cut=step.cut if step else None,
        cut_low=step.low if step else None,
        cut_high=step.high if step else None,
        below=side(data.x <= step.cut) if step else None,
        above=side(data.x > step.cut) if step else None,
        note="; ".join(_warnings(data, arrangement, answer, advantage)),
    )


def refused(outcome: FloatArray, codes: IntArray | None, note: str) -> CovariateEffect:
    """Return the refusal to say anything, with its reason.

    Parameters
    ----------
    outcome : array of shape (n,)
    codes : array of int, shape (n,), or None
    note : str
        The reason.

    Returns
    -------
    CovariateEffect

    Examples
    --------
    >>> refused(np.array([]), None, "no cases").answer
    'too few failures'
    """
    return CovariateEffect(answer="too few failures", note=note, **_counts(outcome, codes))


def _counts(outcome: FloatArray, codes: IntArray | None) -> _Counts:
    return {
        "cases": len(outcome),
        "clusters": len(outcome) if codes is None else count_codes(codes),
        "rate": float(outcome.mean()) if len(outcome) else None,
    }


def _answer(p_value: float, advantage: float | None, *, alpha: float) -> Answer:
    if p_value > alpha:
        return "not separated"
    return "threshold" if advantage is not None and advantage > 0 else "trend, no threshold"


def _warnings(
    data: Outcomes, arrangement: Arrangement, answer: Answer, advantage: float | None
) -> Iterator[str]:
    clusters = len(data.x) if data.codes is None else int(data.codes.max()) + 1
    if data.codes is not None and clusters < FEW_CLUSTERS:
        yield f"only {clusters} clusters: little can be told below {FEW_CLUSTERS}"
    if isinstance(arrangement.exchange, Blocks) and arrangement.exchange.movable < clusters:
        yield f"{clusters - arrangement.exchange.movable} of {clusters} clusters have a size of their own"
    if advantage is None:
        yield f"no cut leaves {SMALLEST_SIDE:.0%} of the cases on either side"
    elif answer == "threshold" and advantage < CLEAR_ADVANTAGE:
        yield "a trend without a threshold fits nearly as well"
