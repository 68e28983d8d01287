"""Many comparisons: p-values adjusted by Holm, by Benjamini and Hochberg, and by Benjamini and Yekutieli.

"Merge only if every suite holds" needs neither: an intersection-union test keeps its level by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

PValues = Sequence[float | None]


def holm(p_values: PValues) -> list[float | None]:
    """Return p-values adjusted so that any false finding at all has at most the level's probability.

    Parameters
    ----------
    p_values : sequence of float or None, length m
        None for a comparison that could not be tested: it stays None and does not count.

    Returns
    -------
    list of float or None, length m
        In the order given, 0 to 1. Reject where one is at most the level.

    Raises
    ------
    ValueError
        When a p-value is not between 0 and 1.

    Notes
    -----
    For "block when any suite regresses" and for several candidates against one baseline; holds whatever the
    dependence between the comparisons.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979) 65-70.

    Examples
    --------
    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    >>> holm([0.03, None])
    [0.03, None]
    """
    return _adjust(p_values, _step_down)


def benjamini_hochberg(p_values: PValues) -> list[float | None]:
    """Return p-values adjusted so that false findings are at most the level's share of all findings.

    Parameters
    ----------
    p_values : sequence of float or None, length m
        None for a comparison that could not be tested: it stays None and does not count.

    Returns
    -------
    list of float or None, length m
        In the order given, 0 to 1. Reject where one is at most the level.

    Raises
    ------
    ValueError
        When a p-value is not between 0 and 1.

    Notes
    -----
    For maps of many cells, of which some wrong ones are tolerable. Holds for independent and for positively
    dependent comparisons.

    References
    ----------
    .. [1] Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate: a practical and powerful
       approach to multiple testing", J. R. Stat. Soc. B 57 (1995) 289-300.

    Examples
    --------
    >>> [round(p, 4) for p in benjamini_hochberg([0.01, 0.04, 0.03, 0.005])]
    [0.02, 0.04, 0.04, 0.02]
    """
    return _adjust(p_values, _step_up)


def benjamini_yekutieli(p_values: PValues) -> list[float | None]:
    """Return p-values adjusted as `benjamini_hochberg` does, but however the comparisons depend.

    Parameters
    ----------
    p_values : sequence of float or None, length m
        None for a comparison that could not be tested: it stays None and does not count.

    Returns
    -------
    list of float or None, length m
        In the order given, 0 to 1. Reject where one is at most the level.

    Raises
    ------
    ValueError
        When a p-value is not between 0 and 1.

    References
    ----------
    .. [1] Y. Benjamini, D. Yekutieli, "The control of the false discovery rate in multiple testing under
       dependency", Ann. Stat. 29 (2001) 1165-1188.

    Examples
    --------
    >>> [round(p, 4) for p in benjamini_yekutieli([0.2, 0.001, 0.012])]
    [0.3667, 0.0055, 0.033]
    """
    tested = sum(p is not None for p in p_values)
    harmonic = sum(1 / rank for rank in range(1, tested + 1))
    return [None if p is None else min(harmonic * p, 1.0) for p in benjamini_hochberg(p_values)]


def _adjust(p_values: PValues, steps: Callable[[list[float]], list[float]]) -> list[float | None]:
    """Adjust the p-values that exist, smallest first, and put them back in their places."""
    tested = {place: float(p) for place, p in enumerate(p_values) if p is not None}
    for place, p in tested.items():
        if not 0 <= p <= 1:
            raise ValueError(f"p_values[{place}] must lie between 0 and 1, got {p!r}")
    places = sorted(tested, key=tested.__getitem__)
    adjusted = dict(zip(places, steps([tested[place] for place in places]), strict=True))
    return [adjusted.get(place) for place in range(len(p_values))]


def _step_down(ascending: list[float]) -> list[float]:
    m = len(ascending)
    return list(accumulate((min((m - i) * p, 1.0) for i, p in enumerate(ascending)), max))


def _step_up(ascending: list[float]) -> list[float]:
    m = len(ascending)
    # p comes last in the product so that the largest p-value keeps its exact value.
    largest_first = [m / i * ascending[i - 1] for i in range(m, 0, -1)]
    return list(accumulate(largest_first, min))[::-1]
