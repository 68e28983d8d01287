"""What is wrong with a prompt that still renders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.prompting.contradictions import Use, contradictions
from swapgate.prompting.finding import PromptFinding, finding, texts
from swapgate.prompting.slots import slots
from swapgate.spec.key_shapes import KEYS
from swapgate.spec.models import ModelSpec
from swapgate.spec.pointers import pointer_of
from swapgate.spec.prompt_entries import Prompt, effective, matches
from swapgate.spec.templates import used_names


def lint_prompt(prompt: Prompt, uses: Sequence[Use], models: Sequence[ModelSpec]) -> list[PromptFinding]:
    """Return what is wrong with a prompt, given all suites that use it and all models that may get it."""
    found = [*_secrets(prompt), *_unused(prompt, uses), *_overrides(prompt, models), *slots(prompt)]
    found += [one for use in uses for one in contradictions(prompt, use, models)]
    return list(dict.fromkeys(found))


def _secrets(prompt: Prompt) -> Iterator[PromptFinding]:
    """Yield the texts that hold what looks like a key; the key itself is not shown."""
    for pointer, text in texts(prompt):
        if KEYS.search(text):
            message = "it holds what looks like a key or a password, which every model is sent: take it out"
            yield finding(prompt, "secret", "error", message, pointer)


def _unused(prompt: Prompt, uses: Sequence[Use]) -> Iterator[PromptFinding]:
    """Yield what nothing reads: a prompt without a suite, a block without a slot, an input without one."""
    variables, blocks = set[str](), set[str]()
    for _pointer, text in texts(prompt):
        read = used_names(text)
        variables |= read.variables
        blocks |= read.blocks
    for name in [name for name in prompt.blocks if name not in blocks]:
        message = f"no template writes {{{{ blocks.{name} }}}}"
        yield finding(prompt, "unused-block", "warning", message, pointer_of(["blocks", name]))
    if not uses:
        yield finding(prompt, "unused-prompt", "warning", "no suite uses this prompt", "/prompt")
    for use in uses:
        for name in sorted(use.inputs - variables) if not use.has_own_turns else ():
            message = f"the input {name!r} of suite {use.suite} stands in no template: no model sees it"
            yield finding(prompt, "unused-input", "warning", message)


def _overrides(prompt: Prompt, models: Sequence[ModelSpec]) -> Iterator[PromptFinding]:
    """Yield the overrides that no model gets, and those that change nothing for any that does."""
    for name in prompt.overrides:
        pointer = pointer_of(["overrides", name])
        own = [model for model in models if matches(name, model)]
        if not own:
            message = f"no model of models.yml is {name!r}: this override is never exercised"
            yield finding(prompt, "override-unmatched", "warning", message, pointer)
        elif not any(_changes(prompt, name, model) for model in own):
            listed = ", ".join(model.name for model in own)
            message = f"the override {name!r} changes nothing for {listed}"
            yield finding(prompt, "override-without-effect", "warning", message, pointer)


def _changes(prompt: Prompt, name: str, model: ModelSpec) -> bool:
    others = {key: value for key, value in prompt.overrides.items() if key != name}
    without = prompt.with_overrides(others)
    return effective(prompt, model).hash != effective(without, model).hash
