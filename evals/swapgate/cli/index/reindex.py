"""`swapgate index reindex`: fill the new index, resumable at any moment; or say what it would take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.index.contents import examined, print_contents
from swapgate.cli.index.estimate import estimated, print_estimate
from swapgate.cli.index.options import ConfigOption, Opened, opened
from swapgate.cli.index.progress import ProgressLine, duration
from swapgate.cli.options import JsonOption, MaxCostOption, RayOption, RootOption
from swapgate.cli.output import print_json, warn
from swapgate.errors import ExitCode, UsageError
from swapgate.memory.prices import price_list
from swapgate.reporting.format import money

if TYPE_CHECKING:
    from swapgate.retrieval.contents import Contents
    from swapgate.retrieval.embedding import AsyncEmbedder
    from swapgate.retrieval.ledger import Ledger
    from swapgate.retrieval.on_ray import Spread
    from swapgate.retrieval.reindex import Progress, Reindexed
    from swapgate.retrieval.repairing import Repaired

_DRAWN_EVERY_S = 0.2
_LOGGED_EVERY_S = 30.0
_HOUR_S = 3600.0


def reindex(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would take: chunks, hours, money.")
    ] = False,
    chunks: Annotated[
        int | None,
        typer.Option(
            "--chunks", min=1, metavar="N", help="With --dry-run: so many, without a look at the source."
        ),
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(
            "--tokens", min=1, metavar="N", help="With --chunks: tokens of one chunk, for the price."
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="N", help="With --dry-run: chunks embedded in a second."),
    ] = None,
    passes: Annotated[
        int | None,
        typer.Option(
            "--passes", min=1, metavar="N", help="Read the source so often at most, until nothing changes."
        ),
    ] = None,
    max_cost: MaxCostOption = None,
    retry_dead: Annotated[
        bool, typer.Option("--retry-dead", help="Try again what could not be embedded before.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what was embedded before, and begin anew.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for another process that is reindexing.")
    ] = False,
    ray: RayOption = None,
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Fill the new index from the source; the same command again goes on where it stopped.

    Exits with 1 when the filled index does not pass its examination, or the source still changes.
    """
    with opened(root, config, ray=ray) as found:
        if dry_run or chunks is not None:
            print_estimate(estimated(found, chunks=chunks, tokens=tokens, rate=rate), as_json=as_json)
            return ExitCode.OK
        _refuse_phase(found)
        from swapgate.retrieval.turn import only_one

        limit = max_cost if max_cost is not None else found.workspace.file.reindex.max_cost
        with only_one(found.store, found.workspace.name, found.workspace.lock_path, waits=wait):
            if fresh:
                _forget(found)
            with closing(found.ledger()) as ledger:
                if retry_dead:
                    ledger.raise_the_dead()
                with _workers(found) as workers:
                    filled = asyncio.run(_fill(found, ledger, workers, passes=passes, max_cost=limit))
                _store(found, filled)
                contents = examined(found, ledger)
        return _report(found, filled, contents, as_json=as_json)


def _refuse_phase(found: Opened) -> None:
    """Begin the migration where it is not yet; refuse where the new index serves already."""
    from swapgate.retrieval.arms import whoever
    from swapgate.retrieval.phases import Phase, is_before

    workspace = found.workspace
    old, new = (workspace.fingerprint(side) for side in ("old", "new"))
    now = found.store.create(workspace.name, old=old, new=new, who=whoever(), why="the first reindexing")
    workspace.require_begun(now)
    if not is_before(now.phase, Phase.CANARY):
        raise UsageError(
            f"the migration {now.name!r} is in the phase {now.phase}: the new index serves, and is not "
            "filled from a source any more. Roll back first, or migrate on as a migration of another name"
        )
    if now.phase is Phase.PLAN:
        warn(
            "nobody writes both indexes yet: what routers write to the old one is found by later passes "
            "alone. `swapgate index move dual_write` first, where the source changes"
        )


def _forget(found: Opened) -> None:
    path = found.workspace.ledger_path
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


@contextmanager
def _workers(found: Opened) -> Iterator[Spread | None]:
    """Yield Ray's workers where a cluster is named and has work; warn where it has none, or too much room."""
    from swapgate.retrieval.on_ray import spread

    with spread(found.workspace) as workers:
        at_once = found.workspace.file.reindex.concurrency
        if found.workspace.settings.ray is not None and workers is None:
            warn(
                "--ray runs wordllama, Python functions and local models, of which there is none here: "
                "embeddings of a service are asked from this process"
            )
        elif workers is not None and workers.workers > at_once:
            warn(
                f"`concurrency: {at_once}` keeps {at_once} of {workers.workers} workers busy: raise it under "
                "`reindex`"
            )
        yield workers


