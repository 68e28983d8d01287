"""`swapgate prompt render`: a prompt as one model gets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json
from swapgate.errors import UsageError, nearest
from swapgate.records import to_json
from swapgate.reporting.text import visible

if TYPE_CHECKING:
    from swapgate.engine.workspace import ReadySuite, Workspace
    from swapgate.spec.prompts import Rendered
    from swapgate.spec.suite import Case


def render_prompt(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A prompt of prompts/, or of --case's suite.")],
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="The model that would get it.")],
    case: Annotated[
        str | None,
        typer.Option("--case", metavar="SUITE_FILE::CASE_ID", help="Fill it with this case's input."),
    ] = None,
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--var", metavar="KEY=VALUE", help="Fill it with this value; over --case's. Repeatable."
        ),
    ] = None,
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the messages and parameters that a model would get. Calls nothing."""
    from swapgate.engine.workspace import Workspace
    from swapgate.spec.prompts import render

    workspace = Workspace(open_settings(root))
    suite, found = _find_case(workspace, case) if case else (None, None)
    own = suite.prompt if suite is not None else None
    prompt = own if own is not None and own.prompt == name else workspace.prompts.get(name)
    rendered = render(
        prompt,
        model=workspace.model(model),
        variables={**(found.input if found else {}), **dict(_pair(text) for text in variables or ())},
        messages=found.messages if found else (),
    )
    if as_json:
        print_json({"prompt": name, "model": model, **to_json(rendered)})
        return
    for line in _lines(name, model, rendered):
        typer.echo(line)


def _find_case(workspace: Workspace, written: str) -> tuple[ReadySuite, Case]:
    """Return the case that `--case` names, and its suite."""
    file, _, case_id = written.rpartition("::")
    if not file:
        raise UsageError(
            f"--case {written!r}: write SUITE_FILE::CASE_ID, as in cases/example.yml::two-adults"
        )
    path = next((p for p in (Path.cwd() / file, workspace.settings.root / file) if p.is_file()), None)
    if path is None:
        raise UsageError(f"--case {written!r}: no file {file!r}")
    suite = workspace.suite(path)
    cases = {ready.placed.case.id: ready.placed.case for ready in suite.cases}
    if case_id not in cases:
        raise UsageError(f"--case: {file} has no case {case_id!r}.{nearest(case_id, cases)}")
    return suite, cases[case_id]


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UsageError(f"--var {text!r}: write KEY=VALUE, as in --var message=hello")
    return key, value


def _lines(name: str, model: str, rendered: Rendered) -> Iterator[str]:
    yield f"prompt:    {name}"
    yield f"model:     {model}"
    yield f"overrides: {', '.join(rendered.overrides) or 'none'}"
    yield f"params:    {', '.join(f'{k}={v!r}' for k, v in rendered.params.items()) or 'none'}"
    yield f"output:    {rendered.output}"
    yield f"hash:      {rendered.hash}"
    for message in rendered.messages:
        yield f"\n--- {message.role} ---"
        yield visible(message.content)
