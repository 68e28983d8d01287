"""A model moved to another pin: what changes in models.yml, and what forbids it before anything is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from swapgate.errors import UsageError, nearest
from swapgate.pins.catalogue import PinCatalogue
from swapgate.pins.classify import Pin
from swapgate.pins.lint import pin_of
from swapgate.records import Json
from swapgate.spec.model_entries import AcceptUnpinned
from swapgate.spec.models import PROVIDER_OF_PREFIX, Catalogue, ModelSpec, keys_of
from swapgate.spec.source import Document
from swapgate.values import Value, replace

_FILES = {"local": "its file: change `path` and `sha256`", "recorded": "its file: change `path`"}


class Move(Value):
    """A name of models.yml and the pin that it is to get.

    `entry` is the model or task whose `model` changes, at the `keys` of the file; `to` is what is written
    there. With `is_swap` that is the name of another model of the file, else an id of the same provider.
    `before` and `after` are what answers under the entry's name, with all its settings.
    `also` are other names that move along. `acceptance` is written beside an id that is not pinned.
    """

    name: str
    entry: str
    keys: tuple[str, ...]
    to: str
    before: ModelSpec
    after: ModelSpec
    pin_before: Pin
    pin_after: Pin
    is_swap: bool = False
    also: tuple[str, ...] = ()
    acceptance: AcceptUnpinned | None = None

    @property
    def changes(self) -> Mapping[tuple[str, ...], Json]:
        """What is written into models.yml, by the keys of each value."""
        written: dict[tuple[str, ...], Json] = {(*self.keys, "model"): self.to}
        if self.acceptance is not None:
            written[*self.keys, "accept_unpinned"] = {
                "reason": self.acceptance.reason,
                "until": self.acceptance.until.isoformat(),
            }
        return written

    @property
    def is_listed(self) -> bool:
        """Whether the catalogue lists the new id."""
        return self.pin_after.known is not None


def planned_move(
    catalogue: Catalogue,
    document: Document,
    name: str,
    to: str,
    *,
    known: PinCatalogue,
    today: date,
    accepted: AcceptUnpinned | None = None,
) -> Move:
    """Return how a model or a task gets to another pin; UsageError where it cannot, or must not.

    `document` is the file that `catalogue` was read from. `accepted` says why an id that is not pinned may
    be used all the same.
    """
    if not to.strip():
        raise UsageError("--to is empty: name the new pin")
    part, entry, is_swap = _target(catalogue, name, to)
    before = catalogue.resolve(entry)
    if before.provider in _FILES:
        raise UsageError(f"{entry} is {before.provider}: its pin is {_FILES[before.provider]}")
    after = _swapped(catalogue, entry, to) if is_swap else before.model_copy(update={"model": to})
    move = Move(
        name=name,
        entry=entry,
        keys=tuple(keys_of(document, part, entry)),
        to=to,
        before=before,
        after=after,
        pin_before=pin_of(before, known, today=today),
        pin_after=pin_of(after, known, today=today),
        is_swap=is_swap,
        also=tuple(other for other in _served(catalogue, entry, part) if other != name),
    )
    if why := next(_why_not(move, known, today), None):
        raise UsageError(why)
    return _accepting(move, catalogue, accepted, known, today)


def _swapped(catalogue: Catalogue, task: str, to: str) -> ModelSpec:
    """Return what answers for a task when another model of the file serves it; its own settings stay."""
    moved = catalogue.tasks[task].model_copy(update={"model": to})
    return replace(catalogue, tasks={**catalogue.tasks, task: moved}).resolve(task)


def unlisted(move: Move, known: PinCatalogue) -> str:
    """Return that the catalogue does not list the new id; empty where it does, or knows no id of its kind."""
    ids = [model.id for model in known.of(move.after.provider)]
    if move.is_listed or move.is_swap or not ids or move.to.startswith("ft:"):
        return ""
    return f"the catalogue of {known.checked_on} does not list {move.to!r}.{nearest(move.to, ids)}"


def _target(catalogue: Catalogue, name: str, to: str) -> tuple[str, str, bool]:
    """Return the part of the file, the entry of which `model` changes, and whether `to` is another model."""
    if name in catalogue.models:
        if to in catalogue.models:
            moved = ", ".join(_served(catalogue, name, "models")) or "a task"
            raise UsageError(
                f"{to!r} is another model of {catalogue.path.name}: move a task to it "
                f"(`swapgate models update TASK --to {to}`; {name} serves {moved})"
            )
        return "models", name, False
    if name not in catalogue.tasks:
        catalogue.resolve(name)  # says what is known
        raise UsageError(f"{name!r} stands in no file: give it an entry in {catalogue.path.name}")
    task = catalogue.tasks[name]
    if to in catalogue.models:
        if task.provider is not None:
            raise UsageError(
                f"the task {name!r} names its provider itself, so it moves to another id of {task.provider}: "
                f"write `model: {to}` without `provider` to have it served by that entry"
            )
        return "tasks", name, True
    found = catalogue.find(task.model)[0] if task.provider is None else ""
    return ("models", found, False) if found in catalogue.models else ("tasks", name, False)


def _served(catalogue: Catalogue, entry: str, part: str) -> list[str]:
    """Return the tasks that an entry serves."""
    if part == "tasks":
        return []
    tasks = catalogue.tasks.items()
    return [n for n, task in tasks if task.provider is None and catalogue.find(task.model)[0] == entry]


def _why_not(move: Move, known: PinCatalogue, today: date) -> Iterator[str]:
    before, after, to = move.before, move.after, move.to
    if (before.provider, before.model, before.base_url) == (after.provider, after.model, after.base_url):
        yield f"{move.entry} is {after.model!r} already"
    if (owner := _other_owner(before, to, known)) and not move.is_swap:
        yield (
            f"{to!r} is an id of {owner}, and {move.entry} of {before.provider}: write an entry for it below "
            "`models`, and move a task to that"
        )
    retires_on = move.pin_after.known.retires_on if move.pin_after.known else None
    if retires_on is not None and retires_on <= today:
        instead = move.pin_after.known.successor if move.pin_after.known else None
        then = f": the provider names {instead!r} instead" if instead else ""
        yield f"{after.model!r} was to be retired on {retires_on}{then}"
    known_after = move.pin_after.known
    if known_after is not None and (sent := known_after.refused(after.params, unset=after.unset)):
        yield (
            f"{after.model!r} rejects {', '.join(sent)}{known_after.unless}, which {move.entry} sets: write "
            f"`unset: [{', '.join(sent)}]` first, and both pins are asked alike"
        )


def _other_owner(spec: ModelSpec, to: str, known: PinCatalogue) -> str:
    """Return whose id it is, where it is that of another provider."""
    if spec.base_url is not None or spec.provider not in set(PROVIDER_OF_PREFIX.values()):
        return ""
    if known.find(spec.provider, to) is not None:
        return ""
    owners = {model.provider for model in known.models.values() if model.id == to}
    owners |= {owner for prefix, owner in PROVIDER_OF_PREFIX.items() if to.startswith(prefix)}
    owners |= {to.partition(sign)[0] for sign in ":/" if to.partition(sign)[0] in PROVIDER_OF_PREFIX.values()}
    return ", ".join(sorted(owners - {spec.provider}))


def _accepting(
    move: Move, catalogue: Catalogue, accepted: AcceptUnpinned | None, known: PinCatalogue, today: date
) -> Move:
    """Return the move with what is accepted; refused where an id that is not pinned is accepted by nobody."""
    if move.pin_after.is_pinned:
        if accepted is not None:
            raise UsageError(f"{move.to!r} is pinned ({move.pin_after.evidence}): leave out --accept")
        return move
    if accepted is None:
        written = catalogue.models.get(move.after.entry or move.after.name)
        held = written.accept_unpinned if written else None
        if held is not None and held.until >= today:
            return move
        kind = move.pin_after.kind.replace("_", " ")
        ids = [model.id for model in known.of(move.after.provider)]
        near = "" if move.to in ids else nearest(move.to, ids)
        raise UsageError(
            f"{move.after.model!r} is no pin but {kind} ({move.pin_after.evidence}).{near} Take a pinned id, "
            "or say why not and until when: --accept REASON --until YYYY-MM-DD"
        )
    if move.is_swap or move.keys[-1] not in catalogue.models:
        raise UsageError(
            f"a task cannot accept an id that is not pinned: write `accept_unpinned` into an entry of "
            f"`models` and have {move.name} served by that"
        )
    if accepted.until < today:
        raise UsageError(f"--until {accepted.until} is past")
    return replace(move, acceptance=accepted)
