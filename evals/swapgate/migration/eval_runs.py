"""What the eval runs of a migration cost: from the history, what was paid and not what the cache gave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from swapgate.analysis.switching import SwitchItem
from swapgate.facts import Facts
from swapgate.memory.history import Choice, History, has_history
from swapgate.migration.window import Span, Window, span_of
from swapgate.records import Run
from swapgate.reporting.format import count, tokens
from swapgate.spec.settings import Settings


@dataclass(slots=True)
class _Sum:
    """What was paid for, added up over runs."""

    runs: int = 0
    trials: int = 0
    tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0
    time_s: float = 0.0
    unfinished: int = 0


def eval_runs(settings: Settings, window: Window, models: Sequence[str]) -> tuple[SwitchItem, Span]:
    """Return the item of the runs in which one of the models answered (without any: all), and their span."""
    if not has_history(settings.history):
        why = "no run is stored: `pytest --model=NAME --baseline=NAME`"
        return SwitchItem(name="evals", did_happen=False, why_unknown=(why,)), Span()
    with closing(History(settings.history, is_read_only=True)) as history:
        runs = _runs(history, window, models)
        found = _Sum()
        for run in runs:
            _add(found, run, _own(history, run))
    span = span_of([moment for run in runs for moment in (run.started_at, run.finished_at)])
    return _item(found), span


def _runs(history: History, window: Window, models: Sequence[str]) -> list[Run]:
    named: Sequence[str | None] = models or [None]
    choices = [Choice(model=name, since=window.since, until=window.until) for name in named]
    found = {run.id: run for choice in choices for run in history.heads(choice)}
    # What was merged is in the history as its parts, too.
    return [run for run in found.values() if not run.merged]


def _own(history: History, run: Run) -> Iterable[Facts]:
    """Return the facts of the trials that this run made itself; those it took over are another one's."""
    facts = history.facts(run.id)
    if run.completes is None:
        return facts
    before = {(f.suite, f.case, f.model, f.repeat): f for f in history.facts(run.completes)}
    return [f for f in facts if before.get((f.suite, f.case, f.model, f.repeat)) != f]


def _add(found: _Sum, run: Run, facts: Iterable[Facts]) -> None:
    found.runs += 1
    for one in facts:
        found.trials += 1
        if one.is_answered and not one.from_cache:
            found.tokens += (one.tokens_in or 0) + (one.tokens_out or 0)
            found.unpriced += one.paid_usd is None
        found.tokens += one.judge_tokens_in + one.judge_tokens_out if one.judge_paid_usd else 0
        found.unpriced += one.judge_paid_usd is None
        found.usd += (one.paid_usd or 0.0) + (one.judge_paid_usd or 0.0)
    found.usd += sum(one.paid_usd or 0.0 for judge in run.canaries for one in judge.results)
    seconds = span_of([run.started_at, run.finished_at]).seconds
    found.time_s += seconds or 0.0 if run.finished_at else 0.0
    found.unfinished += run.finished_at is None


def _item(found: _Sum) -> SwitchItem:
    if not found.runs:
        why = "no stored run of these models in this time"
        return SwitchItem(name="evals", did_happen=False, why_unknown=(why,))
    paid = f"{tokens(found.tokens)} tokens paid for" if found.tokens else "every answer was at hand"
    told = f"{count(found.runs, 'run')}, {count(found.trials, 'trial')}, {paid}"
    unknown = []
    if found.unpriced:
        unknown.append(f"{count(found.unpriced, 'trial')} without a known price: `price` in models.yml")
    if found.unfinished:
        unknown.append(f"how long {count(found.unfinished, 'run')} took that did not end in order")
    return SwitchItem(
        name="evals",
        time_s=found.time_s,
        usd=found.usd,
        is_at_least=found.unpriced > 0,
        told=(told,),
        why_unknown=tuple(unknown),
    )
