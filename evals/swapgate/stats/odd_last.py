"""Whether the last of several sets is unlike the others: an exact permutation test over cases."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The steps that a case's values are rounded to, so that their sums can be counted.
STEPS = 100


def odd_last_p(values: ArrayLike, *, is_two_sided: bool = False) -> float:
    """Return the p-value of "the last column is like the others" by the sum of its values.

    Parameters
    ----------
    values : array_like of float, shape (cases, sets)
        How far each set is from the others in each case, computed alike for every set: a function of the set
        and of the bag of all sets of the case, whatever their order is. nan where a case has no such set; a
        case without a last one is left out.
    is_two_sided : bool
        Whether a small sum is as odd as a large one.

    Returns
    -------
    float
        1.0 where nothing can be compared.

    Notes
    -----
    While nothing changes, the sets of a case are exchangeable, so each of its values is as likely to be the
    last one's as any other, and cases are independent of each other. The sum's distribution is then the
    convolution of the cases' own, which is computed, not drawn: by a Fourier transform, of values rounded
    to ``STEPS`` steps. The rounding is part of the statistic, so the p-value is exact for it. What lies
    within one set may depend on each other: repeats of one minute do.

    Values that are computed from all sets so far, for each new set, give p-values that are independent from
    set to set (Vovk's argument, the sets of a case taking the place of observations).

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, *Algorithmic Learning in a Random World*, 2nd ed. (2022), ch. 8.
    .. [2] P. Good, *Permutation, Parametric, and Bootstrap Tests of Hypotheses*, 3rd ed. (2005), ch. 3.

    Examples
    --------
    >>> round(odd_last_p([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]]), 6)
    0.015625
    >>> odd_last_p([[1, 0, 0, 0], [0, 1, 0, 0]])
    1.0
    """
    x = np.atleast_2d(np.asarray(values, dtype=np.float64))
    x = x[~np.isnan(x[:, -1])] if x.size else x
    low, high = (np.nanmin(x), np.nanmax(x)) if x.size else (0.0, 0.0)
    if not high > low:
        return 1.0
    steps = np.rint((x - low) / (high - low) * STEPS)
    sums = _distribution(steps)
    own = int(np.nansum(steps[:, -1]))
    above, below = float(sums[own:].sum()), float(sums[: own + 1].sum())
    # One arrangement is what there is, whatever rounding makes of it.
    least = float(np.exp(-np.log((~np.isnan(steps)).sum(axis=1)).sum()))
    return min(1.0, max(least, 2 * min(above, below) if is_two_sided else above))


def _distribution(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each sum when every case takes one of its values."""
    # Lengths that are powers of two are transformed many times faster than others.
    size = 1 << (len(steps) * STEPS).bit_length()
    shares = np.zeros((len(steps), size))
    for own, row in zip(shares, steps, strict=True):
        known = row[~np.isnan(row)].astype(np.int64)
        own[: STEPS + 1] = np.bincount(known, minlength=STEPS + 1) / known.size
    spectrum = np.fft.rfft(shares).prod(axis=0)
    # What rounding makes of zero is no probability.
    return np.clip(np.fft.irfft(spectrum, n=size), 0.0, 1.0)
