"""What the lock says of a run's models: kept with the run, and under --locked a condition of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from swapgate.engine.workspace import Workspace
from swapgate.errors import UsageError
from swapgate.pins import LOCK_FILE
from swapgate.records import LockedIds
from swapgate.spec.models import ModelSpec
from swapgate.spec.source import shown_path

if TYPE_CHECKING:
    from swapgate.pins.lock import Lock

ANEW = "`swapgate models lock` writes it"


def lock_of(workspace: Workspace) -> tuple[Lock | None, str]:
    """Return the workspace's lock, None where there is none that can be read, and why not."""
    path = workspace.settings.models_file.parent / LOCK_FILE
    if not path.exists():  # as in most workspaces, whose runs need not know how to read one
        return None, ""
    from swapgate.pins.lock import read_lock

    try:
        return read_lock(path), ""
    except UsageError as exc:
        return None, str(exc)


def locked_ids(workspace: Workspace, specs: Mapping[str, ModelSpec]) -> tuple[LockedIds, ...]:
    """Return what the lock knows of these models; one that is declared otherwise by now is left out."""
    lock, _why = lock_of(workspace)
    if lock is None:
        return ()
    # A task that only names a model is answered by that, and its answers bear that name.
    answering = {spec.name: spec for spec in specs.values()}
    return tuple(
        LockedIds(
            model=name,
            ids=lock.models[name].served,
            fingerprints=lock.models[name].fingerprints,
            run=lock.models[name].run,
        )
        for name, spec in sorted(answering.items())
        if name in lock.models and not _why_other(spec, lock)
    )


def require_locked(workspace: Workspace, specs: Mapping[str, ModelSpec]) -> None:
    """Raise UsageError, under `locked`, where the lock is missing or says something else than models.yml.

    Also where it knows nothing of what answers for a model under test: then nothing could be held to it.
    """
    if not workspace.settings.locked:
        return
    lock, why = lock_of(workspace)
    shown = shown_path(workspace.settings.models_file.parent / LOCK_FILE)
    if lock is None:
        raise UsageError(f"--locked: {why or f'{shown} does not exist: {ANEW}'}")
    wrong = [told for spec in specs.values() for told in _why_other(spec, lock)]
    if wrong:
        raise UsageError(
            f"--locked: {shown} does not hold: {'; '.join(dict.fromkeys(wrong))}. If that is meant, write it "
            "anew: `swapgate models lock`"
        )
    if unseen := [name for name, _role in workspace.roles() if lock.models[specs[name].name].run is None]:
        raise UsageError(
            f"--locked: {shown} knows of no answer of {', '.join(unseen)}, so nothing can be held to it: "
            "run it once without --locked, then `swapgate models lock`"
        )


def _why_other(spec: ModelSpec, lock: Lock) -> list[str]:
    # Only where there is a lock: the catalogue and its rules are many patterns.
    from swapgate.pins.catalogue import bundled
    from swapgate.pins.compared import undeclared
    from swapgate.runs.locking import locked_model

    declared = locked_model(spec, bundled(), None, today=datetime.now(UTC).date())
    found = undeclared(spec.name, lock.models.get(spec.name), declared)
    return [f"{one.model}: {one.message}" for one in found]
