"""Failure against a number: does what fails depend on the input's length or another covariate, and where."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from swapgate.analysis.ordering import SEED, in_order, renumbered
from swapgate.analysis.pairs import Pairs
from swapgate.analysis.table import UNKNOWN, Amounts, Codes, ModelTrials, Results, Table
from swapgate.stats.covariate import CovariateEffect
from swapgate.stats.interval import Interval
from swapgate.stats.multiple import benjamini_hochberg
from swapgate.stats.threshold import covariate_effect, paired_covariate_effect
from swapgate.values import Value, replace

Progress = Callable[[float], None]
TOKENS = "tokens_in"
LEVEL = 0.05
# Permutations times cases: p-values down to 0.0005 at 1,500 cases, to 0.0033 from 10,000 on.
WORK = 3_000_000
FEWEST_PERMUTATIONS, MOST_PERMUTATIONS = 300, 2000


class CovariateFinding(Value):
    """How one model's failures, or their difference to those of the `baseline`, depend on a covariate.

    `measure` is `structural`, `semantic`, `check NAME` or `judge NAME`. `p_adjusted` is Benjamini and
    Hochberg's over all findings of the run; above 0.05 the answer is "not separated". With a threshold the
    outcome changes above `cut`, the data do not exclude cuts from `cut_low` to `cut_high`, and `below` and
    `above` are the failure rates (their differences) on either side.
    """

    model: str
    baseline: str | None
    measure: str
    covariate: str
    answer: str
    cases: int
    rate: float | None
    p_value: float | None
    p_adjusted: float | None = None
    slope: Interval | None = None
    cut: float | None = None
    cut_low: float | None = None
    cut_high: float | None = None
    below: Interval | None = None
    above: Interval | None = None
    note: str = ""

    @property
    def is_found(self) -> bool:
        """Whether failures were shown to depend on the covariate."""
        return self.answer in {"threshold", "trend, no threshold"}


class _Question(Value):
    """One outcome of one model (and of its baseline) against one covariate: an entry a case, or a pair."""

    model: str
    baseline: str | None
    measure: str
    covariate: str
    clusters: Codes
    values: Amounts
    failed: Amounts
    baseline_failed: Amounts | None = None

    def answer(self) -> CovariateFinding:
        """Return the finding."""
        rows = self.values, self.clusters
        drawn = min(max(WORK // max(len(self.values), 1), FEWEST_PERMUTATIONS), MOST_PERMUTATIONS)
        if self.baseline_failed is None:
            effect = covariate_effect(self.failed, *rows, seed=SEED, permutations=drawn)
        else:
            theirs, ours = self.baseline_failed == 1, self.failed == 1
            effect = paired_covariate_effect(theirs, ours, *rows, seed=SEED, permutations=drawn)
        return self._finding(effect)

    def _finding(self, effect: CovariateEffect) -> CovariateFinding:
        return CovariateFinding(
            model=self.model,
            baseline=self.baseline,
            measure=self.measure,
            covariate=self.covariate,
            answer=effect.answer,
            cases=effect.cases,
            rate=effect.rate,
            p_value=effect.p_value,
            slope=effect.slope,
            cut=effect.cut,
            cut_low=effect.cut_low,
            cut_high=effect.cut_high,
            below=effect.below,
            above=effect.above,
            note=effect.note,
        )


def covariate_findings(
    models: Sequence[ModelTrials], pairs: Sequence[Pairs], *, progress: Progress | None = None
) -> tuple[CovariateFinding, ...]:
    """Return a finding for each model, measure and covariate, then for each difference to a baseline.

    `progress` is called with the share that is done.
    """
    questions = [q for one in models for q in _of_model(one)]
    questions += [q for pair in pairs for q in _of_pairs(pair)]
    found = []
    for done, question in enumerate(questions, start=1):
        found.append(question.answer())
        if progress is not None:
            progress(done / len(questions))
    adjusted = benjamini_hochberg([one.p_value for one in found])
    return tuple(_adjusted(one, p) for one, p in zip(found, adjusted, strict=True))


def _adjusted(finding: CovariateFinding, p: float | None) -> CovariateFinding:
    is_chance = finding.is_found and p is not None and p > LEVEL
    return replace(finding, p_adjusted=p, answer="not separated" if is_chance else finding.answer)


def _of_model(trials: ModelTrials) -> Iterator[_Question]:
    """Yield the questions about one model: of each case the share of its repeats that failed."""
    order = in_order(trials.facts, np.flatnonzero(trials.table.is_own).tolist())
    table, own = trials.table.take(order), [trials.facts[i] for i in order.tolist()]
    numbers: dict[tuple[str, str], int] = {}
    cases = np.array([numbers.setdefault((f.suite, f.case), len(numbers)) for f in own], dtype=np.int64)
    clusters = renumbered(table.clusters[np.unique(cases, return_index=True)[1]])
    for covariate, of_trials in _covariates(table):
        values = _means(of_trials, cases)
        for measure, failed in _measures(table):
            shares = _means(failed, cases)
            known = ~np.isnan(values) & ~np.isnan(shares)
            yield _Question(
                model=trials.model,
                baseline=None,
                measure=measure,
                covariate=covariate,
                clusters=clusters[known],
                values=values[known],
                failed=shares[known],
            )


def _of_pairs(pairs: Pairs) -> Iterator[_Question]:
    """Yield the questions about a difference; the covariate is the candidate's."""
    pairs = pairs.in_order()
    table, answered = pairs.our_table, pairs.their_table
    before = dict(_measures(answered, is_whole=True))
    failed_before = {name for name, failed in before.items() if (failed == 1).any()}
    for covariate, values in _covariates(table):
        for measure, failed in _measures(table, besides=failed_before):
            theirs = before.get(measure)
            if theirs is None:
                continue
            known = ~np.isnan(values) & ~np.isnan(failed) & ~np.isnan(theirs)
            yield _Question(
                model=pairs.candidate,
                baseline=pairs.baseline,
                measure=measure,
                covariate=covariate,
                clusters=pairs.clusters[known],
                values=values[known],
                failed=failed[known],
                baseline_failed=theirs[known],
            )


