"""A forecast as people read it: one table, and what must be known to trust it."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.engine.estimate import CHARS_PER_TOKEN, DEFAULT_TOKENS_OUT
from swapgate.engine.forecast import ESCALATION, TOTAL, Forecast, Row
from swapgate.reporting import format as show
from swapgate.reporting.terminal.line import MESSAGE_CHARS, aligned, listed, name
from swapgate.reporting.text import safe_text
from swapgate.runs.day_lines import day_line, left_today_usd
from swapgate.spec.settings import Settings

_HEADER = ("", "calls", "cached", "tokens in", "at most", "tokens out", "at most", "cost", "at most")


def forecast_lines(forecast: Forecast, settings: Settings) -> Iterator[str]:
    """Yield the table of models and roles with its total, then what qualifies it."""
    yield f"dry run: nothing was called. {show.count(forecast.trials, 'trial')} would take:"
    rows = [*forecast.rows, forecast.total]
    is_partial = bool(forecast.unpriced)
    yield from aligned([_HEADER, *(_cells(row, is_partial=is_partial) for row in rows)])
    yield from _savings(forecast)
    yield _duration(forecast, settings)
    yield from _qualified(forecast)
    yield from _limits(forecast, settings)
    for note in forecast.notes:
        yield f"note: {safe_text(note, MESSAGE_CHARS)}"


def _cells(row: Row, *, is_partial: bool) -> tuple[str, ...]:
    is_total = row.role == TOTAL
    role = "" if row.role == "candidate" else f" ({row.role})"
    least = "at least " if is_total and is_partial else ""
    return (
        TOTAL if is_total else f"{name(row.model)}{role}",
        f"{'<= ' if row.is_at_most else ''}{row.calls:,}",
        f"{row.cached:,}",
        show.tokens(row.tokens_in),
        show.tokens(row.most_tokens_in),
        show.tokens(row.tokens_out),
        show.tokens(row.most_tokens_out),
        f"{least}{show.money(row.cost_usd)}",
        f"{least}{show.money(row.most_usd)}",
    )


def _savings(forecast: Forecast) -> Iterator[str]:
    if forecast.total.cached:
        saved = show.money_sum([row.saved_usd for row in forecast.rows])
        yield f"the cache saves {saved}: {show.count(forecast.total.cached, 'answer')} need no call"


def _duration(forecast: Forecast, settings: Settings) -> str:
    if not forecast.total.to_send:
        return "nothing needs to be called"
    if forecast.batched:
        models = listed([name(model) for model in forecast.batched], None)
        return f"{models} in batches: within a day, mostly much sooner. *at most* is the price of live calls"
    at_once = f"{settings.concurrency} calls at once"
    if forecast.seconds is None:
        return f"how long that takes with {at_once} is not known before there are stored answers"
    return f"about {show.seconds(forecast.seconds)} with {at_once}, at the mean latency of stored answers"


def _qualified(forecast: Forecast) -> Iterator[str]:
    if forecast.unpriced:
        names = listed([name(model) for model in forecast.unpriced], None)
        yield f"no price is known of {names}: write price: in models.yml. The total leaves them out"
    if any(row.is_at_most and row.role != ESCALATION for row in forecast.rows):
        yield "<=: judges are asked only where an answer's structure passes"
    for row in forecast.rows:
        if row.is_at_most and row.role == ESCALATION:
            yield (
                f"<=: {name(row.model)} (escalation) is counted for every verdict; it is asked only where "
                "the judge before it is unsure"
            )
    guessed = list(dict.fromkeys(name(row.model) for row in forecast.rows if not row.is_measured))
    if guessed:
        models = listed(guessed, None)
        yield (
            f"no counted answer of {models} is stored: taken to be {CHARS_PER_TOKEN} characters a token, and "
            f"{DEFAULT_TOKENS_OUT} tokens an answer"
        )


def _limits(forecast: Forecast, settings: Settings) -> Iterator[str]:
    cost_usd, most_usd = forecast.total.cost_usd or 0.0, forecast.total.most_usd or 0.0
    if settings.stop_early and forecast.total.to_send:
        yield "--stop-early may end it sooner"
    if settings.max_cost is not None:
        limit = f"--max-cost={settings.max_cost:g}"
        yield from _enough(limit, settings.max_cost, cost_usd, most_usd)
    if settings.max_cost_per_day is not None:
        yield day_line(settings)
        left = left_today_usd(settings)
        if left is not None:
            yield from _enough(f"the {show.money(left)} that are left today", left, cost_usd, most_usd)


def _enough(limit: str, limit_usd: float, cost_usd: float, most_usd: float) -> Iterator[str]:
    """Say where a limit is less than a run is expected to cost, or than it may."""
    are = "is" if limit.startswith("--") else "are"
    if cost_usd > limit_usd:
        yield f"{limit} would end the run before all trials are made"
    elif most_usd > limit_usd:
        yield f"{limit} {are} enough for what is expected, and less than it can cost at most"