async def _fill(
    found: Opened, ledger: Ledger, workers: Spread | None, *, passes: int | None, max_cost: float | None
) -> tuple[Reindexed, Repaired, float | None]:
    from contextlib import AsyncExitStack

    from swapgate.retrieval.embedding.api import ApiEmbedder
    from swapgate.retrieval.reindex import Filling
    from swapgate.retrieval.reindex import reindex as filled_from
    from swapgate.retrieval.repairing import repair
    from swapgate.retrieval.summaries import open_summaries

    workspace = found.workspace
    file = workspace.file
    async with AsyncExitStack() as stack:
        embedder: AsyncEmbedder
        if workers is not None and workers.embedder is not None:
            embedder = workers.embedder
        else:
            embedder = await stack.enter_async_context(
                workspace.embedder("new", max_cost=max_cost, is_of_day=True)
            )
        summarise = None
        if file.summarise is not None:
            summarise = await stack.enter_async_context(
                open_summaries(
                    file.summarise,
                    workspace.settings,
                    concurrency=file.reindex.concurrency,
                    max_cost=max_cost,
                    executor=None if workers is None else workers.executor,
                )
            )
        spent = (lambda: embedder.spent_usd) if isinstance(embedder, ApiEmbedder) else None
        draw = stack.enter_context(closing(ProgressLine(spent)))
        filling = Filling(
            source=found.source(),
            chunking=workspace.chunker if workers is None else workers.chunking(workspace.chunker),
            embedder=embedder,
            index=found.index("new"),
            ledger=ledger,
            settings=file.reindex,
            summarise=summarise,
            draw=draw,
        )
        began = time.monotonic()
        try:
            done = await filled_from(filling, passes=passes)
        finally:
            is_priced = spent is not None and price_list(workspace.model("new")) is not None
            paid = spent() if spent is not None and is_priced else None
            ledger.add_cost(usd=paid, seconds=time.monotonic() - began)
        _remember_rate(ledger, done)
        mended = await repair(found.store, workspace.name, "new", index=found.index, embedder=embedder)
        return done, mended, None if spent is None else spent()


def _remember_rate(ledger: Ledger, done: Reindexed) -> None:
    most = max(done.passes, key=lambda one: one.written)
    if most.written and most.seconds:
        ledger.remember_rate(most.written / most.seconds)


def _store(found: Opened, filled: tuple[Reindexed, Repaired, float | None]) -> None:
    """Store what the filling cost, for `status`."""
    from swapgate.retrieval.records import FILLED

    done, _mended, spent_usd = filled
    now = found.store.get(found.workspace.name)
    written = sum(one.written for one in done.passes)
    record = {"written": written, "cost_usd": spent_usd}
    found.store.add_evidence(now.name, FILLED, version=now.version, passed=done.is_quiet, record=record)


def _report(
    found: Opened, filled: tuple[Reindexed, Repaired, float | None], contents: Contents, *, as_json: bool
) -> int:
    done, mended, spent_usd = filled
    is_good = contents.passed and done.is_quiet
    if as_json:
        print_json(
            {
                "migration": found.workspace.name,
                "passes": [asdict(one) for one in done.passes],
                "is_quiet": done.is_quiet,
                "repaired": asdict(mended),
                "cost_usd": spent_usd,
                "contents": {**asdict(contents), "passed": contents.passed},
            }
        )
        return ExitCode.OK if is_good else ExitCode.FAILED
    for one in done.passes:
        typer.echo(_pass_text(one))
    if mended.written or mended.deleted or mended.left:
        typer.echo(f"repaired: {mended.written:,} written, {mended.deleted:,} deleted, {mended.left:,} left")
    if spent_usd is not None:
        typer.echo(f"cost: {money(spent_usd)}")
    print_contents(contents)
    if not done.is_quiet:
        typer.echo("the source still changes: run it again, or with more --passes")
    return ExitCode.OK if is_good else ExitCode.FAILED


def _pass_text(one: Progress) -> str:
    return (
        f"pass {one.number}: {one.documents:,} documents, {one.written:,} chunks written, "
        f"{one.unchanged:,} as before, {one.removed:,} removed, {one.dead:,} dead; {duration(one.seconds)}"
    )
