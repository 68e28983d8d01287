"""`swapgate prompt diff`: what one model gets against what another one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json
from swapgate.reporting.text import visible

if TYPE_CHECKING:
    from swapgate.prompting.difference import PromptDifference, PromptVersion


def diff_prompt(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A prompt of prompts/.")],
    before: Annotated[str, typer.Argument(metavar="MODEL_A", help="A model.")],
    after: Annotated[str, typer.Argument(metavar="MODEL_B", help="Another model.")],
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a prompt differs between two models: text, tokens, parameters, output mode. Calls nothing."""
    from swapgate.engine.estimate import Estimator
    from swapgate.engine.workspace import Workspace
    from swapgate.memory.cache import CACHE_FILE
    from swapgate.memory.stored_responses import StoredResponses
    from swapgate.prompting.difference import difference

    workspace = Workspace(open_settings(root))
    settings = workspace.settings
    stored = StoredResponses(settings.state_dir / CACHE_FILE, recordings=settings.recordings)
    with closing(stored):
        found = difference(
            workspace.prompts.get(name),
            workspace.model(before),
            workspace.model(after),
            estimator=Estimator(stored.samples()),
        )
    if as_json:
        print_json({**asdict(found), "is_same": found.is_same})
        return
    for line in _lines(found):
        typer.echo(visible(line))


def _lines(found: PromptDifference) -> Iterator[str]:
    if found.is_same:
        yield f"{found.prompt} is the same for both (hash {found.before.hash[:12]})"
        return
    yield from found.lines or ("the text is the same",)
    yield ""
    for version in (found.before, found.after):
        yield _version(version)
    growth = found.after.tokens - found.before.tokens
    yield f"text: {growth:+,} tokens, without what fills the slots"


def _version(version: PromptVersion) -> str:
    params = ", ".join(f"{key}={value!r}" for key, value in version.params.items()) or "no parameters"
    by = f" by {', '.join(version.overrides)}" if version.overrides else ""
    return (
        f"{version.model}: about {version.tokens:,} tokens, {params}, output {version.output}{by}, "
        f"hash {version.hash[:12]}"
    )
