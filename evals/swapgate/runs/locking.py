"""Models as they stand now, for the lock: as declared, and as they were served in their newest whole run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date
from importlib.metadata import version

from swapgate.engine.workspace import Workspace
from swapgate.memory.history import Choice, History, has_history
from swapgate.pins.catalogue import PinCatalogue
from swapgate.pins.lint import pin_of
from swapgate.pins.lock import FORMAT, VERSION, Lock, LockedModel, LockedTask
from swapgate.records import Run
from swapgate.spec.models import Catalogue, ModelSpec
from swapgate.values import Value

# Whole runs that are looked through, the newest first.
_LOOKED_AT = 500


class Seen(Value):
    """The newest whole run in which a model answered, and what the service said of it there."""

    run: Run
    ids: tuple[str, ...]
    fingerprints: tuple[str, ...]


def lock_now(workspace: Workspace, known: PinCatalogue, *, today: date) -> Lock:
    """Return the lock of a workspace as it is."""
    catalogue = workspace.catalogue
    models = answering(catalogue)
    seen = newest_seen(workspace, list(models.values()))
    return Lock(
        format=FORMAT,
        version=VERSION,
        catalogue=known.checked_on,
        prices=f"genai-prices {version('genai-prices')}",
        models={
            name: locked_model(spec, known, seen.get(name), today=today) for name, spec in models.items()
        },
        tasks={name: _task(name, catalogue.resolve(name), seen) for name in catalogue.tasks},
    )


def answering(catalogue: Catalogue) -> dict[str, ModelSpec]:
    """Return every model that may answer, by its own name: entries, tasks with settings of their own, and
    fallbacks that are written as a bare id."""
    named = [catalogue.resolve(name) for name in catalogue.names()]
    chains = [fallback for spec in named for fallback in catalogue.fallbacks(spec)]
    return {spec.name: spec for spec in (*named, *chains)}


def newest_seen(workspace: Workspace, models: Sequence[ModelSpec]) -> dict[str, Seen]:
    """Return for each model the newest whole run in which it answered, for cases or for a judge.

    A run of another model under the same name tells nothing of it; one of the same under another does.
    """
    place = workspace.settings.history
    if not has_history(place):
        return {}
    found: dict[str, Seen] = {}
    with closing(History(place, is_read_only=True)) as history:
        for run in history.heads(Choice(is_whole=True), limit=_LOOKED_AT):
            missing = [spec for spec in models if spec.name not in found]
            found.update(_seen_in(run, missing))
    return found


def _seen_in(run: Run, models: Iterable[ModelSpec]) -> Iterator[tuple[str, Seen]]:
    for spec in models:
        names = _names_in(run, spec)
        served = [one for one in run.served if one.model in names]
        if served:
            yield (
                spec.name,
                Seen(
                    run=run,
                    ids=tuple(sorted({told for one in served for told in one.ids})),
                    fingerprints=tuple(sorted({told for one in served for told in one.fingerprints})),
                ),
            )


def _names_in(run: Run, spec: ModelSpec) -> set[str]:
    """Return the names under which a model answered in a run.

    A task that only names a model stands in the record by its own name, and its answers by the model's. Of a
    fallback the record holds the name alone, which tells its identity where it is `provider:model`.
    """
    own = (spec.provider, spec.model, spec.base_url)
    recorded = (*run.models, *run.judges)
    names = {one.name for one in recorded if (one.provider, one.model, one.base_url) == own}
    if names or ":" in spec.name:
        return names | {spec.name}
    is_known = spec.name in {one.name for one in recorded}
    answered = {one.model for one in run.served}
    return set() if is_known or any(one.name not in answered for one in run.models) else {spec.name}


def locked_model(spec: ModelSpec, known: PinCatalogue, seen: Seen | None, *, today: date) -> LockedModel:
    """Return what the lock says of one model."""
    pin = pin_of(spec, known, today=today)
    return LockedModel.model_validate(
        {
            "provider": spec.provider,
            "model": spec.model,
            "base_url": spec.base_url,
            "sha256": spec.sha256,
            "class": pin.kind,
            "rule": pin.rule,
            "retires_on": pin.known.retires_on if pin.known else None,
            "served": seen.ids if seen else (),
            "fingerprints": seen.fingerprints if seen else (),
            "run": seen.run.id if seen else None,
        }
    )


def _task(name: str, spec: ModelSpec, seen: Mapping[str, Seen]) -> LockedTask:
    found = seen.get(spec.name)
    if found is None:
        return LockedTask(model=spec.name)
    names = {name, spec.name}
    prompts = {key.rpartition("/") for key in found.run.prompt_hashes}
    return LockedTask(
        model=spec.name,
        prompts={
            suite: found.run.prompt_hashes[f"{suite}/{model}"]
            for suite, _slash, model in sorted(prompts)
            if model in names
        },
        judges=dict(sorted(found.run.judge_hashes.items())),
        run=found.run.id,
    )
