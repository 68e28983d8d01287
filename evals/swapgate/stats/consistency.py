"""A judge against itself: the same verdict when two answers change places, and which place it leans to."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from swapgate.stats.exact import mcnemar_midp
from swapgate.stats.interval import Interval
from swapgate.stats.proportion import wilson_interval
from swapgate.values import Value


class PositionConsistency(Value):
    """How often a pairwise judge names the same winner in both orders, and where its verdicts flip to.

    `p_value` is McNemar's mid-p that flips go to either place alike; None where no pair was read. `unread`
    counts pairs with a missing verdict, which count nowhere else.
    """

    same: int
    to_first: int
    to_second: int
    unread: int
    consistency: Interval
    p_value: float | None


def position_consistency(
    winners: Sequence[Hashable | None],
    winners_swapped: Sequence[Hashable | None],
    first: Sequence[Hashable],
    *,
    confidence: float = 0.95,
) -> PositionConsistency:
    """Compare a pairwise judge's verdicts before and after the two answers change places.

    Parameters
    ----------
    winners, winners_swapped : sequence of hashable or None, length n
        The answer that wins in either order; None where the judge could not be read.
    first : sequence of hashable, length n
        The answer that stands first before the change.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    PositionConsistency

    Raises
    ------
    ValueError
        When the lengths differ.

    Notes
    -----
    A verdict that flips goes to the first place when each order's first answer wins. Calling such a pair a
    tie is what keeps this bias out of a comparison [1]_.

    References
    ----------
    .. [1] L. Zheng et al., "Judging LLM-as-a-judge with MT-Bench and Chatbot Arena", arXiv:2306.05685, 2023.

    Examples
    --------
    >>> found = position_consistency(["a", "a", "b"], ["a", "b", None], ["a", "a", "a"])
    >>> found.same, found.to_first, found.to_second, found.unread
    (1, 1, 0, 1)
    """
    rows = list(zip(winners, winners_swapped, first, strict=True))
    read = [(one, two, place) for one, two, place in rows if one is not None and two is not None]
    same = sum(one == two for one, two, _place in read)
    to_first = sum(one != two and one == place for one, two, place in read)
    to_second = len(read) - same - to_first
    return PositionConsistency(
        same=same,
        to_first=to_first,
        to_second=to_second,
        unread=len(rows) - len(read),
        consistency=wilson_interval(same, len(read), confidence=confidence),
        p_value=mcnemar_midp(to_first, to_second) if read else None,
    )
