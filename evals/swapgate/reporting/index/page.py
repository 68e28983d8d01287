"""Where a migration of a vector index stands, as one self-contained page without a script."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from swapgate.reporting import format as show
from swapgate.reporting.html.templates import environment, house_style, part
from swapgate.reporting.html.whiskers import Chart, chart
from swapgate.reporting.index.cells import LOOKS, MARKS, STAGES, stage_name, stage_row
from swapgate.retrieval.phases import Phase
from swapgate.retrieval.standing import Standing
from swapgate.retrieval.verifying import Verification
from swapgate.retrieval.verifying.verification import Compared
from swapgate.values import Value

if TYPE_CHECKING:
    from jinja2 import Template

_HERE = "swapgate.reporting.index"
_WAY = (
    Phase.PLAN, Phase.DUAL_WRITE, Phase.BACKFILL, Phase.VERIFY, Phase.SHADOW_READ, Phase.CANARY,
    Phase.PROMOTED, Phase.BAKE, Phase.RETIRED,
)  # fmt: skip
_COUNTS = ("fallbacks", "failures_old", "failures_new", "stale_reads", "shadow_dropped", "shadow_failed",
           "shadow_timeout", "shadow_lost", "unmirrored_old", "unmirrored_new")  # fmt: skip


class Station(Value):
    """One phase on the way: `state` is past, here or ahead."""

    name: str
    state: str


def page(told: Standing, *, made_at: str) -> str:
    """Return the page; `made_at` is its time."""
    return _template().render(
        told=told,
        made_at=made_at,
        moment=show.moment,
        style=_style(),
        mark=_mark(told),
        headline=_headline(told),
        reasons=_reasons(told),
        way=way(told.phase),
        stages=[(one, stage_row(one), one.last) for one in told.stages],
        indexes=[(side, one, _latency(told, side)) for side, one in told.indexes.items()],
        charts=[] if told.verification is None else _charts(told.verification),
        slices=[] if told.verification is None else _slices(told.verification),
        facts=_facts(told),
        changes=[(c, stage_name(c.phase, c.share)) for c in reversed(told.changes)],
        header=STAGES,
        marks=MARKS,
        looks=LOOKS,
    )


def way(phase: Phase) -> list[Station]:
    """Return the phases in their order, each past, present or ahead; after a rollback all are ahead."""
    here = _WAY.index(phase) if phase in _WAY else -1
    return [
        Station(name=str(one), state="here" if n == here else "past" if n < here else "ahead")
        for n, one in enumerate(_WAY)
    ]


def _mark(told: Standing) -> str:
    """Return the colour of the whole: that of a rollback, of the last look, or none."""
    if told.phase is Phase.ROLLED_BACK:
        return "fail"
    if told.phase in {Phase.PROMOTED, Phase.BAKE, Phase.RETIRED}:
        last = told.stages[-1].last if told.stages else None
        return "fail" if last is not None and MARKS[last.word] == "fail" else "pass"
    last = told.stages[-1].last if told.stages else None
    return "" if last is None else MARKS[last.word]


def _headline(told: Standing) -> str:
    new = told.indexes["new"].model
    if told.phase is Phase.ROLLED_BACK:
        return f"{told.migration}: the old index serves everybody again"
    if told.share <= 0:
        return f"{told.migration}: the old index serves everybody"
    if told.share >= 1:
        return f"{told.migration}: {new} serves everybody"
    return f"{told.migration}: {new} serves {show.percent(told.share)} of the keys"


def _reasons(told: Standing) -> list[str]:
    """Return why it stands there: the reasons of the last look, else of the last change."""
    last = told.stages[-1].last if told.stages and told.stages[-1].until is None else None
    if last is not None and last.reasons:
        return list(last.reasons)
    return [told.changes[-1].why] if told.changes else []


def _latency(told: Standing, side: str) -> tuple[str, str]:
    queries = told.metrics.counts.get(f"queries_{side}", 0)
    p50, p95 = (
        found.get("old" if side == "old" else "new") for found in (told.metrics.p50_s, told.metrics.p95_s)
    )
    return f"{queries:,}", f"{show.milliseconds(p50)} / {show.milliseconds(p95)}"


def _charts(found: Verification) -> list[tuple[str, Chart]]:
    """Return the differences by slice, a chart for each measure that something is decided on."""
    names = [one.metric for one in found.overall.compared if one.margin is not None]
    scopes = [found.overall, *found.slices]
    charts = []
    for name in names:
        rows = [
            (scope.name or "all", one) for scope in scopes for one in scope.compared if one.metric == name
        ]
        margins = [one.margin for _scope, one in rows if one.margin is not None]
        drawn = [(scope, _difference(one), one.difference) for scope, one in rows]
        charts.append((name, chart(drawn, -max(margins) if margins else None)))
    return charts


def _difference(one: Compared) -> str:
    found = one.difference
    bounds = show.points_interval(found.low, found.high, found.confidence)
    return f"{show.points(found.estimate)} {bounds}".rstrip()


def _slices(found: Verification) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    """Return each scope with its queries, its answer, and its measures, old and new."""
    return [
        (
            scope.name or "all",
            f"{scope.queries:,}",
            scope.answer,
            [(one.metric, f"{show.score(one.old)} / {show.score(one.new)}") for one in scope.compared],
        )
        for scope in (found.overall, *found.slices)
    ]


def _facts(told: Standing) -> list[tuple[str, str]]:
    """Return what is counted once, with its name."""
    contents = told.contents
    examined = (
        "not yet"
        if contents is None
        else f"{'passed' if contents.passed else 'failed'}, {show.moment(contents.at)}"
    )
    ledger = told.ledger
    found = [
        ("Examined", examined),
        ("Written by reindex", "-" if ledger is None else f"{ledger['written']:,}, {ledger['dead']:,} dead"),
        ("To repair, old / new", f"{told.repairs['old']:,} / {told.repairs['new']:,}"),
        ("Routers", f"{len(told.routers)}, {told.behind} behind"),
        ("Shadow reads", f"{told.shadow_reads:,}"),
        ("Cost of filling", _money(told.filled_usd)),
        ("Cost of verifying", _money(told.verified_usd)),
    ]
    counts = told.metrics.counts
    found += [
        (name.replace("_", " ").capitalize(), f"{counts[name]:,}") for name in _COUNTS if counts.get(name)
    ]
    return found


def _money(usd: float | None) -> str:
    """Return an amount; vectors that are made here have none."""
    return show.MISSING if usd is None else show.money(usd)


@cache
def _style() -> str:
    return house_style() + part("whiskers.css") + part("status.css", _HERE)


@cache
def _template() -> Template:
    return environment(_HERE).get_template("status.html.j2")
