"""Goal 10: every edge input gives a result or a named refusal, never nan, zero width or an exception.

The table names each public function with the inputs at its edges: nothing, one trial, one cluster, all
results alike, identical repeats, rates of 0 and 1, classes that are missing. A refusal is an interval
without bounds, or a p-value of None, beside a note that says why; None is an answer where there is no such
number.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from inspect import isfunction
from math import isnan
from typing import Any

import numpy as np

from benchmarks.table import Row
from swapgate import stats
from swapgate.stats.drift import DriftDetector
from swapgate.stats.judge_labels import Labels
from swapgate.stats.sequential import GroupSequential


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one call."""

    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the number of faulty results over all calls, and of exported functions that no call reaches."""
    del quick
    results = [(name, *_outcome(function, call)) for name, function, call in _calls()]
    faulty = [name for name, _, faults in results if faults]
    kinds = ("nan", "zero width", "refusal without a reason", "exception")
    yield Row(
        goal=f"edges: faulty results of {len(results)} calls of {len({r[0] for r in results})} functions",
        value=len(faulty),
        limit="<= 0",
        beside={kind: sum(kind in faults for _, _, faults in results) for kind in kinds},
    )
    known = {name.split(".")[-1] for name in TABLE}
    exported = {name for name in getattr(stats, "__all__", ()) if isfunction(getattr(stats, name))}
    yield Row(
        goal="edges: exported functions without an edge input", value=len(exported - known), limit="<= 0"
    )


def faults() -> Iterator[str]:
    """Yield each faulty call in words."""
    for name, function, call in _calls():
        result, found = _outcome(function, call)
        if found:
            yield f"{name}{call.args!r} {dict(call.options)!r}: {sorted(found)}: {result!r}"


def _calls() -> Iterator[tuple[str, Callable[..., Any], Call]]:
    for name, calls in TABLE.items():
        module, _, attribute = name.partition(".")
        function = getattr(import_module(f"swapgate.stats.{module}"), attribute)
        for call in calls:
            yield name, function, call
    for name, (function, calls) in METHODS.items():
        for call in calls:
            yield name, function, call


def _outcome(function: Callable[..., Any], call: Call) -> tuple[Any, set[str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = function(*call.args, **call.options)
    except Exception as exc:
        return exc, {"exception"}
    return result, set(_faults(result, reason=""))


def _faults(result: Any, *, reason: str) -> Iterator[str]:
    """Yield what is wrong with a result; `reason` is the note of what it lies in."""
    if isinstance(result, float | np.floating) and isnan(result):
        yield "nan"
    elif isinstance(result, np.ndarray):
        yield from ["nan"] if result.dtype.kind == "f" and np.isnan(result).any() else []
    elif is_dataclass(result):
        values = {f.name: getattr(result, f.name) for f in fields(result)}
        reason = values.get("note") or values.get("refusal") or reason or _inner_reason(values)
        yield from _interval_faults(values, reason=reason)
        for value in values.values():
            yield from _faults(value, reason=reason)
    elif isinstance(result, list | tuple):
        for value in result:
            yield from _faults(value, reason=reason)


def _inner_reason(values: Mapping[str, Any]) -> str:
    """Return a part's reason, which speaks for the whole as well."""
    return "; ".join(filter(None, (getattr(value, "note", "") for value in values.values())))


def _interval_faults(values: Mapping[str, Any], *, reason: str) -> Iterator[str]:
    low, high = values.get("low", 0.0), values.get("high", 1.0)
    if (low is None) != (high is None) or (low is not None and not high - low > 1e-12):
        yield "zero width"
    if not reason and (low is None or values.get("p_value", 1.0) is None):
        yield "refusal without a reason"


def _each(inputs: Iterable[tuple[Any, ...]], **options: Any) -> list[Call]:
    return [Call(args, options) for args in inputs]


