"""What is different in the manifests of two nights: the first places to look when something drifted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from swapgate.records import Json, Run, ServedModel
from swapgate.values import Value

# Settings that may matter to an answer, a score or a latency.
_SETTINGS = ("concurrency", "retries", "hedge", "timeout_s", "max_cost")
_HASH_CHARS = 10
ABSENT = "nothing"


class Change(Value):
    """One thing that is not as it was the night before: `what` names it, `at` is when that night began."""

    at: str
    what: str
    before: str
    now: str


class _Difference(NamedTuple):
    """A change of which the night is not said yet."""

    what: str
    before: str
    now: str


def changes(before: Run, now: Run, *, suite: str, model: str) -> tuple[Change, ...]:
    """Return what differs between the runs of two nights, as far as it may matter to a model on a suite."""
    found = (*_served(before, now, model), *_of_model(before, now, suite, model), *_of_runs(before, now))
    return tuple(Change(at=now.started_at, **one._asdict()) for one in found)


def served_ids(run: Run, model: str | None = None, *, judge: str | None = None) -> tuple[str, ...]:
    """Return the ids that a model under test, or a judge's models, were served as; empty when unknown."""
    own = _own(run, model) if judge is None else [one for one in run.served if one.judge == judge]
    return tuple(sorted({name for one in own for name in one.ids}))


def _own(run: Run, model: str | None) -> list[ServedModel]:
    """Return what was served under a name of the run.

    A task without settings of its own answers under its model's name, which the run does not tell: it is the
    one that no other name of the run accounts for, where there is just one.
    """
    asked = [one for one in run.served if one.judge is None]
    own = [one for one in asked if model in {None, one.model}]
    names = {one.name for one in run.models}
    others = [one for one in asked if one.model not in names]
    return own or (others if model in names and len(others) == 1 else [])


def _served(before: Run, now: Run, model: str) -> Iterator[_Difference]:
    yield from _names("model served", served_ids(before, model), served_ids(now, model))
    yield from _names("system fingerprint", fingerprints(before, model), fingerprints(now, model))
    for judge in sorted({one.judge for one in now.served if one.judge is not None}):
        ids = (served_ids(run, judge=judge) for run in (before, now))
        yield from _names(f"model served to judge {judge}", *ids)


def fingerprints(run: Run, model: str) -> tuple[str, ...]:
    """Return the system fingerprints that a model's answers came with; empty when unknown."""
    return tuple(sorted({name for one in _own(run, model) for name in one.fingerprints}))


def _of_model(before: Run, now: Run, suite: str, model: str) -> Iterator[_Difference]:
    place = f"{suite}/{model}"
    old, new = ({"": run.prompt_hashes[place]} if place in run.prompt_hashes else {} for run in (before, now))
    if old and new:
        yield from _mapping("prompt", _cut(old), _cut(new))
    identities = [next((m for m in run.models if m.name == model), None) for run in (before, now)]
    if all(identities):
        yield from _mapping("parameter", *(one.params for one in identities if one is not None))


def _of_runs(before: Run, now: Run) -> Iterator[_Difference]:
    if before.git_commit != now.git_commit:
        yield _Difference(what="git commit", before=_commit(before), now=_commit(now))
    elif before.git_dirty != now.git_dirty:
        yield _Difference(what="working tree", before=_state(before), now=_state(now))
    yield from _mapping("version of", before.versions, now.versions)
    yield from _mapping("judge", _cut(before.judge_hashes), _cut(now.judge_hashes))
    old = {one.name: one.model for one in before.judges}
    yield from _mapping("judge's model", old, {one.name: one.model for one in now.judges})
    yield from _mapping("suite", _cut(before.suite_hashes), _cut(now.suite_hashes))
    yield from _mapping("schema", _cut(before.schema_hashes), _cut(now.schema_hashes))
    if before.platform and now.platform and before.platform != now.platform:
        yield _Difference(what="platform", before=before.platform, now=now.platform)
    if before.repeats != now.repeats:
        yield _Difference(what="repeats", before=str(before.repeats), now=str(now.repeats))
    settings = ({name: run.settings.get(name) for name in _SETTINGS} for run in (before, now))
    yield from _mapping("setting", *settings)


def _mapping(noun: str, before: Mapping[str, Json], now: Mapping[str, Json]) -> Iterator[_Difference]:
    """Yield what differs of the names that either has; a whole suite or judge that came or went, too."""
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old != new:
            yield _Difference(what=f"{noun} {name}".strip(), before=_shown(old), now=_shown(new))


def _names(what: str, before: Sequence[str], now: Sequence[str]) -> Iterator[_Difference]:
    """Yield a change of what a service tells; where it told nothing in one night, nothing is known."""
    if before and now and tuple(before) != tuple(now):
        yield _Difference(what=what, before=", ".join(before), now=", ".join(now))


def _cut(hashes: Mapping[str, str]) -> dict[str, Json]:
    return {name: value[:_HASH_CHARS] for name, value in hashes.items()}


def _shown(value: Json) -> str:
    return ABSENT if value is None else str(value)


def _commit(run: Run) -> str:
    return (
        ABSENT
        if run.git_commit is None
        else run.git_commit[:_HASH_CHARS] + (" with changes" if run.git_dirty else "")
    )


def _state(run: Run) -> str:
    return "with changes" if run.git_dirty else "clean"
