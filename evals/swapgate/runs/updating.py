"""A model's update to another pin: both pins run and compared under pytest, then models.yml and the lock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

from swapgate.analysis.outcome import RunOutcome
from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.errors import ExitCode, StoreError, UsageError
from swapgate.pins import LOCK_FILE
from swapgate.pins.catalogue import PinCatalogue
from swapgate.pins.lock import Lock, lock_text, read_lock
from swapgate.pins.moving import Move
from swapgate.records import Run
from swapgate.reporting.files import write_text
from swapgate.runs.concluded import concluded
from swapgate.runs.locking import lock_now
from swapgate.runs.stored import load_run
from swapgate.runs.under_pytest import Ran, run_pytest, why_no_verdict
from swapgate.spec.prompt_entries import effective
from swapgate.spec.rewriting import unaliased, with_value
from swapgate.spec.settings import Settings
from swapgate.spec.source import Document
from swapgate.values import Value

UpdateAnswer = Literal["moved", "failed", "inconclusive", "could not find out"]
_CODES: Mapping[UpdateAnswer, ExitCode] = {
    "moved": ExitCode.OK,
    "failed": ExitCode.FAILED,
    "inconclusive": ExitCode.INCONCLUSIVE,
    "could not find out": ExitCode.NOT_FOUND_OUT,
}


class Contest(Value):
    """Both pins side by side in one run. `settings` are the workspace's with a models file that has both.

    `candidate` and `baseline` are their names there, `suites` what they are run on.
    """

    move: Move
    settings: Settings
    candidate: str
    baseline: str
    suites: tuple[ReadySuite, ...]

    @property
    def paths(self) -> list[str]:
        """The suites as pytest takes them."""
        root = self.settings.root
        return [suite.loaded.path.relative_to(root).as_posix() for suite in self.suites]


class Updated(Value):
    """What came of it: the run, None where there is none, and why the answer is what it is."""

    answer: UpdateAnswer
    reasons: tuple[str, ...]
    outcome: RunOutcome | None
    ran: Ran

    @property
    def exit_code(self) -> int:
        """What the command ends with; where pytest came to no verdict, its code."""
        if self.answer == "could not find out" and self.ran.code not in {ExitCode.OK, ExitCode.FAILED}:
            return self.ran.code
        if self.answer == "inconclusive" and self.ran.code == ExitCode.TOO_MANY_ERRORS:
            return self.ran.code
        return _CODES[self.answer]


@contextlib.contextmanager
def contest(move: Move, document: Document, settings: Settings, paths: Sequence[Path]) -> Iterator[Contest]:
    """Yield both pins ready to be run; the models file that has both is gone afterwards.

    Without `paths` they are run on the suites that are called as the tasks that move, or on all.
    """
    workspace = Workspace(settings)
    taken = set(workspace.catalogue.names())
    # A task without settings of its own is answered by models that both stand in the file already.
    is_plain = move.before.name != move.entry
    candidate, baseline = (move.to, move.before.name) if is_plain else (move.entry, _free_name(move, taken))
    file = settings.state_dir / "update" / f"{_file_name(move.entry)}.models.yml"
    write_text(file, _both(move, document, None if is_plain else baseline))
    try:
        sides = replace(settings, models_file=file, models=(candidate,), baseline=baseline, locked=False)
        trial = Workspace(sides)
        suites = tuple(_suites(move, trial, paths))
        _refuse_judge(move, trial, suites)
        _refuse_override(move, trial, suites, baseline)
        yield Contest(move=move, settings=sides, candidate=candidate, baseline=baseline, suites=suites)
    finally:
        file.unlink(missing_ok=True)


def run_contest(sides: Contest, arguments: Sequence[str], *, to_stderr: bool = False) -> Updated:
    """Run both pins under pytest and return what the gate says of the new one."""
    settings = sides.settings
    options = [f"--model={sides.candidate}", f"--baseline={sides.baseline}"]
    options += [f"--repeats={settings.repeats}", *sides.paths]
    options += [f"--max-cost={settings.max_cost:g}"] if settings.max_cost is not None else []
    # A models file with both pins is not the one that was locked.
    environ = {"SWAPGATE_MODELS": str(settings.models_file), "SWAPGATE_LOCKED": "false"}

    def is_meant(run: Run) -> bool:
        identity = next((one for one in run.models if one.name == sides.candidate), None)
        return (
            run.baseline == sides.baseline
            and identity is not None
            and identity.model == sides.move.after.model
        )

    ran = run_pytest(
        settings, [*options, *arguments], is_meant=is_meant, to_stderr=to_stderr, environ=environ
    )
    if ran.run is None:
        return Updated(answer="could not find out", reasons=tuple(why_no_verdict(ran)), outcome=None, ran=ran)
    outcome = concluded(*load_run(ran.run.id, settings), settings, warn=lambda _text: None)
    answer, reasons = _answer(ran, outcome)
    return Updated(answer=answer, reasons=tuple(reasons), outcome=outcome, ran=ran)


def write_moved(move: Move, settings: Settings, before: bytes, known: PinCatalogue, *, today: date) -> Path:
    """Write the new pin into models.yml and the lock, and return the lock's path.

    `before` is what stood in models.yml when the pins were run: with another text nothing is written. Where
    the lock cannot be written, models.yml is as it was.
    """
    file = settings.models_file
    if file.read_bytes() != before:
        raise UsageError(
            f"{file}: it was changed while both pins were run, so nothing is written: give the command "
            "again, what was answered is in the cache"
        )
    text = moved_text(move, before.decode("utf-8"), file)
    lock_path = file.parent / LOCK_FILE
    locked = read_lock(lock_path)
    write_text(file, text)
    try:
        now = lock_now(Workspace(settings), known, today=today)
        write_text(lock_path, lock_text(_with_move(locked, now, move)))
    except (StoreError, UsageError):
        write_text(file, before.decode("utf-8"))
        raise
    return lock_path


def moved_text(move: Move, text: str, file: Path) -> str:
    """Return models.yml with the new pin, and nothing else changed."""
    for keys, value in move.changes.items():
        text = with_value(text, keys, value, file=file)
    return text


def _both(move: Move, document: Document, baseline: str | None) -> str:
    """Return a models file with the new pin in its place and, with a name for it, the old one too."""
    import yaml

    data: dict[str, Any] = unaliased(document.data)
    part = _at(data, move.keys[:-1])
    old = unaliased(part[move.keys[-1]])
    for keys, value in move.changes.items():
        _at(data, keys[:-1])[keys[-1]] = value
    if baseline is not None:
        part[baseline] = old if move.is_swap else {**old, "model": move.before.model}
    dumped: str = yaml.safe_dump(data, allow_unicode=True, sort_keys=False)
    return dumped


def _at(data: dict[str, Any], keys: Sequence[str]) -> Any:
    inner: Any = data
    for key in keys:
        inner = inner[key]
    return inner


def _free_name(move: Move, taken: set[str]) -> str:
    """Return what the old pin is called in the run: its id where that can be a name, and is none yet."""
    wanted = move.before.model
    if wanted not in taken and not set(":@/") & set(wanted):
        return wanted
    return next(
        f"{move.entry}-{word}"
        for word in ("before", "as-it-was", "old")
        if f"{move.entry}-{word}" not in taken
    )


def _file_name(entry: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in entry)


def _suites(move: Move, workspace: Workspace, paths: Sequence[Path]) -> list[ReadySuite]:
    """Return the suites to run: those of the paths, those called as the tasks that move, or all."""
    settings = workspace.settings
    found = [workspace.suite(file) for file in workspace.suite_files(paths or settings.cases_dirs)]
    if not found:
        raise UsageError("there is no suite to compare the pins on: `swapgate init` lays one")
    tasks = {name for name in (move.name, *move.also) if name in workspace.catalogue.tasks}
    named = [suite for suite in found if suite.name in tasks]
    is_told = not paths and tasks and len(named) == len(tasks)
    return named if is_told else found


def _refuse_judge(move: Move, workspace: Workspace, suites: Sequence[ReadySuite]) -> None:
    judges = {judge.spec.judge: judge for suite in suites for case in suite.cases for judge in case.judges}
    asking = [name for name, judge in judges.items() if move.entry in workspace.models_of_judge(judge)]
    if asking and not move.is_swap:
        raise UsageError(
            f"{move.entry} is also asked by the judge {', '.join(asking)}, which would change with it, and "
            "nobody could tell which of the two moved the rates: give the judge an entry of its own"
        )


def _refuse_override(move: Move, workspace: Workspace, suites: Sequence[ReadySuite], baseline: str) -> None:
    """Refuse where the old pin would be asked in other words under another name than under its own."""
    for prompt in {suite.prompt.prompt: suite.prompt for suite in suites if suite.prompt}.values():
        if effective(prompt, move.before).hash != effective(prompt, workspace.model(baseline)).hash:
            raise UsageError(
                f"the prompt {prompt.prompt!r} has an override for the name {move.entry!r}, which the old "
                f"pin would not get beside the new one: name it by id ({move.before.model!r}), by a glob "
                "over both ids, or by provider"
            )


def _answer(ran: Ran, outcome: RunOutcome) -> tuple[UpdateAnswer, list[str]]:
    gate = outcome.gate
    if gate.answer == "fail":
        return "failed", [d.reason for d in gate.decisions if d.answer == "fail"] or [gate.reason]
    if ran.code == ExitCode.FAILED:
        return "failed", ["a test failed beside the suites"]
    if gate.answer == "inconclusive":
        return "inconclusive", [d.reason for d in gate.decisions if d.answer == "inconclusive"]
    if gate.answer == "not_judged" or ran.code != ExitCode.OK or ran.is_over_time:
        return "could not find out", why_no_verdict(ran) or [f"the gate was not judged: {gate.reason}"]
    return "moved", [gate.reason]


def _with_move(locked: Lock | None, now: Lock, move: Move) -> Lock:
    """Return the lock with what moved; whatever else changed is for `swapgate models lock`."""
    if locked is None:
        return now
    moved = {move.entry, move.name, move.after.name, *move.also}
    return now.model_copy(
        update={
            "models": {**locked.models, **{n: m for n, m in now.models.items() if n in moved}},
            "tasks": {**locked.tasks, **{n: t for n, t in now.tasks.items() if n in moved}},
        }
    )