# Results with the clusters they lie in.
RATES: list[tuple[list[int], list[Any] | None]] = [
    ([], None),
    ([], []),
    ([1], None),
    ([0], ["a"]),
    ([1] * 30, None),
    ([0] * 30, None),
    ([1, 0] * 15, None),
    ([1, 1, 0], ["a"] * 3),
    ([1] * 30, ["a"] * 15 + ["b"] * 15),
    ([1] * 30 + [0] * 30, [i // 30 for i in range(60)]),
    ([1, 0] * 30, [i // 2 for i in range(60)]),
    ([1] * 200, [i // 20 for i in range(200)]),
    ([0] + [1] * 199, [i // 20 for i in range(200)]),
]
# Both models' results, with clusters.
PAIRS: list[tuple[list[int], list[int], list[Any] | None]] = [
    ([], [], None),
    ([], [], []),
    ([1], [1], None),
    ([1], [0], ["a"]),
    ([1] * 50, [1] * 50, None),
    ([0] * 50, [0] * 50, None),
    ([1] * 50, [0] * 50, None),
    ([0] * 50, [1] * 50, None),
    ([1, 0] * 25, [0, 1] * 25, None),
    ([1, 0, 1], [0, 0, 1], ["a"] * 3),
    ([1] * 40, [1] * 40, [i // 20 for i in range(40)]),
    ([1] * 40, [1] * 20 + [0] * 20, [i // 20 for i in range(40)]),
    ([1] * 200, [1] * 180 + [0] * 20, [i // 20 for i in range(200)]),
    ([1, 0] * 20, [0, 1] * 20, [i // 2 for i in range(40)]),
]
# Measured values, with clusters.
VALUES: list[tuple[list[float], list[Any] | None]] = [
    *RATES,
    ([0.1] * 7, None),
    ([0.1] * 6, [0, 0, 1, 1, 2, 2]),
    ([0.1, 0.3] * 5, [i // 2 for i in range(10)]),
    ([1e-300, 2e-300], None),
    ([1e149, -1e149, 1e149], None),
    ([1e9, 1e9 + 1e-6], None),
]
VALUE_PAIRS = [(values, [2 * v for v in values], clusters) for values, clusters in VALUES] + PAIRS
COUNTS = [(0, 0, 0), (0, 0, 1), (1, 0, 1), (0, 0, 50), (50, 0, 50), (0, 50, 50), (25, 25, 50), (1, 0, 10**6)]
PASSED = [(0, 0), (0, 1), (1, 1), (0, 50), (50, 50), (1, 10**6)]
MASKS = [([1] * len(b), b, [1] * len(b), c, clusters) for b, c, clusters in PAIRS] + [
    ([0, 0], [0, 0], [1, 1], [0, 1], None),
    ([1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], None),
    ([1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], ["a", "a", "b", "b"]),
]
REPEATED = [(passes, [i // 5 for i in range(len(passes))]) for passes, _ in RATES]


def _labels(verdicts: list[int], truths: list[int], **options: Any) -> Labels:
    return Labels(verdicts=verdicts, truths=truths, **options)


GOOD = _labels([1] * 45 + [0] * 5 + [1] * 10 + [0] * 40, [1] * 50 + [0] * 50)
LABELS = [
    GOOD,
    _labels([], []),
    _labels([1] * 30, [1] * 30),
    _labels([1] * 30, [1] * 15 + [0] * 15),
    _labels([1, 0] * 15, [1] * 30),
    _labels([1, 0] * 15, [0, 1] * 15),
    _labels([1, 1, 0, 0] * 10, [1, 0, 1, 0] * 10),
    _labels([1, 0] * 30, [1, 0] * 30),
    _labels([1, 0] * 30, [1, 0] * 30, design="by_label"),
    _labels([1, 0] * 30, [1, 0] * 30, design="by_verdict"),
    _labels([1, 0] * 30, [1, 0] * 30, clusters=["a"] * 60),
    _labels([1, 0] * 30, [1, 0] * 30, clusters=[i // 30 for i in range(60)]),
]
VERDICTS = [passes for passes, _ in RATES]
COVARIATES = [(failed, [float(i) for i in range(len(failed))], clusters) for failed, clusters in RATES] + [
    ([0, 1] * 40, [1.0] * 80, None),
    ([0] * 40 + [1] * 40, [1.0] * 40 + [2.0] * 40, None),
]
PAIRED_COVARIATES = [(b, c, [float(i % 7) for i in range(len(b))], clusters) for b, c, clusters in PAIRS]
RATINGS = [
    ([],),
    ([[1, 1]],),
    ([[1, 1]] * 20,),
    ([[1, 2]] * 20,),
    ([[1, 1], [2, 2]] * 10,),
    ([[1, None]] * 5,),
]
SCORES = [
    ([], []),
    ([1.0], [1.0]),
    ([1.0, 2.0], [2.0, 1.0]),
    ([3.0] * 9, [3.0] * 9),
    ([3.0] * 9, list(range(9))),
    (list(range(9)), list(range(9))),
    (list(range(9)), list(range(9))[::-1]),
]
SCORED_TRUTHS = [
    ([], []),
    ([1.0], [1]),
    ([3.0] * 9, [0, 1, 1] * 3),
    (list(range(9)), [1] * 9),
    (list(range(9)), [0] * 4 + [1] * 5),
    (list(range(9)), [1] * 5 + [0] * 4),
]
GROUPS = [(x, y, [i // 2 for i in range(len(x))]) for x, y in SCORES]

UNKNOWN = float("nan")
FLOORS = [
    ([], []),
    ([1.0], [UNKNOWN]),
    ([0.0] * 9, [UNKNOWN] * 9),
    ([0.0] * 9, [0.0] * 9),
    ([1.0] * 9, [0.0] * 8 + [UNKNOWN]),
    ([1.0] * 9, [1.0] * 9, ["a"] * 9),
    ([0.0, 1.0] * 9, [1.0, UNKNOWN] * 9, [number // 3 for number in range(18)]),
]
NO_INTERVAL = stats.wilson_interval(0, 0)
TABLE: Mapping[str, list[Call]] = {
    "interval.critical_value": _each([(1e-9,), (0.5,), (1 - 1e-9,)]) + _each([(0.95,)], df=1),
    "clusters.cluster_sums": _each([(r, c) for r, c in RATES if c is not None]),
    "clusters.robust_variance": _each([([0, 0], [1, 1]), ([5, 0], [5, 5]), ([1, 1], [2, 2])]),
    "clusters.tempered_design_effect": _each([(1.0,), (20.0,)], varying=0, most=20.0)
    + _each([(1.0,)], varying=10**6, most=20.0),
    "proportion.wilson_bounds": _each([(0.0, 1e-9), (1.0, 1e-9), (0.0, 1), (1.0, 1), (0.5, 1e12)]),
    "proportion.wilson_interval": _each(PASSED),
    "proportion.exact_interval": _each(PASSED),
    "proportion.clustered_rate": _each(RATES) + _each(RATES, method="exact"),
    "paired.paired_difference": _each(PAIRS) + _each(PAIRS, method="exact"),
    "paired.design_effect": _each(
        [([c - b for b, c in zip(x, y, strict=True)], z) for x, y, z in PAIRS if z and len(set(z)) > 1]
    ),
    "tango.tango_interval": _each(COUNTS) + _each(COUNTS, df=0) + _each(COUNTS, df=1, deff=5.0),
    "tango.tango_z": _each(COUNTS[1:], difference=-0.05) + _each(COUNTS[1:], difference=0.0),
    "tango.noninferiority_p": _each([(*counts, margin) for counts in COUNTS[1:] for margin in (0.0, 0.05)]),
    "exact.unconditional_interval": _each(COUNTS[:-1]),
    "exact.unconditional_p": _each(COUNTS[:-1]),
    "exact.mcnemar_exact": _each([(0, 0), (1, 0), (0, 9), (10**6, 10**6)]),
    "exact.mcnemar_midp": _each([(0, 0), (1, 0), (0, 9), (10**6, 10**6)]),
    "power.floor_cases": _each([(0.001,), (0.05,), (0.999,)]),
    "power.min_passing_cases": _each([(0.001,), (0.05,), (0.999,)]),
    "power.cases_for_rate": _each([(0.0, 0.85), (1.0, 0.85), (0.85, 0.85), (0.5, 0.0), (0.5, 1.0)]),
    "power.cases_for_margin": _each(
        [(0.0, 0.0, 0.05), (-0.05, 0.05, 0.05), (1.0, 1.0, 0.0), (0.0, 0.0, 0.0)]
    ),
    "power.repeats_for_margin": _each(
        [(0.0, 0.0, 0.05), (-0.05, 0.05, 0.05), (1.0, 1.0, 0.0), (0.0, 0.1, 0.05)], cases=80, icc=0.5
    )
    + _each([(0.0, 0.1, 0.05)], cases=1, icc=0.0)
    + _each([(0.0, 0.1, 0.05)], cases=80, icc=1.0),
    "power.repeats_for_rate": _each([(0.0, 0.85), (1.0, 0.85), (0.85, 0.85)], cases=60, icc=1.0)
    + _each([(0.9, 0.85)], cases=1, icc=0.0),
    "power.implied_icc": _each([(1.0, 1), (1.0, 5), (5.0, 5), (9.0, 5)]),
    "planning.cases_for_power": [
        Call((), {"margin": margin, "discordance": discordance, "icc": icc, "cluster_size": 5})
        for margin in (0.03, 0.5)
        for discordance in (0.0, 0.1, 1.0)
        for icc in (0.0, 1.0)
    ],
    "planning.cases_for_rate_power": _each([(0.95, 0.9), (0.9, 0.9), (1.0, 0.9), (0.0, 0.9), (0.5, 1.0)]),
    "gate_odds.gate_power": _each([(1,), (50,)], difference=0.0, discordance=0.0, margin=0.05)
    + _each([(1,), (50,)], difference=0.0, discordance=1.0, margin=0.05, clusters=1),
    "gate_odds.detectable_drop": _each([(1,), (50,), (400,)], discordance=0.0)
    + _each([(50,)], discordance=1.0, margin=0.05),
    "boundaries.alpha_spent": _each([(0.0,), (1e-6,), (1.0,)]) + _each([(0.0,), (1.0,)], spending="pocock"),
    "boundaries.critical_values": _each([([1.0],), ([1e-6, 1.0],), ([0.5, 0.5 + 1e-9, 1.0],)]),
    "boundaries.crossings": _each([([1.0], [1.6], [0.0]), ([0.5, 1.0], [9.0, 1.6], [-9.0, 0.0])], drift=0.0),
    "boundaries.predictive_bound": _each([(1e-6,), (0.5,), (1 - 1e-6,)], final=1.645, chance=0.005),
    "sequential.GroupSequential": _each([([1],), ([10, 20],)]),
    "looks.planned_looks": _each([([1],), ([3, 3],), ([1] * 100,)]),
    "looks.random_order": _each([([],), (["a"],), (["a", "b", "a"],)], seed=1),
    "anytime.anytime_margin": _each(
        [([],), ([0.0],), ([0.0] * 99,), ([-1.0] * 99,), ([1.0] * 99,)], margin=0.05
    ),
    "anytime.anytime_rate": _each([([],), ([1.0],), ([1.0] * 99,), ([0.0] * 99,)], minimum=0.9),
    "anytime.margin_evidence": _each([([],), ([0.0],), ([-1.0] * 99,), ([1.0] * 99,)], margin=0.05),
    "anytime.rate_evidence": _each([([],), ([1.0],), ([0.0] * 99,)], minimum=0.9),
    "drift.drift_evidence": _each([([50], [50]), ([0, 0], [50, 50])], reference_passed=50, reference_n=50)
    + _each([([0], [1])], reference_passed=0, reference_n=1),
    "drift.DriftDetector": _each([(1, 1), (0, 50), (50, 50)]),
    "judge_labels.beats_chance": _each([(labels,) for labels in LABELS]),
    "judge_errors.corrected_rate": _each([(v, labels) for v in VERDICTS for labels in LABELS]),
    "judge_errors.corrected_difference": [
        Call((b, c), {"baseline_labels": labels, "candidate_labels": GOOD, "clusters": clusters})
        for b, c, clusters in PAIRS
        for labels in (*LABELS, None)
    ],
    "pass_score.choose_pass_score": _each(SCORED_TRUTHS, seed=1, resamples=50),
    "between_models.errors_between_models": [
        Call((labels, models(len(labels))), {"seed": 1, "permutations": 50})
        for labels in LABELS
        for models in (lambda n: [None] * n, lambda n: ["a"] * n, lambda n: ["ab"[i % 2] for i in range(n)])
    ],
    "judge_measures.judge_quality": _each([(labels,) for labels in LABELS]),
    "ppi.ppi_rate": _each([(labels, verdicts) for labels in LABELS for verdicts in VERDICTS]),
    "ppi.ppi_difference": _each([(one, one, b, c) for one in LABELS for b, c, _ in PAIRS]),
    "agreement.percent_agreement": _each(RATINGS),
    "agreement.gwet_ac": _each(RATINGS),
    "agreement.krippendorff_alpha": _each(RATINGS),
    "agreement.cohen_kappa": _each(SCORES),
    "annotators.alternative_annotator_test": _each(
        [
            ({}, {}),
            ({0: {}, 1: {}, 2: {}}, {}),
            ({j: dict.fromkeys(range(40), 1) for j in range(3)}, dict.fromkeys(range(40), 1)),
        ]
    ),
    "consistency.position_consistency": _each([([], [], []), (["a"], ["a"], ["a"]), ([None], [None], ["a"])]),
    "correlations.correlation": _each(SCORES),
    "correlations.group_correlation": _each(GROUPS),
    "correlations.within_group_correlation": _each(GROUPS),
    "threshold.covariate_effect": _each(COVARIATES, seed=1, permutations=200),
    "threshold.paired_covariate_effect": _each(PAIRED_COVARIATES, seed=1, permutations=200),
    "distribution.rate_distributions": [
        Call((b, c, [i // 5 for i in range(len(b))]), {"seed": 1, "permutations": 200}) for b, c, _ in PAIRS
    ],
    "means.mean_interval": _each(VALUES),
    "excess.excess_rate": _each(FLOORS),
    "excess.excess_mean": _each(FLOORS),
    "excess.share_mean_interval": _each(
        [([],), ([0.5],), ([1.0] * 9,), ([0.0] * 9, ["a"] * 9), ([0.2, 0.4],)]
    ),
    "excess.difference_of_intervals": _each(
        [(NO_INTERVAL, NO_INTERVAL), (stats.wilson_interval(0, 9), stats.wilson_interval(9, 9))]
    ),
    "quantiles.quantile_interval": _each(
        [
            ([], 0.95),
            ([1.0], 0.95),
            ([*range(95), *[float("inf")] * 5], 0.95),
            (list(range(99)), 0.5, ["a"] * 99),
        ]
    ),
    "quantiles.fewest_for_quantile": _each([(0.5,), (0.999,)]),
    "rank_drift.rank_bets": _each([([],), ([1.0],), ([2.0] * 9,), ([1.0, 2.0, 0.0],)]),
    "rank_drift.rank_evidence": _each([([],), ([1.0],), ([2.0] * 9,), ([1.0, 2.0, 0.0],)]),
    "rank_drift.p_evidence": _each([([],), ([0.0],), ([1.0] * 9,), ([0.5, 0.0, 1.0],)], threshold=2433),
    "odd_last.odd_last_p": _each(
        [
            (np.empty((0, 3)),),
            ([[1.0]],),
            ([[2.0, 2.0]] * 5,),
            ([[np.nan, 1.0]],),
            ([[0.0, 1.0], [1.0, np.nan]],),
        ]
    ),
    "sign_flips.sign_flip_test": _each(
        [([],), ([0.0],), ([1.0],), ([-1.0] * 40,), ([[np.nan, 1.0]] * 3,), ([1.0, -1.0], ["a", "a"])]
    ),
    "drift.likely_starts": _each([(np.zeros(1),), (np.array([0.0, -900.0]),), (np.full(5, -3.0),)]),
    "ratios.ratio_interval": _each(
        [([], []), ([1.0], [2.0]), ([0.0] * 3, [1.0] * 3), ([1.0] * 4, [2.0, 1.0, 2.0, 3.0], ["a"] * 4)]
    ),
    "means.paired_mean_difference": _each(VALUE_PAIRS),
    "scores.paired_scores": _each(VALUE_PAIRS),
    "scores.signed_rank_test": _each([(values,) for values, _ in VALUES]),
    "change.conditional_change": _each(MASKS),
    "multiple.holm": _each([([],), ([None],), ([0.0, 1.0, None],), ([0.5] * 9,)]),
    "multiple.benjamini_hochberg": _each([([],), ([None],), ([0.0, 1.0, None],), ([0.5] * 9,)]),
    "multiple.benjamini_yekutieli": _each([([],), ([None],), ([0.0, 1.0, None],), ([0.5] * 9,)]),
    "repeats.case_rates": _each(REPEATED),
    "repeats.flaky_cases": _each(REPEATED),
    "repeats.intraclass_correlation": _each([(v, c) for v, c in VALUES if c is not None] + REPEATED),
    "pass_k.any_of_k": _each([([], []), ([0, 5], [5, 5]), ([1], [1])], k=1) + _each([([3], [5])], k=5),
    "pass_k.all_of_k": _each([([], []), ([0, 5], [5, 5]), ([1], [1])], k=1) + _each([([3], [5])], k=5),
    "pass_k.pass_at_k": _each(REPEATED, k=1) + _each(REPEATED, k=5) + _each(REPEATED, k=9),
    "pass_k.pass_hat_k": _each(REPEATED, k=1) + _each(REPEATED, k=5) + _each(REPEATED, k=9),
}


def _look_margin(counts: tuple[int, int, int], clusters: int | None) -> Any:
    return GroupSequential([20, 50]).look_margin(*counts, margin=0.05, clusters=clusters)


def _look_rate(counts: tuple[int, int], clusters: int | None) -> Any:
    return GroupSequential([20, 50]).look_rate(*counts, minimum=0.9, clusters=clusters)


def _nights(passed: int, n: int) -> Any:
    return [DriftDetector(*reference).add(passed, n) for reference in ((0, 50), (50, 50), (47, 50))]


METHODS: Mapping[str, tuple[Callable[..., Any], list[Call]]] = {
    "GroupSequential.look_margin": (_look_margin, _each([(c, k) for c in COUNTS for k in (None, 1, 2)])),
    "GroupSequential.look_rate": (_look_rate, _each([(c, k) for c in PASSED for k in (None, 1, 2)])),
    "DriftDetector.add": (_nights, _each(PASSED)),
}
