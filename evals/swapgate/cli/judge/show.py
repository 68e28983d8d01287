"""`swapgate judge list` and `show`: the judges of the workspace and those of the library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table, warn
from swapgate.errors import UsageError
from swapgate.judging.definition import call_params
from swapgate.judging.judge import Judge
from swapgate.judging.load import AnyJudge, load_judges, ready, unknown_judge
from swapgate.records import to_json
from swapgate.reporting.text import visible
from swapgate.spec.extends import judge_files, library_files
from swapgate.spec.judges import JudgeHead
from swapgate.spec.read_judges import read_judge, read_library_judge
from swapgate.spec.settings import Settings
from swapgate.spec.source import read_yaml

# Stands for the model that a judge of the library does not have yet.
NO_MODEL = "MODEL"

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A judge of judges/, or one of the library: swapgate/NAME.")
]


def list_judges(*, root: RootOption = None, as_json: JsonOption = False) -> None:
    """List the judges of the workspace and those of the library: kind, model, what they extend, rule."""
    judges = list(_judges(open_settings(root)))
    if as_json:
        print_json(judges)
        return
    header = ("name", "kind", "model", "extends", "pass")
    print_table(header, [tuple(judge[key] or "" for key in header) for judge in judges])
    typer.echo(
        "\nA judge of the library has no model: `extends: swapgate/NAME` and `model:` make it one of yours."
    )


def show_judge(name: NameArgument, *, root: RootOption = None, as_json: JsonOption = False) -> None:
    """Show a judge as it is after `extends`: definition, hash, and its calls about a made-up answer."""
    settings = open_settings(root)
    is_library = name in library_files()
    judge = _of_library(name, settings) if is_library else _of_workspace(name, settings)
    shown = {
        "judge": name,
        "kind": judge.spec.kind,
        "description": judge.spec.description,
        "definition": _definition(judge.spec),
        "definition_hash": None if is_library else judge.definition_hash,
        "calls": _calls(judge),
    }
    if as_json:
        print_json(shown)
    else:
        _print(shown)


def _judges(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield each judge's row; a file that is wrong is warned of, and `swapgate check` says all about it."""
    for name, path in judge_files(settings.judges_dir).items():
        try:
            extends = read_yaml(path).at("/extends")
            yield _row(name, read_judge(path), source="workspace", extends=extends)
        except UsageError as exc:
            warn(str(exc))
    for name, path in library_files().items():
        yield _row(name, read_library_judge(path, name=name, model=NO_MODEL), source="library", extends=None)


def _row(name: str, spec: JudgeHead, *, source: str, extends: str | None) -> dict[str, Any]:
    model = getattr(spec, "model", None)
    return {
        "name": name,
        "source": source,
        "kind": spec.kind,
        "model": None if model == NO_MODEL else model,
        "extends": extends,
        "pass": spec.wanted,
        "description": spec.description,
    }


def _of_workspace(name: str, settings: Settings) -> AnyJudge:
    if name not in judge_files(settings.judges_dir):
        raise UsageError(unknown_judge(name, settings.judges_dir))
    return load_judges([name], judges_dir=settings.judges_dir, root=settings.root)[name]


def _of_library(name: str, settings: Settings) -> AnyJudge:
    return ready(
        read_library_judge(library_files()[name], name=name, model=NO_MODEL),
        root=settings.root,
        judges_dir=settings.judges_dir,
    )


def _definition(spec: JudgeHead) -> dict[str, Any]:
    """Return the definition with every default written out, but for what is null."""
    written = spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"description"})
    if "pass" not in written:
        written["pass"] = spec.rule_text()
    return written


def _calls(judge: AnyJudge) -> list[dict[str, Any]]:
    """Return the calls of one sample about a made-up answer; a judge that is code makes none."""
    if not isinstance(judge, Judge):
        return []
    requests = judge.requests(judge.kind.probe(), suite="suite", case="case")
    return [
        {
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "params": call_params(judge.spec),
            "schema": to_json(request)["output_schema"],
        }
        for request in requests
        if request.repeat == 1
    ]


def _print(shown: dict[str, Any]) -> None:
    import yaml

    if shown["description"]:
        typer.echo(visible(shown["description"]))
    typer.echo(f"hash: {shown['definition_hash'] or 'none before it has a model'}\n")
    text = yaml.safe_dump(shown["definition"], sort_keys=False, allow_unicode=True, width=100)
    typer.echo(visible(text).rstrip())
    for number, call in enumerate(shown["calls"], start=1):
        for message in call["messages"]:
            typer.echo(f"\n--- call {number} of {len(shown['calls'])}, {message['role']} ---")
            typer.echo(visible(message["content"]))
