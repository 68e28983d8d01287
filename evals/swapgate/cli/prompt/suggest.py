"""`swapgate prompt suggest`: an override proposed by a model, reported on cases that it never saw."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapgate.cli.options import (
    DryRunOption,
    JsonOption,
    LiveOption,
    MaxCostOption,
    RepeatsOption,
    ReplayOption,
    RootOption,
    cache_mode,
    open_settings,
)
from swapgate.cli.output import live_line, print_json, shown
from swapgate.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from swapgate.engine.judging_only import Draw
    from swapgate.engine.workspace import ReadySuite, Workspace
    from swapgate.prompting.suggesting.halves import Halves
    from swapgate.prompting.suggesting.suggest import Suggesting, Suggestion
    from swapgate.spec.prompt_entries import Prompt

_YAML = {".yml", ".yaml"}
_TOLD = (
    "prompt", "model", "proposer", "training_cases", "held_out_cases", "chosen", "paid_usd", "problem",
)  # fmt: skip


def suggest_override(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A prompt that a suite uses.")],
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="The model that it is for.")],
    proposer: Annotated[
        str | None,
        typer.Option("--with", metavar="NAME", help="The model that proposes. Default: --model."),
    ] = None,
    tries: Annotated[
        int, typer.Option("--tries", min=1, max=50, metavar="N", help="How many proposals are asked for.")
    ] = 3,
    *,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Where to. Default: prompts/suggested/NAME.MODEL.yml."),
    ] = None,
    repeats: RepeatsOption = None,
    max_cost: MaxCostOption = None,
    dry_run: DryRunOption = False,
    live: LiveOption = False,
    replay: ReplayOption = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Let a model propose an override, choose on one half of the cases, and gate it on the other half.

    No file is overwritten: the override is shown as a diff and written to a file that nothing reads. Exits
    with the gate's code, or with 10 when there is nothing to suggest.
    """
    from swapgate.engine.workspace import Workspace
    from swapgate.prompting.suggesting.file import free_path
    from swapgate.prompting.suggesting.halves import halves
    from swapgate.prompting.suggesting.suggest import Suggesting

    settings = open_settings(
        root,
        model=[model],
        repeats=repeats,
        max_cost=max_cost,
        cache=cache_mode(live=live, replay=replay),
    )
    workspace = Workspace(replace(settings, baseline=None))
    suites = [
        suite
        for suite in map(workspace.suite, workspace.suite_files(settings.cases_dirs))
        if suite.prompt is not None and suite.prompt.prompt == name
    ]
    prompt = _prompt(workspace, suites, name)
    path = free_path(settings.prompts_dir, name, model) if to is None else to
    if path.exists():
        raise UsageError(f"--to {str(to)!r}: already there, and nothing is overwritten: name another file")
    found = halves(name, suites)
    _refuse_too_few(found, name)
    suggesting = Suggesting(workspace, prompt, workspace.model(model), found, proposer=proposer or model)
    if dry_run:
        return _forecast(workspace, suggesting, tries=tries, as_json=as_json)
    with live_line() as draw:
        suggestion = _suggested(suggesting, workspace, suites, tries=tries, draw=draw)
    written = _write(suggestion, workspace, suites, path)
    _print(suggestion, prompt, workspace, written, as_json=as_json)
    return _exit_code(suggestion)


def _prompt(workspace: Workspace, suites: list[ReadySuite], name: str) -> Prompt:
    """Return the prompt; UsageError where no suite has a case for it."""
    for suite in suites:
        if suite.prompt is not None:
            return suite.prompt
    workspace.prompts.get(name)  # says what is wrong with the name
    raise UsageError(f"no suite uses the prompt {name!r}, so there is no case to try an override on")


def _refuse_too_few(found: Halves, name: str) -> None:
    for cases, half in ((found.training, "to learn from"), (found.held_out, "to report on")):
        if not cases:
            total = len(found.training) + len(found.held_out)
            raise UsageError(
                f"the cases of {name!r} ({total}) leave none {half}: a hash splits them, clusters "
                "stay whole. Add cases"
            )


