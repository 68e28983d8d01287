"""All that a finished run says: one value that every report is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swapgate.analysis.compare import Comparison
from swapgate.analysis.gate import GateResult
from swapgate.analysis.summary import Summary
from swapgate.records import Run, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """A run, its trials, and what was decided about it. Summaries come overall first, then by suite, for each model."""

    run: Run
    trials: Sequence[Trial]
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]
    gate: GateResult
    warnings: tuple[str, ...] = ()
