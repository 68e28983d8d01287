"""`swapgate index status`: where a migration stands, who routes by it, what was found out."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from swapgate.cli.index.options import ConfigOption, Opened, opened
from swapgate.cli.options import JsonOption, RootOption
from swapgate.cli.output import print_json, print_table
from swapgate.errors import SwapgateError
from swapgate.reporting.format import p50_p95, percent
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.retrieval.index import Side

_SHOWN_CHANGES = 10


def status(*, config: ConfigOption = None, root: RootOption = None, as_json: JsonOption = False) -> None:
    """Show the phase, every change with who and why, the routers' counts, and what is to be repaired."""
    with opened(root, config) as found:
        told = _told(found)
    if as_json:
        print_json(told)
    else:
        _print(told)


def _told(found: Opened) -> dict[str, Any]:
    from swapgate.retrieval.metrics import summed
    from swapgate.retrieval.moving import contents_evidence

    store, name = found.store, found.workspace.name
    now = store.get(name)
    readers = store.readers(name)
    evidence = contents_evidence(store, now)
    return {
        "migration": name,
        "phase": now.phase.value,
        "share": now.share,
        "version": now.version,
        "changed_at": now.changed_at,
        "indexes": {side: _index(found, side) for side in ("old", "new")},
        "ledger": _ledger_counts(found),
        "contents": None if evidence is None else asdict(evidence),
        "repairs": store.count_repairs(name),
        "shadow_reads": store.count_shadow_reads(name),
        "routers": [{"router": one.reader, "version": one.version, "beat": one.beat} for one in readers],
        "metrics": asdict(summed(one.metrics for one in readers)),
        "changes": [asdict(one) for one in store.changes(name)],
    }


def _index(found: Opened, side: Side) -> dict[str, Any]:
    """Return what is known of an index; one that is down is told as such, and the rest is shown."""
    wanted = found.workspace.fingerprint(side)
    told: dict[str, Any] = {"model": f"{wanted.provider}:{wanted.model}", "fingerprint": wanted.digest}
    try:
        stamped = found.index(side).stamp()
        if stamped is None:
            return {**told, "entries": None, "problem": "no index, or one without a stamp"}
        problem = "; ".join(stamped.differences(wanted)) or None
        return {**told, "entries": found.index(side).count(), "problem": problem}
    except SwapgateError as exc:
        return {**told, "entries": None, "problem": safe_text(str(exc))}


def _ledger_counts(found: Opened) -> dict[str, int] | None:
    if not found.workspace.ledger_path.is_file():
        return None
    try:
        with closing(found.ledger()) as ledger:
            written, dead = ledger.counts()
    except SwapgateError:
        return None
    return {"written": written, "dead": dead}


def _print(told: dict[str, Any]) -> None:
    typer.echo(
        f"{told['migration']}: {told['phase']}, the new index serves {percent(told['share'])} "
        f"(version {told['version']}, {told['changed_at']})\n"
    )
    metrics = told["metrics"]
    rows = []
    for side, one in told["indexes"].items():
        entries = "-" if one["entries"] is None else f"{one['entries']:,}"
        times = p50_p95(metrics["p50_s"][side], metrics["p95_s"][side])
        queries = metrics["counts"].get(f"queries_{side}", 0)
        rows.append(
            (side, one["model"], one["fingerprint"], entries, f"{queries:,}", times, one["problem"] or "")
        )
    print_table(("", "embedding", "fingerprint", "vectors", "queries", "p50/p95", ""), rows)
    typer.echo()
    _print_rest(told)
    typer.echo()
    shown = told["changes"][-_SHOWN_CHANGES:]
    print_table(
        ("version", "phase", "share", "who", "when", "why"),
        [(str(c["version"]), c["phase"], percent(c["share"]), c["who"], c["at"], c["why"]) for c in shown],
    )


def _print_rest(told: dict[str, Any]) -> None:
    contents, ledger, counts = told["contents"], told["ledger"], told["metrics"]["counts"]
    if ledger is not None:
        typer.echo(f"ledger: {ledger['written']:,} chunks written, {ledger['dead']:,} dead")
    said = "not yet" if contents is None else "passed" if contents["passed"] else "FAILED"
    typer.echo(f"examined: {said}{'' if contents is None else ' at ' + contents['at']}")
    typer.echo(
        f"to repair: {told['repairs']['old']:,} in the old index, {told['repairs']['new']:,} in the new one"
    )
    behind = sum(one["version"] < told["version"] for one in told["routers"])
    typer.echo(f"routers: {len(told['routers'])}, {behind} behind")
    typer.echo(f"shadow reads: {told['shadow_reads']:,}, {counts.get('shadow_dropped', 0):,} dropped")
    for what in ("fallbacks", "failures_old", "failures_new", "stale_reads"):
        if counts.get(what):
            typer.echo(f"{what.replace('_', ' ')}: {counts[what]:,}")
