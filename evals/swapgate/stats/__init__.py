"""Pure statistics: arrays in, small frozen results out. No I/O, nothing about trials or files.

| question | modules |
| --- | --- |
| one rate | `proportion`, `interval` |
| two models on the same cases | `paired` (`tango`, `exact`), `change`, `means`, `distribution` |
| | `scores`, `sign_flips` |
| several comparisons | `multiple` |
| clusters and repeats | `clusters`, `repeats`, `pass_k` |
| how many cases | `power`, `gate_odds`, `planning` |
| when to stop | `sequential` (`boundaries`, `looks`), `anytime`, `drift`, `rank_drift` (`odd_last`) |
| a candidate beside the control | `excess`, `quantiles`, `ratios` |
| does it depend on a number | `threshold` (`covariate`, `cuts`, `exchange`, `trend`) |
| how good is the judge | `judge_errors` (`judge_labels`, `judge_readings`), `judge_measures`, `ppi` |
| where should it pass, and does it err alike for all | `pass_score`, `between_models` |
| do judges and people agree | `agreement`, `correlations`, `consistency`, `annotators` |

`tango_tables` and `permutation` are what enumerations and permutation tests are made from. Everything public
is imported from here, and loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapgate.stats.agreement import cohen_kappa, gwet_ac, krippendorff_alpha, percent_agreement
    from swapgate.stats.annotators import AnnotatorComparison, AnnotatorTest, alternative_annotator_test
    from swapgate.stats.anytime import (
        AnytimeResult,
        Evidence,
        anytime_margin,
        anytime_rate,
        margin_evidence,
        rate_evidence,
    )
    from swapgate.stats.between_models import BetweenModels, ModelDifference, errors_between_models
    from swapgate.stats.boundaries import Crossings, alpha_spent, critical_values, crossings, predictive_bound
    from swapgate.stats.change import ConditionalChange, conditional_change
    from swapgate.stats.clusters import cluster_sums, robust_variance, tempered_design_effect
    from swapgate.stats.consistency import PositionConsistency, position_consistency
    from swapgate.stats.correlations import (
        Correlation,
        correlation,
        group_correlation,
        within_group_correlation,
    )
    from swapgate.stats.covariate import CovariateEffect
    from swapgate.stats.distribution import DistributionComparison, RateDistribution, rate_distributions
    from swapgate.stats.drift import DriftDetector, DriftReading, drift_evidence, likely_starts
    from swapgate.stats.exact import mcnemar_exact, mcnemar_midp, unconditional_interval, unconditional_p
    from swapgate.stats.excess import (
        Excess,
        difference_of_intervals,
        excess_mean,
        excess_rate,
        share_mean_interval,
    )
    from swapgate.stats.gate_odds import DetectableDrop, GatePower, detectable_drop, gate_power
    from swapgate.stats.interval import Interval, critical_value
    from swapgate.stats.judge_errors import CorrectedInterval, corrected_difference, corrected_rate
    from swapgate.stats.judge_labels import Labels, beats_chance
    from swapgate.stats.judge_measures import JudgeQuality, judge_quality
    from swapgate.stats.looks import planned_looks, random_order
    from swapgate.stats.means import MeanInterval, PairedMeans, mean_interval, paired_mean_difference
    from swapgate.stats.multiple import benjamini_hochberg, benjamini_yekutieli, holm
    from swapgate.stats.odd_last import odd_last_p
    from swapgate.stats.paired import PairedDifference, design_effect, paired_difference
    from swapgate.stats.pass_k import all_of_k, any_of_k, pass_at_k, pass_hat_k
    from swapgate.stats.pass_score import Cut, PassScore, choose_pass_score
    from swapgate.stats.planning import PlannedCases, cases_for_power, cases_for_rate_power
    from swapgate.stats.power import (
        cases_for_margin,
        cases_for_rate,
        floor_cases,
        implied_icc,
        min_passing_cases,
        repeats_for_margin,
        repeats_for_rate,
    )
    from swapgate.stats.ppi import ppi_difference, ppi_rate
    from swapgate.stats.proportion import clustered_rate, exact_interval, wilson_bounds, wilson_interval
    from swapgate.stats.quantiles import fewest_for_quantile, quantile_interval
    from swapgate.stats.rank_drift import RankDrift, p_evidence, rank_bets, rank_evidence
    from swapgate.stats.ratios import ratio_interval
    from swapgate.stats.repeats import (
        CaseRate,
        IntraclassCorrelation,
        case_rates,
        flaky_cases,
        intraclass_correlation,
    )
    from swapgate.stats.scores import PairedScores, SignedRank, paired_scores, signed_rank_test
    from swapgate.stats.sequential import GroupSequential, LookAnswer
    from swapgate.stats.sign_flips import sign_flip_test
    from swapgate.stats.tango import noninferiority_p, tango_interval, tango_z
    from swapgate.stats.threshold import covariate_effect, paired_covariate_effect

_HOME = {
    "agreement": (
        "cohen_kappa",
        "gwet_ac",
        "krippendorff_alpha",
        "percent_agreement",
    ),
    "annotators": (
        "AnnotatorComparison",
        "AnnotatorTest",
        "alternative_annotator_test",
    ),
    "anytime": (
        "AnytimeResult",
        "Evidence",
        "anytime_margin",
        "anytime_rate",
        "margin_evidence",
        "rate_evidence",
    ),
    "between_models": (
        "BetweenModels",
        "ModelDifference",
        "errors_between_models",
    ),
    "boundaries": (
        "Crossings",
        "alpha_spent",
        "critical_values",
        "crossings",
        "predictive_bound",
    ),
    "change": (
        "ConditionalChange",
        "conditional_change",
    ),
    "clusters": (
        "cluster_sums",
        "robust_variance",
        "tempered_design_effect",
    ),
    "consistency": (
        "PositionConsistency",
        "position_consistency",
    ),
    "correlations": (
        "Correlation",
        "correlation",
        "group_correlation",
        "within_group_correlation",
    ),
    "covariate": ("CovariateEffect",),
    "distribution": (
        "DistributionComparison",
        "RateDistribution",
        "rate_distributions",
    ),
    "drift": (
        "DriftDetector",
        "DriftReading",
        "drift_evidence",
        "likely_starts",
    ),
    "exact": (
        "mcnemar_exact",
        "mcnemar_midp",
        "unconditional_interval",
        "unconditional_p",
    ),
    "excess": (
        "Excess",
        "difference_of_intervals",
        "excess_mean",
        "excess_rate",
        "share_mean_interval",
    ),
    "gate_odds": (
        "DetectableDrop",
        "GatePower",
        "detectable_drop",
        "gate_power",
    ),
    "interval": (
        "Interval",
        "critical_value",
    ),
    "judge_errors": (
        "CorrectedInterval",
        "corrected_difference",
        "corrected_rate",
    ),
    "judge_labels": (
        "Labels",
        "beats_chance",
    ),
    "judge_measures": (
        "JudgeQuality",
        "judge_quality",
    ),
    "looks": (
        "planned_looks",
        "random_order",
    ),
    "means": (
        "MeanInterval",
        "PairedMeans",
        "mean_interval",
        "paired_mean_difference",
    ),
    "multiple": (
        "benjamini_hochberg",
        "benjamini_yekutieli",
        "holm",
    ),
    "paired": (
        "PairedDifference",
        "design_effect",
        "paired_difference",
    ),
    "odd_last": ("odd_last_p",),
    "pass_k": (
        "all_of_k",
        "any_of_k",
        "pass_at_k",
        "pass_hat_k",
    ),
    "pass_score": (
        "Cut",
        "PassScore",
        "choose_pass_score",
    ),
    "planning": (
        "PlannedCases",
        "cases_for_power",
        "cases_for_rate_power",
    ),
    "power": (
        "cases_for_margin",
        "cases_for_rate",
        "floor_cases",
        "implied_icc",
        "min_passing_cases",
        "repeats_for_margin",
        "repeats_for_rate",
    ),
    "ppi": (
        "ppi_difference",
        "ppi_rate",
    ),
    "proportion": (
        "clustered_rate",
        "exact_interval",
        "wilson_bounds",
        "wilson_interval",
    ),
    "quantiles": (
        "fewest_for_quantile",
        "quantile_interval",
    ),
    "ratios": ("ratio_interval",),
    "rank_drift": (
        "RankDrift",
        "p_evidence",
        "rank_bets",
        "rank_evidence",
    ),
    "repeats": (
        "CaseRate",
        "IntraclassCorrelation",
        "case_rates",
        "flaky_cases",
        "intraclass_correlation",
    ),
    "scores": (
        "PairedScores",
        "SignedRank",
        "paired_scores",
        "signed_rank_test",
    ),
    "sequential": (
        "GroupSequential",
        "LookAnswer",
    ),
    "sign_flips": ("sign_flip_test",),
    "tango": (
        "noninferiority_p",
        "tango_interval",
        "tango_z",
    ),
    "threshold": (
        "covariate_effect",
        "paired_covariate_effect",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = [
    "AnnotatorComparison",
    "AnnotatorTest",
    "AnytimeResult",
    "BetweenModels",
    "CaseRate",
    "ConditionalChange",
    "CorrectedInterval",
    "Correlation",
    "CovariateEffect",
    "Crossings",
    "Cut",
    "DetectableDrop",
    "DistributionComparison",
    "DriftDetector",
    "DriftReading",
    "Evidence",
    "Excess",
    "GatePower",
    "GroupSequential",
    "Interval",
    "IntraclassCorrelation",
    "JudgeQuality",
    "Labels",
    "LookAnswer",
    "MeanInterval",
    "ModelDifference",
    "PairedDifference",
    "PairedMeans",
    "PairedScores",
    "PassScore",
    "PlannedCases",
    "PositionConsistency",
    "RankDrift",
    "RateDistribution",
    "SignedRank",
    "all_of_k",
    "alpha_spent",
    "alternative_annotator_test",
    "any_of_k",
    "anytime_margin",
    "anytime_rate",
    "beats_chance",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "case_rates",
    "cases_for_margin",
    "cases_for_power",
    "cases_for_rate",
    "cases_for_rate_power",
    "choose_pass_score",
    "cluster_sums",
    "clustered_rate",
    "cohen_kappa",
    "conditional_change",
    "corrected_difference",
    "corrected_rate",
    "correlation",
    "covariate_effect",
    "critical_value",
    "critical_values",
    "crossings",
    "design_effect",
    "detectable_drop",
    "difference_of_intervals",
    "drift_evidence",
    "errors_between_models",
    "exact_interval",
    "excess_mean",
    "excess_rate",
    "fewest_for_quantile",
    "flaky_cases",
    "floor_cases",
    "gate_power",
    "group_correlation",
    "gwet_ac",
    "holm",
    "implied_icc",
    "intraclass_correlation",
    "judge_quality",
    "krippendorff_alpha",
    "likely_starts",
    "margin_evidence",
    "mcnemar_exact",
    "mcnemar_midp",
    "mean_interval",
    "min_passing_cases",
    "noninferiority_p",
    "odd_last_p",
    "p_evidence",
    "paired_covariate_effect",
    "paired_difference",
    "paired_mean_difference",
    "paired_scores",
    "pass_at_k",
    "pass_hat_k",
    "percent_agreement",
    "planned_looks",
    "position_consistency",
    "ppi_difference",
    "ppi_rate",
    "predictive_bound",
    "quantile_interval",
    "random_order",
    "rank_bets",
    "rank_evidence",
    "rate_distributions",
    "rate_evidence",
    "ratio_interval",
    "repeats_for_margin",
    "repeats_for_rate",
    "robust_variance",
    "share_mean_interval",
    "sign_flip_test",
    "signed_rank_test",
    "tango_interval",
    "tango_z",
    "tempered_design_effect",
    "unconditional_interval",
    "unconditional_p",
    "wilson_bounds",
    "wilson_interval",
    "within_group_correlation",
]


def __getattr__(name: str) -> Any:
    # numpy and scipy are not needed by those who only plan a run.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
