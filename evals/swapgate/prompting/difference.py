"""How a prompt differs between two models: text, parameters, output mode, size."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from swapgate.engine.estimate import Estimator
from swapgate.records import Json, Message, Request
from swapgate.spec.models import ModelSpec
from swapgate.spec.prompt_entries import Effective, Prompt, effective
from swapgate.values import Value


class PromptVersion(Value):
    """A prompt as one model gets it, its slots not filled.

    `tokens` are those that its text takes: by the model's own stored answers, else as is usual.
    """

    model: str
    overrides: tuple[str, ...]
    hash: str
    params: dict[str, Json]
    output: str
    tokens: int


class PromptDifference(Value):
    """Two versions of a prompt; `lines` is their unified diff, empty where the texts are the same."""

    prompt: str
    before: PromptVersion
    after: PromptVersion
    lines: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether both models get the same: text, parameters and output mode."""
        return self.before.hash == self.after.hash


def difference(
    prompt: Prompt, before: ModelSpec, after: ModelSpec, *, estimator: Estimator
) -> PromptDifference:
    """Return how what one model gets differs from what another one does."""
    ours, theirs = effective(prompt, after), effective(prompt, before)
    lines = text_difference(theirs, ours, names=(before.name, after.name))
    return PromptDifference(
        prompt=prompt.prompt,
        before=_version(theirs, before, estimator),
        after=_version(ours, after, estimator),
        lines=lines,
    )


def text_difference(before: Effective, after: Effective, *, names: tuple[str, str]) -> tuple[str, ...]:
    """Return the unified diff of two versions' texts, empty where they are the same."""
    lines = difflib.unified_diff(list(_lines(before)), list(_lines(after)), *names, lineterm="", n=2)
    return tuple(lines)


def _version(found: Effective, model: ModelSpec, estimator: Estimator) -> PromptVersion:
    turns = tuple(Message(role="user", content=text) for text in _texts(found))
    return PromptVersion(
        model=model.name,
        overrides=found.overrides,
        hash=found.hash,
        params=found.params,
        output=found.output,
        tokens=estimator.expect(model, Request(model=model.model, messages=turns), role="model").tokens_in,
    )


def _texts(found: Effective) -> Iterator[str]:
    yield from (turn.content for turn in found.turns)
    yield from found.blocks.values()


def _lines(found: Effective) -> Iterator[str]:
    for turn in found.turns:
        yield f"--- {turn.role} ---"
        yield from turn.content.splitlines()
    for name, text in sorted(found.blocks.items()):
        yield f"--- block {name} ---"
        yield from text.splitlines()
