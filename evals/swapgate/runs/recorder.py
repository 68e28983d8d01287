"""One run's record: its manifest, its trials as they end, and what is concluded from them."""

from __future__ import annotations

import platform
import secrets
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import swapgate
from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.errors import StoreError
from swapgate.facts import Facts, facts_of
from swapgate.memory.history import HISTORY_FILE, HistoryWriter, StoredTrials
from swapgate.providers.open import file_sha256
from swapgate.records import (
    Json,
    JudgeCalibration,
    JudgeCanaries,
    JudgeLabel,
    ModelIdentity,
    Run,
    Shard,
    Stopping,
    Trial,
)
from swapgate.runs.parts import Part
from swapgate.spec.calibration import cluster_of, read_calibration
from swapgate.spec.models import ModelSpec
from swapgate.spec.suite import GateEntry, GateSpec

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What is known of a run before its first trial, and what that has cost. In US dollars.

    `baseline` are the trials of the stored run that it is compared with, `notes` are said with the gate.
    """

    baseline: tuple[Trial, ...] = ()
    canaries: tuple[JudgeCanaries, ...] = ()
    notes: tuple[str, ...] = ()
    paid_usd: float = 0.0


class Recorder:
    """Keeps everything about a run; `start` before the first trial, `finish` after the last."""

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
        self._facts: dict[tuple[str, str, str, int], Facts] = {}
        self._before = before or Before()
        self._calibrations = _calibrations(workspace, suites)
        self.problem: StoreError | None = None
        self._writer: HistoryWriter | None = None

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
    ) -> Run:
        """Write the manifest; `warnings` were said before the first call, and reports say them again.

        `planned` of the `wanted` trials are this process's. A `part` that completes a run adds that run's.
        `source` is the run whose stored answers are judged again, its judges are those that are not asked.
        """
        run = manifest(self._workspace, self._suites, self._specs, planned=planned)
        settings: dict[str, Json] = {**run.settings, "warnings": list(warnings)}
        if self._before.notes:
            settings["notes"] = list(self._before.notes)
        run = replace(
            run,
            wanted=wanted,
            settings=settings,
            calibrations=self._calibrations,
            canaries=self._before.canaries,
        )
        if part is not None and part.completes is not None:
            run = replace(run, planned=part.completes.planned, completes=part.completes.id)
        elif part is not None:
            run = replace(run, shard=part.shard)
        if self._before.baseline:
            run = replace(run, baseline=self._before.baseline[0].model)
        if source is not None:
            run = _judged_again(run, source)
        self._writer = HistoryWriter(self._workspace.settings.state_dir / HISTORY_FILE, run)
        for trial in part.carried if part is not None else ():
            self.add(trial, facts_of(trial))
        return run

    def require_open(self) -> None:
        """Open the history, to be done once the first calls are on their way; StoreError when that fails."""
        assert self._writer is not None
        self._writer.require_open()

    def add(self, trial: Trial, facts: Facts, text: str | None = None) -> None:
        """Store one trial, from whatever thread; its facts stay at hand for the end. `text`: see history."""
        assert self._writer is not None
        self._facts[trial.suite, trial.case, trial.model, trial.repeat] = facts
        self._writer.add(trial, facts, text)

    @property
    def baseline(self) -> tuple[Trial, ...]:
        """The trials of the stored run that is the baseline; empty when there is none."""
        return self._before.baseline

    def finish(
        self,
        *,
        why_not_judged: str | None = None,
        stopping: Stopping | None = None,
        shard: Shard | None = None,
    ) -> RunOutcome:
        """Store the run's end, whatever it was, then conclude; `problem` says what could not be stored.

        `shard` is what is known of it by now: under xdist it is the workers who know the selection.
        """
        from swapgate.analysis.outcome import conclude

        assert self._writer is not None
        shard = shard or self._writer.run.shard
        if shard is not None:
            shard = replace(shard, problem=why_not_judged or "")
        run = replace(
            self._writer.run,
            finished_at=_now(),
            is_complete=len(self._facts) >= self._writer.run.planned,
            is_partial=why_not_judged is not None or shard is not None,
            stopping=stopping,
            shard=shard,
        )
        try:
            self._writer.finish(run, facts=self._facts.values())
        except StoreError as error:
            self.problem = error
        return conclude(
            run,
            StoredTrials(self._writer.place, run.id, beside=self._before.baseline),
            facts=[*(self._facts[key] for key in sorted(self._facts)), *map(facts_of, self._before.baseline)],
            why_not_judged=why_not_judged,
        )


def manifest(
    workspace: Workspace, suites: Sequence[ReadySuite], specs: Mapping[str, ModelSpec], *, planned: int
) -> Run:
    """Return the record of a run that begins now."""
    settings = workspace.settings
    asked = (judge for suite in suites for case in suite.cases for judge in case.judges)
    judges = dict.fromkeys(name for judge in asked for name in workspace.models_of_judge(judge))
    roles = [name for name, _role in workspace.roles()]
    commit, is_dirty = _git_state(settings.root)
    return Run(
        id=new_id(),
        started_at=_now(),
        models=tuple(_identity(name, specs[name], settings.root) for name in roles),
        judges=tuple(_identity(name, specs[name], settings.root) for name in judges if name in specs),
        judge_hashes=judge_hashes(suites),
        baseline=workspace.baseline_model,
        repeats=settings.repeats,
        suites=tuple(suite.name for suite in suites),
        suite_hashes={suite.name: suite.loaded.content_hash for suite in suites},
        planned=planned,
        seed=workspace.seed,
        shard=Shard(number=settings.shard[0], count=settings.shard[1]) if settings.shard else None,
        git_commit=commit,
        git_dirty=is_dirty,
        versions={
            "swapgate": swapgate.__version__,
            "python": platform.python_version(),
            "pytest": version("pytest"),
        },
        settings={
            "concurrency": settings.concurrency,
            "retries": settings.retries,
            "hedge": settings.hedge,
            "timeout_s": settings.timeout_s,
            "cache": settings.cache,
            "max_cost": settings.max_cost,
            "gate": _gate(settings.gate),
            "suite_gates": {suite.name: _gate(suite.loaded.suite.gate) for suite in suites},
        },
    )


def _judged_again(run: Run, source: Run) -> Run:
    """Return the manifest of a run that judges another one's answers: by whom they are stays."""
    return replace(
        run,
        models=source.models,
        baseline=source.baseline,
        repeats=source.repeats,
        seed=source.seed,
        judge_hashes={**run.judge_hashes, **source.judge_hashes},
        rejudges=source.id,
    )


