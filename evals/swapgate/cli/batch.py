"""`swapgate batch`: the batches that runs with --batch have sent, and how to end them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table, shown, warn
from swapgate.errors import ProviderError, UsageError, nearest
from swapgate.spec.settings import Settings

if TYPE_CHECKING:
    import httpx

    from swapgate.engine.workspace import Workspace
    from swapgate.memory.batches import BatchStore, StoredBatch

batch_app = typer.Typer(help="List and cancel the batches of runs with --batch.")
_RUNNING = {"sending", "running", "cancelling"}


@batch_app.command("list")
def list_batches(*, root: RootOption = None, as_json: JsonOption = False) -> None:
    """List the batches that were sent, the newest first, as this workspace knows them; nobody is asked."""
    settings = open_settings(root)
    with _store(settings) as store:
        batches = store.batches() if store is not None else []
    if as_json:
        print_json([_told(batch) for batch in batches])
        return
    if not batches:
        typer.echo(f"no batches in {shown(settings.state_dir)}: `pytest --model=NAME --batch` sends them")
        return
    header = ("batch", "service", "model", "state", "requests", "waiting", "sent")
    print_table(header, [_row(batch) for batch in batches])


@batch_app.command("cancel")
def cancel_batches(
    batch_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="The batch, as `swapgate batch list` shows it.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every batch that is still running.")] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """End batches at their services. What is answered already is paid; the next run with --batch takes it."""
    if (batch_id is None) == (not every):
        raise UsageError("name one batch, or say --all")
    settings = open_settings(root)
    with _store(settings) as store:
        batches = store.batches() if store is not None else []
        wanted = _wanted(batches, batch_id)
        if store is not None:
            asyncio.run(_cancel(settings, store, wanted))
    if as_json:
        print_json({"cancelled": [batch.batch_id for batch in wanted]})
    else:
        names = ", ".join(str(batch.batch_id) for batch in wanted)
        typer.echo(f"cancelled: {names}" if wanted else "no batch is running")


def _wanted(batches: Sequence[StoredBatch], batch_id: str | None) -> list[StoredBatch]:
    """Return the batches to cancel; UsageError when the named one is unknown, over, or perhaps not ours."""
    running = [batch for batch in batches if batch.state in _RUNNING and batch.batch_id is not None]
    if batch_id is None:
        for batch in (batch for batch in running if batch.is_guessed):
            warn(f"{batch.batch_id} is left alone: {_GUESSED}")
        return [batch for batch in running if not batch.is_guessed]
    known = {str(batch.batch_id): batch for batch in batches if batch.batch_id is not None}
    if batch_id not in known:
        raise UsageError(f"no batch {batch_id!r}.{nearest(batch_id, known)} `swapgate batch list` shows them")
    if known[batch_id].state not in _RUNNING:
        raise UsageError(f"the batch {batch_id} is over already: {known[batch_id].state}")
    return [known[batch_id]]


_GUESSED = (
    "it was found by its size after a run had died while sending it, and may be another one. "
    "Name it to cancel it all the same"
)


async def _cancel(settings: Settings, store: BatchStore, batches: Sequence[StoredBatch]) -> None:
    from swapgate.engine.workspace import Workspace
    from swapgate.providers.http_client import open_http

    workspace = Workspace(settings)
    async with open_http(concurrency=1, timeout_s=settings.timeout_s) as http:
        for batch in batches:
            await _cancel_one(workspace, batch, http)
            store.cancelling(batch.mark)


async def _cancel_one(workspace: Workspace, batch: StoredBatch, http: httpx.AsyncClient) -> None:
    from swapgate.providers.batch import open_batches
    from swapgate.providers.open import open_provider

    spec = workspace.model(batch.model)
    workspace.require_ready({batch.model: spec})
    api = open_batches(spec, open_provider(spec, http=http, root=workspace.settings.root))
    if api is None or batch.batch_id is None:
        raise UsageError(f"model {batch.model!r} has changed since: its service has no batch API")
    try:
        await api.cancel(batch.batch_id)
    except ProviderError as exc:
        raise UsageError(f"the batch {batch.batch_id} could not be cancelled: {exc}") from exc


@contextmanager
def _store(settings: Settings) -> Iterator[BatchStore | None]:
    """Open the batches of the workspace, but never make a file of them."""
    from swapgate.memory.batches import BATCHES_FILE, BatchStore

    path = settings.state_dir / BATCHES_FILE
    if not path.is_file():
        yield None
        return
    with closing(BatchStore(path)) as store:
        yield store


def _row(batch: StoredBatch) -> tuple[str, ...]:
    return (
        batch.batch_id or "(id unknown)",
        batch.service,
        batch.model,
        batch.state,
        str(batch.requests),
        str(batch.open_requests),
        _time(batch.sent_at or batch.begun_at),
    )


def _told(batch: StoredBatch) -> dict[str, object]:
    times = {"begun_at": _time(batch.begun_at), "sent_at": _time(batch.sent_at) if batch.sent_at else None}
    return {**asdict(batch), **times}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
