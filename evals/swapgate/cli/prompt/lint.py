"""`swapgate prompt lint`: what is wrong with prompts that still render."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.findings import (
    Placed,
    SarifOption,
    StrictOption,
    described,
    fail_for,
    print_findings,
    tally,
    write_sarif,
)
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, shown
from swapgate.reporting.format import count
from swapgate.spec.prompts import prompt_document

if TYPE_CHECKING:
    from swapgate.engine.workspace import ReadySuite, Workspace
    from swapgate.prompting.finding import PromptFinding
    from swapgate.spec.prompt_entries import Prompt


def lint_prompts(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Prompts. Default: all of them.")
    ] = None,
    *,
    strict: StrictOption = False,
    sarif: SarifOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find unused inputs and overrides, contradictions to the checks, and slots that let a user speak.

    Calls nothing. Every suite that uses a prompt and every model of models.yml are looked at.
    """
    from swapgate.engine.workspace import Workspace
    from swapgate.prompting.lint import lint_prompt
    from swapgate.prompting.uses import uses_by_prompt

    workspace = Workspace(open_settings(root))
    suites = [workspace.suite(path) for path in workspace.suite_files(workspace.settings.cases_dirs)]
    models = [workspace.model(name) for name in workspace.catalogue.names()]
    uses = uses_by_prompt(suites)
    prompts = dict(_prompts(workspace, suites))
    chosen = {name: _known(workspace, prompts, name) for name in names} if names else prompts
    found = [
        one for name, prompt in chosen.items() for one in lint_prompt(prompt, uses.get(name, []), models)
    ]
    places = {name: _place(workspace, suites, name) for name in chosen}
    placed = list(dict.fromkeys(_placed(one, places[one.prompt]) for one in found))
    if sarif is not None:
        write_sarif(placed, sarif, category="swapgate-prompts")
    if as_json:
        print_json({"prompts": sorted(chosen), "findings": described(placed)})
    else:
        print_findings(placed)
        typer.echo(f"{count(len(chosen), 'prompt')}: {tally(placed)}")
    fail_for(placed, strict=strict)


def _prompts(workspace: Workspace, suites: list[ReadySuite]) -> Iterator[tuple[str, Prompt]]:
    """Yield the prompts of the folder, then those that suites carry themselves."""
    for name in workspace.prompts.names():
        yield name, workspace.prompts.get(name)
    for suite in suites:
        if suite.prompt is not None and not isinstance(suite.loaded.suite.prompt, str):
            yield suite.prompt.prompt, suite.prompt


def _known(workspace: Workspace, prompts: Mapping[str, Prompt], name: str) -> Prompt:
    return prompts[name] if name in prompts else workspace.prompts.get(name)


def _place(workspace: Workspace, suites: list[ReadySuite], name: str) -> tuple[Path, str]:
    """Return the file that a prompt stands in, and the pointer of the prompt in it."""
    for suite in suites:
        is_own = not isinstance(suite.loaded.suite.prompt, str)
        if is_own and suite.prompt is not None and suite.prompt.prompt == name:
            return suite.loaded.path, "/prompt"
    return workspace.prompts.path(name), ""


def _placed(finding: PromptFinding, place: tuple[Path, str]) -> Placed:
    path, above = place
    line = prompt_document(path).line(f"{above}{finding.pointer}")
    return Placed(
        path=shown(path),
        line=line,
        rule=finding.rule,
        severity=finding.severity,
        subject=finding.prompt,
        message=finding.message,
    )
