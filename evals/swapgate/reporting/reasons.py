"""A run in words and in the order that all reports share: how a trial stands, why it did not pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from swapgate.analysis.compare import Comparison, Difference
from swapgate.analysis.gate import GateAnswer, GateResult
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.summary import Summary
from swapgate.records import CheckResult, Trial, Verdict
from swapgate.reporting.format import interval, percent
from swapgate.reporting.text import safe_text

Standing = Literal["blind", "missed", "errored", "passed"]
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


def in_order(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials by suite, case, model and repeat."""
    return sorted(trials, key=lambda t: (t.suite, t.case, t.model, t.repeat, t.role))


def standing(trial: Trial) -> Standing:
    """Return the trial's outcome with the blind passes told apart from the other misses."""
    outcome = trial.outcome
    return "blind" if outcome == "missed" and trial.is_blind_pass else outcome


def first_reason(trial: Trial) -> str:
    """Return why the trial errored or missed: the error, else the first failed check or judge."""
    if trial.error is not None:
        return f"{trial.error.kind.value}: {trial.error.message}"
    return next(_reasons(trial), "")


def overall(outcome: RunOutcome) -> list[Summary]:
    """Return the summaries over all suites, one a model."""
    return [s for s in outcome.summaries if s.suite is None]


def rate_title(outcome: RunOutcome, measure: str) -> str:
    """Return the name of a column of rates, with the confidence of its intervals."""
    confidence = next((s.semantic.confidence for s in outcome.summaries), 0.95)
    return f"{measure} [{confidence:.0%}]"


def by_suite(outcome: RunOutcome, whole: Summary) -> list[Summary]:
    """Return an overall summary's parts by suite; none for a single suite, which says the same again."""
    # One model may be both sides: a candidate against its own earlier run.
    side = (whole.model, whole.role)
    rows = [s for s in outcome.summaries if s.suite is not None and (s.model, s.role) == side]
    return rows if len(rows) > 1 else []


def telling(comparison: Comparison) -> list[Difference]:
    """Return the differences that say something: on pairs, and by suite where there are several."""
    found = [d for d in comparison.differences if d.pairs]
    several = len({d.suite for d in comparison.differences if d.suite is not None}) > 1
    return [d for d in found if several or d.suite is None]


def headline(summary: Summary) -> str:
    """Return what looked right against what was right, in one sentence."""
    looks = f"{percent(summary.structural.rate)} of its answers are right in structure"
    if summary.semantic.n == 0 or summary.semantic.rate is None:
        return f"{summary.model}: {looks}; nothing scored their meaning."
    bounds = interval(summary.semantic)
    sure = f" ({summary.semantic.confidence:.0%} interval {bounds})" if bounds else ""
    return (
        f"{summary.model}: {looks}, {percent(summary.semantic.rate)} in meaning{sure}; "
        f"{percent(summary.blind_pass.rate)} are blind passes."
    )


def interval_notes(outcome: RunOutcome) -> list[str]:
    """Return what is to be known about intervals, one line for each note with all that it is about."""
    about: dict[str, dict[str, None]] = {}
    for summary in outcome.summaries:
        for rate in (summary.structural, summary.semantic):
            if rate.note and rate.n:
                about.setdefault(rate.note, {})[summary.suite or "all suites"] = None
    return [f"{', '.join(suites)}: {note}" for note, suites in about.items()]


def _reasons(trial: Trial) -> Iterator[str]:
    yield from (_check_reason(c) for c in trial.checks if not c.passed and c.kind == "structural")
    yield from (_check_reason(c) for c in trial.checks if not c.passed and c.kind == "semantic")
    yield from (_verdict_reason(v) for v in trial.verdicts if v.passed is not True)


def _check_reason(check: CheckResult) -> str:
    if not check.findings:
        return check.check
    finding = check.findings[0]
    where = f" at {finding.pointer}" if finding.pointer else ""
    return f"{check.check}{where}: {finding.message}"


def _verdict_reason(verdict: Verdict) -> str:
    return f"{verdict.judge}: {verdict.reason or verdict.status}"
