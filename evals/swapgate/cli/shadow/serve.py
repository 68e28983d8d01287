"""`swapgate shadow serve`: the proxy that an application's base URL points to."""

from __future__ import annotations

import ipaddress
import logging
import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, shown, warn
from swapgate.errors import UsageError
from swapgate.spec.settings import Settings
from swapgate.spec.source import why_no_file

if TYPE_CHECKING:
    from swapgate.shadow.plan import Plan
    from swapgate.shadow.ramp.ramp import Ramp
    from swapgate.shadow.ramped import LegFor

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration. Default: config/shadow.yml."),
]


def serve(
    *,
    config: ConfigOption = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Where to listen, not as `listen` says."),
    ] = None,
    drain_s: Annotated[
        float,
        typer.Option(
            "--drain", metavar="SECONDS", min=0, help="How long answers in flight may take at the end."
        ),
    ] = 30.0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve an application from its model, and mirror what goes by to the candidate.

    The application changes its base URL and nothing else. SIGHUP reads the configuration anew,
    SIGTERM lets what is in flight end.
    """
    if os.name != "posix":
        raise UsageError("swapgate shadow serve runs on Linux and macOS. Use ShadowTransport in the process")
    from swapgate.shadow.plan import servable

    settings = open_settings(root)
    path = config_path(settings, config)
    plan = servable(opened(settings, path, listen))
    _check(plan)
    logging.basicConfig(format="swapgate shadow: %(levelname)s: %(message)s", level=logging.WARNING)

    def began(url: str) -> None:
        _tell(plan, url, as_json=as_json)

    with closing(_ramp(settings)) as ramp:
        _run(
            plan,
            path=path,
            reopen=lambda: servable(opened(settings, path, listen)),
            drain_s=drain_s,
            began=began,
            leg_for=ramp.leg_for,
        )


def _ramp(settings: Settings) -> Ramp:
    """Return who says who answers."""
    from swapgate.shadow.ramp.ramp import Ramp
    from swapgate.shadow.ramp.state import RAMP_FILE

    return Ramp(settings.state_dir / RAMP_FILE)


def config_path(settings: Settings, given: Path | None) -> Path:
    """Return the configuration's path; UsageError where it is missing."""
    from swapgate.shadow.plan import SHADOW_CONFIG

    path = (settings.root / SHADOW_CONFIG) if given is None else given.absolute()
    if not path.is_file():
        raise UsageError(f"{shown(path)}: {why_no_file(path)}. docs/shadow.md shows one to begin with")
    return path


def opened(settings: Settings, path: Path, listen: str | None = None) -> Plan:
    """Return the plan of a configuration."""
    from dataclasses import replace

    from swapgate.shadow.plan import open_plan
    from swapgate.spec.shadow import listen_address

    plan = open_plan(settings, path)
    if listen is None:
        return plan
    return replace(plan, config=plan.config.model_copy(update={"listen": listen_address(listen)}))


def _check(plan: Plan) -> None:
    """Find what is wrong with where things are, before the first request, and say what should be known."""
    from swapgate.shadow.store import ShadowStore

    ShadowStore(plan.store).close()
    if not _is_loopback(plan.config.host):
        warn(
            f"{plan.config.listen} can be reached from other machines. The proxy asks nobody who they are: "
            "requests carry their own keys, and whoever reaches it is mirrored at your cost"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tell(plan: Plan, url: str, *, as_json: bool) -> None:
    """Say where the application finds its model, on one line for each route."""
    routes = {
        name: {
            "control": p.control.name,
            "candidate": p.candidate and p.candidate.name,
            "share": p.route.share,
        }
        for name, p in plan.routes.items()
    }
    if as_json:
        print_json({"url": url, "store": str(plan.store), "pid": os.getpid(), "routes": routes})
    else:
        typer.echo(f"swapgate shadow: listening at {url}, records in {shown(plan.store)}")
        for name, p in plan.routes.items():
            beside = f"{p.route.share:.0%} to {p.candidate.name}" if p.candidate else "watched alone"
            typer.echo(
                f"  {name}: {p.control.name} serves; {beside}" + (" later" if _is_spooled(p.route) else "")
            )
    sys.stdout.flush()


def _is_spooled(route: object) -> bool:
    return getattr(route, "mode", "live") == "spool"


def _run(
    plan: Plan,
    *,
    path: Path,
    reopen: Callable[[], Plan],
    drain_s: float,
    began: Callable[[str], None],
    leg_for: LegFor,
) -> None:
    import asyncio

    from swapgate.shadow.fast_loop import collect_from_here, loop_factory

    try:
        from swapgate.shadow.serving import serve as run
    except ImportError as exc:
        raise UsageError(
            f"swapgate shadow serve needs {exc.name}, which is not installed: pip install 'swapgate[shadow]'"
        ) from exc
    collect_from_here()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run(plan, config=path, reopen=reopen, drain_s=drain_s, began=began, leg_for=leg_for))
