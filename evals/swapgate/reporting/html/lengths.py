"""How often a model fails by the length of its input: counts in bins of as many trials each, for a chart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from swapgate.analysis.covariates import TOKENS, CovariateFinding
from swapgate.analysis.outcome import RunOutcome
from swapgate.facts import Facts
from swapgate.values import Value

_BINS = 10
# Fewer trials in a bin make a share that says nothing.
_FEWEST = 8


class LengthBin(Value):
    """Trials whose inputs have from `low` to `high` tokens; `x` and `width` in percent of the chart."""

    low: int
    high: int
    failed: int
    n: int
    x: float
    width: float

    @property
    def share(self) -> float:
        """The share that failed."""
        return self.failed / self.n

    @property
    def label(self) -> str:
        """The range in words."""
        return f"{self.low:,}" if self.low == self.high else f"{self.low:,} to {self.high:,}"


class LengthChart(Value):
    """One model's bins, and where the threshold lies that the analysis found, if it found one."""

    model: str
    measure: str
    bins: tuple[LengthBin, ...]
    cut: float | None
    cut_x: float | None


def length_charts(outcome: RunOutcome) -> dict[str, list[LengthChart]]:
    """Return the charts of each measure that some model failed: of every model whose inputs differ in length.

    Models stand beside each other by one measure: side by side, failures of two kinds would be compared.
    """
    charts = {measure: list(_charts(outcome, measure)) for measure in ("structural", "semantic")}
    return {m: found for m, found in charts.items() if any(b.failed for chart in found for b in chart.bins)}


def _charts(outcome: RunOutcome, measure: str) -> Iterator[LengthChart]:
    for model, role in dict.fromkeys((one.model, one.role) for one in outcome.facts):
        facts = [one for one in outcome.facts if (one.model, one.role) == (model, role)]
        cuts = [f.cut for f in outcome.covariates if f.measure == measure and _is_threshold(f, model)]
        bins = tuple(_bins(_known(facts, measure)))
        if len(bins) > 1:
            cut = next(iter(cuts), None)
            cut_x = None if cut is None else _place(bins, cut)
            yield LengthChart(model=model, measure=measure, bins=bins, cut=cut, cut_x=cut_x)


def _known(facts: Iterable[Facts], measure: str) -> list[tuple[int, bool]]:
    """Return the length of each input and whether its answer failed, the shortest first."""
    results = ((f.tokens_in, f.semantic if measure == "semantic" else f.structural) for f in facts)
    return sorted((n, not passed) for n, passed in results if n is not None and passed is not None)


def _bins(known: Sequence[tuple[int, bool]]) -> Iterator[LengthBin]:
    """Yield up to ten bins of as many trials each; equal lengths may lie on both sides of a border."""
    number = min(_BINS, len(known) // _FEWEST)
    if not known or known[0][0] == known[-1][0]:
        return
    for step in range(number):
        inside = known[len(known) * step // number : len(known) * (step + 1) // number]
        yield LengthBin(
            low=inside[0][0],
            high=inside[-1][0],
            failed=sum(failed for _, failed in inside),
            n=len(inside),
            x=100 * step / number,
            width=100 / number,
        )


def _is_threshold(finding: CovariateFinding, model: str) -> bool:
    about = (finding.covariate, finding.model, finding.baseline)
    return about == (TOKENS, model, None) and finding.answer == "threshold"


def _place(bins: Sequence[LengthBin], cut: float) -> float:
    """Return where a length lies on the chart, whose scale has a step for each bin."""
    for bin_, after in zip(bins, [*bins[1:], None], strict=True):
        end = bin_.high if after is None else after.low
        if cut <= end:
            share = (cut - bin_.low) / (end - bin_.low) if end > bin_.low else 1.0
            return bin_.x + bin_.width * min(max(share, 0.0), 1.0)
    return 100.0
