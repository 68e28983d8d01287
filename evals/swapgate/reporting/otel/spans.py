"""A run as a tree of spans: the run, its trials, and the calls of each.

When a trial began is not recorded, how long its calls took is. So every trial begins where its run does, and
a judge's calls begin where the model's ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from swapgate.analysis.outcome import RunOutcome
from swapgate.records import Json, ModelIdentity, Run, Trial
from swapgate.reporting.otel import names
from swapgate.reporting.otel.calls import call_span, failed_span
from swapgate.reporting.otel.content import Content, input_messages
from swapgate.reporting.otel.evaluations import evaluations
from swapgate.reporting.otel.signals import Span, known, nanoseconds
from swapgate.values import replace

# The conventions know no other result of a case.
_STATUS = {"passed": "pass", "missed": "fail"}


def run_span(outcome: RunOutcome) -> Span:
    """Return the span of the run without its trials."""
    run = outcome.run
    start_ns = nanoseconds(run.started_at)
    attributes: dict[str, Json] = {
        "swapgate.run.id": run.id,
        "swapgate.run.is_complete": run.is_complete,
        "swapgate.run.is_partial": run.is_partial,
        "swapgate.run.planned": run.planned,
        "swapgate.models": [model.name for model in run.models],
        "swapgate.baseline": run.baseline,
        "swapgate.suites": list(run.suites),
        "swapgate.gate.answer": outcome.gate.answer,
        "swapgate.gate.reason": outcome.gate.reason,
        names.REVISION: run.git_commit,
    }
    return Span(
        name="swapgate run",
        start_ns=start_ns,
        end_ns=max(start_ns, nanoseconds(run.finished_at or run.started_at)),
        attributes=known(attributes),
    )


def identities(run: Run) -> dict[str, ModelIdentity]:
    """Return the models and judges of a run by their names in the catalogue."""
    return {identity.name: identity for identity in (*run.judges, *run.models)}


def own_trials(run: Run, trials: Iterable[Trial]) -> Iterator[Trial]:
    """Yield the trials that were made in this run; a stored baseline's were sent with theirs."""
    names_of = identities(run)
    return (trial for trial in trials if trial.role == "candidate" or trial.model in names_of)


def trial_span(run: Run, trial: Trial, by_name: Mapping[str, ModelIdentity], content: Content) -> Span:
    """Return the span of a trial; what was said of the answer hangs on the call of the model."""
    start_ns = nanoseconds(run.started_at)
    model = _model_call(trial, by_name, start_ns, content)
    judged_ns = model.end_ns if model is not None else start_ns
    judges = (
        call_span(
            answer,
            by_name.get(answer.model),
            start_ns=judged_ns,
            content=content,
            more={"swapgate.judge": verdict.judge},
        )
        for verdict in trial.verdicts
        for answer in verdict.answers
    )
    calls = (*(() if model is None else (model,)), *judges)
    error = trial.error.kind.value if trial.error is not None else ""
    return Span(
        name=f"trial {trial.suite}",
        start_ns=start_ns,
        end_ns=max((call.end_ns for call in calls), default=start_ns),
        attributes=known({**_about(run, trial), names.ERROR_TYPE: error or None}),
        error=error,
        children=calls,
    )


def _model_call(
    trial: Trial, by_name: Mapping[str, ModelIdentity], start_ns: int, content: Content
) -> Span | None:
    """Return the call of the model under test, None where it was not asked."""
    if trial.answer is None:
        error = trial.error
        identity = by_name.get(trial.model)
        return None if error is None else failed_span(error, identity, trial.model, start_ns=start_ns)
    span = call_span(
        trial.answer,
        by_name.get(trial.answer.model),
        start_ns=start_ns,
        content=content,
        asked=input_messages(trial.messages),
        more={"swapgate.attempts": trial.answer.attempts},
    )
    said = evaluations(trial, at_ns=span.end_ns, with_reasons=content.is_any)
    return replace(span, events=(*span.events, *said))


def _about(run: Run, trial: Trial) -> dict[str, Json]:
    return {
        "swapgate.run.id": run.id,
        "swapgate.model": trial.model,
        "swapgate.role": trial.role,
        "swapgate.repeat": trial.repeat,
        "swapgate.outcome": trial.outcome,
        "swapgate.is_blind_pass": trial.is_blind_pass,
        "swapgate.prompt": trial.prompt,
        "swapgate.tags": list(trial.tags) or None,
        names.SUITE: trial.suite,
        names.CASE: trial.case,
        names.CASE_STATUS: _STATUS.get(trial.outcome),
    }