def _covariates(table: Table) -> list[tuple[str, Amounts]]:
    """Return the covariates that some trial has: tokens first; lengths in characters only without tokens."""
    has_tokens = bool((~np.isnan(table.tokens_in)).any())
    named = {
        name: of for name, of in table.covariates.items() if not (has_tokens and name.endswith(".chars"))
    }
    return [*([(TOKENS, table.tokens_in)] if has_tokens else []), *named.items()]


def _measures(
    table: Table, *, besides: Collection[str] = (), is_whole: bool = False
) -> list[tuple[str, Amounts]]:
    """Return where each measure failed (1, 0, nan): structure and meaning, then what failed otherwise.

    What never failed is left out, and so is a check that says what another measure says, unless `is_whole`.
    `besides` names measures that failed on the other side.
    """
    named = {"structural": table.structural, "semantic": table.semantic}
    named |= {
        f"{'judge' if kind == 'judge' else 'check'} {name}": r for (name, kind), r in table.checks.items()
    }
    found: dict[str, Results] = {}
    for name, results in named.items():
        is_new = not any(np.array_equal(results, other) for other in found.values())
        has_failed = bool((results == 0).any()) or name in besides
        if is_whole or (is_new and has_failed):
            found[name] = results
    return [(name, _failures(results)) for name, results in found.items()]


def _failures(results: Results) -> Amounts:
    return np.where(results == UNKNOWN, np.nan, results == 0)


def _means(values: Amounts, groups: Codes) -> Amounts:
    """Return the mean of each group's known values, nan without any."""
    known = ~np.isnan(values)
    size = int(groups.max()) + 1 if groups.size else 0
    sums = np.bincount(groups[known], weights=values[known], minlength=size)
    counts = np.bincount(groups[known], minlength=size)
    means: Amounts = np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0)
    return means
