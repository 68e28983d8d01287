"""What the commands about stored exchanges share: the options, the store, the criteria, the traffic."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.output import shown
from swapgate.errors import UsageError, nearest
from swapgate.spec.settings import Settings
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.shadow.comparing.compare import Comparer
    from swapgate.shadow.deciding.observations import Traffic
    from swapgate.shadow.store import ShadowStore
    from swapgate.spec.shadow_criteria import CriteriaFile

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def _date(written: str | None) -> str | None:
    if written is not None and not _DATE.fullmatch(written):
        raise typer.BadParameter(f"must be a date such as 2026-11-26, got {written!r}")
    return written


CriteriaOption = Annotated[
    Path | None,
    typer.Option("--criteria", metavar="FILE", help="The criteria. Default: config/promote.yml, else none."),
]
RouteOption = Annotated[
    str | None, typer.Option("--route", metavar="ROUTE", help="This route alone. Default: all of them.")
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="DATE", callback=_date, help="From this date on (UTC), included."),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="DATE", callback=_date, help="Up to this date, included.")
]


class Reading(Value):
    """The store opened, the criteria, and who compares each route."""

    settings: Settings
    store: ShadowStore
    criteria: CriteriaFile
    comparer_of: Callable[[str], Comparer]


@contextmanager
def open_reading(settings: Settings, config: Path | None, criteria: Path | None) -> Iterator[Reading]:
    """Open what is there; UsageError where nothing was ever stored, or a file is wrong."""
    from swapgate.engine.workspace import Workspace
    from swapgate.shadow.comparing.compare import open_comparer
    from swapgate.shadow.store import ShadowStore

    path = store_path(settings, config)
    if not path.is_file():
        raise UsageError(
            f"{shown(path)}: no exchanges are stored yet. `swapgate shadow serve` and "
            "`swapgate shadow replay` store them"
        )
    rules = open_criteria(settings, criteria)
    workspace = Workspace(settings)
    comparers: dict[str, Comparer] = {}

    def comparer_of(route: str) -> Comparer:
        if route not in comparers:
            comparers[route] = open_comparer(workspace, rules.comparing(route))
        return comparers[route]

    with closing(ShadowStore(path)) as store:
        yield Reading(settings=settings, store=store, criteria=rules, comparer_of=comparer_of)


def read_routes(
    reading: Reading, *, route: str | None = None, since: str | None = None, until: str | None = None
) -> list[Traffic]:
    """Return the traffic of the routes; UsageError for a route that has none."""
    from swapgate.shadow.deciding.observations import read_traffic

    store = reading.store
    if route is not None:
        known = sorted({name for _day, name, _state, _number in store.states()})
        if route not in known:
            listed = ", ".join(known) or "none"
            raise UsageError(
                f"--route {route!r}: no exchange of it is stored; there is {listed}.{nearest(route, known)}"
            )
    return read_traffic(store.exchanges(route=route, since=since, until=until), reading.comparer_of)


def open_criteria(settings: Settings, given: Path | None) -> CriteriaFile:
    """Return the criteria of the given file, or of the usual one where it is there, else the defaults."""
    from swapgate.shadow.comparing.live import CRITERIA_FILE
    from swapgate.spec.shadow_criteria import CriteriaFile, read_criteria

    path = settings.root / CRITERIA_FILE if given is None else given.absolute()
    if given is None and not path.is_file():
        return CriteriaFile()
    return read_criteria(path, root=settings.root)


def store_path(settings: Settings, config: Path | None) -> Path:
    """Return where the exchanges are: as the shadow configuration says, else in the state folder."""
    from swapgate.shadow.plan import SHADOW_CONFIG
    from swapgate.shadow.store import SHADOW_FILE
    from swapgate.spec.shadow import read_shadow

    path = settings.root / SHADOW_CONFIG if config is None else config.absolute()
    if config is None and not path.is_file():
        return settings.state_dir / SHADOW_FILE
    written = read_shadow(path, root=settings.root).store
    return settings.root / written if written else settings.state_dir / SHADOW_FILE


def ramp_path(settings: Settings) -> Path:
    """Return where the state of ramps is."""
    from swapgate.shadow.ramp.state import RAMP_FILE

    return settings.state_dir / RAMP_FILE
