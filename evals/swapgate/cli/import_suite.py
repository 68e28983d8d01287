"""`swapgate import`: a suite from another tool's file, and a list of what could not be said in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, shown
from swapgate.errors import SpecError, UsageError
from swapgate.reporting.format import count
from swapgate.reporting.text import safe_text
from swapgate.spec.source import why_no_file
from swapgate.values import replace

if TYPE_CHECKING:
    from swapgate.convert.imported import Imported
    from swapgate.spec.settings import Settings

MOST_SHOWN = 20
_WAYS = ("equals", "contains", "judge")


def import_suite(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The other tool's file.")],
    *,
    from_format: Annotated[
        str | None,
        typer.Option("--from", metavar="FORMAT", help="Its format. Default: by its contents."),
    ] = None,
    suite: Annotated[
        str | None, typer.Option("--suite", metavar="NAME", help="The suite's name. Default: the file's own.")
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="HOW", help="Compare with a reference: equals, contains or judge."),
    ] = None,
    judge_model: Annotated[
        str, typer.Option("--judge-model", metavar="NAME", help="The model of the judges that are written.")
    ] = "judge-model",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, say what would be.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a suite, its judges and recorded answers from a file of another tool.

    Formats: promptfoo, openai-evals, inspect, deepeval, pydantic-evals, langsmith, braintrust, csv. What a
    suite cannot say is listed, never left out in silence. Nothing of the file is executed.
    """
    from swapgate.convert.compared import compared
    from swapgate.convert.formats import importer_of, recognise
    from swapgate.convert.imported import as_id
    from swapgate.convert.reading import Source
    from swapgate.convert.writing import files_of, write_files

    if expect is not None and expect not in _WAYS:
        raise UsageError(f"--expect {expect!r}: write {', '.join(_WAYS[:-1])} or {_WAYS[-1]}")
    if not file.is_file():
        raise UsageError(f"{file}: {why_no_file(file)}")
    settings = open_settings(root)
    source = Source(file.resolve())
    known = importer_of(from_format) if from_format else None
    named = from_format or recognise(source)
    imported = (known or importer_of(named)).read(source)
    name = suite or as_id(imported.name) or "imported"
    if as_id(name) != name:
        raise UsageError(f"--suite {name!r}: letters, digits, `_`, `.` and `-`")
    imported = compared(replace(imported, name=name), expect)  # type: ignore[arg-type]
    files = files_of(imported, settings, judge_model=judge_model)
    if not dry_run:
        write_files(files, settings, overwrite=force)
    if as_json:
        print_json(
            {
                "format": named,
                "suite": name,
                "cases": len(imported.cases),
                "files": [shown(path) for path in files],
                "untranslated": [asdict(one) for one in imported.untranslated],
                "notes": [*imported.notes],
            }
        )
        return
    for line in _lines(imported, files, form=named, is_written=not dry_run):
        typer.echo(line)
    for line in _to_declare(imported, files, settings, judge_model):
        typer.echo(line)
    if not dry_run:
        typer.echo("next: `swapgate check`")


def _lines(imported: Imported, files: Mapping[Path, str], *, form: str, is_written: bool) -> Iterator[str]:
    did = "wrote" if is_written else "would write"
    yield f"{form}: {count(len(imported.cases), 'case')}, {count(len(imported.judges), 'judge')}"
    for path in files:
        yield f"{did} {shown(path)}"
    for note in imported.notes:
        yield f"note: {safe_text(note)}"
    left = imported.untranslated
    if left:
        yield f"not translated ({len(left)}):"
    for one in left[:MOST_SHOWN]:
        yield f"  {safe_text(str(one))}"
    if len(left) > MOST_SHOWN:
        yield f"  ... and {len(left) - MOST_SHOWN} more: --json lists all"


def _to_declare(
    imported: Imported, files: Mapping[Path, str], settings: Settings, judge_model: str
) -> Iterator[str]:
    """Yield what models.yml has to declare before the suite can run, in lines that can be copied into it."""
    where = shown(settings.models_file)
    if imported.judges and not _is_known(judge_model, settings):
        yield (
            f"the judges ask {judge_model}, which is not declared: declare it in {where}, or import with "
            "--judge-model provider:model"
        )
    outputs = [path for path in files if path.parent.name == "outputs"]
    if outputs:
        yield f"the recorded answers are models, to be declared in {where} below `models:`"
    for path in outputs:
        yield f"  {path.stem}: {{provider: recorded, path: {path.relative_to(settings.root).as_posix()}}}"


def _is_known(model: str, settings: Settings) -> bool:
    from swapgate.spec.models import read_catalogue

    try:
        read_catalogue(settings.models_file).resolve(model)
    except SpecError:  # `swapgate check` tells what is wrong with the file
        return True
    except UsageError:
        return False
    return True
