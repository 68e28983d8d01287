"""The alternative annotator test: may a judge stand in for human annotators?"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from math import sqrt
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swapgate.stats.multiple import benjamini_yekutieli
from swapgate.values import Value

Label: TypeAlias = Any
# How well one label fits those of the other annotators: the higher, the better.
Alignment: TypeAlias = Callable[[Label, Sequence[Label]], float]

MIN_ANNOTATORS = 3
# Below this the t test's approximation does not hold, say the authors.
MIN_ITEMS = 30


class AnnotatorComparison(Value):
    """The judge against one annotator, both measured by the other annotators.

    `judge_advantage` is how often the judge fits these at least as well, `human_advantage` how often the
    annotator does; `is_won` says that the judge holds up within epsilon after the correction for several
    annotators.
    """

    annotator: Hashable
    items: int
    judge_advantage: float
    human_advantage: float
    p_value: float
    is_won: bool


class AnnotatorTest(Value):
    """The test's answer: pass when the judge wins against half of the annotators or more.

    `winning_rate` is omega, `advantage` rho (the average judge advantage), which compares judges. All are
    None, and `note` says why, where the test was refused; a note beside them says who was left out.
    """

    passed: bool | None
    winning_rate: float | None
    advantage: float | None
    epsilon: float
    comparisons: tuple[AnnotatorComparison, ...] = ()
    note: str = ""


def alternative_annotator_test(
    humans: Mapping[Hashable, Mapping[Hashable, Label]],
    judge: Mapping[Hashable, Label],
    *,
    epsilon: float = 0.2,
    alignment: Alignment | Literal["accuracy", "rmse"] = "accuracy",
    fdr: float = 0.05,
    min_items: int = MIN_ITEMS,
) -> AnnotatorTest:
    """Test whether a judge represents the annotators at least as well as one of themselves does.

    Parameters
    ----------
    humans : mapping of annotator to (mapping of item to label)
        At least three annotators.
    judge : mapping of item to label
        The judge's label of each item; items that it could not label are left out.
    epsilon : float
        What the judge's lower price is worth, in points of probability: .2 against experts, .15 against
        skilled annotators, .1 against crowd workers.
    alignment : callable, "accuracy" or "rmse"
        How well a label fits those of the remaining annotators: the share that equals it, minus the root
        mean squared distance, or a function such as a mean similarity.
    fdr : float
        False discovery rate over the annotators.
    min_items : int
        Annotators with fewer comparable items are left out.

    Returns
    -------
    AnnotatorTest
        Refused with fewer than three annotators that have enough items.

    Raises
    ------
    ValueError
        When `epsilon` or `fdr` is not between 0 and 1.

    Notes
    -----
    For annotator j and each item i that j, the judge f and at least one further annotator have labelled,
    S(f, i, j) and S(h_j, i, j) are the alignment of the judge's and of j's own label with those of the
    annotators other than j::

        W_f = [S(f, i, j) >= S(h_j, i, j)],  W_h = [S(h_j, i, j) >= S(f, i, j)],  d_i = W_h - W_f
        rho_f = mean(W_f),  rho_h = mean(W_h),  H0: rho_f <= rho_h - epsilon

    H0 is rejected by a one-sided t test of mean(d) < epsilon, with Benjamini and Yekutieli's control over
    the annotators, whose tests depend on each other. omega is the share of annotators with H0 rejected, rho
    the mean of rho_f. Where all d are the same a t test is undefined; the p-value is then the largest
    probability of such a sample under H0: (1 - epsilon)^n for d = 0, ((1 - epsilon) / 2)^n for d = -1.

    References
    ----------
    .. [1] N. Calderon, R. Reichart, R. Dror, "The alternative annotator test for LLM-as-a-judge: how to
       statistically justify replacing human annotators with LLMs", ACL 2025, arXiv:2501.10970.
    .. [2] Y. Benjamini, D. Yekutieli, Ann. Stat. 29 (2001) 1165-1188.

    Examples
    --------
    Three annotators, each of whom errs on other items, and a judge that errs on none:

    >>> humans = {j: {i: i % 2 if i % 3 != j else 2 for i in range(60)} for j in range(3)}
    >>> found = alternative_annotator_test(humans, {i: i % 2 for i in range(60)})
    >>> found.passed, found.winning_rate, found.advantage
    (True, 1.0, 1.0)
    """
    if not 0 <= epsilon < 1 or not 0 < fdr < 1:
        raise ValueError(f"epsilon and fdr must lie between 0 and 1, got {epsilon!r} and {fdr!r}")
    fit = _ALIGNMENTS[alignment] if isinstance(alignment, str) else alignment
    wins = {name: _wins(name, humans, judge, fit) for name in humans}
    enough = {name: found for name, found in wins.items() if len(found) >= max(min_items, 2)}
    left_out = [str(name) for name in wins if name not in enough]
    note = f"left out with fewer than {min_items} items: {', '.join(left_out)}" if left_out else ""
    if len(enough) < MIN_ANNOTATORS:
        why_not = f"{len(enough)} annotators: the test needs {MIN_ANNOTATORS} with {min_items} items each"
        return AnnotatorTest(passed=None, winning_rate=None, advantage=None, epsilon=epsilon, note=why_not)
    p_values = [_p_value(found[:, 1] - found[:, 0], epsilon) for found in enough.values()]
    won = [p is not None and p <= fdr for p in benjamini_yekutieli(p_values)]
    comparisons = tuple(
        AnnotatorComparison(
            annotator=name,
            items=len(found),
            judge_advantage=float(found[:, 0].mean()),
            human_advantage=float(found[:, 1].mean()),
            p_value=p_value,
            is_won=is_won,
        )
        for (name, found), p_value, is_won in zip(enough.items(), p_values, won, strict=True)
    )
    rate = sum(won) / len(won)
    return AnnotatorTest(
        passed=rate >= 0.5,
        winning_rate=rate,
        advantage=sum(c.judge_advantage for c in comparisons) / len(comparisons),
        epsilon=epsilon,
        comparisons=comparisons,
        note=note,
    )


def _wins(
    name: Hashable,
    humans: Mapping[Hashable, Mapping[Hashable, Label]],
    judge: Mapping[Hashable, Label],
    fit: Alignment,
) -> NDArray[np.int64]:
    """Return a row an item: whether the judge, whether the annotator fits the others at least as well."""
    rows = []
    for item, own in humans[name].items():
        others = [labels[item] for other, labels in humans.items() if other != name and item in labels]
        if item in judge and others:
            of_judge, of_human = fit(judge[item], others), fit(own, others)
            rows.append((of_judge >= of_human, of_human >= of_judge))
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def _p_value(differences: NDArray[np.int64], epsilon: float) -> float:
    n, mean = len(differences), float(differences.mean())
    if np.ptp(differences) == 0:
        return {1: 1.0, 0: (1 - epsilon) ** n, -1: ((1 - epsilon) / 2) ** n}[int(mean)]
    from scipy.special import stdtr

    return float(stdtr(n - 1, (mean - epsilon) * sqrt(n) / float(differences.std(ddof=1))))


def _accuracy(label: Label, others: Sequence[Label]) -> float:
    return sum(bool(label == other) for other in others) / len(others)


def _minus_rmse(label: Label, others: Sequence[Label]) -> float:
    return -sqrt(sum((label - other) ** 2 for other in others) / len(others))


_ALIGNMENTS: Mapping[str, Alignment] = {"accuracy": _accuracy, "rmse": _minus_rmse}
