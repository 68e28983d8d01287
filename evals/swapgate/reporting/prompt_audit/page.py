"""prompt-audit.html: the heat map and what is behind it; it opens from disk and runs no script."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from swapgate.prompting.auditing.audit import Audit
from swapgate.reporting import format as show
from swapgate.reporting.html.templates import environment, house_style, part
from swapgate.reporting.words import prompt_audit as words

if TYPE_CHECKING:
    from jinja2 import Template

_HERE = "swapgate.reporting.prompt_audit"
_KEEP_TONES = {"earns": "pass", "does not": "fail", "cannot tell": "inconclusive"}


def page(audit: Audit) -> str:
    """Return the page."""
    context: dict[str, Any] = {
        "audit": audit,
        "rows": words.rows(audit),
        "tone": "inconclusive" if audit.differing else "plain",
        "style": house_style() + part("audit.css", _HERE),
    }
    return _template().render(context).lstrip()


@cache
def _template() -> Template:
    pages = environment(_HERE)
    pages.globals.update(show=show, words=words, tones=_KEEP_TONES)
    return pages.get_template("audit.html.j2")
