"""Stored runs: found and read, one made the baseline of others, several compared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from swapgate.analysis.covariates import Progress
from swapgate.analysis.outcome import RunOutcome, conclude
from swapgate.analysis.rule_scopes import EVERY_CASE
from swapgate.errors import UsageError, nearest
from swapgate.facts import Facts, facts_of, renamed
from swapgate.memory.history import History, StoredTrials, facts_of_all, has_history, is_shared
from swapgate.records import Json, ModelIdentity, Run, Trial
from swapgate.reporting.report_json import load_report
from swapgate.runs.baseline_file import is_baseline_file, read_baseline
from swapgate.spec.settings import Settings
from swapgate.spec.source import shown_path
from swapgate.values import Value, replace


class StoredRun(Value):
    """One model's part of a stored run, in facts: what a comparison needs of it."""

    run: Run
    model: str
    facts: Sequence[Facts]

    @property
    def name(self) -> str:
        """What it is called on the command line: `MODEL@RUN`."""
        return f"{self.model}@{self.run.id}"


class StoredBaseline(Value):
    """A stored run that is a baseline, called `MODEL@RUN`; `trials` is empty where only facts are kept.

    `file` is where it lies, as seen from the workspace, when that is a baseline's file.
    """

    run: Run
    model: str
    facts: Sequence[Facts]
    trials: Sequence[Trial] = ()
    file: str | None = None

    @property
    def name(self) -> str:
        """What it is called in comparisons."""
        return f"{self.model}@{self.run.id}"


def load_baseline(name: str, settings: Settings) -> StoredBaseline:
    """Return a stored run as the baseline of others, named as for `load_run`."""
    path = settings.root / name
    if not is_baseline_file(path):
        run, trials = load_run(name, settings)
        # A database may be out of reach by the time that reports are made of a run beside it.
        return baseline_of(run, list(trials) if is_shared(settings.history) else trials)
    found = read_baseline(path)
    if found.trials:
        return replace(baseline_of(found.run, found.trials), file=name)
    bare = StoredBaseline(run=found.run, model=found.baseline.model, facts=(), file=name)
    return replace(bare, facts=renamed(found.facts, model=bare.name, role="baseline"))


def baseline_of(run: Run, trials: Sequence[Trial]) -> StoredBaseline:
    """Return a run at hand as the baseline of others; it must hold one model.

    Trials of a model that was a baseline itself count where they are all: the run is named by that model.
    """
    found = facts_of_all(trials)
    own = [one for one in found if one.role == "candidate"] or found
    model = _only_model(run, (one.model for one in own))
    bare = StoredBaseline(run=run, model=model, facts=())
    return replace(
        bare,
        facts=renamed(own, model=bare.name, role="baseline"),
        trials=_called(bare.name, model, trials),
    )


def _called(name: str, model: str, trials: Sequence[Trial]) -> Sequence[Trial]:
    """Return the trials of a model as those of a baseline of this name."""
    if isinstance(trials, StoredTrials):
        return trials.of_model(model, baseline=name)
    return tuple(replace(one, model=name, role="baseline") for one in trials if one.model == model)


def load_run(name: str, settings: Settings) -> tuple[Run, Sequence[Trial]]:
    """Return a stored run and its trials: by the path of a report.json, a run's id, or `latest`.

    `MODEL@RUN` leaves only that model's trials, `@NAME` is the run that was made the baseline of that name.
    Trials of the history are read when they are gone through.
    """
    model, wanted = parted(name, settings)
    trials: Sequence[Trial]
    if _is_report(wanted, settings):
        run, trials = _load_file(settings.root / wanted)
    else:
        with contextlib.closing(open_history(wanted, settings)) as history:
            run = history.find(wanted)
        trials = StoredTrials(settings.history, run.id)
    return run, trials if model is None else _of_one_model(model, run, trials)


def load_facts(name: str, settings: Settings) -> StoredRun:
    """Return one model's part of a stored run, named as for `load_run`; its baseline is left out."""
    model, wanted = parted(name, settings)
    if is_baseline_file(settings.root / wanted):
        found = read_baseline(settings.root / wanted)
        run, facts, model = found.run, list(found.facts), model or found.baseline.model
    elif _is_report(wanted, settings):
        run, trials = load_report(settings.root / wanted)
        facts = [facts_of(trial) for trial in trials]
    else:
        with contextlib.closing(open_history(wanted, settings)) as history:
            run = history.find(wanted)
            facts = history.facts(run.id)
    return one_model(run, facts, model=model)


def one_model(run: Run, facts: Iterable[Facts], *, model: str | None = None) -> StoredRun:
    """Return the named model's part of a run, or that of its only candidate."""
    found = list(facts)
    if model is None:
        found = [f for f in found if f.role == "candidate"]
        model = _only_model(run, (f.model for f in found))
    return StoredRun(run=run, model=model, facts=_of_model(model, run, found))


