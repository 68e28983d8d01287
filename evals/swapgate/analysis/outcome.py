"""All that a finished run says: one value that every report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from swapgate.analysis.compare import Comparison, compare
from swapgate.analysis.frames import trials_frame
from swapgate.analysis.gate import GateResult, judge_gate
from swapgate.analysis.summary import Summary, summarise
from swapgate.errors import ExitCode
from swapgate.records import Json, Run, Trial
from swapgate.spec.suite import GateEntry

if TYPE_CHECKING:
    import pandas as pd

_GATE: TypeAdapter[GateEntry | None] = TypeAdapter(GateEntry | None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """A run, its trials, and what was decided about it. A model's summaries: overall first, then by suite."""

    run: Run
    trials: Sequence[Trial]
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]
    gate: GateResult
    warnings: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row a trial; see `swapgate.analysis.frames.trials_frame`."""
        return trials_frame(self.trials)


def conclude(run: Run, trials: Sequence[Trial], *, why_not_judged: str | None = None) -> RunOutcome:
    """Summarise, compare and judge the trials of a run by the rules that its manifest holds.

    `trials` include those of the baseline. `why_not_judged` says why they are no ground for a decision
    (a partial selection, an interruption); by default the manifest says it.
    """
    summaries = summarise(trials)
    baselines = dict.fromkeys(s.model for s in summaries if s.role == "baseline")
    candidates = dict.fromkeys(s.model for s in summaries if s.role == "candidate")
    comparisons = tuple(compare(trials, candidate=c, baseline=b) for c in candidates for b in baselines)
    gate = judge_gate(
        summaries,
        comparisons,
        overall=_GATE.validate_python(run.settings.get("gate")),
        suites=suite_gates(run.settings),
        run=run,
        planned=run.planned,
        stored=sum(not _is_stored_baseline(t) for t in trials),
        partial=why_not_judged is not None or run.is_partial,
    )
    if why_not_judged is not None:
        gate = replace(gate, answer="not_judged", reason=why_not_judged, exit_code=ExitCode.OK)
    return RunOutcome(
        run=run,
        trials=trials,
        summaries=summaries,
        comparisons=comparisons,
        gate=gate,
        warnings=(*_warnings(run.settings), *_left_out(comparisons)),
    )


def _warnings(settings: Mapping[str, Json]) -> tuple[str, ...]:
    written = settings.get("warnings")
    return tuple(str(text) for text in written) if isinstance(written, list) else ()


def _left_out(comparisons: Sequence[Comparison]) -> list[str]:
    return [
        f"{c.changed} of the cases that {c.candidate} and {c.baseline} have in common were changed "
        "in between, or their judge was: they are not compared"
        for c in comparisons
        if c.changed
    ]


def suite_gates(settings: Mapping[str, Json]) -> dict[str, GateEntry | None]:
    """Return the gate of each suite as a run's manifest holds it."""
    written = settings.get("suite_gates")
    gates = written if isinstance(written, dict) else {}
    return {suite: _GATE.validate_python(gate) for suite, gate in gates.items()}


def _is_stored_baseline(trial: Trial) -> bool:
    """Whether the trial was brought in from an older run, and so was not planned in this one."""
    return trial.role == "baseline" and "@" in trial.model
