"""The text of a pull request that moves a model to another pin: what, why, numbers, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.summary import Summary
from swapgate.pins.classify import Pin
from swapgate.pins.moving import Move
from swapgate.reporting import format as show
from swapgate.reporting.markdown.report import MAX_CHARS, render
from swapgate.reporting.markdown.text import SENTENCE_CHARS, escaped, own, table
from swapgate.reporting.words.reasons import overall
from swapgate.values import Value


class UpdateFacts(Value):
    """What the text says beside the run: `why` are reasons, prices are US dollars per million tokens in, out.

    `candidate` and `baseline` are the names that the pins have in the run.
    """

    move: Move
    candidate: str
    baseline: str
    why: Sequence[str]
    price_before: tuple[float | None, float | None]
    price_after: tuple[float | None, float | None]


def update_text(facts: UpdateFacts, outcome: RunOutcome) -> str:
    """Return the text as Markdown of fewer characters than a pull request may have."""
    head = "\n".join(_head(facts, outcome))
    body = render(outcome)
    text = f"{head}\n\n{body}"
    return text if len(text) < MAX_CHARS else f"{head}\n\nThe run does not fit in here: see its report.md.\n"


def _head(facts: UpdateFacts, outcome: RunOutcome) -> Iterator[str]:
    move = facts.move
    yield f"# {escaped(move.name)}: {escaped(move.before.model)} to {escaped(move.after.model)}"
    yield ""
    place = "/".join((*move.keys, "model"))
    moved = f", and with it {', '.join(map(escaped, move.also))}" if move.also else ""
    yield f"`{place}` in `models.yml` changes, and `models.lock`{moved}. Both pins were run side by side on"
    yield f"the same cases of {', '.join(map(escaped, outcome.run.suites))} (run {escaped(outcome.run.id)})."
    yield ""
    yield from (f"- Why: {escaped(reason, SENTENCE_CHARS)}" for reason in facts.why)
    yield f"- Gate: **{outcome.gate.answer}**: {escaped(outcome.gate.reason, SENTENCE_CHARS)}"
    if (accepted := move.acceptance) is not None:
        told = f"until {accepted.until}: {escaped(accepted.reason, SENTENCE_CHARS)}"
        yield f"- Accepted: {escaped(move.after.model)} is {_kind(move.pin_after)}, {told}"
    elif not move.pin_after.is_pinned:
        yield f"- Accepted already: {escaped(move.after.model)} is {_kind(move.pin_after)}"
    yield ""
    yield from table(("", "before", "after"), list(_rows(facts, outcome)), left=1, most=20)


def _rows(facts: UpdateFacts, outcome: RunOutcome) -> Iterator[tuple[str, ...]]:
    move = facts.move
    yield "id", escaped(move.before.model), escaped(move.after.model)
    yield "class", _kind(move.pin_before), _kind(move.pin_after)
    yield "retires", _retires(move.pin_before), _retires(move.pin_after)
    yield "list price in / out per million tokens", _price(facts.price_before), _price(facts.price_after)
    old = _of(outcome, facts.baseline, "baseline")
    new = _of(outcome, facts.candidate, "candidate")
    if old is not None and new is not None:
        yield "list price of a trial", _per_trial(old), _per_trial(new)
        yield "tokens out of a trial", _tokens(old), _tokens(new)
        yield (
            "latency p50 / p95",
            own(show.p50_p95(old.latency_p50_s, old.latency_p95_s)),
            own(show.p50_p95(new.latency_p50_s, new.latency_p95_s)),
        )


def _of(outcome: RunOutcome, model: str, role: str) -> Summary | None:
    return next((one for one in overall(outcome) if (one.model, one.role) == (model, role)), None)


def _kind(pin: Pin) -> str:
    return f"{pin.kind.replace('_', ' ')} ({escaped(pin.rule)})"


def _retires(pin: Pin) -> str:
    if pin.known is None:
        return "not in the catalogue"
    return str(pin.known.retires_on) if pin.known.retires_on else "no date is known"


def _price(price: tuple[float | None, float | None]) -> str:
    told = [None if one is None else f"{one:g}" for one in price]
    return "unknown" if None in told else own(f"$ {told[0]} / {told[1]}")


def _per_trial(summary: Summary) -> str:
    known = summary.cost_usd if summary.trials else None
    return own(show.money(None if known is None else known / summary.trials))


def _tokens(summary: Summary) -> str:
    return own(show.tokens(round(summary.tokens_out / summary.counted))) if summary.counted else "not counted"
