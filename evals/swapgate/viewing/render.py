"""Pages made from their templates: whatever a model, a file or an address holds is text, and visible."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from swapgate.reporting import format as show
from swapgate.reporting.html.templates import environment, house_style, part
from swapgate.reporting.text import clipped, safe_text
from swapgate.reporting.words import comparing
from swapgate.reporting.words.reasons import GATE_WORDS
from swapgate.reporting.words.runs import run_state
from swapgate.viewing import links

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEXT_CHARS = 20_000


def render(template: str, **context: Any) -> str:
    """Return one page."""
    return _environment().get_template(template).render(context)


@cache
def style() -> bytes:
    """Return the style sheet: the reports' own, and what these pages add."""
    return (house_style() + part("view.css", "swapgate.viewing")).encode()


@cache
def _environment() -> Environment:
    pages = environment("swapgate.viewing", folder="templates/")
    pages.globals.update(
        comparing=comparing,
        count=show.count,
        gate_words=GATE_WORDS,
        link=links,
        show=show,
        state=run_state,
    )
    pages.filters.update(
        clipped=lambda text: clipped(text, TEXT_CHARS), exact=_exact, line=safe_text, moment=show.moment
    )
    return pages


def _exact(text: str) -> Markup:
    """Return a text as a form sends it back: escaped, but with no character made visible."""
    from markupsafe import escape

    return escape(text)
