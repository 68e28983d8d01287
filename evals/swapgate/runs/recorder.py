"""One run's record: its manifest, its trials as they end, and what is concluded from them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.errors import StoreError
from swapgate.facts import Facts
from swapgate.memory.history import HistoryWriter, StoredTrials, TeamWriter, open_writer
from swapgate.records import (
    Json,
    JudgeCalibration,
    JudgeCanaries,
    JudgeLabel,
    Run,
    Shard,
    Stopping,
    Trial,
)
from swapgate.runs.manifest import judge_hashes, manifest, now
from swapgate.runs.parts import Part
from swapgate.runs.served import ServedSeen
from swapgate.spec.calibration_files import calibration_path
from swapgate.spec.models import ModelSpec
from swapgate.values import Value, replace

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.runs.stored import StoredBaseline
    from swapgate.spec.calibration import Calibration

_TAKEN_AT_ONCE = 1_000
_place = attrgetter("suite", "case", "model", "repeat")


class Before(Value):
    """What is known of a run before its first trial, and what that has cost. In US dollars.

    `baseline` is the stored run that it is compared with, `notes` are said with the gate.
    """

    baseline: StoredBaseline | None = None
    canaries: tuple[JudgeCanaries, ...] = ()
    notes: tuple[str, ...] = ()
    paid_usd: float = 0.0


class Ended(NamedTuple):
    """A run whose end is stored: its facts, and why they are no ground for a decision, None when they are."""

    run: Run
    facts: Sequence[Facts]
    why_not_judged: str | None


class Recorder:
    """Keeps everything about a run; `finish` after the last trial.

    `start` is for the moment when the first calls are on their way: it asks git and hashes every case. What
    ends before that waits for it.
    """

    def __init__(
        self,
        workspace: Workspace,
        suites: Sequence[ReadySuite],
        specs: Mapping[str, ModelSpec],
        *,
        before: Before | None = None,
    ) -> None:
        self._workspace = workspace
        self._suites = suites
        self._specs = specs
        # By suite, model and repeat, then by case: a key of its own for each trial would be held too.
        self._facts: dict[tuple[str, str, int], dict[str, Facts]] = {}
        self._before = before or Before()
        self._calibrations = calibrations_of(workspace, suites)
        self._served = ServedSeen()
        self.problem: StoreError | None = None
        self._writer: HistoryWriter | TeamWriter | None = None
        self._starting = threading.Lock()
        self._waiting: list[tuple[Trial, Facts, str | None]] = []

    @property
    def is_started(self) -> bool:
        """Whether the run is being recorded."""
        return self._writer is not None

    @property
    def planned(self) -> int:
        """How many trials the run set out to make."""
        return self._writer.run.planned if self._writer else 0

    def start(
        self,
        *,
        planned: int,
        wanted: int = 0,
        warnings: Sequence[str] = (),
        part: Part | None = None,
        source: Run | None = None,
        command: Sequence[str] = (),
    ) -> Run:
        """Write the manifest; `warnings` were said before the first call, and reports say them again.

        `planned` of the `wanted` trials are this process's. A `part` that completes a run adds that run's.
        `source` is the run whose stored answers are judged again, its judges are those that are not asked.
        `command` is what was typed.
        """
        run = self._described(planned, wanted, warnings, command)
        if part is not None and part.completes is not None:
            run = replace(run, planned=part.completes.planned, completes=part.completes.id)
        elif part is not None:
            run = replace(run, shard=part.shard)
        if source is not None:
            run = _judged_again(run, source)
        where = self._workspace.settings
        writer = open_writer(where.history, run, state=where.state_dir)
        with self._starting:
            self._writer = writer
            for one in self._waiting:
                writer.add(*one)
            self._waiting.clear()
        if part is not None and part.completes is not None:
            self._take_over(part.completes)
        return run

    def _described(self, planned: int, wanted: int, warnings: Sequence[str], command: Sequence[str]) -> Run:
        """Return the manifest of a whole run, with what is known before its first trial."""
        before = self._before
        run = manifest(self._workspace, self._suites, self._specs, planned=planned, command=command)
        self._suites = ()  # their cases need not be held for the manifest any more
        settings: dict[str, Json] = {**run.settings, "warnings": list(warnings)}
        if before.notes:
            settings["notes"] = list(before.notes)
        run = replace(
            run,
            wanted=wanted,
            settings=settings,
            calibrations=self._calibrations,
            canaries=before.canaries,
        )
        if before.baseline is None:
            return run
        return replace(run, baseline=before.baseline.name, baseline_file=before.baseline.file)

    def _take_over(self, completed: Run) -> None:
        """Store what stays of a run that is completed, no faster than the disk takes it."""
        from swapgate.runs.rerun import taken_over

        for number, one in enumerate(taken_over(self._workspace.settings, completed), start=1):
            self.add(*one)
            if number % _TAKEN_AT_ONCE == 0:
                self.require_open()

    def begin_writing(self) -> None:
        """Open the history in the background; `require_open` tells when it cannot be."""
        assert self._writer is not None
        self._writer.begin()

    def require_open(self) -> None:
        """Open the history, to be done once the first calls are on their way; StoreError when that fails."""
        assert self._writer is not None
        self._writer.require_open()

    def add(self, trial: Trial, facts: Facts, text: str | None = None) -> None:
        """Store one trial, from whatever thread; its facts stay at hand for the end. `text`: see history."""
        self._facts.setdefault((trial.suite, trial.model, trial.repeat), {})[trial.case] = facts
        self._served.add(trial)
        with self._starting:
            if self._writer is None:
                self._waiting.append((trial, facts, text))
                return
        self._writer.add(trial, facts, text)

    def take(self, trial: Trial, facts: Facts, text: str) -> bool:
        """Store a trial that an engine hands on; nobody asks it for the whole of the trial again."""
        self.add(trial, facts, text)
        return False

    def is_behind(self) -> bool:
        """Whether the history has so much to catch up with that no more trials should be begun for now."""
        return self._writer is not None and self._writer.is_behind

    @property
    def baseline(self) -> Sequence[Facts]:
        """The facts of the stored run that is the baseline; empty when there is none."""
        return self._before.baseline.facts if self._before.baseline is not None else ()

    def finish(
        self,
        *,
        why_not_judged: str | None = None,
        stopping: Stopping | None = None,
        shard: Shard | None = None,
    ) -> RunOutcome:
        """Store the run's end, then conclude."""
        return self.conclude(self.end(why_not_judged=why_not_judged, stopping=stopping, shard=shard))

    def conclude(self, ended: Ended) -> RunOutcome:
        """Return what comes of a run whose end is stored."""
        assert self._writer is not None
        from swapgate.analysis.outcome import conclude

        run, facts, why_not_judged = ended

        trials = StoredTrials(
            self._writer.place,
            run.id,
            beside=self._before.baseline.trials if self._before.baseline is not None else (),
            is_fresh=True,
        )
        outcome = conclude(run, trials, facts=[*facts, *self.baseline], why_not_judged=why_not_judged)
        if self.problem is None:
            return outcome
        lacking = f"{_lacking(trials, len(outcome.facts))}. The numbers and the verdict are of all of them"
        return replace(outcome, warnings=(lacking, *outcome.warnings))

    @contextmanager
    def ended_when_stopped(self) -> Iterator[None]:
        """Store the run as one that was broken off, with all that has ended, when the block raises."""
        try:
            yield
        except BaseException:
            self.end(why_not_judged="the run was broken off")
            raise

    def end(
        self, *, why_not_judged: str | None, stopping: Stopping | None = None, shard: Shard | None = None
    ) -> Ended:
        """Store the run's end, whatever it was; `problem` says what could not be stored.

        `shard` is what is known of it by now: under xdist it is the workers who know the selection.
        """
        assert self._writer is not None
        shard = shard or self._writer.run.shard
        if shard is not None:
            shard = replace(shard, problem=why_not_judged or "")
        facts = sorted((one for some in self._facts.values() for one in some.values()), key=_place)
        run = replace(
            self._writer.run,
            finished_at=now(),
            is_complete=len(facts) >= self._writer.run.planned,
            is_partial=why_not_judged is not None or shard is not None,
            stopping=stopping,
            shard=shard,
            served=self._served.models(),
        )
        try:
            self._writer.finish(run, facts=facts)
        except StoreError as error:
            self.problem = error
        return Ended(run, facts, why_not_judged)


