"""Reads a whole workspace and gathers every mistake in it, where a run would stop at the first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from swapgate.engine.trial import relative_path
from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.errors import PromptError, SpecError, UsageError, nearest
from swapgate.reporting.format import count
from swapgate.spec.calibration import read_calibration
from swapgate.spec.calibration_files import is_calibration
from swapgate.spec.models import ModelSpec
from swapgate.spec.pointers import pointer_of
from swapgate.spec.prompts import render
from swapgate.spec.read_suites import is_fragment, read_suite
from swapgate.spec.source import read_yaml

_YAML = {".yml", ".yaml"}
_OF_A_MACHINE = {"local", "python", "recorded"}


@dataclass(slots=True)
class Findings:
    """Every mistake once, in the order found, and how much was read of each kind of thing.

    `quarantines` are no mistakes, but should not be forgotten.
    """

    mistakes: dict[str, None] = field(default_factory=dict)
    quarantines: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note a user's mistake inside the block and go on behind it."""
        try:
            yield
        except SpecError as exc:
            self.mistakes |= dict.fromkeys(map(str, exc.each()))
        except UsageError as exc:
            self.mistakes.setdefault(str(exc))


def examine(workspace: Workspace, paths: Sequence[Path]) -> Findings:
    """Read everything, open the models under test, render every case for every model."""
    found = Findings()
    models = _models(workspace, found)
    prompts = workspace.prompts.names()
    for name in prompts:
        with found.noting():
            workspace.prompts.get(name)
    judges = _judges(workspace, found)
    files = _suite_files(workspace, paths, found)
    suites = _suites(workspace, files, found)
    if not paths and not found.mistakes:
        _refuse_unread(workspace, suites, found)
    asyncio.run(_open(workspace, suites, models, found))
    for suite in suites:
        found.mistakes |= dict.fromkeys(_unfilled(suite, models))
    found.quarantines += [line for suite in suites for line in _quarantines(suite)]
    found.counts |= {
        "suite": len(files),
        "case": sum(len(suite.cases) for suite in suites) + _left_out(workspace, files, suites),
        "prompt": len(prompts),
        "judge": judges,
        "model": len(models),
    }
    return found


def _quarantines(suite: ReadySuite) -> Iterator[str]:
    """Yield the cases that do not count, until when, and those that count again."""
    for case in suite.cases:
        placed, written = case.placed, case.placed.case.quarantine
        if written is not None:
            where = f"{relative_path(placed.path, suite.root)}:{placed.line}: case {placed.case.id!r}"
            said = "is in quarantine until" if case.quarantine else "counts again: its quarantine ended on"
            yield f"{where} {said} {written.until} ({written.by}: {written.reason})"


def _models(workspace: Workspace, found: Findings) -> list[ModelSpec]:
    """Return the models to render for: those under test, or else all of the catalogue."""
    with found.noting():
        names = [name for name, _role in workspace.roles()] or workspace.catalogue.names()
        models = []
        for name in names:
            with found.noting():
                models.append(workspace.model(name))
        return models
    return []


def _judges(workspace: Workspace, found: Findings) -> int:
    """Read every judge and its calibration; return how many judges there are."""
    folder = workspace.settings.judges_dir
    files = sorted(f for f in folder.glob("*") if f.suffix in _YAML and not is_calibration(f))
    for file in files:
        with found.noting():
            read_calibration(folder, file.stem, root=workspace.settings.root)
        with found.noting():
            workspace.judge(file.stem)
    _refuse_strays(workspace, [file.stem for file in files], found)
    return len(files)


def _refuse_strays(workspace: Workspace, judges: Sequence[str], found: Findings) -> None:
    """Note every calibration of which there is no judge: nothing would ever read it."""
    settings = workspace.settings
    for file in sorted(filter(is_calibration, settings.judges_dir.glob("*"))):
        judge = file.stem.removesuffix(".calibration")
        if judge not in judges:
            shown = relative_path(file, settings.root)
            found.mistakes.setdefault(f"{shown}: there is no judge {judge!r}.{nearest(judge, judges)}")


def _suites(workspace: Workspace, files: Sequence[Path], found: Findings) -> list[ReadySuite]:
    suites = []
    for file in files:
        with found.noting():
            suites.append(workspace.suite(file))
    return suites


def _left_out(workspace: Workspace, files: Sequence[Path], suites: Sequence[ReadySuite]) -> int:
    """Return how many cases are in suites with mistakes, as far as they can be read."""
    cases = 0
    for file in set(files).difference(suite.loaded.path for suite in suites):
        with suppress(UsageError):
            cases += len(read_suite(file, root=workspace.settings.root).cases)
    return cases


