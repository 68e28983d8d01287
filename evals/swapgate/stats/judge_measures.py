"""How good a judge is against people: sensitivity, specificity and the rest, by the design of the labels."""

from __future__ import annotations

import numpy as np

from swapgate.stats.interval import Interval
from swapgate.stats.judge_labels import (
    NOT_SHOWN,
    Labels,
    beats_chance,
    from_two,
    missing_class,
    refusal,
    share_of,
)
from swapgate.values import Value

MEASURES = ("sensitivity", "specificity", "youden", "accuracy", "prevalence")


class JudgeQuality(Value):
    """How good a judge is against people.

    Each measure is an interval, refused where the labels' design cannot give it. `youden` is sensitivity +
    specificity - 1: 0 for a judge that guesses. `is_better_than_chance` says whether the labels show it to
    be above 0, None where a class is missing among them. `note` says why a rate cannot be corrected for this
    judge's errors, or what weakens the correction.
    """

    labels: int
    sensitivity: Interval
    specificity: Interval
    youden: Interval
    accuracy: Interval
    prevalence: Interval
    is_better_than_chance: bool | None
    note: str = ""


def judge_quality(
    labels: Labels, *, pass_share: float | None = None, confidence: float = 0.95
) -> JudgeQuality:
    """Measure a judge against people's labels.

    Parameters
    ----------
    labels : Labels
        With the design they were drawn by.
    pass_share : float, optional
        Share of passing verdicts among all judged trials. Labels drawn by verdict or by label do not show
        it, and without it they leave some measures unknown. Its own sampling error is left out. Not used
        for labels drawn at random.
    confidence : float
        Two-sided coverage of every interval.

    Returns
    -------
    JudgeQuality

    Raises
    ------
    ValueError
        When `pass_share` is not between 0 and 1 (both excluded).

    Notes
    -----
    Drawn at random: all measures are shares of the labels, with Wilson's intervals. Drawn by label:
    sensitivity and specificity are; accuracy and prevalence follow from them and the pass share P [1]_.
    Drawn by verdict: the labels show the truth given the verdict, r1 and r0, and Bayes' rule gives the rest:
    sensitivity = P r1 / (P r1 + (1 - P) r0). Intervals of what follows from two shares are made
    from the limits of these [2]_.

    References
    ----------
    .. [1] W. J. Rogan, B. Gladen, "Estimating prevalence from the results of a screening test", Am. J.
       Epidemiol. 107 (1978) 71-76.
    .. [2] G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures: a general
       approach", Stat. Med. 27 (2008) 1693-1702.

    Examples
    --------
    >>> from swapgate.stats.judge_labels import Labels
    >>> labels = Labels(verdicts=[True] * 40 + [False] * 40, truths=[True] * 38 + [False] * 42)
    >>> quality = judge_quality(labels)
    >>> quality.sensitivity.estimate, round(quality.specificity.low, 3)
    (1.0, 0.842)
    >>> quality.is_better_than_chance
    True
    """
    if pass_share is not None and not 0 < pass_share < 1:
        raise ValueError(f"a pass share must lie between 0 and 1, got {pass_share!r}")
    missing = missing_class(labels)
    measures = _none(missing, confidence) if missing else _measures(labels, pass_share, confidence)
    is_better = None if missing else beats_chance(labels, confidence=confidence)
    note = refusal(labels) or ("" if is_better else NOT_SHOWN)
    return JudgeQuality(labels=len(labels), **measures, is_better_than_chance=is_better, note=note)


def _measures(labels: Labels, pass_share: float | None, confidence: float) -> dict[str, Interval]:
    """Return the five measures, as far as the design and the pass share give them."""
    if labels.design == "by_verdict":
        return _from_true_shares(labels, pass_share, confidence)
    right, wrong = (labels.verdict_share(given=truth, confidence=confidence) for truth in (True, False))
    shown = {
        "sensitivity": right,
        "specificity": from_two(lambda _a, b: 1 - b, right, wrong),
        "youden": from_two(lambda a, b: a - b, right, wrong, limits=(-1.0, 1.0)),
    }
    if labels.design == "random":
        agree = np.asarray(labels.verdicts) == np.asarray(labels.truths)
        return {
            **shown,
            "accuracy": share_of(agree, labels.clusters, confidence=confidence),
            "prevalence": share_of(np.asarray(labels.truths), labels.clusters, confidence=confidence),
        }
    if pass_share is None:
        return {**shown, **_none(_needs_pass_share("label"), confidence, "accuracy", "prevalence")}

    def prevalence(a: float, b: float) -> float:
        return min(max((pass_share - b) / (a - b), 0.0), 1.0) if a > b else 0.5

    def accuracy(a: float, b: float) -> float:
        return a * prevalence(a, b) + (1 - b) * (1 - prevalence(a, b))

    return {
        **shown,
        "accuracy": from_two(accuracy, right, wrong),
        "prevalence": from_two(prevalence, right, wrong),
    }


def _from_true_shares(labels: Labels, pass_share: float | None, confidence: float) -> dict[str, Interval]:
    """Return the measures of labels drawn by verdict, where only Bayes' rule leads to them."""
    if pass_share is None:
        return _none(_needs_pass_share("verdict"), confidence)
    p, (r1, r0) = pass_share, labels.correcting_shares(confidence=confidence)

    def sensitivity(a: float, b: float) -> float:
        return p * a / (p * a + (1 - p) * b)

    def specificity(a: float, b: float) -> float:
        return (1 - p) * (1 - b) / (p * (1 - a) + (1 - p) * (1 - b))

    return {
        "sensitivity": from_two(sensitivity, r1, r0),
        "specificity": from_two(specificity, r1, r0),
        "youden": from_two(
            lambda a, b: sensitivity(a, b) + specificity(a, b) - 1, r1, r0, limits=(-1.0, 1.0)
        ),
        "accuracy": from_two(lambda a, b: p * a + (1 - p) * (1 - b), r1, r0),
        "prevalence": from_two(lambda a, b: p * a + (1 - p) * b, r1, r0),
    }


def _none(note: str, confidence: float, *names: str) -> dict[str, Interval]:
    """Return the named measures refused, all of them when none is named."""
    refused = Interval(estimate=None, low=None, high=None, confidence=confidence, note=note)
    return dict.fromkeys(names or MEASURES, refused)


def _needs_pass_share(chosen: str) -> str:
    return (
        f"the labels were drawn by {chosen}: this needs the share of passing verdicts among all judged trials"
    )
