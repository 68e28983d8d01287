"""Failure against a number: does what fails depend on the input's length or another covariate, and where."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from swapgate.analysis.columns import UNKNOWN, Amounts, Codes, Ledger, Results, ledger
from swapgate.analysis.pairs import Pairs
from swapgate.facts import Facts
from swapgate.stats.covariate import CovariateEffect
from swapgate.stats.interval import Interval
from swapgate.stats.multiple import benjamini_hochberg
from swapgate.stats.threshold import covariate_effect, paired_covariate_effect

Progress = Callable[[float], None]
TOKENS = "tokens_in"
LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class CovariateFinding:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One outcome of one model (and of its baseline) against one covariate: an entry a case, or a pair."""

    model: str
    baseline: str | None
    measure: str
    covariate: str
    clusters: Codes
    values: Amounts
    failed: Amounts
    baseline_failed: Amounts | None = None

    def answer(self, *, seed: int) -> CovariateFinding:
        """Return the finding."""
        rows = self.values.tolist(), self.clusters.tolist()
        if self.baseline_failed is None:
            effect = covariate_effect(self.failed.tolist(), *rows, seed=seed)
        else:
            theirs, ours = ((side == 1).tolist() for side in (self.baseline_failed, self.failed))
            effect = paired_covariate_effect(theirs, ours, *rows, seed=seed)
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
    facts: Sequence[Facts], pairs: Sequence[Pairs], *, seed: int, progress: Progress | None = None
) -> tuple[CovariateFinding, ...]:
    """Return a finding for each model, measure and covariate, then for each difference to a baseline.

    `progress` is called with the share that is done.
    """
    models: dict[str, list[Facts]] = {}
    for one in sorted(facts, key=_place):
        if one.is_own:
            models.setdefault(one.model, []).append(one)
    questions = [q for model, own in models.items() for q in _of_model(model, own)]
    questions += [q for pair in pairs for q in _of_pairs(pair)]
    found = []
    for done, question in enumerate(questions, start=1):
        found.append(question.answer(seed=seed))
        if progress is not None:
            progress(done / len(questions))
    adjusted = benjamini_hochberg([one.p_value for one in found])
    return tuple(_adjusted(one, p) for one, p in zip(found, adjusted, strict=True))


def _adjusted(finding: CovariateFinding, p: float | None) -> CovariateFinding:
    is_chance = finding.is_found and p is not None and p > LEVEL
    return replace(finding, p_adjusted=p, answer="not separated" if is_chance else finding.answer)


def _of_model(model: str, own: Sequence[Facts]) -> Iterator[_Question]:
    """Yield the questions about one model: of each case the share of its repeats that failed."""
    book = ledger(own)
    numbers: dict[tuple[str, str], int] = {}
    cases = np.array([numbers.setdefault((f.suite, f.case), len(numbers)) for f in own])
    clusters = book.results.clusters[np.unique(cases, return_index=True)[1]]
    for covariate, of_trials in _covariates(own, book):
        values = _means(of_trials, cases)
        for measure, failed in _measures(book):
            shares = _means(failed, cases)
            known = ~np.isnan(values) & ~np.isnan(shares)
            yield _Question(
                model=model,
                baseline=None,
                measure=measure,
                covariate=covariate,
                clusters=clusters[known],
                values=values[known],
                failed=shares[known],
            )


def _of_pairs(pairs: Pairs) -> Iterator[_Question]:
    """Yield the questions about a difference; the covariate is the candidate's."""
    order = sorted(range(len(pairs.ours)), key=lambda i: _place(pairs.ours[i]))
    ours, answered = [pairs.ours[i] for i in order], [pairs.theirs[i] for i in order]
    book = ledger(ours)
    before = dict(_measures(ledger(answered), is_whole=True))
    failed_before = {name for name, failed in before.items() if (failed == 1).any()}
    for covariate, values in _covariates(ours, book):
        for measure, failed in _measures(book, besides=failed_before):
            theirs = before.get(measure)
            if theirs is None:
                continue
            known = ~np.isnan(values) & ~np.isnan(failed) & ~np.isnan(theirs)
            yield _Question(
                model=pairs.candidate,
                baseline=pairs.baseline,
                measure=measure,
                covariate=covariate,
                clusters=book.results.clusters[known],
                values=values[known],
                failed=failed[known],
                baseline_failed=theirs[known],
            )


def _place(facts: Facts) -> tuple[str, str, int]:
    """Return where a trial stands: permutations must not depend on which answer came first."""
    return facts.suite, facts.case, facts.repeat


def _covariates(facts: Sequence[Facts], book: Ledger) -> list[tuple[str, Amounts]]:
    """Return the covariates that some trial has: tokens first; lengths in characters only without tokens."""
    has_tokens = bool((~np.isnan(book.tokens_in)).any())
    found = [(TOKENS, book.tokens_in)] if has_tokens else []
    for name in dict.fromkeys(name for one in facts for name in one.covariates):
        if not (has_tokens and name.endswith(".chars")):
            found.append((name, np.array([one.covariates.get(name, np.nan) for one in facts])))
    return found


def _measures(
    book: Ledger, *, besides: Collection[str] = (), is_whole: bool = False
) -> list[tuple[str, Amounts]]:
    """Return where each measure failed (1, 0, nan): structure and meaning, then what failed otherwise.

    What never failed is left out, and so is a check that says what another measure says, unless `is_whole`.
    `besides` names measures that failed on the other side.
    """
    named = {"structural": book.results.structural, "semantic": book.results.semantic}
    named |= {
        f"{'judge' if kind == 'judge' else 'check'} {name}": r for (name, kind), r in book.checks.items()
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
