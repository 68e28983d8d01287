"""Options that many commands share, and what they open."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from swapgate.errors import UsageError
from swapgate.spec.settings import Settings, resolve_settings

_TABLE = b"[tool.swapgate"
_PAGES = ("json", "md", "html")


def verbose_option(more: str) -> Any:
    """Return the option -v of a command, which shows more: what is named."""
    return typer.Option("--verbose", "-v", count=True, help=f"Show more: {more}.")


RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        help="The workspace. Default: the nearest folder upward whose pyproject.toml has a table "
        "tool.swapgate, or else that holds cases/, or else this one.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
VerboseOption = Annotated[int, verbose_option("checks, slices, every flip")]
RepeatsOption = Annotated[
    int | None, typer.Option("--repeats", min=1, metavar="K", help="Trials of each case.")
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(
        "--max-cost", metavar="USD", min=0, help="Stop before a call that could cost more than this."
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray", metavar="ADDRESS", help="What is heavy on Ray: local, auto, or a cluster's host:port."
    ),
]
ReportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="FORMAT",
        help="json, md, html, junit, csv, parquet, sarif, codequality, inspect, openai-evals or none; "
        "repeat for several.",
    ),
]
PagesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--report", metavar="FORMAT", help="json, md, html or none; repeat for several. Default: all three."
    ),
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME", help="The model under test; repeat for several."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Ask nothing: say what the calls would take and cost.")
]
LiveOption = Annotated[bool, typer.Option("--live", help="Call always, never read a stored response.")]
ReplayOption = Annotated[
    bool, typer.Option("--replay", help="Never call: a response that is not stored is an error.")
]
PytestArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[-- PYTEST...]", help="Options for pytest, behind `--`, such as -n 4."),
]
SuitesArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="Suite files or folders. Default: the cases folders."),
]


def open_settings(root: Path | None, **given: Any) -> Settings:
    """Return the settings of the workspace; `given` are options of the command line."""
    return resolve_settings(find_root(root), {k: v for k, v in given.items() if v}, os.environ)


def page_formats(given: Sequence[str] | None) -> tuple[str, ...]:
    """Return which of the three formats `PagesOption` asks for; `none` is the absence of any."""
    wanted = tuple(dict.fromkeys(given)) if given else _PAGES
    for name in wanted:
        if name not in (*_PAGES, "none"):
            raise UsageError(f"--report {name!r}: wanted one of {', '.join(_PAGES)}, none")
    return tuple(name for name in wanted if name != "none")


def cache_mode(*, live: bool, replay: bool) -> str | None:
    """Return the mode that the two options ask for, None for neither."""
    if live and replay:
        raise UsageError("--live calls always and --replay never: give one of them")
    return "live" if live else "replay" if replay else None


def find_root(given: Path | None) -> Path:
    """Return the workspace's folder; UsageError when the given one is none."""
    if given is not None:
        if not given.is_dir():
            raise UsageError(f"--root {str(given)!r} is not a folder")
        return given.resolve()
    here = Path.cwd()
    folders = _upward(here)
    configured = [folder for folder in folders if _is_configured(folder)]
    with_cases = [folder for folder in folders if (folder / "cases").is_dir()]
    return next(iter([*configured, *with_cases]), here)


def _upward(start: Path) -> list[Path]:
    """Return the folder and those above it, up to the top of its git repository."""
    folders = []
    for folder in (start, *start.parents):
        folders.append(folder)
        if (folder / ".git").exists():
            break
    return folders


def _is_configured(folder: Path) -> bool:
    try:
        return _TABLE in (folder / "pyproject.toml").read_bytes()
    except OSError:
        return False
