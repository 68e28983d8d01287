"""A part of a run: what one session runs itself of a selection that is judged as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from swapgate.engine.workspace import Job
from swapgate.errors import UsageError
from swapgate.facts import Facts
from swapgate.records import Json, ModelIdentity, Run, Shard, Trial, to_json
from swapgate.spec.settings import Settings
from swapgate.values import Value, replace

# Suite, case, model and repeat: what no two trials of a run have in common.
TrialKey: TypeAlias = tuple[str, str, str, int]
# How a run was made, not what of: two parts of one run may differ in it.
_INCIDENTAL = {
    "concurrency",
    "max_cost",
    "max_cost_per_day",
    "retries",
    "timeout_s",
    "warnings",
    "notes",
}
_LONGEST = 60


class Part(Value):
    """A shard of a run, or what an earlier run lacks; `whole` is empty where nobody collects.

    So many trials as `taken_over` says stay as they are in the run that is completed, `carried` are their
    keys; `has_missed` says whether one of them speaks against a candidate.
    """

    whole: Sequence[Job] = ()
    jobs: Sequence[Job] = ()
    shard: Shard | None = None
    completes: Run | None = None
    taken_over: int = 0
    carried: frozenset[TrialKey] = frozenset()
    has_missed: bool = False

    def without_cases(self) -> Part:
        """Return what is still to be told of it once the engine has the cases."""
        return replace(self, whole=(), jobs=(), carried=frozenset())

    @property
    def is_void(self) -> bool:
        """Whether there is nothing to run, although cases were selected."""
        if self.completes is not None:
            return self.taken_over >= self.completes.planned
        return (
            self.shard is not None and bool(self.shard.sizes) and not self.shard.sizes[self.shard.number - 1]
        )

    @property
    def told(self) -> str:
        """What of the whole is run here, for people."""
        if self.completes is None:
            assert self.shard is not None
            none = "; none of them falls to it" if self.is_void else ""
            return f"shard {self.shard.name} of {sum(self.shard.sizes):,} trials{none}"
        missing = self.completes.planned - self.taken_over
        if not missing:
            return f"nothing errored in run {self.completes.id}, so nothing is run again"
        return f"what run {self.completes.id} has no result of; its other {self.taken_over:,} are taken over"


def refuse_contradictions(settings: Settings) -> None:
    """Raise UsageError where settings ask for a part of a run and for what needs the whole of it."""
    if settings.stop_early and settings.shard is not None:
        raise UsageError(
            "--stop-early looks at the results of all cases, and a shard has its own alone: "
            "leave out one of them"
        )
    if settings.rejudge and settings.shard is not None:
        raise UsageError(
            "--rejudge would judge the baseline again for every shard, and the shards would be compared with "
            "different runs: `swapgate rejudge` it once, and name that run with --baseline"
        )
    if settings.stop_early and settings.rerun_errors:
        raise UsageError(
            "--rerun-errors makes a run whole, and --stop-early may leave out its rest: leave out one of them"
        )
    if settings.rerun_errors and settings.shard is not None:
        raise UsageError(
            "--rerun-errors completes a run, and a shard is a part of one: `swapgate merge` the shards and "
            "complete that, or run the shard again without --rerun-errors: what is stored costs nothing"
        )


def key_of(trial: Trial | Facts) -> TrialKey:
    """Return what tells a trial from all others of its run."""
    return trial.suite, trial.case, trial.model, trial.repeat


def job_key(job: Job) -> TrialKey:
    """Return the key of the trial that a job makes."""
    return job.suite.name, job.case.placed.case.id, job.model, job.repeat


def differing(one: Run, other: Run) -> list[str]:
    """Return what two parts of one run may not differ in, and do, each with both values."""
    ours, theirs = _makings(one), _makings(other)
    return [
        f"{name} ({_shown(ours.get(name))} and {_shown(theirs.get(name))})"
        for name in dict.fromkeys((*ours, *theirs))
        if ours.get(name) != theirs.get(name)
    ]


def _makings(run: Run) -> dict[str, object]:
    """Return what makes the trials of a run comparable, by the name that people know it by."""
    return {
        "the baseline": run.baseline,
        "the repeats": run.repeats,
        **dict(_fields(run.models, "the model")),
        **dict(_fields(run.judges, "the judges' model")),
        **{f"the judge {name}": found for name, found in run.judge_hashes.items()},
        **{f"the suite {name}": found for name, found in run.suite_hashes.items()},
        **{f"the schema {name}": found for name, found in run.schema_hashes.items()},
        **{f"the lock of {one.model}": (one.ids, one.fingerprints) for one in run.locked},
        **dict(_settings(run.settings)),
        "swapgate": run.versions.get("swapgate"),
    }


def _fields(models: Iterable[ModelIdentity], kind: str) -> Iterator[tuple[str, object]]:
    for model in models:
        for name, value in to_json(model).items():
            yield f"{name} of {kind} {model.name}", value


def _settings(settings: Mapping[str, Json]) -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if name not in _INCIDENTAL:
            yield f"the setting {name}", value


def _shown(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
