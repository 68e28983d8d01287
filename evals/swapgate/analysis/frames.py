"""pandas in and out, for notebooks: trials as a frame, and frames compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from swapgate.analysis.rates import GATE_CONFIDENCE
from swapgate.analysis.rule_scopes import DEFAULT_MARGIN
from swapgate.facts import Facts
from swapgate.stats.interval import Method
from swapgate.stats.paired import PairedDifference, paired_difference

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
    "judge_tokens_in": "Int64",
    "judge_tokens_out": "Int64",
    "judge_cost_usd": "Float64",
    "latency_s": "Float64",
    "judge_latency_s": "Float64",
    "ttft_s": "Float64",
    "from_cache": "boolean",
    "error_kind": "string",
    "cluster": "string",
    "prompt": "string",
}

DIFFERENCES = (
    "measure",
    "by",
    "part",
    "pairs",
    "clusters",
    "baseline_rate",
    "candidate_rate",
    "estimate",
    "low",
    "high",
    "p_value",
    "p_noninferior",
    "note",
)

_KEY = ("suite", "case", "repeat")
_DEFAULTS: dict[str, str | int | None] = {"suite": "", "repeat": 1, "cluster": None}


def trials_frame(facts: Sequence[Facts]) -> pd.DataFrame:
    """Return one row a trial, in the given order.

    After the fixed columns come `check:NAME` (whether it passed) for every check, `score:JUDGE.CRITERION`
    for every criterion and `covariate:NAME` for every covariate. What is unknown is NA. A fallback's answer
    is another model's: its results and amounts are NA.
    """
    import pandas as pd

    kinds = trial_columns(facts)
    return pd.DataFrame(map(trial_row, facts), columns=list(kinds)).astype(kinds)


def trial_columns(facts: Sequence[Facts]) -> dict[str, str]:
    """Return the columns of a table of these trials, in order, each with the name of its pandas type."""
    named = dict.fromkeys(name for f in facts for name in (*_checks(f), *_scores(f), *_covariates(f)))
    return COLUMNS | {name: "boolean" if name.startswith("check:") else "Float64" for name in named}


def trial_row(facts: Facts) -> dict[str, object]:
    """Return one trial's cells by column; what it has nothing of is left out, what is unknown is None."""
    return {**_fixed(facts), **_checks(facts), **_scores(facts), **_covariates(facts)}


def _fixed(facts: Facts) -> dict[str, object]:
    fixed = {name: getattr(facts, name) for name in COLUMNS if name != "blind_pass"}
    known = fixed if facts.is_answered else fixed | {"from_cache": None}
    return known | {"blind_pass": facts.is_blind_pass}


def _checks(facts: Facts) -> dict[str, object]:
    """Return one entry a check name: where a name occurs twice, all of them must pass."""
    results: dict[str, object] = {}
    for name, _kind, passed in facts.checks:
        results[f"check:{name}"] = passed and results.get(f"check:{name}", True)
    return results


def _scores(facts: Facts) -> dict[str, object]:
    return {f"score:{name}": score for name, score in facts.scores.items()}


def _covariates(facts: Facts) -> dict[str, object]:
    return {f"covariate:{name}": value for name, value in facts.covariates.items()}


def compare_frames(
    frame: pd.DataFrame,
    *,
    candidate: str,
    baseline: str,
    measures: Sequence[str] = ("semantic", "structural"),
    by: Sequence[str] = ("suite",),
    margin: float = DEFAULT_MARGIN,
    confidence: float = GATE_CONFIDENCE,
    method: Method = "score",
) -> pd.DataFrame:
    """Compare two models in a frame with one row a trial, such as `trials_frame` returns.

    Parameters
    ----------
    frame : DataFrame
        With `model`, `case` and the measures (true, false or NA); `suite`, `repeat` and `cluster` where they
        are known. Trials are paired by suite, case and repeat; NA is in no pair.
    candidate, baseline : str
        Names in `model`.
    measures : sequence of str
        Columns that say whether a trial passed; those that the frame lacks are left out.
    by : sequence of str
        Columns whose values are compared apart, after all together.
    margin, confidence, method
        As for `swapgate.stats.paired_difference` and its `p_noninferior`.

    Returns
    -------
    DataFrame
        A row for each measure and part: `measure`, `by`, `part`, `pairs`, `clusters`, `baseline_rate`,
        `candidate_rate`, `estimate`, `low`, `high`, `p_value`, `p_noninferior`, `note`.

    Raises
    ------
    ValueError
        When a column is missing, a model is not in the frame, or a trial is there twice.
    """
    import pandas as pd

    pairs = _paired(frame, candidate=candidate, baseline=baseline, by=by)
    rows = []
    for name, part, inside in _parts(pairs, by):
        for measure in measures:
            if measure in frame.columns:
                known = inside.dropna(subset=[f"{measure}_candidate", f"{measure}_baseline"])
                ours = known[f"{measure}_candidate"].astype(bool).to_numpy()
                theirs = known[f"{measure}_baseline"].astype(bool).to_numpy()
                found = paired_difference(
                    theirs, ours, known["cluster_candidate"].tolist(), confidence=confidence, method=method
                )
                rows.append(_row(measure, name, part, found, margin))
    return pd.DataFrame(rows, columns=list(DIFFERENCES))


def _paired(frame: pd.DataFrame, *, candidate: str, baseline: str, by: Sequence[str]) -> pd.DataFrame:
    """Return one row a pair, the two sides' columns with suffixes."""
    wanted = {"model", "case"} | {name for name in by if name != "suite"}
    if missing := sorted(wanted - set(frame.columns)):
        raise ValueError(f"the frame lacks {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}")
    full = frame.copy()
    for name, default in _DEFAULTS.items():
        if name not in full.columns:
            full[name] = default
    full = full.assign(cluster=full["cluster"].fillna(full["suite"] + "/" + full["case"].astype(str)))
    sides = {name: full[full["model"] == name] for name in (candidate, baseline)}
    for name, side in sides.items():
        if side.empty:
            known = ", ".join(sorted(map(str, full["model"].unique())))
            raise ValueError(f"the frame has no model {name!r}; it has {known}")
        if side.duplicated(list(_KEY)).any():
            raise ValueError(f"{name!r} has two rows for one suite, case and repeat: number its repeats")
    suffixes = ("_candidate", "_baseline")
    return sides[candidate].merge(sides[baseline], on=list(_KEY), suffixes=suffixes)


def _parts(pairs: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[str, object, pd.DataFrame]]:
    """Yield all pairs, then those of each value of each column."""
    yield "", "", pairs
    for name in by:
        column = name if name in pairs.columns else f"{name}_candidate"
        for part, inside in pairs.groupby(column, sort=True):
            yield name, part, inside


def _row(measure: str, by: str, part: object, found: PairedDifference, margin: float) -> dict[str, object]:
    def share(passed: int) -> float | None:
        return passed / found.pairs if found.pairs else None

    return {
        "measure": measure,
        "by": by,
        "part": part,
        "pairs": found.pairs,
        "clusters": found.clusters,
        "baseline_rate": share(found.both + found.only_baseline),
        "candidate_rate": share(found.both + found.only_candidate),
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "p_noninferior": found.p_noninferior(margin),
        "note": found.note,
    }
