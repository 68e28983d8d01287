"""What the shadow of a migration cost: the candidate's answers, the control's second ones, judging."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from swapgate.analysis.switching import SwitchItem
from swapgate.errors import UsageError
from swapgate.migration.window import Span, Window, span_of
from swapgate.reporting.format import count, money
from swapgate.shadow.plan import SHADOW_CONFIG, open_plan
from swapgate.shadow.records import Exchange, Leg
from swapgate.shadow.store import SHADOW_FILE, ShadowStore
from swapgate.spec.settings import Settings


def shadow_traffic(settings: Settings, window: Window, models: Sequence[str]) -> tuple[SwitchItem, Span]:
    """Return the item of the mirrored traffic; with models, of the routes whose candidate one of them is."""
    path = store_path(settings)
    if not path.is_file():
        why = "no traffic was mirrored: `swapgate shadow serve`"
        return SwitchItem(name="shadow", did_happen=False, why_unknown=(why,)), Span()
    first, last = window.days
    with closing(ShadowStore(path)) as store:
        exchanges = [
            one.exchange
            for one in store.exchanges(since=first, until=last)
            if not models or {leg.model for leg in _legs(one.exchange)} & set(models)
        ]
        routes = {one.route for one in exchanges}
        counts = [one for one in store.counts(since=first, until=last) if not models or one.route in routes]
    spent = sum(one.amount for one in counts if one.what == "spent_usd")
    judged = sum(one.amount for one in counts if one.what == "judged_usd")
    if not exchanges and not counts:
        why = "nothing of these models in this time"
        return SwitchItem(name="shadow", did_happen=False, why_unknown=(why,)), Span()
    span = span_of([one.at for one in exchanges])
    return _item(exchanges, spent, judged, span), span


def store_path(settings: Settings) -> Path:
    """Return where the exchanges are kept: as the configuration says, else where they are by default."""
    config = settings.root / SHADOW_CONFIG
    try:
        return open_plan(settings, config).store if config.is_file() else settings.state_dir / SHADOW_FILE
    except UsageError:
        return settings.state_dir / SHADOW_FILE


def _legs(exchange: Exchange) -> Iterator[Leg]:
    """Yield the legs that served nobody: what the migration alone has paid for."""
    if exchange.candidate is not None and exchange.served != "candidate":
        yield exchange.candidate
    if exchange.again is not None:
        yield exchange.again


def _item(exchanges: Sequence[Exchange], spent: float, judged: float, span: Span) -> SwitchItem:
    legs = [leg for exchange in exchanges for leg in _legs(exchange)]
    unpriced = sum(leg.has_answer and leg.cost_usd is None for leg in legs)
    told = [f"{count(len(exchanges), 'exchange')} kept, {count(len(legs), 'answer')} that served nobody"]
    again = sum(exchange.again is not None for exchange in exchanges)
    told += [f"{again:,} of them second answers of the control"] if again else []
    told += [f"judging pairs: {money(judged)}"] if judged else []
    unknown = []
    if unpriced:
        unknown.append(f"{count(unpriced, 'answer')} without a known price: `price` in models.yml")
    return SwitchItem(
        name="shadow",
        time_s=span.seconds,
        usd=spent + judged,
        is_at_least=unpriced > 0,
        told=tuple(told),
        why_unknown=tuple(unknown),
    )
