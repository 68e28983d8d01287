"""`swapgate shadow judge`: a sample of stored exchanges shown to a pairwise judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from swapgate.cli.options import (
    JsonOption,
    LiveOption,
    MaxCostOption,
    RayOption,
    ReplayOption,
    RootOption,
    cache_mode,
    open_settings,
)
from swapgate.cli.output import live_line, print_json, warn, warn_of_budget
from swapgate.cli.shadow.reading import CriteriaOption, RouteOption, SinceOption, UntilOption, open_reading
from swapgate.cli.shadow.serve import ConfigOption
from swapgate.errors import ExitCode, UsageError
from swapgate.reporting.text import safe_text
from swapgate.shadow.records import Count
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.cli.shadow.reading import Reading
    from swapgate.engine.executor import Executor
    from swapgate.engine.workspace import Workspace
    from swapgate.judging.judge import Judge
    from swapgate.shadow.comparing.judged import Preferences
    from swapgate.spec.models import ModelSpec

_MOST_ERRORS = 0.05


def judge(
    *,
    config: ConfigOption = None,
    criteria: CriteriaOption = None,
    route: RouteOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    max_cost: MaxCostOption = None,
    live: LiveOption = False,
    replay: ReplayOption = False,
    ray: RayOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Have the judge of `compare` say whose answer is better, on a sample that a seed draws.

    Both answers are shown without names and in both orders. Asks only what it has not judged yet. Exits with
    11 when more than one in twenty got no verdict.
    """
    from swapgate.engine.workspace import Workspace

    settings = open_settings(root, max_cost=max_cost, cache=cache_mode(live=live, replay=replay), ray=ray)
    workspace = Workspace(settings)
    told: list[_Told] = []
    with open_reading(settings, config, criteria) as reading:
        names = [route] if route is not None else sorted(reading.criteria.compare)
        with_judge = [name for name in names if reading.criteria.comparing(name).judge]
        if not with_judge:
            raise UsageError(
                "no route has a judge: name a pairwise one in config/promote.yml, "
                "`compare: {ROUTE: {judge: NAME}}`"
            )
        judges = _judges(reading, workspace, with_judge)
        with _workers(workspace, judges.values()) as executor:
            for name, found in judges.items():
                keys = _drawn(reading, name, since=since, until=until)
                # One budget for all routes together.
                spent_usd = sum(one.paid_usd for one in told)
                asking = _Asking(reading=reading, workspace=workspace, executor=executor, spent_usd=spent_usd)
                told.append(asking.ask(name, found, keys))
    if as_json:
        print_json({"routes": [_plain(one) for one in told]})
    else:
        _print(told)
    if any(one.said.unasked for one in told):
        warn_of_budget(settings.max_cost)
    errors = sum(len(one.said.errors) for one in told)
    is_too_many = errors > _MOST_ERRORS * sum(one.said.drawn for one in told)
    return ExitCode.TOO_MANY_ERRORS if is_too_many else ExitCode.OK


def _judges(reading: Reading, workspace: Workspace, routes: Iterable[str]) -> dict[str, Judge]:
    """Return each route's judge, all of them ready to be asked."""
    from swapgate.shadow.comparing.judged import find_pairwise

    found = {name: find_pairwise(workspace, reading.criteria.comparing(name).judge or "") for name in routes}
    workspace.require_ready(_models(workspace, found.values()))
    return found


def _models(workspace: Workspace, judges: Iterable[Judge]) -> dict[str, ModelSpec]:
    return {name: workspace.model(name) for judge in judges for name in judge.models}


@contextmanager
def _workers(workspace: Workspace, judges: Iterable[Judge]) -> Iterator[Executor | None]:
    """Yield who opens the judges' models: Ray's workers where a cluster is named and one works on its own."""
    from swapgate.engine.executor import executing, has_work

    models = _models(workspace, judges)
    if workspace.settings.ray is not None and not has_work(models.values(), ()):
        warn("--ray runs judges that are local models or Python functions, and here is none: it is not used")
    with executing(workspace.settings, models, ()) as executor:
        yield executor


def _drawn(reading: Reading, route: str, *, since: str | None, until: str | None) -> list[str]:
    """Return the keys of the sample of a route's newest setup."""
    from swapgate.shadow.comparing.drawing import draw_keys

    comparing = reading.criteria.comparing(route)
    stored = reading.store.exchanges(route=route, since=since, until=until, state="whole")
    return draw_keys((one.exchange for one in stored), size=comparing.judged, seed=comparing.seed)


class _Told(Value):
    """What the judge says of one route's sample, and what was paid for it."""

    route: str
    said: Preferences
    paid_usd: float


class _Asking(Value):
    """What asking the judges takes; `spent_usd` of the budget are gone."""

    reading: Reading
    workspace: Workspace
    executor: Executor | None
    spent_usd: float

    def ask(self, route: str, judge: Judge, keys: list[str]) -> _Told:
        """Ask a route's judge, which stores what it says as it is known."""
        from swapgate.engine.judging_only import judging_engine
        from swapgate.shadow.comparing.judged import PairJudging

        models = _models(self.workspace, [judge])
        with (
            live_line() as draw,
            judging_engine(
                self.workspace, models, executor=self.executor, spent_usd=self.spent_usd
            ) as engine,
        ):
            judging = PairJudging(
                engine,
                self.reading.store,
                judge,
                root=self.workspace.settings.root,
                draw=draw,
            )
            said = judging.run(keys)
            paid_usd = engine.progress().cost_usd
        if paid_usd:
            today = datetime.now(UTC).date().isoformat()
            self.reading.store.count(Count(day=today, route=route, what="judged_usd", amount=paid_usd))
        return _Told(route=route, said=said, paid_usd=paid_usd)


def _plain(one: _Told) -> dict[str, Any]:
    return {"route": one.route, **asdict(one.said), "paid_usd": one.paid_usd}


def _print(told: list[_Told]) -> None:
    from swapgate.reporting.format import money

    for one in told:
        said = one.said
        if not said.drawn:
            warn(f"route {one.route}: no exchange has the words of both answers: `content: true` keeps them")
            continue
        typer.echo(
            f"route {one.route}: {said.drawn} drawn, {said.judged_now} judged now: better {said.better}, "
            f"even {said.even}, worse {said.worse}; {money(one.paid_usd)} paid"
        )
        if said.unasked:
            typer.echo(f"  {said.unasked} not asked: run it again, it goes on where it was")
        for key, why in list(said.errors.items())[:3]:
            warn(safe_text(f"{key}: no verdict: {why}", 300))
