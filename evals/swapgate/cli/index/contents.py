"""The new index examined for a command: the result is stored, and printed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from swapgate.reporting.format import count

if TYPE_CHECKING:
    from swapgate.cli.index.options import Opened
    from swapgate.retrieval.contents import Contents
    from swapgate.retrieval.ledger import Ledger


def examined(found: Opened, ledger: Ledger) -> Contents:
    """Examine the new index and store what was found, as a reason to go on or not."""
    from swapgate.retrieval.contents import examine
    from swapgate.retrieval.records import CONTENTS

    contents = examine(
        found.index("new"),
        ledger,
        max_alike=found.workspace.file.reindex.max_alike,
        old=lambda: found.index("old"),
    )
    now = found.store.get(found.workspace.name)
    record = {key: value for key, value in asdict(contents).items() if key != "named"}
    found.store.add_evidence(now.name, CONTENTS, version=now.version, passed=contents.passed, record=record)
    return contents


def print_contents(contents: Contents) -> None:
    """Print what an examination found."""
    typer.echo(
        f"the new index holds {count(contents.entries, 'vector')}; the ledger {contents.expected:,}, and "
        f"{contents.dead:,} dead"
    )
    if contents.strangers:
        typer.echo(f"  {contents.strangers:,} are not of the source: written by routers, or by others")
    if contents.by_routers:
        typer.echo(
            f"  {contents.by_routers:,} were changed or deleted by routers since: the old index agrees"
        )
    for problem in contents.problems:
        typer.echo(f"  FAILED: {problem}")
    if contents.passed:
        typer.echo("  counts, width, NaN, lengths, constant and equal vectors: all well")
    if contents.dead:
        typer.echo("  `swapgate index dead` lists what could not be embedded")
