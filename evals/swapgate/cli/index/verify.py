"""`swapgate index verify`: whether the new index serves as well as the old one, on labelled queries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapgate.cli.index.options import ConfigOption, Opened, opened
from swapgate.cli.options import (
    JsonOption,
    LiveOption,
    MaxCostOption,
    ReplayOption,
    RootOption,
    cache_mode,
    verbose_option,
)
from swapgate.cli.output import live_line, print_json, progress_bar, shown

if TYPE_CHECKING:
    from swapgate.retrieval.verifying import Verification
    from swapgate.spec.index_verify import VerifyEntry


def verify(
    *,
    queries: Annotated[
        str | None,
        typer.Option(
            "--queries", metavar="FILE", help="Queries in JSON lines, TSV or CSV, a BEIR folder, or `shadow`."
        ),
    ] = None,
    qrels: Annotated[
        str | None, typer.Option("--qrels", metavar="FILE", help="Relevance labels of TREC or BEIR.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option("--judge", metavar="NAME", help="The judge that grades what has no label.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="So many queries, drawn by the seed.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the result as Markdown too.")
    ] = None,
    max_cost: MaxCostOption = None,
    live: LiveOption = False,
    replay: ReplayOption = False,
    verbose: Annotated[int, verbose_option("all measures, more of the worst queries")] = 0,
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Ask both indexes the same queries, and decide by relevance labels, overall and by slice.

    Exits with 1 when the new index is shown to be worse, 10 when too little is known, 11 when too many
    queries failed. The result is stored with the migration.
    """
    mode = cache_mode(live=live, replay=replay)
    with opened(root, config, max_cost=max_cost, cache=mode) as migration:
        written = migration.workspace.file.verify
        settings = written.with_given(queries=queries, qrels=qrels, judge=judge, limit=limit)
        found = _verified(migration, settings)
    if markdown is not None:
        _write(markdown, found)
    if as_json:
        _print_json(found)
    else:
        _print(found, markdown, verbose=verbose)
    return found.exit_code


def _verified(migration: Opened, settings: VerifyEntry) -> Verification:
    from swapgate.retrieval.verifying import verify as verified

    now = migration.store.get(migration.workspace.name)
    with progress_bar("queries") as draw, live_line() as draw_judge:
        return verified(
            migration.workspace,
            migration.store,
            now,
            settings,
            index=migration.index,
            draw=lambda _what, done, of: draw(done / of),
            draw_judge=draw_judge,
        )


def _write(path: Path, found: Verification) -> None:
    from swapgate.reporting.files import write_text
    from swapgate.reporting.verification.markdown import markdown

    write_text(path, markdown(found))


def _print_json(found: Verification) -> None:
    from typing import cast

    from swapgate.records import to_json

    print_json({**cast("dict[str, Any]", to_json(found)), "exit_code": int(found.exit_code)})


def _print(found: Verification, markdown: Path | None, *, verbose: int) -> None:
    from swapgate.reporting.verification.terminal import verification_lines

    for line in verification_lines(found, verbose=verbose):
        typer.echo(line)
    files = [found.graded.path] if found.graded is not None and found.graded.path else []
    for path in (*files, *([shown(markdown)] if markdown else [])):
        typer.echo(f"written: {path}")
