"""`swapgate prompt audit`: how every prompt travels to other models, and which overrides earn their keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import (
    DryRunOption,
    JsonOption,
    LiveOption,
    MaxCostOption,
    PagesOption,
    RepeatsOption,
    ReplayOption,
    RootOption,
    cache_mode,
    open_settings,
    page_formats,
    verbose_option,
)
from swapgate.cli.output import live_line, print_json, shown, warn
from swapgate.errors import ExitCode, StoreError, UsageError

if TYPE_CHECKING:
    from swapgate.engine.workspace import ReadySuite, Workspace
    from swapgate.prompting.auditing.audit import Audit
    from swapgate.prompting.auditing.plan import Planned
    from swapgate.prompting.auditing.shifts import Floors
    from swapgate.spec.settings import Settings


def audit_prompts(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Prompts. Default: all that a suite uses.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            metavar="A,B,...",
            help="The models; the first is the one that others are held against.",
        ),
    ] = None,
    *,
    runs: Annotated[
        list[str] | None,
        typer.Option("--runs", metavar="RUN", help="Read a stored run, ask nothing; repeat for several."),
    ] = None,
    repeats: RepeatsOption = None,
    floor: Annotated[
        float,
        typer.Option(
            "--floor", min=0.0, max=1.0, metavar="SHARE", help="Rates that differ by less are no matter."
        ),
    ] = 0.05,
    length_floor: Annotated[
        float,
        typer.Option(
            "--length-floor", min=1.0, metavar="TIMES", help="Nor are lengths that differ by fewer times."
        ),
    ] = 1.5,
    max_cost: MaxCostOption = None,
    formats: PagesOption = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="Give every model the base prompt, without overrides.")
    ] = False,
    no_ablation: Annotated[
        bool, typer.Option("--no-ablation", help="Do not ask the cases again without each override.")
    ] = False,
    dry_run: DryRunOption = False,
    live: LiveOption = False,
    replay: ReplayOption = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 when a prompt differs, or an override does not earn."),
    ] = False,
    verbose: Annotated[int, verbose_option("every measure, every kind of failure, how to read it")] = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Ask every prompt's cases of several models: which prompts differ, how they fail, which overrides pay.

    Overrides are tried by asking the same cases without them. Nothing is gated and no run is stored; answers
    are cached as those of any run.
    """
    from swapgate.engine.workspace import Workspace
    from swapgate.prompting.auditing.audit import ask
    from swapgate.prompting.auditing.plan import plan
    from swapgate.prompting.auditing.shifts import Floors

    wanted = page_formats(formats)
    chosen = _models(models)
    settings = open_settings(
        root,
        model=chosen[1:] or chosen,
        repeats=repeats,
        max_cost=max_cost,
        cache=cache_mode(live=live, replay=replay),
    )
    # What the settings say of baselines is about runs: here the first model is the base.
    workspace = Workspace(replace(settings, baseline=chosen[0] if chosen[1:] else None))
    suites = [workspace.suite(path) for path in workspace.suite_files(settings.cases_dirs)]
    floors = Floors(rate=floor, length=length_floor)
    planned = plan(workspace, suites, names=names or (), is_bare=bare, ablates=not (bare or no_ablation))
    if runs:
        if dry_run or bare:
            raise UsageError("--runs reads what was asked: leave out --dry-run and --bare")
        audit = _of_runs(runs, chosen, planned, suites, settings=settings, floors=floors)
    elif dry_run:
        return _forecast(workspace, planned, as_json=as_json)
    else:
        with live_line() as draw:
            audit = ask(workspace, planned, floors=floors, is_bare=bare, draw=draw)
    paths = _written(audit, settings.reports_dir, wanted)
    _print(audit, paths, verbose=verbose, as_json=as_json)
    is_clean = not audit.differing and all(keep.answer != "does not" for keep in audit.keeps)
    return audit.exit_code or (ExitCode.FAILED if strict and not is_clean else ExitCode.OK)


def _models(written: Sequence[str] | None) -> list[str]:
    """Return the models in their order; UsageError without any, or with one named twice."""
    names = [name.strip() for text in written or () for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError("no models: name them with --models, the one in production first: --models old,new")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"--models names {twice!r} twice")
    return names


def _of_runs(
    runs: Sequence[str],
    models: Sequence[str],
    planned: Planned,
    suites: Sequence[ReadySuite],
    *,
    settings: Settings,
    floors: Floors,
) -> Audit:
    """Return the audit of stored runs; UsageError where they lack one of the models, or hold it twice."""
    from swapgate.prompting.auditing.audit import of_stored
    from swapgate.runs.stored import load_run

    trials, holders = [], dict[str, str]()
    for name in runs:
        run, found = load_run(name, settings)
        for model in dict.fromkeys(trial.model for trial in found if trial.model in models):
            if model in holders:
                raise UsageError(
                    f"--runs: {model!r} is in {holders[model]} and in {run.id}: name one as {model}@{run.id}"
                )
            holders[model] = run.id
        trials += [t for t in found if t.model in models and t.prompt in planned.prompts]
    if absent := [name for name in models if name not in holders]:
        raise UsageError(f"--runs: {', '.join(absent)} is in none of {', '.join(runs)}")
    return of_stored(
        trials,
        models=models,
        suites=suites,
        uses=planned.overrides,
        runs=tuple(dict.fromkeys(holders.values())),
        floors=floors,
    )


def _forecast(workspace: Workspace, planned: Planned, *, as_json: bool) -> int:
    from swapgate.engine.forecasting import forecast
    from swapgate.runs.forecast_lines import forecast_lines

    found = forecast(workspace, [job for _arm, job in planned.jobs])
    if as_json:
        print_json(found.to_json())
        return ExitCode.OK
    for line in forecast_lines(found, workspace.settings):
        typer.echo(line.rstrip())
    return ExitCode.OK


def _written(audit: Audit, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the reports; one that cannot be written is told, and keeps nobody from the others."""
    from swapgate.reporting.prompt_audit import write_audit

    paths = []
    for name in formats:
        try:
            paths.append(write_audit(audit, folder, name))
        except StoreError as exc:
            warn(str(exc))
    return paths


def _print(audit: Audit, paths: Sequence[Path], *, verbose: int, as_json: bool) -> None:
    if as_json:
        from swapgate.reporting.prompt_audit import audit_json

        print_json({**audit_json(audit), "reports": [shown(path) for path in paths]})
        return
    from swapgate.reporting.words.prompt_audit import audit_lines

    *lines, last = audit_lines(audit, verbose=verbose)
    for line in (*lines, *(f"report: {shown(path)}" for path in paths), last):
        typer.echo(line)
