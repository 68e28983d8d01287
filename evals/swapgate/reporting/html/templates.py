"""How every page of swapgate is made: files of a package, filled with data that is never markup."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from swapgate.reporting.text import visible

if TYPE_CHECKING:
    from jinja2 import Environment

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
    )


def _shown(value: object) -> object:
    # Markup is a str as well: it is ours, and must stay Markup.
    return visible(value) if type(value) is str else value
