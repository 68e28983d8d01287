"""Trials as a pandas frame, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from swapgate.analysis.measures import cluster_of, semantic_result, structural_result
from swapgate.records import Trial

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "suite": "string",
    "case": "string",
    "model": "string",
    "role": "string",
    "repeat": "Int64",
    "outcome": "string",
    "structural": "boolean",
    "semantic": "boolean",
    "blind_pass": "boolean",
    "tokens_in": "Int64",
    "tokens_out": "Int64",
    "cost_usd": "Float64",
    "judge_cost_usd": "Float64",
    "latency_s": "Float64",
    "from_cache": "boolean",
    "error_kind": "string",
    "cluster": "string",
}


def trials_frame(trials: Sequence[Trial]) -> pd.DataFrame:
    """Return one row a trial, in the given order.

    After the fixed columns come `check:NAME` (whether it passed) for every check and `score:JUDGE.CRITERION`
    for every criterion. What is unknown is NA. A fallback's answer shows its tokens, cost and latency; its
    results are NA.
    """
    import pandas as pd

    rows = [{**_fixed(t), **_checks(t), **_scores(t)} for t in trials]
    named = dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)
    kinds = COLUMNS | {name: "boolean" if name.startswith("check:") else "Float64" for name in named}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def _fixed(trial: Trial) -> dict[str, object]:
    structural, semantic = structural_result(trial), semantic_result(trial)
    return {
        "suite": trial.suite,
        "case": trial.case,
        "model": trial.model,
        "role": trial.role,
        "repeat": trial.repeat,
        "outcome": trial.outcome,
        "structural": structural,
        "semantic": semantic,
        "blind_pass": not semantic if structural and semantic is not None else None,
        "judge_cost_usd": trial.judge_cost_usd,
        "error_kind": trial.error.kind.value if trial.error is not None else None,
        "cluster": cluster_of(trial),
        **_usage(trial),
    }


def _usage(trial: Trial) -> dict[str, object]:
    if trial.answer is None:
        return {}
    return {
        "tokens_in": trial.answer.response.usage.tokens_in,
        "tokens_out": trial.answer.response.usage.tokens_out,
        "cost_usd": trial.answer.cost_usd,
        "latency_s": trial.answer.response.latency_s,
        "from_cache": trial.answer.from_cache,
    }


def _checks(trial: Trial) -> dict[str, object]:
    """Return one entry a check name: where a name occurs twice, all of them must pass."""
    results: dict[str, object] = {}
    for check in trial.checks:
        name = f"check:{check.check}"
        results[name] = check.passed and results.get(name, True)
    return results


def _scores(trial: Trial) -> dict[str, object]:
    return {f"score:{v.judge}.{name}": score for v in trial.verdicts for name, score in v.scores.items()}
