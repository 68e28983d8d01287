"""How often a model fails by the length of its input: counts in bins of as many trials each, for a chart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from swapgate.analysis.covariates import TOKENS, CovariateFinding
from swapgate.analysis.outcome import RunOutcome
from swapgate.facts import Facts

_BINS = 10
# Fewer trials in a bin make a share that says nothing.
_FEWEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthBin:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthChart:
    """One model's bins, and where the threshold lies that the analysis found, if it found one."""

    model: str
    measure: str
    bins: tuple[LengthBin, ...]
    cut: float | None
    cut_x: float | None


def length_charts(outcome: RunOutcome) -> list[LengthChart]:
    """Return a chart for each model with enough inputs of different lengths.

    It is of failures in meaning, or in structure where nothing scored the meaning or the threshold is there.
    """
    models = dict.fromkeys((one.model, one.role) for one in outcome.facts)
    charts = [
        _chart(model, [f for f in outcome.facts if (f.model, f.role) == (model, role)], outcome.covariates)
        for model, role in models
    ]
    return [chart for chart in charts if chart is not None]


def _chart(model: str, facts: Sequence[Facts], findings: Iterable[CovariateFinding]) -> LengthChart | None:
    cuts = {f.measure: f.cut for f in findings if _is_threshold(f, model)}
    measure = "structural" if "structural" in cuts and "semantic" not in cuts else "semantic"
    measure = measure if any(f.semantic is not None for f in facts) else "structural"
    results = [f.semantic if measure == "semantic" else f.structural for f in facts]
    known = sorted(
        (f.tokens_in, not passed)
        for f, passed in zip(facts, results, strict=True)
        if f.tokens_in is not None and passed is not None
    )
    bins = tuple(_bins(known))
    if len(bins) < 2:
        return None
    cut = cuts.get(measure)
    cut_x = None if cut is None else _place(bins, cut)
    return LengthChart(model=model, measure=measure, bins=bins, cut=cut, cut_x=cut_x)


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
