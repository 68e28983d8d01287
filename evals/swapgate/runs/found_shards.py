"""Where shards are found: reports, folders of them, histories, runs by their ids."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from swapgate.errors import UsageError
from swapgate.memory.history import HISTORY_FILE, History, Place, shown_place
from swapgate.records import Run, Shard, Trial
from swapgate.reporting.report_json import load_report
from swapgate.runs.stored import as_baseline, load_run
from swapgate.spec.settings import Settings
from swapgate.values import Value

_REPORT = "report.json"


class StoredShard(Value):
    """One shard as it was found: `source` is the file, or the run in a history; `baseline` a stored one's."""

    source: str
    run: Run
    trials: tuple[Trial, ...]
    baseline: tuple[Trial, ...] = ()

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
        found = [name] if path.exists() else glob.glob(name, recursive=True)  # noqa: PTH207 - also absolute
        for match in sorted(found):
            yield from _in_path(Path(match))
        return
    if path.is_file():
        run, trials = load_report(path)
    else:
        run, trials = load_run(name, settings)
        trials += _stored_baseline(run, trials, settings.history)
    if run.shard is None:
        raise UsageError(f"{name} is no shard: run {run.id} was made without --shard")
    yield _stored(name, run, trials)


def _in_path(path: Path) -> Iterator[StoredShard]:
    if path.is_dir():
        for below in sorted({*path.rglob(_REPORT), *path.rglob(HISTORY_FILE)}):
            yield from _in_path(below)
    elif path.suffix == ".db":
        yield from _of_history(path)
    elif path.suffix == ".json":
        run, trials = load_report(path)
        if run.shard is not None:
            yield _stored(str(path), run, trials)


def _of_history(path: Path) -> Iterator[StoredShard]:
    """Yield the last whole run of each shard of the selection that was run last."""
    with contextlib.closing(History(path)) as history:
        for run in _latest_shards(history.runs()):
            trials = list(history.trials(run.id))
            yield _stored(f"{path}, run {run.id}", run, [*trials, *_stored_baseline(run, trials, path)])


def _latest_shards(runs: Iterable[Run]) -> list[Run]:
    """Return one run a shard, from runs of which the newest comes first."""
    shards = [(run.shard, run) for run in runs if run.shard is not None and run.shard.plan]
    same = [(s, run) for s, run in shards if (s.plan, s.count) == (shards[0][0].plan, shards[0][0].count)]
    latest: dict[int, Run] = {}
    for shard, run in sorted(same, key=lambda pair: pair[1].finished_at is None or bool(pair[0].problem)):
        latest.setdefault(shard.number, run)
    return [latest[number] for number in sorted(latest)]


def _stored(source: str, run: Run, trials: Sequence[Trial]) -> StoredShard:
    return StoredShard(
        source=source,
        run=run,
        trials=tuple(trial for trial in trials if not _is_stored_baseline(trial)),
        baseline=tuple(trial for trial in trials if _is_stored_baseline(trial)),
    )


def _is_stored_baseline(trial: Trial) -> bool:
    return trial.role == "baseline" and "@" in trial.model


def _stored_baseline(run: Run, trials: Sequence[Trial], place: Place) -> list[Trial]:
    """Return the trials of the stored run that a shard was compared with, from the same history."""
    model, at, run_id = (run.baseline or "").rpartition("@")
    if not at or any(map(_is_stored_baseline, trials)):
        return []
    with contextlib.closing(History(place)) as history:
        try:
            found = history.find(run_id)
        except UsageError as exc:
            raise UsageError(
                f"run {run.id} was compared with {run.baseline}, which is not in {shown_place(place)}: "
                "merge the report.json of each shard, which holds it"
            ) from exc
        return list(as_baseline(found, [t for t in history.trials(found.id) if t.model == model]))
