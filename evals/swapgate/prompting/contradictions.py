"""Where a prompt asks for one answer and the suite's checks hold it against another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from swapgate.prompting.finding import PromptFinding, finding
from swapgate.prompting.wording import Promised, promised, wanted
from swapgate.records import Json
from swapgate.spec.models import ModelSpec
from swapgate.spec.prompt_entries import Effective, Prompt, effective
from swapgate.values import Value


class Use(Value):
    """How a suite uses a prompt: the inputs of its cases, and the schema of its answers, None without one.

    `choices` are the values that checks allow for a field. `has_own_turns` says that cases bring messages.
    """

    suite: str
    inputs: frozenset[str]
    schema: Mapping[str, Json] | None = None
    choices: Mapping[str, tuple[str, ...]] | None = None
    has_own_turns: bool = False


class _Version(Value):
    """A prompt as some models get it: what it is called, its text, and what that promises."""

    shown: str
    text: str
    told: Promised

    def says(self, word: str) -> bool:
        return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self.text, re.IGNORECASE) is not None


def contradictions(prompt: Prompt, use: Use, models: Sequence[ModelSpec]) -> Iterator[PromptFinding]:
    """Yield what a model is told of the answer and a suite does not allow, and what it is not told."""
    if use.schema is None and not use.choices:
        return
    for version in _versions(prompt, models):
        if use.schema is not None:
            yield from _against_schema(prompt, use, use.schema, version)
        for key, allowed in (use.choices or {}).items():
            yield from _against_values(prompt, use, version, (key, allowed))


def _versions(prompt: Prompt, models: Sequence[ModelSpec]) -> Iterator[_Version]:
    """Yield the different versions of a prompt, but for those whose provider is given the schema itself."""
    seen = set[tuple[str, ...]]()
    base = prompt.with_overrides({})
    plain = ModelSpec(name="", provider="", model="")
    for source, model in [(base, plain), *((prompt, model) for model in models)]:
        found = effective(source, model)
        if found.overrides not in seen and found.output != "schema":
            seen.add(found.overrides)
            yield _version(found)


def _version(found: Effective) -> _Version:
    text = "\n".join([*(turn.content for turn in found.turns), *found.blocks.values()])
    shown = f"the override {', '.join(found.overrides)}" if found.overrides else "the base"
    return _Version(shown=shown, text=text, told=promised(text))


def _against_schema(
    prompt: Prompt, use: Use, schema: Mapping[str, Json], version: _Version
) -> Iterator[PromptFinding]:
    want = wanted(schema)
    for key in sorted(version.told.keys - want.keys) if want.is_closed else ():
        message = f"{version.shown} asks for {key!r}, which the schema of suite {use.suite} does not allow"
        yield finding(prompt, "key-not-allowed", "error", message)
    for key in [key for key in want.required if not version.says(key)]:
        message = f"{version.shown} never says {key!r}, which the schema of suite {use.suite} requires"
        yield finding(prompt, "key-not-told", "warning", message)
    for rule in want.values.items():
        yield from _against_values(prompt, use, version, rule)


def _against_values(
    prompt: Prompt, use: Use, version: _Version, rule: tuple[str, tuple[str, ...]]
) -> Iterator[PromptFinding]:
    key, allowed = rule
    for value in sorted(version.told.choices.get(key, frozenset()) - set(allowed)):
        message = f"{version.shown} offers {value!r} for {key!r}, which suite {use.suite} does not allow"
        yield finding(prompt, "value-not-allowed", "error", message)
    if absent := [value for value in allowed if not version.says(value)]:
        listed = ", ".join(map(repr, absent))
        message = f"{version.shown} never says {listed}, which suite {use.suite} allows for {key!r}"
        yield finding(prompt, "value-not-told", "warning", message)
