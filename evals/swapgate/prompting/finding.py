"""One thing to look at in a prompt, and the texts of a prompt with where they stand."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.errors import Severity
from swapgate.spec.pointers import pointer_of
from swapgate.spec.prompt_entries import Prompt
from swapgate.spec.prompts import templates_of
from swapgate.values import Value


class PromptFinding(Value):
    """One thing to look at. `pointer` is the key in the prompt's file, empty for the whole of it."""

    rule: str
    severity: Severity
    prompt: str
    message: str
    pointer: str = ""


def finding(prompt: Prompt, rule: str, severity: Severity, message: str, pointer: str = "") -> PromptFinding:
    """Return a finding about a prompt."""
    return PromptFinding(rule=rule, severity=severity, prompt=prompt.prompt, message=message, pointer=pointer)


def texts(prompt: Prompt) -> Iterator[tuple[str, str]]:
    """Yield every template of a prompt with its pointer, the overrides' too."""
    for keys, text in templates_of(prompt):
        yield pointer_of(keys), text