def join(
    baseline: StoredRun,
    candidates: Sequence[StoredRun],
    *,
    margin: float | None = None,
    progress: Progress | None = None,
) -> RunOutcome:
    """Return what a stored run says against an older one, by the rules of the first candidate's manifest.

    `margin` takes the place of the margin over all suites. Raises UsageError when two runs are the same.
    """
    names = [run.name for run in (baseline, *candidates)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{twice} is named twice: a run is compared with other runs, or other models' parts")
    shown = _shown_names((baseline, *candidates))
    facts = renamed(baseline.facts, model=shown[baseline.name], role="baseline")
    for candidate in candidates:
        facts += renamed(candidate.facts, model=shown[candidate.name], role="candidate")
    first = candidates[0].run
    run = replace(
        first,
        id="-against-".join([first.id, baseline.run.id]),
        models=tuple(_identity(stored, shown[stored.name]) for stored in (baseline, *candidates)),
        baseline=shown[baseline.name],
        stopping=None,
        planned=sum(len(stored.facts) for stored in candidates),
        settings={
            **first.settings,
            "gate": _with_margin(first.settings.get("gate"), margin),
            "warnings": _warnings(candidates),
        },
    )
    why = _why_not_judged((baseline, *candidates))
    return conclude(run, (), facts=facts, why_not_judged=why, progress=progress)


def refuse_other_judges(baseline: StoredRun, candidates: Iterable[StoredRun]) -> None:
    """Raise UsageError where two runs were scored by two judges of one name."""
    known = baseline.run.judge_hashes
    for one in candidates:
        for judge, found in one.run.judge_hashes.items():
            if known.get(judge, found) != found:
                raise UsageError(
                    f"runs {baseline.run.id} and {one.run.id} are by two versions of the judge {judge!r}, "
                    "and verdicts of two judges are not compared. --rejudge has the answers of both judged "
                    "again by today's, and pays for the judge alone"
                )


def why_incomplete(run: Run) -> str:
    """Return why a run lacks some of its planned trials, or an empty string."""
    if run.finished_at is None:
        return "it never ended"
    if run.shard is not None:
        return f"it is shard {run.shard.name}: `swapgate merge` makes one run of the shards"
    if run.stopping is not None and run.stopping.saved_trials:
        return "it stopped early, once its own gate was decided"
    return "only part of its trials was run" if run.is_partial or not run.is_complete else ""


def open_history(name: str, settings: Settings) -> History:
    """Open the workspace's history, which must exist; `name` is what is looked for, or an option."""
    if not has_history(settings.history):
        place = shown_path(Path(settings.history), settings.root)
        what = (
            f"{name}:"
            if name.startswith("--")
            else f"{name!r} is neither a model of models.yml nor a report, and"
        )
        raise UsageError(f"{what} there is no history yet ({place}): `pytest --model=NAME` makes one")
    return History(settings.history)


def parted(name: str, settings: Settings) -> tuple[str | None, str]:
    """Return the model and the run of `MODEL@RUN`, or of a baseline's `@NAME`; others name no model."""
    if name.startswith("@"):
        with contextlib.closing(open_history(name, settings)) as history:
            promoted = history.baseline(name[1:])
        return promoted.model, promoted.run_id
    model, at, run = name.rpartition("@")
    return (model, run) if at and model and not _is_report(name, settings) else (None, name)


def _load_file(path: Path) -> tuple[Run, list[Trial]]:
    if not is_baseline_file(path):
        return load_report(path)
    found = read_baseline(path)
    if not found.trials:
        raise UsageError(
            f"{path}: holds what the trials came to, and none of their texts. Name the run "
            f"{found.run.id}, or write the file with --with-texts"
        )
    return found.run, list(found.trials)


def _is_report(name: str, settings: Settings) -> bool:
    return name.endswith(".json") or (settings.root / name).is_file()


def _of_one_model(model: str, run: Run, trials: Sequence[Trial]) -> Sequence[Trial]:
    if isinstance(trials, StoredTrials) and len(own := trials.of_model(model)):
        return own
    return _of_model(model, run, trials)


_OfModel = TypeVar("_OfModel", Facts, Trial)


def _of_model(model: str, run: Run, trials: Iterable[_OfModel]) -> list[_OfModel]:
    found = list(trials)
    own = [one for one in found if one.model == model]
    if not own:
        known = dict.fromkeys(one.model for one in found)
        listed = ", ".join(known) or "none"
        raise UsageError(f"run {run.id} has no model {model!r}.{nearest(model, known)} It holds: {listed}")
    return own


def _only_model(run: Run, models: Iterable[str]) -> str:
    """Return the one model of a run; UsageError when there are several or none."""
    names = list(dict.fromkeys(models))
    if len(names) == 1:
        return names[0]
    if not names:
        raise UsageError(f"run {run.id} holds no trial of a model under test")
    listed = ", ".join(f"{name}@{run.id}" for name in names)
    raise UsageError(f"run {run.id} holds {len(names)} models, and one is wanted: name it, as {listed}")


def _shown_names(runs: Sequence[StoredRun]) -> dict[str, str]:
    """Return what reports call each run: its model, or `MODEL@RUN` where several are of one model."""
    models = [stored.model for stored in runs]
    return {s.name: s.model if models.count(s.model) == 1 else s.name for s in runs}


def _identity(stored: StoredRun, shown: str) -> ModelIdentity:
    unknown = ModelIdentity(name=shown, provider="unknown", model=stored.model)
    known = next((m for m in stored.run.models if m.name == stored.model), unknown)
    return replace(known, name=shown)


def _warnings(runs: Iterable[StoredRun]) -> Json:
    """Return what was said before the runs of all candidates, each sentence once."""
    written = (stored.run.settings.get("warnings") for stored in runs)
    return list(dict.fromkeys(str(text) for texts in written if isinstance(texts, list) for text in texts))


def _with_margin(gate: Json, margin: float | None) -> Json:
    if margin is None:
        return gate
    if gate == EVERY_CASE:
        raise UsageError("--margin: the run's gate over all suites is every-case, which takes no margin")
    return {**gate, "margin": margin} if isinstance(gate, dict) else {"margin": margin}


def _why_not_judged(runs: Iterable[StoredRun]) -> str | None:
    reasons = (f"run {s.run.id} is not complete: {why}" for s in runs if (why := why_incomplete(s.run)))
    return next(reasons, None)
