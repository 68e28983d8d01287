"""How much two rankings of one query differ: overlap of the first k, and rank-biased overlap."""

from __future__ import annotations

from collections.abc import Sequence

PERSISTENCE = 0.9


def overlap(old: Sequence[str], new: Sequence[str], k: int) -> float:
    """Return the share of the first `k` results that both have; 1 where neither has any.

    Where both are shorter than `k`, it is the share of the longer one.
    """
    first, second = old[:k], new[:k]
    longest = max(len(first), len(second))
    return len(set(first) & set(second)) / longest if longest else 1.0


def rank_biased_overlap(old: Sequence[str], new: Sequence[str], *, persistence: float = PERSISTENCE) -> float:
    """Return the extrapolated rank-biased overlap: 1 for the same order, 0 for nothing in common.

    With 0.9 the first ten results have 86% of the weight. Ids do not repeat; lengths may differ. Formula 32
    of W. Webber, A. Moffat, J. Zobel, "A similarity measure for indefinite rankings", TOIS 28 (2010) 20.
    """
    short, long = sorted((old, new), key=len)
    if not long:
        return 1.0
    if not short:
        return 0.0
    p, seen_short, seen_long = persistence, set[str](), set[str]()
    common, at_short, total = 0, 0, 0.0
    for depth, one in enumerate(long, start=1):
        seen_long.add(one)
        if depth <= len(short):
            other = short[depth - 1]
            seen_short.add(other)
            common += (one == other) or ((one in seen_short) + (other in seen_long))
        else:
            common += one in seen_short
        at_short = common if depth == len(short) else at_short
        total += common / depth * p**depth
        if depth > len(short):
            total += at_short * (depth - len(short)) / (len(short) * depth) * p**depth
    rest = (common - at_short) / len(long) + at_short / len(short)
    return (1 - p) / p * total + rest * p ** len(long)
