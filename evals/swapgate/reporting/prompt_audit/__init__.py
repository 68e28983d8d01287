"""Reports of an audit of prompts: JSON, Markdown, one HTML page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swapgate.prompting.auditing.audit import Audit
from swapgate.records import to_json
from swapgate.reporting.files import write_text

AUDIT_NAME = "prompt-audit"
# Counted up when a key changes its meaning or goes; keys may be added.
FORMAT_VERSION = 1


def write_audit(audit: Audit, folder: Path, name: str) -> Path:
    """Write the audit in one format (json, md or html) and return the path; StoreError when it cannot be."""
    path = folder / f"{AUDIT_NAME}.{name}"
    write_text(path, _FORMATS[name](audit))
    return path


def audit_json(audit: Audit) -> dict[str, Any]:
    """Return the audit as plain JSON values."""
    return {
        "version": FORMAT_VERSION,
        "base": audit.base,
        "differing": list(audit.differing),
        **to_json(audit),
    }


def _json_text(audit: Audit) -> str:
    return json.dumps(audit_json(audit), indent=2) + "\n"


def _markdown(audit: Audit) -> str:
    from swapgate.reporting.prompt_audit.markdown import markdown

    return markdown(audit)


def _page(audit: Audit) -> str:
    from swapgate.reporting.prompt_audit.page import page

    return page(audit)


_FORMATS: dict[str, Callable[[Audit], str]] = {"json": _json_text, "md": _markdown, "html": _page}
