"""`swapgate cache`: responses to and from JSONL files that live in git, and what the cache holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table, shown
from swapgate.errors import UsageError, nearest
from swapgate.records import Json
from swapgate.spec.settings import Settings

if TYPE_CHECKING:
    from swapgate.memory.cache import ResponseCache


cache_app = typer.Typer(help="Export, import and count stored responses.")


@cache_app.command("export")
def export_cache(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The JSONL file to write.")],
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Only answers of this model.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option("--suite", metavar="NAME", help="Only answers to this suite.")
    ] = None,
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write stored responses as JSONL, for --recordings; the same content gives the same bytes."""
    from swapgate.memory.cache import write_recordings
    from swapgate.reporting.files import atomic_file

    settings = open_settings(root)
    with _existing(settings) as cache:
        is_wanted = _filter(model, suite)
        if (model or suite) and not any(map(is_wanted, cache.abouts())):
            raise UsageError(_nothing_found(cache, model, suite))
        with atomic_file(file) as stream:
            count = write_recordings(cache.export(is_wanted=is_wanted), stream)
    if as_json:
        print_json({"file": str(file), "responses": count})
    else:
        typer.echo(f"{count} responses written to {file}")


@cache_app.command("import")
def import_recordings(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="JSONL files of `swapgate cache export`.")
    ],
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put recorded responses into the cache; a response that is there already is replaced."""
    from swapgate.memory.cache import CACHE_FILE, read_recordings, take_in

    settings = open_settings(root)
    recordings = (recording for file in files for recording in read_recordings(file))
    count = take_in(recordings, settings.state_dir / CACHE_FILE)
    if as_json:
        print_json({"files": [str(file) for file in files], "responses": count})
    else:
        typer.echo(f"{count} responses read into {shown(settings.state_dir / CACHE_FILE)}")


@cache_app.command("stats")
def show_stats(*, root: RootOption = None, as_json: JsonOption = False) -> None:
    """Count the stored responses, by model and suite."""
    from swapgate.memory.cache import CACHE_FILE

    settings = open_settings(root)
    path = settings.state_dir / CACHE_FILE
    counts: Counter[tuple[str, str]] = Counter()
    if path.is_file():
        with _existing(settings) as cache:
            counts.update(map(_place, cache.abouts()))
    size = sum(file.stat().st_size for file in path.parent.glob(f"{CACHE_FILE}*"))
    if as_json:
        rows = [{"model": m, "suite": s, "responses": n} for (m, s), n in sorted(counts.items())]
        print_json({"path": str(path), "bytes": size, "responses": counts.total(), "by": rows})
        return
    typer.echo(f"{shown(path)}: {counts.total()} responses, {size / 1e3:,.0f} kB")
    if counts:
        print_table(("model", "suite", "responses"), [(m, s, str(n)) for (m, s), n in sorted(counts.items())])


@contextmanager
def _existing(settings: Settings) -> Iterator[ResponseCache]:
    """Open the cache, but never make one."""
    from swapgate.memory.cache import CACHE_FILE, ResponseCache

    path = settings.state_dir / CACHE_FILE
    if not path.is_file():
        raise UsageError(f"no cache in {shown(settings.state_dir)}: `pytest --model=NAME` fills it")
    with closing(ResponseCache(path, is_read_only=True)) as cache:
        yield cache


def _filter(model: str | None, suite: str | None) -> Callable[[Mapping[str, Json]], bool]:
    def is_wanted(about: Mapping[str, Json]) -> bool:
        return model in {None, about.get("model")} and suite in {None, about.get("suite")}

    return is_wanted


def _place(about: Mapping[str, Json]) -> tuple[str, str]:
    return str(about.get("model", "")), str(about.get("suite", ""))


def _nothing_found(cache: ResponseCache, model: str | None, suite: str | None) -> str:
    known = sorted({name for about in cache.abouts() for name in _place(about)})
    asked = " and ".join(f"{kind} {name!r}" for kind, name in (("model", model), ("suite", suite)) if name)
    hint = nearest(model or "", known) or nearest(suite or "", known)
    return f"the cache holds no response of {asked}.{hint} `swapgate cache stats` lists what it holds"
