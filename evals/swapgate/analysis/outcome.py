"""All that a finished run says: one value that every report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.analysis.canaries import canary_decisions, canary_notes
from swapgate.analysis.compare import Comparison, compare
from swapgate.analysis.correction import Corrections
from swapgate.analysis.covariates import CovariateFinding, Progress, covariate_findings
from swapgate.analysis.distributions import Spread, spreads
from swapgate.analysis.frames import trials_frame
from swapgate.analysis.gate import GateResult, judge_gate
from swapgate.analysis.identity import (
    IdentityFinding,
    held_to_the_lock,
    identity_findings,
    identity_warnings,
)
from swapgate.analysis.judge_use import JudgeUse, judge_uses, logprob_warnings, served_warnings
from swapgate.analysis.matrix import Cell, matrix, prompts_of
from swapgate.analysis.odd_answers import odd_answers
from swapgate.analysis.pairs import Pairs, pair_up
from swapgate.analysis.quarantine import Quarantine, quarantine_note, quarantine_of, without_quarantined
from swapgate.analysis.ranking import Rank, adjust, ranking
from swapgate.analysis.repeatability import Repeatability, repeatability
from swapgate.analysis.rule_scopes import margins, rules_by_scope
from swapgate.analysis.scopes import in_order
from swapgate.analysis.stopping import futile_rules, stopping_notes, with_looks
from swapgate.analysis.summary import Summary, summarise
from swapgate.analysis.table import ModelTrials, by_model
from swapgate.analysis.wording import usd
from swapgate.errors import ErrorKind, ExitCode
from swapgate.facts import Facts, facts_of
from swapgate.records import Json, Run, Stopping, Trial, is_stored_baseline
from swapgate.records.written import adapter
from swapgate.spec.suite import GateEntry, OverallGateEntry, interval_of
from swapgate.values import Value, replace

if TYPE_CHECKING:
    import pandas as pd


class RunOutcome(Value):
    """A run, its trials, and what was decided about it. A model's summaries: overall first, then by suite.

    `trials` is empty where runs were compared by their facts alone. `report_url` is where others can read
    the full report, `workspace` the folder that the trials' paths start from; None when nobody said.
    """

    run: Run
    facts: Sequence[Facts]
    trials: Sequence[Trial]
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]
    gate: GateResult
    ranking: tuple[Rank, ...] = ()
    matrix: tuple[Cell, ...] = ()
    spreads: tuple[Spread, ...] = ()
    covariates: tuple[CovariateFinding, ...] = ()
    repeatability: tuple[Repeatability, ...] = ()
    judges: tuple[JudgeUse, ...] = ()
    warnings: tuple[str, ...] = ()
    report_url: str | None = None
    workspace: Path | None = None
    quarantine: Quarantine | None = None
    identity: tuple[IdentityFinding, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row a trial; see `swapgate.analysis.frames.trials_frame`."""
        return trials_frame(self.facts)


def conclude(
    run: Run,
    trials: Sequence[Trial],
    *,
    facts: Sequence[Facts] | None = None,
    why_not_judged: str | None = None,
    progress: Progress | None = None,
) -> RunOutcome:
    """Summarise, compare and judge the trials of a run by the rules that its manifest holds.

    `trials` include those of the baseline; `facts` are theirs, or stand for them where no trial is at hand.
    `why_not_judged` says why they are no ground for a decision (a partial selection, an interruption); by
    default the manifest says it. `progress` is called with the share of a long computation that is done.
    """
    facts = [facts_of(trial) for trial in trials] if facts is None else facts
    if run.shard is not None and why_not_judged is None:
        why_not_judged = f"shard {run.shard.name}, `swapgate merge` judges the shards together"
    counting = without_quarantined(facts)
    left_out = sum(map(_is_own, facts)) - sum(map(_is_own, counting))
    found = _decide(run, counting, left_out=left_out, stopping=run.stopping, why_not_judged=why_not_judged)
    models, pairs, gate = found.models, found.pairs, found.gate
    summaries, comparisons = found.summaries, found.comparisons
    quarantine = None
    if len(counting) < len(facts):
        with_all = _decide(run, facts, left_out=0, stopping=None, why_not_judged=why_not_judged)
        quarantine = quarantine_of(facts, with_all.gate)
    if why_not_judged is not None:
        gate = replace(gate, answer="not_judged", reason=why_not_judged, exit_code=ExitCode.OK)
    if run.stopping is not None:
        gate = replace(gate, notes=(*stopping_notes(run.stopping), *gate.notes))
    if quarantine is not None:
        gate = replace(gate, notes=(quarantine_note(quarantine, gate), *gate.notes))
    identity = identity_findings(run)
    gate = held_to_the_lock(gate, run, identity)
    uses = judge_uses(filter(_is_own, facts))
    return RunOutcome(
        run=run,
        facts=facts,
        trials=trials,
        summaries=summaries,
        comparisons=comparisons,
        gate=gate,
        ranking=ranking(models, summaries, found.corrections),
        matrix=matrix(summaries, comparisons),
        spreads=tuple(spread for p in pairs for spread in spreads(p, progress=progress)),
        covariates=covariate_findings(models, pairs, progress=progress),
        repeatability=repeatability(models),
        judges=uses,
        quarantine=quarantine,
        identity=identity,
        warnings=(
            *identity_warnings(identity),
            *_listed(run.settings, "warnings"),
            *_ended_by_budget(run, facts),
            *(_never_came_back(run, facts) if why_not_judged is None else ()),
            *_left_out(comparisons),
            *odd_answers(facts),
            *logprob_warnings(uses),
            *served_warnings(facts),
        ),
    )


