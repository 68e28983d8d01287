"""One thing to look at in a prompt, and the texts of a prompt with where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from swapgate.spec.prompt_entries import Override, Prompt

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFinding:
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
    yield from _texts_of(prompt, "")
    for name, override in prompt.overrides.items():
        yield from _texts_of(override, f"/overrides/{escaped(name)}")


def _texts_of(written: Prompt | Override, above: str) -> Iterator[tuple[str, str]]:
    for key, text in (("system", written.system), ("user", written.user)):
        if text is not None:
            yield f"{above}/{key}", text
    for index, turn in enumerate(written.messages or ()):
        yield f"{above}/messages/{index}/content", turn.content
    for name, text in written.blocks.items():
        yield f"{above}/blocks/{escaped(name)}", text


def escaped(name: str) -> str:
    """Return a key as a JSON pointer writes it."""
    return name.replace("~", "~0").replace("/", "~1")
