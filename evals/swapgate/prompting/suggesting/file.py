"""A suggestion as a file of its own, beside the prompt's: nothing reads it, and nothing is overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swapgate.convert.writing import yaml_text
from swapgate.prompting.suggesting.suggest import Suggestion
from swapgate.spec.prompt_entries import Override, Prompt

FOLDER = "suggested"


def free_path(folder: Path, prompt: str, model: str) -> Path:
    """Return the first path below the prompts' `suggested/` that is not taken."""
    safe = "".join(char if char.isalnum() or char in "._-" else "-" for char in f"{prompt}.{model}")
    number = 1
    while (path := folder / FOLDER / f"{safe}{'' if number == 1 else f'-{number}'}.yml").exists():
        number += 1
    return path


def file_text(found: Suggestion, *, place: str, is_yaml: bool, is_inline: bool = False) -> str:
    """Return the text of the file: the override alone, or the whole prompt where its file can hold none.

    `place` is that file; a prompt that `is_inline` stands in a suite.
    """
    assert found.override is not None
    assert found.changed is not None
    written = {"overrides": {found.model: _written(found.override)}}
    if not is_yaml:
        written = _whole(found.changed)
    if is_yaml:
        use = f"put the override into {place} when you have read it."
    elif is_inline:
        use = f"{place} can hold no override. Make this prompts/{found.prompt}.yml, and name it there."
    else:
        use = f"it is {place} as YAML, which can hold overrides."
    head = (*_head(found), f"Nothing reads this file: {use}")
    return "".join(f"# {line}\n" for line in head) + yaml_text(written)


def _head(found: Suggestion) -> Iterator[str]:
    yield f"Suggested for {found.model} by {found.proposer}, chosen on {found.training_cases} cases alone."
    chosen = next(one for one in found.tries if one.number == found.chosen)
    yield f"Training half: {found.before} before, {chosen.score} with it."
    gate = found.held_out.gate.answer if found.held_out is not None else "not judged"
    yield f"Held-out half: {found.before_held_out} before, {found.after_held_out} with it; gate: {gate}."


def _written(override: Override) -> dict[str, Any]:
    return override.model_dump(mode="json", exclude_unset=True)


def _whole(prompt: Prompt) -> dict[str, Any]:
    written = prompt.model_dump(mode="json", exclude_defaults=True, exclude={"overrides"})
    return {**written, "overrides": {name: _written(one) for name, one in prompt.overrides.items()}}