def new_id() -> str:
    """Return an id that no other run has; ids sort by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _calibrations(workspace: Workspace, suites: Sequence[ReadySuite]) -> tuple[JudgeCalibration, ...]:
    """Return the calibrations of the run's judges that have a file."""
    settings = workspace.settings
    found = []
    for judge, judge_hash in judge_hashes(suites).items():
        calibration = read_calibration(settings.judges_dir, judge, root=settings.root)
        # Rows of a pairwise judge correct no rate.
        if calibration is not None and calibration.rows:
            found.append(
                JudgeCalibration(
                    judge=judge,
                    design=calibration.spec.design,
                    labels=tuple(
                        JudgeLabel(
                            model=row.model,
                            verdict=row.verdict == "pass",
                            truth=row.truth == "pass",
                            cluster=repr(cluster_of(row, place)),
                        )
                        for place, row in enumerate(calibration.rows)
                    ),
                    warning=calibration.warning(judge_hash),
                )
            )
    return tuple(found)


def judge_hashes(suites: Iterable[ReadySuite]) -> dict[str, str]:
    """Return the definition hash of each judge of the suites."""
    return {j.spec.judge: j.definition_hash for suite in suites for case in suite.cases for j in case.judges}


def _gate(gate: GateEntry | None) -> Json:
    return gate.model_dump(exclude_none=True) if isinstance(gate, GateSpec) else gate


def _identity(name: str, spec: ModelSpec, root: Path) -> ModelIdentity:
    return ModelIdentity(
        name=name,
        provider=spec.provider,
        model=spec.model,
        base_url=spec.base_url,
        api_version=spec.api_version,
        params=spec.params,
        file_sha256=file_sha256(spec, root),
    )


def _git_state(root: Path) -> tuple[str | None, bool | None]:
    """Return the commit and whether tracked files differ from it; None outside of git."""
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no") if commit else None
    return commit or None, None if changes is None else bool(changes)


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", *arguments],  # noqa: S607 - whichever git the user has
            cwd=root,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
