"""`swapgate index check`, `dead`, `repair` and `stamp`: what is wrong with an index, and how it is mended."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.index.options import ConfigOption, Opened, opened
from swapgate.cli.options import JsonOption, RootOption
from swapgate.cli.output import print_json, print_table
from swapgate.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swapgate.retrieval.index import Side, Stored
    from swapgate.retrieval.repairing import Repaired

_SHOWN_REASON = 100


def check(*, config: ConfigOption = None, root: RootOption = None, as_json: JsonOption = False) -> int:
    """Examine the new index: counts, width, NaN, lengths, constant and equal vectors; 1 when it fails.

    The result is stored: from the phase shadow_read on a migration moves only after one that passed.
    """
    from swapgate.cli.index.contents import examined, print_contents

    with opened(root, config) as found, closing(found.existing_ledger()) as ledger:
        contents = examined(found, ledger)
    if as_json:
        print_json({**asdict(contents), "passed": contents.passed})
    else:
        print_contents(contents)
    return ExitCode.OK if contents.passed else ExitCode.FAILED


def dead(*, config: ConfigOption = None, root: RootOption = None, as_json: JsonOption = False) -> None:
    """List the chunks that could not be embedded, and why."""
    with opened(root, config) as found, closing(found.existing_ledger()) as ledger:
        letters = list(ledger.dead_letters())
    if as_json:
        print_json([asdict(one) for one in letters])
        return
    if not letters:
        typer.echo("every chunk of the source could be embedded")
        return
    print_table(
        ("id", "kind", "tries", "reason"),
        [(one.id, one.kind, str(one.tries), one.reason[:_SHOWN_REASON]) for one in letters],
    )


def repair(
    *,
    side: Annotated[
        str, typer.Option("--side", metavar="SIDE", help="The index that missed writes: old or new.")
    ] = "new",
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write to one index what it missed while it was down, as the other holds it; 1 if anything is left."""
    from swapgate.retrieval.index import SIDES

    if side not in SIDES:
        raise UsageError(f"--side is old or new, got {side!r}")
    with opened(root, config) as found:
        done = asyncio.run(_repair(found, "old" if side == "old" else "new"))
    if as_json:
        print_json({"side": side, **asdict(done)})
    else:
        typer.echo(f"{side}: {done.written:,} written, {done.deleted:,} deleted, {done.left:,} left")
    return ExitCode.FAILED if done.left else ExitCode.OK


def stamp(
    side: Annotated[str, typer.Argument(metavar="SIDE", help="old or new.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also over another stamp: you know that it is wrong.")
    ] = False,
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say of an index that was there before: its vectors are of the embedding that the file names."""
    from swapgate.retrieval.fingerprint import require_same
    from swapgate.retrieval.index import SIDES

    if side not in SIDES:
        raise UsageError(f"SIDE is old or new, got {side!r}")
    chosen: Side = "old" if side == "old" else "new"
    with opened(root, config) as found:
        wanted = found.workspace.fingerprint(chosen)
        index = found.index(chosen)
        stamped = index.stamp()
        if stamped is not None and not replace:
            require_same(side, stamped=stamped, wanted=wanted)
        _require_width(index.scan(None, 1)[0], wanted.dimensions, side)
        index.put_stamp(wanted)
    if as_json:
        print_json({"side": side, "fingerprint": wanted.digest})
    else:
        typer.echo(f"{side}: {wanted.provider}:{wanted.model}, fingerprint {wanted.digest}")


def _require_width(some: Sequence[Stored], dimensions: int, side: str) -> None:
    for one in some:
        width = len(one.vector)
        if width != dimensions:
            raise UsageError(
                f"{side}: its vectors have {width} dimensions, and `dimensions: {dimensions}` is written"
            )


async def _repair(found: Opened, side: Side) -> Repaired:
    from swapgate.retrieval.repairing import repair as repaired

    async with found.workspace.embedder(side) as embedder:
        return await repaired(found.store, found.workspace.name, side, index=found.index, embedder=embedder)
