"""`swapgate models lock` and `check`: what the models were, and whether they still are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.findings import Placed, described, fail_for, print_findings, tally
from swapgate.cli.models.lint import read_written, today_utc
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, shown
from swapgate.errors import ExitCode, UsageError
from swapgate.reporting.format import count

if TYPE_CHECKING:
    from swapgate.engine.workspace import Workspace
    from swapgate.pins.lock import Lock
    from swapgate.providers.offered import OfferedModel
    from swapgate.spec.settings import Settings

StrictOption = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 for warnings, and with 13 for what cannot be found out.")
]


def lock_models(*, root: RootOption = None, as_json: JsonOption = False) -> None:
    """Write config/models.lock: each model as declared, what its id is worth, and what answered for it.

    Calls nothing: what answered is taken from each model's newest whole run in the history.
    """
    from swapgate.pins.lock import lock_text, read_lock
    from swapgate.reporting.files import write_text

    workspace, path = _opened(root)
    before, now = read_lock(path), _now(workspace)
    write_text(path, lock_text(now))
    changed = sorted(_changed(before, now))
    if as_json:
        print_json({"file": shown(path), "models": sorted(now.models), "changed": changed})
        return
    unseen = [name for name, model in now.models.items() if model.run is None]
    typer.echo(f"wrote {shown(path)}: {count(len(now.models), 'model')}, {len(changed)} changed")
    if unseen:
        typer.echo(f"without a whole run, so nothing is known of what answers: {', '.join(unseen)}")


def check_models(
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Ask each provider for its list of models, where its key is set.")
    ] = False,
    strict: StrictOption = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold models.yml, the newest runs and, with --live, the providers' lists against config/models.lock."""
    from swapgate.pins.compared import differences
    from swapgate.pins.lock import read_lock

    workspace, path = _opened(root)
    locked = read_lock(path)
    if locked is None:
        raise UsageError(f"{shown(path)} does not exist: `swapgate models lock` writes it")
    offered, unknown = _offered(workspace) if live else ({}, {})
    found = [
        Placed(
            path=shown(path),
            line=1,
            rule=one.rule,
            severity=one.severity,
            subject=one.model,
            message=one.message,
        )
        for one in differences(locked, _now(workspace), offered=offered)
    ]
    if as_json:
        print_json({"findings": described(found), "not_found_out": unknown})
    else:
        print_findings(found)
        for name, why in unknown.items():
            typer.echo(f"not found out: what the provider of {name} lists: {why}")
        typer.echo(f"{count(len(locked.models), 'locked model')}: {tally(found)}")
        if any(one.severity == "error" for one in found):
            typer.echo("if that is meant, write the lock anew: `swapgate models lock`")
    fail_for(found, strict=strict)
    if strict and unknown:
        raise typer.Exit(ExitCode.NOT_FOUND_OUT)


def _opened(root: Path | None) -> tuple[Workspace, Path]:
    from swapgate.engine.workspace import Workspace
    from swapgate.pins import LOCK_FILE

    settings: Settings = open_settings(root)
    read_written(settings)
    return Workspace(settings), settings.models_file.parent / LOCK_FILE


def _now(workspace: Workspace) -> Lock:
    from swapgate.pins.catalogue import bundled
    from swapgate.runs.locking import lock_now

    return lock_now(workspace, bundled(), today=today_utc())


def _changed(before: Lock | None, now: Lock) -> set[str]:
    """Return the names of models that the lock has otherwise than before."""
    old = before.models if before else {}
    return {name for name in {*old, *now.models} if old.get(name) != now.models.get(name)}


def _offered(workspace: Workspace) -> tuple[dict[str, Mapping[str, OfferedModel]], dict[str, str]]:
    """Return what each model's provider lists, and why that is unknown of the others."""
    from swapgate.providers.offered import NotTold, offered_models

    offered: dict[str, Mapping[str, OfferedModel]] = {}
    unknown: dict[str, str] = {}
    asked: dict[tuple[str, str | None, str | None], Mapping[str, OfferedModel] | str] = {}
    for name in workspace.catalogue.models:
        spec = workspace.model(name)
        service = (spec.provider, spec.base_url, spec.api_key_env)
        if service not in asked:
            try:
                asked[service] = offered_models(spec)
            except NotTold as exc:
                asked[service] = str(exc)
        told = asked[service]
        if isinstance(told, str):
            unknown[name] = told
        else:
            offered[name] = told
    return offered, unknown
