"""`swapgate index status`: where a migration stands, who routes by it, what was found out; also as a page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.index.options import ConfigOption, opened
from swapgate.cli.options import JsonOption, RootOption
from swapgate.cli.output import print_json, print_table, shown
from swapgate.records import to_json
from swapgate.reporting.format import MISSING, milliseconds, percent
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.retrieval.standing import Standing

_SHOWN_CHANGES = 10
_SHOWN_WHY = 100


def status(
    *,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write it as one page as well.")
    ] = None,
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the phase, the stages of the ramp, every change with who and why, the routers' counts."""
    from swapgate.retrieval.standing import standing

    with opened(root, config) as found:
        told = standing(found.workspace, found.store, index=found.index, ledger=found.ledger)
    if html is not None:
        _write_page(told, html)
    if as_json:
        print_json(to_json(told))
    else:
        _print(told)
        if html is not None:
            typer.echo(f"\nwritten: {shown(html.absolute())}")


def _write_page(told: Standing, path: Path) -> None:
    from swapgate.reporting.files import write_text
    from swapgate.reporting.index.page import page

    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page(told, made_at=datetime.now(UTC).isoformat(timespec="seconds")))


def _print(told: Standing) -> None:
    typer.echo(
        f"{told.migration}: {told.phase}, the new index serves {percent(told.share)} "
        f"(version {told.version}, {told.changed_at})\n"
    )
    _print_indexes(told)
    typer.echo()
    _print_rest(told)
    if told.stages:
        typer.echo()
        _print_stages(told)
    typer.echo()
    print_table(
        ("version", "phase", "share", "who", "when", "why"),
        [
            (str(c.version), c.phase, percent(c.share), c.who, c.at, safe_text(c.why, _SHOWN_WHY))
            for c in told.changes[-_SHOWN_CHANGES:]
        ],
    )


def _print_indexes(told: Standing) -> None:
    metrics, rows = told.metrics, []
    for side, one in told.indexes.items():
        entries = MISSING if one.entries is None else f"{one.entries:,}"
        times = f"{milliseconds(metrics.p50_s[side])} / {milliseconds(metrics.p95_s[side])}"
        queries = metrics.counts.get(f"queries_{side}", 0)
        rows.append((side, one.model, one.fingerprint, entries, f"{queries:,}", times, one.problem or ""))
    print_table(("", "embedding", "fingerprint", "vectors", "queries", "p50 / p95", ""), rows)


def _print_stages(told: Standing) -> None:
    from swapgate.reporting.index.cells import STAGES, stage_row

    print_table(STAGES, [stage_row(one) for one in told.stages])


def _print_rest(told: Standing) -> None:
    contents, ledger, counts = told.contents, told.ledger, told.metrics.counts
    if ledger is not None:
        typer.echo(f"ledger: {ledger['written']:,} chunks written, {ledger['dead']:,} dead")
    said = "not yet" if contents is None else "passed" if contents.passed else "FAILED"
    typer.echo(f"examined: {said}{'' if contents is None else ' at ' + contents.at}")
    typer.echo(f"to repair: {told.repairs['old']:,} in the old index, {told.repairs['new']:,} in the new one")
    typer.echo(f"routers: {len(told.routers)}, {told.behind} behind")
    typer.echo(f"shadow reads: {told.shadow_reads:,}, {counts.get('shadow_dropped', 0):,} dropped")
    for what in ("fallbacks", "failures_old", "failures_new", "stale_reads"):
        if counts.get(what):
            typer.echo(f"{what.replace('_', ' ')}: {counts[what]:,}")
