"""How every page of swapgate is made: files of a package, filled with data that is never markup."""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib.resources import files
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.reporting.text import visible

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment

_HERE = "swapgate.reporting.html"
_SHARED = "house/"


@cache
def part(name: str, package: str = _HERE) -> str:
    """Return a file of a package as text."""
    return (files(package) / name).read_text(encoding="utf-8")


def house_style() -> str:
    """Return the style sheet that all pages share."""
    return part("report.css")


def environment(package: str = _HERE, *, folder: str = "") -> Environment:
    """Return what fills a package's templates, or those in a folder of it (`templates/`).

    `house/NAME` is one that pages share. Every text is escaped, and what is invisible in it is shown.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(
            lambda name: (
                part(name.removeprefix(_SHARED))
                if name.startswith(_SHARED)
                else part(f"{folder}{name}", package)
            )
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
        bytecode_cache=_compiled(f"{package}/{folder}".replace("/", ".")),
    )


def _compiled(prefix: str) -> BytecodeCache | None:
    """Return where compiled templates are kept: where Python keeps this module's own bytecode, if it may.

    A tenth of a second of every run goes into compiling those of report.html.
    """
    from jinja2 import FileSystemBytecodeCache

    beside = Path(cache_from_source(__file__))
    if sys.dont_write_bytecode or not os.access(beside.parent, os.W_OK):
        return None
    return FileSystemBytecodeCache(str(beside.parent), f"{prefix}%s.{sys.implementation.cache_tag}")


def _shown(value: object) -> object:
    # Markup is a str as well: it is ours, and must stay Markup.
    return visible(value) if type(value) is str else value
