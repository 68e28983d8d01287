"""Routers of the migration that `config/index.yml` describes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

from swapgate.retrieval.arms import Arm, AsyncArm
from swapgate.retrieval.async_router import AsyncDualIndexRouter
from swapgate.retrieval.embedding.blocking import blocking
from swapgate.retrieval.index import SIDES
from swapgate.retrieval.opening import IndexWorkspace, read_index_workspace
from swapgate.retrieval.router import DualIndexRouter
from swapgate.retrieval.threads import AwaitedIndex
from swapgate.spec.settings import resolve_settings


@contextmanager
def open_router(
    config: Path | str | None = None, *, root: Path | str = ".", **settings: Any
) -> Iterator[DualIndexRouter]:
    """Yield a router with its indexes and embedders open; `settings` are those of DualIndexRouter.

    `config` is `config/index.yml` below `root` where none is named.
    """
    workspace = _workspace(config, root)
    with ExitStack() as stack:
        arms = {
            side: Arm(
                index=stack.enter_context(closing(workspace.index(side))),
                embedder=stack.enter_context(blocking(workspace.embedder(side))),
                min_score=workspace.threshold(side),
            )
            for side in SIDES
        }
        store = stack.enter_context(closing(workspace.state()))
        old, new = arms["old"], arms["new"]
        yield stack.enter_context(DualIndexRouter(old, new, state=store, name=workspace.name, **settings))


@asynccontextmanager
async def open_async_router(
    config: Path | str | None = None, *, root: Path | str = ".", **settings: Any
) -> AsyncIterator[AsyncDualIndexRouter]:
    """Yield a router for asyncio; the calls of the stores run in threads."""
    workspace = _workspace(config, root)
    async with AsyncExitStack() as stack:
        arms = {
            side: AsyncArm(
                index=AwaitedIndex(stack.enter_context(closing(workspace.index(side)))),
                embedder=await stack.enter_async_context(workspace.embedder(side)),
                min_score=workspace.threshold(side),
            )
            for side in SIDES
        }
        store = stack.enter_context(closing(workspace.state()))
        router = AsyncDualIndexRouter(arms["old"], arms["new"], state=store, name=workspace.name, **settings)
        yield await stack.enter_async_context(router)


def _workspace(config: Path | str | None, root: Path | str) -> IndexWorkspace:
    settings = resolve_settings(Path(root).resolve(), {}, os.environ)
    return read_index_workspace(settings, None if config is None else Path(config))
