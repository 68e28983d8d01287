"""Models as declared, as locked, as served and as offered, held against each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from swapgate.errors import Severity
from swapgate.pins.lint import Finding
from swapgate.pins.lock import Lock, LockedModel

if TYPE_CHECKING:
    from swapgate.providers.offered import OfferedModel


def differences(
    locked: Lock, now: Lock, *, offered: Mapping[str, Mapping[str, OfferedModel]] | None = None
) -> list[Finding]:
    """Return where the lock does not hold any more; `now` is the lock as it would be written.

    `offered` is what a provider lists now, by the name of the model that was asked about; a model whose
    provider was not asked, or could not be, is not among them.
    """
    found = [one for name in now.models for one in _model(name, locked, now, offered or {})]
    gone = [name for name in locked.models if name not in now.models]
    found += [
        _finding(name, "gone", "warning", "it is locked, and models.yml has it no more") for name in gone
    ]
    return found


def undeclared(name: str, locked: LockedModel | None, declared: LockedModel) -> Iterator[Finding]:
    """Yield why the lock says nothing of a model as it is declared."""
    if locked is None:
        yield _finding(name, "not-locked", "error", "models.yml has it, and the lock does not")
    elif declared.identity != locked.identity:
        told = f"it is {_identity(declared)}, and locked as {_identity(locked)}"
        yield _finding(name, "changed", "error", told)


def unlike_served(
    name: str,
    who: str,
    *,
    served: tuple[Collection[str], Collection[str]],
    locked: tuple[Collection[str], Collection[str]],
) -> Iterator[Finding]:
    """Yield which ids and fingerprints the lock does not have; both are pairs of the two."""
    (ids, fingerprints), (known_ids, known_fingerprints) = served, locked
    if new := [one for one in ids if one not in known_ids]:
        told = f"{who} was served {', '.join(new)}, and {_listed(known_ids)} when locked"
        yield _finding(name, "served-changed", "error", told)
    if new := [one for one in fingerprints if one not in known_fingerprints]:
        told = f"{who} had the fingerprint {', '.join(new)}"
        told += f", and {_listed(known_fingerprints)} when locked"
        yield _finding(name, "fingerprint-changed", "warning", told)


def _model(
    name: str, locked: Lock, now: Lock, offered: Mapping[str, Mapping[str, OfferedModel]]
) -> Iterator[Finding]:
    ours, theirs = now.models[name], locked.models.get(name)
    if other := list(undeclared(name, theirs, ours)):
        yield from other
        return
    assert theirs is not None
    yield from _served(name, ours, theirs)
    if ours.retires_on != theirs.retires_on:
        told = f"it retires on {ours.retires_on or 'no known day'}, and when locked on {theirs.retires_on}"
        yield _finding(name, "retirement-changed", "warning", told)
    if name in offered:
        yield from _offered(name, theirs, offered[name])


def _offered(name: str, locked: LockedModel, listed: Mapping[str, OfferedModel]) -> Iterator[Finding]:
    told = listed.get(locked.model)
    if told is None or told.is_retired:
        what = "does not list" if told is None else "has retired"
        yield _finding(name, "not-offered", "error", f"{locked.provider} {what} {locked.model!r}")
    elif told.retires_on is not None and told.retires_on != locked.retires_on:
        when = locked.retires_on or "no known day"
        message = (
            f"{locked.provider} says that it retires on {told.retires_on}, and it was locked with {when}"
        )
        yield _finding(name, "retirement-changed", "warning", message)


def _served(name: str, ours: LockedModel, theirs: LockedModel) -> Iterator[Finding]:
    """Yield where other ids or configurations answered than when it was locked."""
    if ours.run is None or theirs.run is None:
        which = "when it was locked" if theirs.run is None else "any more"
        yield _finding(
            name, "not-seen", "note", f"no whole run of it is known {which}: what answers is unknown"
        )
        return
    yield from unlike_served(
        name,
        f"run {ours.run}",
        served=(ours.served, ours.fingerprints),
        locked=(theirs.served, theirs.fingerprints),
    )


def _identity(model: LockedModel) -> str:
    where = f" at {model.base_url}" if model.base_url else ""
    file = f" of the file {model.sha256[:12]}" if model.sha256 else ""
    return f"{model.provider} {model.model!r}{where}{file}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "none"


def _finding(name: str, rule: str, severity: Severity, message: str) -> Finding:
    return Finding(rule=rule, severity=severity, model=name, message=message)
