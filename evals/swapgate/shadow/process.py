"""The mirror's process: reads captures from the serving process until that ends, then finishes its work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swapgate.errors import SwapgateError
from swapgate.shadow.capture import unpack
from swapgate.shadow.comparing.live import live_compare
from swapgate.shadow.fast_loop import collect_from_here, loop_factory
from swapgate.shadow.handing import FRAME
from swapgate.shadow.mirror import Mirror
from swapgate.shadow.plan import Plan, open_plan, servable
from swapgate.shadow.records import Count
from swapgate.shadow.retention import sweep_or_warn
from swapgate.shadow.store import ShadowStore
from swapgate.spec.settings import Settings, resolve_settings

# The serving process goes first: what is late here is late for nobody.
_NICENESS = 10
_READ_AHEAD = 1024 * 1024
_TELL_EVERY_S = 0.5
_SWEEP_EVERY_S = 3600.0
_LOG = logging.getLogger("swapgate.shadow")


@dataclass(slots=True, kw_only=True)
class _Current:
    """The mirror that takes new captures, and what ends it once its own are done."""

    mirror: Mirror
    stack: AsyncExitStack
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def finish(self) -> None:
        """Wait for its captures and close it."""
        if self.tasks:
            await asyncio.wait(self.tasks)
        await self.stack.aclose()


class Process:
    """Takes every frame at once, so that none is lost with the serving process; sheds what has no room."""

    def __init__(self, root: Path, config: Path, connection: socket.socket) -> None:
        self._root = root
        self._config = config
        self._connection = connection
        self._drain_s = 0.0
        self._ended: list[asyncio.Task[None]] = []
        self._done: list[str] = []

    async def run(self) -> None:
        """Mirror until the serving process is gone."""
        plan = self._plan()
        limits = plan.config.limits
        self._most = limits.queue + limits.concurrency
        self._at_once = asyncio.Semaphore(limits.concurrency)
        reader, writer = await asyncio.open_unix_connection(sock=self._connection, limit=_READ_AHEAD)
        with closing(ShadowStore(plan.store)) as self._store:
            self._current = await self._open(plan)
            reading = asyncio.create_task(self._read(reader))
            telling = asyncio.create_task(self._tell(writer))
            sweeping = asyncio.create_task(self._sweep())
            await asyncio.wait((reading, telling), return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()  # what cannot be stored must not be asked and paid for
            for task in (telling, sweeping):
                task.cancel()
            await self._finish()
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self._take(reader)

    def _plan(self) -> Plan:
        """Return the plan, read anew by every mirror: what a SIGHUP refused, none takes up."""
        return servable(open_plan(self._settings(), self._config))

    def _settings(self) -> Settings:
        return resolve_settings(self._root, {}, os.environ)

    async def _open(self, plan: Plan) -> _Current:
        stack = AsyncExitStack()
        compare = live_compare(self._settings())
        mirror = await stack.enter_async_context(Mirror(plan, self._store, compare=compare))
        return _Current(mirror=mirror, stack=stack)

    async def _take(self, reader: asyncio.StreamReader) -> None:
        sizes = FRAME.unpack(await reader.readexactly(FRAME.size))
        head: dict[str, Any] = json.loads(await reader.readexactly(sizes[0]))
        content = await reader.readexactly(sizes[1] + sizes[2])
        if "kind" in head:
            await self._obey(head)
            return
        current = self._current
        if len(current.tasks) >= self._most:
            self._done.append(head["key"])
            self._shed(head)
            return
        task = asyncio.create_task(self._mirror(current, head, content))
        current.tasks.add(task)
        task.add_done_callback(current.tasks.discard)

    async def _mirror(self, current: _Current, head: dict[str, Any], content: bytes) -> None:
        has_begun = False
        try:
            async with self._at_once:
                has_begun = True
                await current.mirror.mirror(unpack(head, memoryview(content)))
        finally:
            self._done.append(head["key"])
            if not has_begun:
                self._shed(head)

    def _shed(self, head: Mapping[str, Any]) -> None:
        self._store.count(Count(day=head["at"][:10], route=head["route"], what="shed", amount=1))

    async def _obey(self, told: Mapping[str, Any]) -> None:
        match told["kind"]:
            case "counts":
                for day, route, what, amount in told["counts"]:
                    self._store.count(Count(day=day, route=route, what=what, amount=amount))
            case "reload":
                await self._reload()
            case "drain":
                self._drain_s = told["seconds"]

    async def _reload(self) -> None:
        """Take new captures by the new configuration; those at hand are finished by the old one."""
        try:
            current = await self._open(self._plan())
        except SwapgateError as exc:
            _LOG.error("the configuration is not taken: %s", exc)
            return
        before, self._current = self._current, current
        self._ended.append(asyncio.create_task(before.finish()))

    async def _finish(self) -> None:
        """Finish what is at hand, as long as the serving process said; without its word, to the end."""
        current = self._current
        tasks = {*current.tasks, *self._ended}
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=self._drain_s or None)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await current.stack.aclose()

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            outcomes = [[route, what, n] for (route, what), n in self._current.mirror.outcomes.items()]
            self._current.mirror.outcomes.clear()
            done, self._done = self._done, []
            # What is told to be done must not be lost with this process.
            await asyncio.to_thread(self._current.mirror.flush)
            told = {"waiting": len(self._current.tasks), "outcomes": outcomes, "done": done}
            with contextlib.suppress(ConnectionError):
                writer.write(json.dumps(told).encode() + b"\n")

    async def _sweep(self) -> None:
        """Mark what died with an earlier process, and drop what is older than it may be."""
        while True:
            await asyncio.to_thread(sweep_or_warn, self._store.path, self._current.mirror.plan)
            await asyncio.sleep(_SWEEP_EVERY_S)


def main(arguments: list[str]) -> int:
    """Run as the child of a proxy: the descriptor of its socket, the workspace and the configuration."""
    logging.basicConfig(format="swapgate shadow: %(levelname)s: %(message)s", level=logging.WARNING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    connection = socket.socket(fileno=int(arguments[0]))
    try:
        collect_from_here()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(Process(Path(arguments[1]), Path(arguments[2]), connection).run())
    except SwapgateError as exc:
        _LOG.error("%s", exc)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
