"""The terminal's table of models and suites: rates, errors, tokens, costs, latencies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.summary import Summary
from swapgate.reporting import format as show
from swapgate.reporting import worst
from swapgate.reporting.terminal.line import Line, aligned, more, name
from swapgate.reporting.words.judges import has_unscored
from swapgate.reporting.words.reasons import by_suite, is_streamed, overall, rate_title, slices
from swapgate.reporting.worst import Split

_USAGE = ("tokens in/out", "cost", "judge cost", "p50/p95")


def summary_table(outcome: RunOutcome, *, width: int, verbose: int) -> Iterator[Line]:
    """Yield the rows of each model: the worst of many suites, or with `verbose` all of them and the tags."""
    models = overall(outcome)
    suites = Split(shown=[by_suite(outcome, model) for model in models])
    if verbose <= 0:
        suites = worst.suites_of(outcome, models, most=0)
    rows = []
    for summary, own in zip(models, suites.shown, strict=True):
        role = " (baseline)" if summary.role == "baseline" else ""
        rows.append((name(summary.model) + role, summary))
        parts = [*own, *(slices(outcome, summary) if verbose > 0 else ())]
        rows += [(f"  {name(s.scope.name)}", s) for s in parts]
    yield from _tables(outcome, rows, width=width)
    yield from more(suites.left_out, "suite")


def _tables(outcome: RunOutcome, rows: Sequence[tuple[str, Summary]], *, width: int) -> Iterator[Line]:
    """Yield one table where it fits, else two or more below each other."""
    rates = _rates(outcome, rows, width=width)
    usage = _usage(outcome, rows)
    joined = aligned([(*left, *right) for left, right in zip(rates, usage, strict=True)])
    if len(joined[0]) <= width:
        yield from map(_row_line, joined)
        return
    labelled = [(left[0], *right) for left, right in zip(rates, usage, strict=True)]
    for number, table in enumerate([*_fitting(rates, width), *_fitting(labelled, width)]):
        if number:
            yield Line(text="")
        yield from map(_row_line, aligned(table))


def _fitting(rows: Sequence[tuple[str, ...]], width: int) -> Iterator[list[tuple[str, ...]]]:
    """Yield the columns in as many tables as the width takes, each with the first column's labels."""
    labels = [row[:1] for row in rows]
    table = labels
    for column in range(1, len(rows[0])):
        wider = [(*cells, row[column]) for cells, row in zip(table, rows, strict=True)]
        if table is not labels and len(aligned(wider)[0]) > width:
            yield table
            wider = [(*cells, row[column]) for cells, row in zip(labels, rows, strict=True)]
        table = wider
    yield table


def _rates(outcome: RunOutcome, rows: Sequence[tuple[str, Summary]], *, width: int) -> list[tuple[str, ...]]:
    """Return the cells of the rates; the structural interval is left out where it would be too wide."""
    header = ("", rate_title(outcome, "structural"), rate_title(outcome, "semantic"), "blind pass", "errored")
    rates = [header, *((label, *_rate_cells(s)) for label, s in rows)]
    if has_unscored(outcome):
        unscored = ["unscored", *(f"{s.unscored:,}/{s.trials:,}" for _, s in rows)]
        rates = [(*row, cell) for row, cell in zip(rates, unscored, strict=True)]
    is_scored = any(s.semantic.n for _, s in rows)
    if not is_scored or len(aligned(rates)[0]) <= width:
        return rates
    structural = ["structural", *(show.percent(s.structural.rate) for _, s in rows)]
    return [(row[0], short, *row[2:]) for row, short in zip(rates, structural, strict=True)]


def _row_line(text: str) -> Line:
    # A model's own row begins at the margin, those of its suites are indented.
    return Line(text=text.rstrip(), bold=not text.startswith(" "))


def _rate_cells(summary: Summary) -> tuple[str, ...]:
    return (
        show.rate_with_interval(summary.structural, absent=show.MISSING),
        show.rate_with_interval(summary.semantic),
        show.marked_percent(summary.blind_pass),
        f"{summary.errored:,}/{summary.trials:,}",
    )


def _usage(outcome: RunOutcome, rows: Sequence[tuple[str, Summary]]) -> list[tuple[str, ...]]:
    """Return the cells of amounts; the first token's are there when an answer was streamed."""
    usage = [_USAGE, *(_usage_cells(s) for _, s in rows)]
    if not is_streamed(outcome):
        return usage
    first = ["first token", *(show.p50_p95(s.ttft_p50_s, s.ttft_p95_s) for _, s in rows)]
    return [(*cells, cell) for cells, cell in zip(usage, first, strict=True)]


def _usage_cells(summary: Summary) -> tuple[str, ...]:
    return (
        "/".join(show.tokens_used(summary)),
        show.money(summary.cost_usd),
        show.money(summary.judge_cost_usd),
        show.p50_p95(summary.latency_p50_s, summary.latency_p95_s),
    )