def _suite_files(workspace: Workspace, paths: Sequence[Path], found: Findings) -> list[Path]:
    """Return the suite files among the paths, or all; a path that names none is a mistake."""
    settings = workspace.settings
    if not paths:
        return workspace.suite_files(settings.cases_dirs)
    files: list[Path] = []
    for path in paths:
        below = workspace.suite_files([path.absolute()]) if path.exists() else []
        if not below:
            folders = ", ".join(relative_path(folder, settings.root) for folder in settings.cases_dirs)
            found.mistakes.setdefault(f"{path}: no suite there. Suites are YAML files below {folders}")
        files += below
    return list(dict.fromkeys(files))


def _refuse_unread(workspace: Workspace, suites: Sequence[ReadySuite], found: Findings) -> None:
    """Note what lies among the suites and is read by none: it looks like cases that every run has."""
    read = {case.placed.path.resolve() for suite in suites for case in suite.cases}
    files = {file for folder in workspace.settings.cases_dirs for file in folder.rglob("*")}
    # Hidden ones are an editor's.
    for file in sorted(f for f in files if f.suffix in _YAML and not f.name.startswith(".")):
        shown = relative_path(file, workspace.settings.root)
        with found.noting():
            if file.is_symlink() and not file.exists():
                raise UsageError(f"{shown}: the link leads nowhere: no run has its cases")
            if file.is_file() and file.resolve() not in read and _is_list_of_cases(file):
                raise UsageError(
                    f"{shown}: no suite reads these cases: name the file in the `cases_from` of one, "
                    "or write `suite:` and `cases:` above them"
                )


def _is_list_of_cases(file: Path) -> bool:
    data = read_yaml(file).data if is_fragment(file) else None
    return isinstance(data, list) and all(isinstance(one, dict) and "id" in one for one in data)


async def _open(
    workspace: Workspace, suites: Sequence[ReadySuite], models: Sequence[ModelSpec], found: Findings
) -> None:
    """Open every model that a run would ask: that checks providers, addresses and files without a call.

    Without a model under test all of the catalogue but those whose files and code another machine may have.
    """
    from swapgate.providers.http_client import open_http
    from swapgate.providers.open import open_provider

    specs: dict[str, ModelSpec] = {}
    if workspace.candidates:
        with found.noting():
            specs = workspace.models_of(case for suite in suites for case in suite.cases)
    else:
        specs = {model.name: model for model in models if model.provider not in _OF_A_MACHINE}
    async with open_http(concurrency=1, timeout_s=workspace.settings.timeout_s) as http:
        for name, spec in specs.items():
            with found.noting():
                try:
                    provider = open_provider(spec, http=http, root=workspace.settings.root)
                except UsageError as exc:
                    raise _place(exc, workspace, name) from exc
                await provider.close()


def _place(error: UsageError, workspace: Workspace, name: str) -> UsageError:
    """Point at the model's entry in models.yml, where it has one."""
    if isinstance(error, SpecError) or name not in workspace.catalogue.models:
        return error
    return read_yaml(workspace.settings.models_file).error(str(error), pointer_of(["models", name]))


@dataclass(slots=True)
class _Unfilled:
    """One reason why a prompt cannot be filled: the first place, and for which cases and models."""

    first: SpecError
    cases: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        others = [count(len(self.cases) - 1, "more case"), count(len(self.models) - 1, "more model")]
        also = " and ".join(other for other in others if not other.startswith("0 "))
        return f"{self.first} (also for {also})" if also else str(self.first)


def _unfilled(suite: ReadySuite, models: Sequence[ModelSpec]) -> Iterator[str]:
    """Render every case for every model; yield what cannot be rendered, once a reason."""
    reasons: dict[str, _Unfilled] = {}
    for case, model in product(suite.cases, models):
        placed = case.placed
        try:
            render(suite.prompt, model=model, variables=placed.case.input, messages=placed.case.messages)
        except PromptError as exc:
            shown = relative_path(placed.path, suite.root)
            error = SpecError(f"case {placed.case.id!r}: {exc}", path=shown, line=placed.line)
            reason = reasons.setdefault(str(exc.__cause__ or exc), _Unfilled(first=error))
            reason.cases.add(placed.case.id)
            reason.models.add(model.name)
    yield from map(str, reasons.values())
