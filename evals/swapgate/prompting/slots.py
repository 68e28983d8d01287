"""Slots where what a user wrote can pass for what the prompt's author says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swapgate.prompting.finding import PromptFinding, finding, texts
from swapgate.spec.prompt_entries import Prompt

# A slot between these cannot be mistaken for what the author says: a tag, a fence, a quote, a rule.
_OPENS = re.compile(r"(?:<[\w/-]+>|```\w*|\"\"\"|'''|-{3,}|={3,}|#{3,}|[\"'`])\s*$")
_CLOSES = re.compile(r"\s*(?:<|`|\"|'|-{3}|={3}|#{3})")
_SLOT = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)[^{}]*-?\}\}")
_NEAR = 40


def slots(prompt: Prompt) -> Iterator[PromptFinding]:
    """Yield the slots that nothing sets apart, and those that stand in a system turn."""
    for pointer, text in texts(prompt):
        for slot in _SLOT.finditer(text):
            if slot[1] in {"blocks", "loop"}:
                continue
            name = f"{{{{ {slot[1]} }}}}"
            if pointer.endswith("/system"):
                message = f"{name} stands in the system turn, where its text speaks with the author's voice"
                yield finding(prompt, "slot-in-system", "warning", message, pointer)
            elif text.strip() != slot[0] and not _is_fenced(text, slot):
                message = f"nothing marks where {name} begins and ends: put it between tags or fences"
                yield finding(prompt, "slot-unmarked", "note", message, pointer)


def _is_fenced(text: str, slot: re.Match[str]) -> bool:
    before = text[max(0, slot.start() - _NEAR) : slot.start()]
    return _OPENS.search(before) is not None and _CLOSES.match(text, slot.end()) is not None
