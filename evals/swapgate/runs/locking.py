"""Models as they stand now, for the lock: as declared, and as they were served in their newest whole run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version

from swapgate.engine.workspace import Workspace
from swapgate.memory.history import Choice, History, has_history
from swapgate.pins.catalogue import PinCatalogue
from swapgate.pins.lint import DeclaredModel, declared_models
from swapgate.pins.lock import FORMAT, VERSION, Lock, LockedModel, LockedTask
from swapgate.records import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A model's newest whole run, and what the service said of it there."""

    run: Run
    ids: tuple[str, ...]
    fingerprints: tuple[str, ...]


def lock_now(workspace: Workspace, known: PinCatalogue, *, today: date) -> Lock:
    """Return the lock of a workspace as it is."""
    declared = declared_models(workspace.catalogue, known, today=today)
    seen = newest_seen(workspace, [model.name for model in declared])
    catalogue = workspace.catalogue
    return Lock(
        format=FORMAT,
        version=VERSION,
        catalogue=known.checked_on,
        prices=f"genai-prices {version('genai-prices')}",
        models={m.name: _locked(m, seen.get(m.name)) for m in declared if m.name in catalogue.models},
        tasks={m.name: _task(m, _seen_as(m, seen)) for m in declared if m.name in catalogue.tasks},
    )


def newest_seen(workspace: Workspace, names: Sequence[str]) -> dict[str, Seen]:
    """Return for each model its newest whole run in the history; a model without one is left out."""
    place = workspace.settings.history
    if not has_history(place):
        return {}
    with closing(History(place, is_read_only=True)) as history:
        return dict(_newest(history, names))


def _newest(history: History, names: Sequence[str]) -> Iterator[tuple[str, Seen]]:
    for name in names:
        runs = history.heads(Choice(model=name, is_whole=True), limit=1)
        for run in runs:
            served = [one for one in run.served if one.model == name]
            yield (
                name,
                Seen(
                    run=run,
                    ids=tuple(sorted({known for one in served for known in one.ids})),
                    fingerprints=tuple(sorted({known for one in served for known in one.fingerprints})),
                ),
            )


def _seen_as(model: DeclaredModel, seen: dict[str, Seen]) -> Seen | None:
    """Return the newest run of a task: under its own name, or that of its model."""
    return seen.get(model.name) or seen.get(model.spec.name)


def _locked(model: DeclaredModel, seen: Seen | None) -> LockedModel:
    return LockedModel.model_validate(
        {
            "provider": model.spec.provider,
            "model": model.spec.model,
            "class": model.pin.kind,
            "rule": model.pin.rule,
            "retires_on": model.pin.known.retires_on if model.pin.known else None,
            "served": seen.ids if seen else (),
            "fingerprints": seen.fingerprints if seen else (),
            "run": seen.run.id if seen else None,
        }
    )


def _task(model: DeclaredModel, seen: Seen | None) -> LockedTask:
    if seen is None:
        return LockedTask(model=model.spec.name)
    names = {model.name, model.spec.name}
    prompts = {key.rpartition("/") for key in seen.run.prompt_hashes}
    return LockedTask(
        model=model.spec.name,
        prompts={
            suite: seen.run.prompt_hashes[f"{suite}/{name}"]
            for suite, _slash, name in sorted(prompts)
            if name in names
        },
        judges=dict(sorted(seen.run.judge_hashes.items())),
        run=seen.run.id,
    )