def _lacking(trials: StoredTrials, known: int) -> str:
    """Return what of a run the history lacks, when it could not store all of it."""
    try:
        lost = known - len(trials)
    except StoreError:
        return "no trial can be read back from the history, and so none is listed here"
    return f"{lost:,} of the {known:,} trials could not be stored, and are not listed here"


def _judged_again(run: Run, source: Run) -> Run:
    """Return the manifest of a run that judges another one's answers: by whom they are stays.

    They are held against what was locked when they were given.
    """
    answering = {model.name for model in source.models}
    return replace(
        run,
        models=source.models,
        baseline=source.baseline,
        repeats=source.repeats,
        seed=source.seed,
        judge_hashes={**run.judge_hashes, **source.judge_hashes},
        rejudges=source.id,
        locked=(
            *(one for one in run.locked if one.model not in answering),
            *(one for one in source.locked if one.model in answering),
        ),
    )


def calibrations_of(workspace: Workspace, suites: Sequence[ReadySuite]) -> tuple[JudgeCalibration, ...]:
    """Return the calibrations of the run's judges that have a file."""
    settings = workspace.settings
    hashes = judge_hashes(suites)
    calibrated = [judge for judge in hashes if calibration_path(settings.judges_dir, judge)]
    if not calibrated:
        return ()
    from swapgate.spec.calibration import read_calibration

    found = []
    for judge in calibrated:
        calibration = read_calibration(settings.judges_dir, judge, root=settings.root)
        # Rows of a pairwise judge correct no rate.
        if calibration is not None and calibration.rows:
            found.append(_recorded(judge, calibration, warning=calibration.warning(hashes[judge])))
    return tuple(found)


def _recorded(judge: str, calibration: Calibration, *, warning: str) -> JudgeCalibration:
    """Return what a run's record holds of a judge's calibration."""
    from swapgate.spec.calibration import cluster_of

    labels = [
        JudgeLabel(
            model=row.model,
            verdict=row.verdict == "pass",
            truth=row.truth == "pass",
            cluster=repr(cluster_of(row, place)),
        )
        for place, row in enumerate(calibration.rows)
    ]
    return JudgeCalibration(
        judge=judge, design=calibration.spec.design, labels=tuple(labels), warning=warning
    )
