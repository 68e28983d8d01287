"""Where shards are found: reports, folders of them, histories, runs by their ids."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from swapgate.errors import UsageError
from swapgate.facts import Facts, facts_of
from swapgate.memory.history import HISTORY_FILE, History, Place, StoredTrials, shown_place
from swapgate.records import Run, Shard, Trial, is_stored_baseline
from swapgate.reporting.report_json import load_report
from swapgate.runs.stored import load_run
from swapgate.spec.settings import Settings
from swapgate.values import Value, replace

_REPORT = "report.json"


class StoredShard(Value):
    """One shard as it was found: `source` is the file, or the run in a history.

    `facts` are those of its own trials, `baseline` those of a stored run that it was compared with; `trials`
    reads both where they are stored, each time it is gone through. `prompts` are the suites and models that
    it asked, with the hash of the prompt.
    """

    source: str
    run: Run
    facts: Sequence[Facts]
    baseline: Sequence[Facts]
    prompts: Sequence[tuple[str, str, str]]
    trials: Iterable[Trial]

    @property
    def shard(self) -> Shard:
        """Which shard it is."""
        assert self.run.shard is not None
        return self.run.shard

    @property
    def why_unfinished(self) -> str:
        """Why the shard has no end, an empty string when it has one."""
        if self.run.finished_at is None:
            return "it never ended"
        return self.shard.problem or ("" if self.shard.sizes else "it never began")


def find_shards(names: Sequence[str], settings: Settings) -> list[StoredShard]:
    """Return the shards of reports, folders of them, globs, histories, or of run ids.

    Raises UsageError where a name leads to no shard.
    """
    found = []
    for name in names:
        shards = list(_shards_of(name, settings))
        if not shards:
            raise UsageError(f"{name!r} holds no shard: `pytest --shard=1/3` makes one, and its report.json")
        found += shards
    return found


def _shards_of(name: str, settings: Settings) -> Iterator[StoredShard]:
    """Yield the shards that one argument names; of many files those that are none are passed over."""
    path = Path(name)
    if path.is_dir() or path.suffix == ".db" or glob.has_magic(name):
        matches = [name] if path.exists() else glob.glob(name, recursive=True)  # noqa: PTH207 - also absolute
        for match in sorted(matches):
            yield from _in_path(Path(match))
        return
    if path.is_file():
        found = _of_report(path)
    else:
        run, trials = load_run(name, settings)
        found = _stored(name, run, _with_baseline(run, trials, settings.history))
    if found.run.shard is None:
        raise UsageError(f"{name} is no shard: run {found.run.id} was made without --shard")
    yield found


def _in_path(path: Path) -> Iterator[StoredShard]:
    if path.is_dir():
        for below in sorted({*path.rglob(_REPORT), *path.rglob(HISTORY_FILE)}):
            yield from _in_path(below)
    elif path.suffix == ".db":
        yield from _of_history(path)
    elif path.suffix == ".json":
        found = _of_report(path)
        if found.run.shard is not None:
            yield found


def _of_history(path: Path) -> Iterator[StoredShard]:
    """Yield the last whole run of each shard of the selection that was run last."""
    with contextlib.closing(History(path)) as history:
        runs = _latest_shards(history.runs())
    for run in runs:
        yield _stored(f"{path}, run {run.id}", run, _with_baseline(run, StoredTrials(path, run.id), path))


def _latest_shards(runs: Iterable[Run]) -> list[Run]:
    """Return one run a shard, from runs of which the newest comes first."""
    shards = [(run.shard, run) for run in runs if run.shard is not None and run.shard.plan]
    same = [(s, run) for s, run in shards if (s.plan, s.count) == (shards[0][0].plan, shards[0][0].count)]
    latest: dict[int, Run] = {}
    for shard, run in sorted(same, key=lambda pair: pair[1].finished_at is None or bool(pair[0].problem)):
        latest.setdefault(shard.number, run)
    return [latest[number] for number in sorted(latest)]


class _OfReport:
    """The trials of a report.json, read each time they are gone through: all shards' may be too many."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[Trial]:
        return iter(load_report(self._path)[1])


def _of_report(path: Path) -> StoredShard:
    run, trials = load_report(path)
    return replace(_stored(str(path), run, trials), trials=_OfReport(path))


def _stored(source: str, run: Run, trials: Iterable[Trial]) -> StoredShard:
    own: list[Facts] = []
    baseline: list[Facts] = []
    prompts: dict[tuple[str, str, str], None] = {}
    for trial in trials:
        facts = facts_of(trial)
        if is_stored_baseline(facts):
            baseline.append(facts)
            continue
        own.append(facts)
        if trial.prompt_hash is not None:
            prompts[trial.suite, trial.model, trial.prompt_hash] = None
    return StoredShard(
        source=source, run=run, facts=own, baseline=baseline, prompts=tuple(prompts), trials=trials
    )


def _with_baseline(run: Run, trials: Sequence[Trial], place: Place) -> Sequence[Trial]:
    """Return a shard's trials with those of the stored run that it was compared with, of the same history."""
    model, at, run_id = (run.baseline or "").rpartition("@")
    if not at or not isinstance(trials, StoredTrials) or any(map(is_stored_baseline, trials.facts())):
        return trials
    with contextlib.closing(History(place)) as history:
        try:
            found = history.find(run_id)
        except UsageError as exc:
            raise UsageError(
                f"run {run.id} was compared with {run.baseline}, which is not in {shown_place(place)}: "
                "merge the report.json of each shard, which holds it"
            ) from exc
    return trials.with_beside(StoredTrials(place, found.id, model=model, baseline=run.baseline))
