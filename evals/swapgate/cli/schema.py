"""`swapgate schema`: JSON Schemas of the files that people write and of report.json, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, find_root, open_settings
from swapgate.cli.output import print_json, shown
from swapgate.errors import ExitCode, UsageError
from swapgate.records import Json

_SUITE = "suite.schema.json"


def schema(
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", help="Where. Default: docs/schemas/ if there is one, else .swapgate/schemas/."
        ),
    ] = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 when a file there is not up to date.")
    ] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the JSON Schemas of suites, judges, prompts, models.yml, index.yml and report.json."""
    folder = _default_folder(root) if directory is None else directory.absolute()
    texts = schema_texts()
    stale = [name for name, text in texts.items() if not _is_current(folder / name, text)]
    if not check:
        _write(folder, {name: texts[name] for name in stale})
    if as_json:
        print_json({"folder": str(folder), "files": list(texts), "stale" if check else "wrote": stale})
    else:
        _print(folder, texts, stale, root=find_root(root), check=check)
    if check and stale:
        raise typer.Exit(ExitCode.FAILED)


def schema_texts() -> dict[str, str]:
    """Return the text of every schema file by its name."""
    from swapgate.checks.build import check_schemas
    from swapgate.reporting.report_json import report_schema
    from swapgate.spec.schemas import json_schemas

    schemas: dict[str, Json] = {**json_schemas(checks=check_schemas()), "report": report_schema()}
    return {f"{name}.schema.json": _text(content) for name, content in schemas.items()}


def _default_folder(root: Path | None) -> Path:
    settings = open_settings(root)
    documented = settings.root / "docs" / "schemas"
    return documented if documented.is_dir() else settings.state_dir / "schemas"


def _text(content: Json) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _write(folder: Path, texts: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_bytes(text.encode())
    except OSError as exc:
        raise UsageError(f"{folder}: the schemas cannot be written: {exc.strerror}") from exc


def _print(folder: Path, texts: dict[str, str], stale: list[str], *, root: Path, check: bool) -> None:
    word = "not up to date" if check else "wrote"
    for name in stale:
        typer.echo(f"{word}: {shown(folder / name)}")
    if not stale:
        typer.echo(f"{shown(folder)}: {len(texts)} schemas, all up to date")
    elif check:
        typer.echo("Write them with `swapgate schema`")
    if not check:
        suite = shown(folder / _SUITE, root)
        typer.echo("\nThe first line of a suite in cases/, for editors:")
        typer.echo(f"# yaml-language-server: $schema={'' if Path(suite).is_absolute() else '../'}{suite}")