def _forecast(workspace: Workspace, suggesting: Suggesting, *, tries: int, as_json: bool) -> int:
    """Print the most that it would take: every proposal tried, and one of them on the other half too."""
    from swapgate.engine.forecasting import forecast
    from swapgate.runs.forecast_lines import forecast_lines

    plan = forecast(workspace, suggesting.most_jobs(tries=tries))
    if as_json:
        print_json(plan.to_json())
        return ExitCode.OK
    for line in forecast_lines(plan, workspace.settings):
        typer.echo(line.rstrip())
    return ExitCode.OK


def _suggested(
    suggesting: Suggesting, workspace: Workspace, suites: list[ReadySuite], *, tries: int, draw: Draw
) -> Suggestion:
    """Return the suggestion, gated as a run of these suites is: by their rules, canaries and calibrations."""
    from swapgate.runs.manifest import manifest
    from swapgate.runs.prelude import before_trials
    from swapgate.runs.recorder import calibrations_of

    cases = [case for suite in suites for case in suite.cases]
    specs = suggesting.models(cases)
    before = before_trials(workspace, suites, cases, draw=draw)
    run = replace(
        manifest(workspace, suites, specs, planned=0),
        canaries=before.canaries,
        calibrations=calibrations_of(workspace, suites),
    )
    return suggesting.run(run, tries=tries, spent_usd=before.paid_usd, draw=draw)


def _write(found: Suggestion, workspace: Workspace, suites: list[ReadySuite], path: Path) -> Path | None:
    from swapgate.prompting.suggesting.file import file_text
    from swapgate.reporting.files import write_text

    if found.override is None:
        return None
    is_inline = any(not isinstance(suite.loaded.suite.prompt, str) for suite in suites)
    source = suites[0].loaded.path if is_inline else workspace.prompts.path(found.prompt)
    is_yaml = not is_inline and source.suffix in _YAML
    place = shown(source, workspace.settings.root)
    write_text(path, file_text(found, place=place, is_yaml=is_yaml, is_inline=is_inline))
    return path


def _print(
    found: Suggestion, prompt: Prompt, workspace: Workspace, written: Path | None, *, as_json: bool
) -> None:
    from swapgate.prompting.difference import text_difference
    from swapgate.records import to_json
    from swapgate.reporting.words.prompt_suggest import conclusion, differences, suggestion_lines
    from swapgate.spec.prompt_entries import effective

    model = workspace.model(found.model)
    diff: tuple[str, ...] = ()
    if found.changed is not None:
        diff = text_difference(
            effective(prompt, model), effective(found.changed, model), names=("as it is", "suggested")
        )
    if as_json:
        told: dict[str, Any] = {key: getattr(found, key) for key in _TOLD}
        print_json(
            {
                **told,
                "before": asdict(found.before),
                "tries": [asdict(one) for one in found.tries],
                "refused": found.refused,
                "before_held_out": asdict(found.before_held_out) if found.before_held_out else None,
                "after_held_out": asdict(found.after_held_out) if found.after_held_out else None,
                "differences": [to_json(one) for one in differences(found)],
                "gate": to_json(found.held_out.gate) if found.held_out else None,
                "diff": list(diff),
                "file": shown(written) if written else None,
            }
        )
        return
    for line in suggestion_lines(found, diff=diff):
        typer.echo(line)
    if written:
        typer.echo(f"wrote: {shown(written)} (nothing reads it; no prompt was changed)")
    typer.echo(conclusion(found))


def _exit_code(found: Suggestion) -> int:
    if found.held_out is not None:
        return found.held_out.gate.exit_code
    return ExitCode.TOO_MANY_ERRORS if found.before.is_poor else ExitCode.INCONCLUSIVE
