"""A proxy from its start to its end: listening, reloading, draining."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from swapgate.errors import SwapgateError, UsageError
from swapgate.listening import not_listening
from swapgate.shadow.forwarding import Upstream
from swapgate.shadow.handing import Handing
from swapgate.shadow.metrics import Metrics
from swapgate.shadow.plan import Plan
from swapgate.shadow.proxy import Proxy
from swapgate.shadow.ramped import LegFor, control_alone
from swapgate.shadow.unread import log_of_bugs

_LONGEST_HEADER = 64 * 1024
_MOST_HEADERS = 512
_LOG = logging.getLogger("swapgate.shadow")


async def serve(
    plan: Plan,
    *,
    config: Path,
    reopen: Callable[[], Plan],
    drain_s: float,
    began: Callable[[str], None],
    leg_for: LegFor = control_alone,
) -> None:
    """Serve until SIGTERM or SIGINT, then let what is in flight end, for `drain_s` seconds at most.

    `reopen` reads the configuration anew at SIGHUP; `began` is told the address once it listens; `leg_for`
    says who answers, by a ramp.
    """
    metrics = Metrics()
    handing = Handing(root=plan.root, config=config, heard=metrics.hear)
    upstream = Upstream()
    proxy = Proxy(plan, handing, metrics, upstream, leg_for=leg_for)
    stopping = _signals(proxy, handing, reopen)
    server = web.Server(
        proxy.handle,
        handler_cancellation=True,
        access_log=None,
        logger=log_of_bugs(metrics.refused),
        auto_decompress=False,
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
        max_headers=_MOST_HEADERS,
    )
    runner = web.ServerRunner(server, shutdown_timeout=drain_s)
    await handing.start()
    try:
        began(await _listen(runner, plan))
        await stopping.wait()
        await _drain(runner, proxy, drain_s)
    finally:
        await runner.cleanup()
        await upstream.close()
        await handing.stop(drain_s=drain_s)


def _signals(proxy: Proxy, handing: Handing, reopen: Callable[[], Plan]) -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def reload() -> None:
        try:
            proxy.take(reopen())
        except SwapgateError as exc:
            _LOG.error("the configuration is not taken, the old one stands: %s", exc)
            return
        handing.reload()
        _LOG.warning("the configuration was read anew")

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    return stopping


async def _listen(runner: web.ServerRunner, plan: Plan) -> str:
    await runner.setup()
    site = web.TCPSite(runner, plan.config.host, plan.config.port, backlog=1024)
    try:
        await site.start()
    except OSError as exc:
        found = not_listening(exc)
        remedy = "Is another proxy running?" if found.is_in_use else "Name another with `listen` or --listen"
        raise UsageError(
            f"listen: {plan.config.listen} cannot be listened at: {found.why}. {remedy}"
        ) from exc
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _drain(runner: web.ServerRunner, proxy: Proxy, drain_s: float) -> None:
    """Take no new connection, and wait for the answers in flight."""
    for site in tuple(runner.sites):
        await site.stop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(drain_s):
            await proxy.is_idle.wait()
