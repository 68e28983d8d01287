"""`swapgate index preference`: whose results users chose from interleaved lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import typer

from swapgate.cli.index.options import ConfigOption, Opened, opened
from swapgate.cli.options import JsonOption, RootOption
from swapgate.cli.output import print_json
from swapgate.records import to_json
from swapgate.reporting.format import p_value

if TYPE_CHECKING:
    from swapgate.retrieval.interleaving import Preference


def preference(*, config: ConfigOption = None, root: RootOption = None, as_json: JsonOption = False) -> int:
    """Say whether users choose the new index's results as often as the old one's, from interleaved lists.

    Exits with 1 when they are shown to choose them less, 10 when too few lists were clicked. The result is
    stored with the migration.
    """
    from swapgate.retrieval.verifying.verification import EXIT_CODES

    with opened(root, config) as migration:
        found = _found(migration)
    exit_code = EXIT_CODES[found.verdict]
    if as_json:
        print_json({**cast("dict[str, Any]", to_json(found)), "exit_code": int(exit_code)})
    else:
        _print(found)
    return exit_code


def _found(migration: Opened) -> Preference:
    from swapgate.retrieval.interleaving.preference import PREFERENCE, lists_since, preference_of
    from swapgate.retrieval.interleaving.records import clicks, impressions
    from swapgate.retrieval.moving import filled_at

    store, name = migration.store, migration.workspace.name
    now = store.get(name)
    found = preference_of(
        lists_since(impressions(store, name), filled_at(store.changes(name))),
        clicks(store, name),
        migration.workspace.file.verify.preference,
        migration=name,
        version=now.version,
    )
    record = cast("dict[str, Any]", to_json(found))
    store.add_evidence(name, PREFERENCE, version=now.version, passed=found.verdict == "passed", record=record)
    return found


def _print(found: Preference) -> None:
    from swapgate.reporting.verification.cells import WORDS

    typer.echo(f"{WORDS[found.verdict]}: {found.reason}")
    typer.echo(
        f"{found.shown:,} lists shown, {found.clicked:,} clicked by {found.users:,} users: "
        f"new {found.new_won:,}, old {found.old_won:,}, even {found.ties:,}; p {p_value(found.p_worse)}"
    )
    if found.strangers:
        typer.echo(f"{found.strangers:,} clicks are on no list that is known")
