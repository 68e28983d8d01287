"""A proposal as a model writes it: read strictly, and refused where it could not be an author's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field, ValidationError

from swapgate.checks.json_reading import read_json
from swapgate.errors import PromptError
from swapgate.judging.evidence import texts_in
from swapgate.prompting.suggesting.halves import Placed
from swapgate.spec.key_shapes import KEYS
from swapgate.spec.models import ModelSpec
from swapgate.spec.problems import explain
from swapgate.spec.prompt_entries import Effective, Override, Prompt, effective
from swapgate.spec.prompts import render
from swapgate.spec.suite import Written
from swapgate.spec.templates import check_syntax, constructs, used_names

MOST_CHARS = 20_000
# So much of a case's text, word by word, is a copy of it.
_COPIED_CHARS = 40


class Proposal(Written):
    """What a model may change of a prompt: its texts. A key left out keeps what is there."""

    why: str = ""
    system: str | None = None
    user: str | None = None
    blocks: dict[str, str] = Field(default_factory=dict)

    def texts(self) -> Iterator[str]:
        """Yield the templates."""
        yield from (text for text in (self.system, self.user) if text is not None)
        yield from self.blocks.values()


class Refused(Exception):
    """A reply that is no usable proposal; the text says why."""


def read_proposal(reply: str) -> Proposal:
    """Return the proposal of a model's reply, bare or wrapped; Refused when there is none in it."""
    reading = read_json(reply)
    if not reading.is_recoverable or not isinstance(reading.recovered, dict):
        raise Refused(f"the reply holds no JSON object ({reading.kind.replace('_', ' ')})")
    try:
        proposal = Proposal.model_validate(reading.recovered)
    except ValidationError as exc:
        (first, *_more) = explain(exc, Proposal, reading.recovered, noun="the reply")
        raise Refused(first.message) from exc
    if not any(text.strip() for text in proposal.texts()):
        raise Refused("it changes no text")
    return proposal


def with_proposal(prompt: Prompt, model: ModelSpec, proposal: Proposal) -> Prompt:
    """Return the prompt with the proposal as the override of this model, over the one that it may have."""
    old = prompt.overrides.get(model.name, Override())
    written = old.model_dump(exclude_unset=True)
    for key in ("system", "user"):
        if (text := getattr(proposal, key)) is not None:
            written[key] = text
    if proposal.user is not None:
        written.pop("messages", None)
    if proposal.blocks:
        written["blocks"] = {**old.blocks, **proposal.blocks}
    return prompt.with_overrides({**prompt.overrides, model.name: Override.model_validate(written)})


def require_usable(
    proposal: Proposal, prompt: Prompt, model: ModelSpec, cases: Sequence[Placed], tried: Iterable[str]
) -> Prompt:
    """Return the prompt with the proposal; Refused where the template could not be an author's.

    `cases` are those of the training half, `tried` the hashes of what was tried before.
    """
    current = effective(prompt, model)
    _require_sound(proposal, current)
    changed = with_proposal(prompt, model, proposal)
    found = effective(changed, model)
    _require_same_slots(found, current)
    if found.hash in set(tried):
        raise Refused("it is the same as one that was tried before")
    _require_no_copy(found, current, cases)
    for _suite, case in cases:
        written = case.placed.case
        try:
            render(changed, model=model, variables=written.input, messages=written.messages)
        except PromptError as exc:
            raise Refused(str(exc)) from exc
    return changed


def _require_sound(proposal: Proposal, current: Effective) -> None:
    known = frozenset[str]().union(*(constructs(text) for text in _texts(current)))
    for text in proposal.texts():
        if len(text) > MOST_CHARS:
            raise Refused(f"a text of {len(text):,} characters, at most {MOST_CHARS:,} are taken")
        if problem := check_syntax(text):
            raise Refused(problem)
        if KEYS.search(text):
            raise Refused("it holds what looks like a key or a password")
        if strange := sorted(constructs(text) - known):
            raise Refused(f"its template does what the prompt's does not: {', '.join(strange)}")


def _require_same_slots(found: Effective, current: Effective) -> None:
    had, has = _variables(current), _variables(found)
    if strange := sorted(has - had):
        raise Refused(f"it reads unknown variables: {', '.join(strange)}")
    if lost := sorted(had - has):
        raise Refused(f"it leaves out what the case brings: {', '.join(lost)}")


def _variables(version: Effective) -> frozenset[str]:
    """Return what the turns read, in blocks that they use too."""
    found, blocks = set[str](), list[str]()
    for turn in version.turns:
        names = used_names(turn.content)
        found |= names.variables
        blocks += names.blocks
    seen = set[str]()
    while blocks:
        name = blocks.pop()
        if name not in seen and name in version.blocks:
            seen.add(name)
            names = used_names(version.blocks[name])
            found |= names.variables
            blocks += names.blocks
    return frozenset(found)


def _require_no_copy(found: Effective, current: Effective, cases: Sequence[Placed]) -> None:
    """Refuse a text that copies a case: answers learned by heart instruct nobody, and data may be private."""
    had = _plain("\n".join(_texts(current)))
    new = _plain("\n".join(_texts(found)))
    pieces = {new[at : at + _COPIED_CHARS] for at in range(len(new) - _COPIED_CHARS + 1)}
    pieces = {piece for piece in pieces if piece not in had}
    for _suite, case in cases:
        written = case.placed.case
        held = _plain("\n".join([*texts_in(written.input), *texts_in(written.expected)]))
        if any(piece in held for piece in pieces):
            raise Refused(f"it copies the text of the case {written.id!r}")


def _texts(version: Effective) -> list[str]:
    return [*(turn.content for turn in version.turns), *version.blocks.values()]


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