class _Decided(Value, eq=False):
    """What some of a run's trials come to."""

    models: list[ModelTrials]
    pairs: list[Pairs]
    corrections: Corrections
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]
    gate: GateResult


def _decide(
    run: Run, facts: Sequence[Facts], *, left_out: int, stopping: Stopping | None, why_not_judged: str | None
) -> _Decided:
    """Return what these trials come to; `left_out` of the run's own are not among them on purpose."""
    models = by_model(facts)
    overall = adapter(OverallGateEntry | None).validate_python(run.settings.get("gate"))
    suites = suite_gates(run.settings)
    listed = in_order({*rules_by_scope(overall, suites), *prompts_of(facts)})
    method = interval_of(overall)
    summaries = summarise(models, listed=listed, method=method)
    margin_of = margins(overall, suites, dict.fromkeys(s.suite for s in summaries if s.suite is not None))
    pairs = _pairs(models)
    corrections = Corrections(run.calibrations)
    summaries = corrections.summaries(summaries, facts)
    compared = [compare(p, listed=listed, margins=margin_of, method=method) for p in pairs]
    comparisons = adjust(corrections.comparisons(compared, pairs))
    if stopping is not None:
        summaries, comparisons = with_looks(summaries, comparisons, stopping)
    gate = judge_gate(
        summaries,
        comparisons,
        overall=overall,
        suites=suites,
        run=run,
        planned=run.planned - (run.stopping.saved_trials if run.stopping else 0) - left_out,
        stored=sum(map(_is_own, facts)),
        partial=why_not_judged is not None or run.is_partial,
        refusals=[*corrections.decisions(facts), *canary_decisions(run.canaries)],
        notes=[
            *corrections.notes(facts),
            *canary_notes(run.canaries),
            *_listed(run.settings, "notes"),
        ],
        futile=futile_rules(stopping) if stopping is not None else (),
    )
    return _Decided(
        models=models,
        pairs=pairs,
        corrections=corrections,
        summaries=summaries,
        comparisons=comparisons,
        gate=gate,
    )


def _pairs(models: Sequence[ModelTrials]) -> list[Pairs]:
    """Return each candidate beside each baseline."""
    baselines = dict.fromkeys(one.model for one in models if one.role == "baseline")
    candidates = dict.fromkeys(one.model for one in models if one.role == "candidate")
    return [pair_up(models, candidate=c, baseline=b) for c in candidates for b in baselines]


def _listed(settings: Mapping[str, Json], name: str) -> tuple[str, ...]:
    written = settings.get(name)
    return tuple(str(text) for text in written) if isinstance(written, list) else ()


def _ended_by_budget(run: Run, facts: Sequence[Facts]) -> list[str]:
    """Return what a budget kept from being asked, where it did."""
    own = list(filter(_is_own, facts))
    cut = sum(one.error_kind == ErrorKind.BUDGET for one in own)
    limits = [
        f"{option}={limit:g}"
        for option, name in (("--max-cost", "max_cost"), ("--max-cost-per-day", "max_cost_per_day"))
        if isinstance(limit := run.settings.get(name), int | float)
    ]
    if not cut or not limits:
        return []
    paid = fsum((one.paid_usd or 0.0) + (one.judge_paid_usd or 0.0) for one in own)
    paid += fsum(one.paid_usd or 0.0 for judge in run.canaries for one in judge.results)
    return [
        f"{' or '.join(limits)} ended the run: {usd(paid)} were paid, and {cut:,} of {run.planned:,} trials "
        "have no result, since their next call could have cost more than was left. Raise it, or run again: "
        "what is answered is in the cache and costs nothing"
    ]


def _never_came_back(run: Run, facts: Sequence[Facts]) -> list[str]:
    """Return what a run that ended lacks: a crash of a worker takes along the trial at hand."""
    lacking = run.planned - sum(map(_is_own, facts))
    if lacking < 1 or run.finished_at is None or run.is_partial or run.stopping is not None:
        return []
    return [
        f"{lacking:,} of {run.planned:,} planned trials never came back, as when a worker dies: the rates "
        "are without them. The same command with --rerun-errors runs what is missing, and judges the whole"
    ]


def _left_out(comparisons: Sequence[Comparison]) -> list[str]:
    return [
        f"{c.changed} of the cases that {c.candidate} and {c.baseline} have in common were changed "
        "in between, or their judge was: they are not compared (--rejudge has both judged by one judge)"
        for c in comparisons
        if c.changed
    ]


def suite_gates(settings: Mapping[str, Json]) -> dict[str, GateEntry | None]:
    """Return the gate of each suite as a run's manifest holds it."""
    written = settings.get("suite_gates")
    gates = written if isinstance(written, dict) else {}
    read = adapter(GateEntry | None).validate_python
    return {suite: read(gate) for suite, gate in gates.items()}


def _is_own(trial: Facts) -> bool:
    """Whether the trial was planned in this run."""
    return not is_stored_baseline(trial)
