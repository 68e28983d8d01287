"""A run in words and in the order that all reports share: how a trial stands, why it did not pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from swapgate.analysis.compare import Comparison, Difference
from swapgate.analysis.gate import GateAnswer, GateResult
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.scopes import OVERALL, Scope
from swapgate.analysis.summary import Summary
from swapgate.memory.history import StoredTrials
from swapgate.records import Outcome, Trial, is_stored_baseline
from swapgate.reporting.format import interval, money, money_sum, percent
from swapgate.reporting.text import safe_text

Standing = Literal["blind", "missed", "errored", "unscored", "passed"]
GATE_WORDS: dict[GateAnswer, str] = {
    "pass": "PASS",
    "fail": "FAIL",
    "inconclusive": "INCONCLUSIVE",
    "not_judged": "NOT JUDGED",
}


def gate_line(gate: GateResult, limit: int | None = None) -> str:
    """Return `gate: FAIL  <reason>`, or `gate not judged: <reason>`, fit for a terminal."""
    head = "gate not judged:" if gate.answer == "not_judged" else f"gate: {GATE_WORDS[gate.answer]} "
    return f"{head} {safe_text(gate.reason, limit)}"


def in_order(trials: Iterable[Trial]) -> Iterable[Trial]:
    """Return the trials by suite, case, model and repeat; stored ones are read one by one."""
    if isinstance(trials, StoredTrials):
        return trials
    return sorted(trials, key=lambda t: (t.suite, t.case, t.model, t.repeat, t.role))


def of_outcome(trials: Sequence[Trial], outcome: Outcome) -> Iterable[Trial]:
    """Return the trials of one outcome, in order."""
    if isinstance(trials, StoredTrials):
        return trials.of_outcome(outcome)
    return (t for t in in_order(trials) if t.outcome == outcome)


def standing(trial: Trial) -> Standing:
    """Return the trial's outcome with the blind passes told apart from the other misses."""
    outcome = trial.outcome
    return "blind" if outcome == "missed" and trial.is_blind_pass else outcome


def overall(outcome: RunOutcome) -> list[Summary]:
    """Return the summaries over all suites, one a model."""
    return [s for s in outcome.summaries if s.scope == OVERALL]


def rate_title(outcome: RunOutcome, measure: str) -> str:
    """Return the name of a column of rates, with the confidence of its intervals."""
    confidence = next((s.semantic.confidence for s in outcome.summaries), 0.95)
    return f"{measure} [{confidence:.0%}]"


def is_streamed(outcome: RunOutcome) -> bool:
    """Return whether the time to the first token is known of any answer."""
    return any(s.ttft_p50_s is not None for s in outcome.summaries)


def by_suite(outcome: RunOutcome, whole: Summary) -> list[Summary]:
    """Return an overall summary's parts by suite; none for a single suite, which says the same again."""
    # One model may be both sides: a candidate against its own earlier run.
    side = (whole.model, whole.role)
    own = [s for s in outcome.summaries if (s.model, s.role) == side]
    rows = [s for s in own if s.suite is not None and s.scope == Scope(s.suite)]
    return rows if len(rows) > 1 else []


def slices(outcome: RunOutcome, whole: Summary) -> list[Summary]:
    """Return an overall summary's parts by tag, and those that cut a suite."""
    side = (whole.model, whole.role)
    return [s for s in outcome.summaries if (s.model, s.role) == side and is_slice(s.scope)]


def is_slice(scope: Scope) -> bool:
    """Whether a scope is one of tags, or cuts a suite. Whole prompts stand in the matrix instead."""
    return scope.tag is not None or (scope.prompt is not None and scope.suite is not None)


def telling(comparison: Comparison) -> list[Difference]:
    """Return the differences that say something: on pairs, and by suite where there are several."""
    found = [d for d in comparison.differences if d.pairs and not (d.tag or d.prompt)]
    several = len({d.suite for d in found if d.suite is not None}) > 1
    return [d for d in found if several or d.suite is None]


def telling_slices(comparison: Comparison) -> list[Difference]:
    """Return the differences by tag, and in parts of suites, on pairs."""
    return [d for d in comparison.differences if d.pairs and is_slice(d.scope)]


def headline(summary: Summary) -> str:
    """Return what looked right against what was right, in one sentence."""
    looks = f"{percent(summary.structural.rate)} of its answers are right in structure"
    if summary.semantic.n == 0 or summary.semantic.rate is None:
        return f"{summary.model}: {looks}; nothing scored their meaning."
    bounds = interval(summary.semantic)
    sure = f" ({summary.semantic.confidence:.0%} interval {bounds})" if bounds else ""
    sure += ", corrected for the judge's errors" if summary.semantic.correction else ""
    return (
        f"{summary.model}: {looks}, {percent(summary.semantic.rate)} in meaning{sure}; "
        f"{percent(summary.blind_pass.rate)} of what is right in structure are blind passes."
    )


def paid_this_time(outcome: RunOutcome) -> str:
    """Return what the run's calls cost, and what the cache saved of it where that is something."""
    rows = [s for s in overall(outcome) if not is_stored_baseline(s)]
    canaries = [one.paid_usd for judge in outcome.run.canaries for one in judge.results]
    paid = f"paid this time: {money_sum([*(s.paid_usd for s in rows), *canaries])}"
    saved = [s.saved_usd for s in rows if s.saved_usd]
    return f"{paid}; the cache saved {money(sum(saved))}" if saved else paid


def interval_notes(outcome: RunOutcome, *, with_slices: bool = False) -> list[str]:
    """Return what is to be known about intervals, one line for each note with all that it is about.

    By default that is what all suites and each suite are about, else also tags and prompts.
    """
    about: dict[str, dict[str, None]] = {}
    for summary in outcome.summaries:
        for rate in (summary.structural, summary.semantic):
            if rate.note and rate.n and (with_slices or not (summary.tag or summary.prompt)):
                about.setdefault(rate.note, {})[summary.scope.name] = None
    return [f"{', '.join(scopes)}: {note}" for note, scopes in about.items()]


def correction_notes(outcome: RunOutcome) -> list[str]:
    """Return what the star at a rate means, one line for each correction, with the rates as judged."""
    raw: dict[str, list[str]] = {}
    for summary in overall(outcome):
        if summary.semantic.correction:
            judged = f"{summary.model} {percent(summary.semantic.raw_rate)}"
            raw.setdefault(summary.semantic.correction, []).append(judged)
    return [
        f"* corrected for the judge's errors by {correction}; semantic rates as judged: {', '.join(judged)}"
        for correction, judged in raw.items()
    ]
