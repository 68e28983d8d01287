"""One run's record: its manifest, its trials as they end, and what is concluded from them."""

from __future__ import annotations

import contextlib
import platform
import secrets
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import swapgate
from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.errors import StoreError, UsageError
from swapgate.facts import Facts, facts_of
from swapgate.history import HISTORY_FILE, HistoryWriter, StoredTrials
from swapgate.parts import Part
from swapgate.providers.open import file_sha256
from swapgate.records import Json, JudgeCalibration, JudgeLabel, ModelIdentity, Run, Shard, Stopping, Trial
from swapgate.spec.calibration import cluster_of, read_calibration
from swapgate.spec.models import ModelSpec
from swapgate.spec.suite import GateEntry, GateSpec

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome


class Recorder:
    """Keeps everything about a run; `start` before the first trial, `finish` after the last."""

    def __init__(
        self, workspace: Workspace, suites: Sequence[ReadySuite], specs: Mapping[str, ModelSpec]
    ) -> None:
        self._workspace = workspace
        self._suites = suites
        self._specs = specs
        self._facts: dict[tuple[str, str, str, int], Facts] = {}
        self._baseline = _stored_baseline(workspace, suites)
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
        self, *, planned: int, wanted: int = 0, warnings: Sequence[str] = (), part: Part | None = None
    ) -> Run:
        """Write the manifest; `warnings` were said before the first call, and reports say them again.

        `planned` of the `wanted` trials are this process's. A `part` that completes a run adds that run's.
        """
        run = manifest(self._workspace, self._suites, self._specs, planned=planned)
        settings: dict[str, Json] = {**run.settings, "warnings": list(warnings)}
        run = replace(run, wanted=wanted, settings=settings, calibrations=self._calibrations)
        if part is not None and part.completes is not None:
            run = replace(run, planned=part.completes.planned, completes=part.completes.id)
        elif part is not None:
            run = replace(run, shard=part.shard)
        if self._baseline:
            run = replace(run, baseline=self._baseline[0].model)
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
        return self._baseline

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
            self._writer.finish(run)
        except StoreError as error:
            self.problem = error
        return conclude(
            run,
            StoredTrials(self._writer.path, run.id, beside=self._baseline),
            facts=[*(self._facts[key] for key in sorted(self._facts)), *map(facts_of, self._baseline)],
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
        judge_hashes=_judge_hashes(suites),
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


def new_id() -> str:
    """Return an id that no other run has; ids sort by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _calibrations(workspace: Workspace, suites: Sequence[ReadySuite]) -> tuple[JudgeCalibration, ...]:
    """Return the calibrations of the run's judges that have a file."""
    settings = workspace.settings
    found = []
    for judge, judge_hash in _judge_hashes(suites).items():
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


def _judge_hashes(suites: Iterable[ReadySuite]) -> dict[str, str]:
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


def _stored_baseline(workspace: Workspace, suites: Sequence[ReadySuite]) -> tuple[Trial, ...]:
    """Return the trials of the stored run that `--baseline` names; none when it names a model."""
    name = workspace.settings.baseline
    if name is None or workspace.baseline_model is not None:
        return ()
    from swapgate.stored import as_baseline, load_run, why_incomplete

    if name == "latest":
        name = _latest_baseline(workspace, suites)
    run, trials = load_run(name, workspace.settings)
    if reason := why_incomplete(run):
        raise UsageError(f"run {run.id} is no baseline: {reason}. Choose a complete run")
    for judge, judge_hash in _judge_hashes(suites).items():
        if run.judge_hashes.get(judge, judge_hash) != judge_hash:
            raise UsageError(
                f"run {run.id} is no baseline: the judge {judge!r} has changed since, and verdicts of two "
                "judges are not compared. Name the baseline's model instead: it is run beside, and what is "
                "cached of it costs nothing"
            )
    return as_baseline(run, trials)


def _latest_baseline(workspace: Workspace, suites: Sequence[ReadySuite]) -> str:
    """Return the newest complete run of one other model that covers these suites."""
    from swapgate.stored import open_history

    wanted = {suite.name for suite in suites}
    with contextlib.closing(open_history("latest", workspace.settings)) as history:
        for run in history.runs():
            names = {model.name for model in run.models} - {run.baseline}
            is_whole = run.is_complete and not run.is_partial and wanted <= set(run.suites)
            if is_whole and len(names) == 1 and not names & set(workspace.candidates):
                return run.id
    raise UsageError(
        f"--baseline=latest: the history has no complete run of {', '.join(sorted(wanted))} by one model "
        f"other than {', '.join(workspace.candidates)}. Name a run, or a model to run beside"
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
