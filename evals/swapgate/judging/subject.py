"""What a judge is shown as text: input, reference and answer; and which answers need no judge."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from swapgate.judging.visible import visible
from swapgate.records import Json, Message, Response

NO_REFERENCE = "no reference given"
# Openers that pass many judges on their own (Zhao et al. 2025, arXiv 2507.08794), without their punctuation.
EMPTY_OPENERS = {
    "thought process",
    "let's solve this problem step by step",
    "solution",
    "answer",
    "respuesta",
    "解",
    "かいせつ",
}
_MOST_WORDS = max(len(opener.split()) for opener in EMPTY_OPENERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One answer and all that a judge may know of it. `messages` is the case's own conversation.

    Of the answers stays what a reader would see; the input and the reference are shown as they are.
    `rival` is the other answer of a pairwise judge, and `facts` the whole expectation where only a part of it
    is shown as the reference.
    """

    output: str
    variables: Mapping[str, Json] = field(default_factory=dict)
    messages: Sequence[Message] = ()
    expected: Json = None
    rival: str | None = None
    facts: Json = None
    # The reference as text, and the input as named texts: the variables, then the conversation.
    reference: str = field(init=False)
    input_parts: Mapping[str, str] = field(init=False)

    @property
    def texts(self) -> str:
        """What a quote may be taken from: the answer, and the other one where there is one."""
        return self.output if self.rival is None else f"{self.output}\n{self.rival}"

    def __post_init__(self) -> None:
        """Take out of the answer what only a model would read, and write as text what is needed often."""
        parts = {name: as_text(value) for name, value in self.variables.items()}
        if self.messages:
            parts["conversation"] = "\n".join(_turn(m) for m in self.messages)
        object.__setattr__(self, "output", visible(self.output))
        object.__setattr__(self, "input_parts", parts)
        object.__setattr__(
            self, "reference", NO_REFERENCE if self.expected is None else as_text(self.expected)
        )

    @property
    def input_text(self) -> str:
        """The input as one text: its only part as it stands, several as JSON."""
        parts = self.input_parts
        if len(parts) == 1:
            return next(iter(parts.values()))
        return as_text(
            {**self.variables, **({"conversation": parts["conversation"]} if self.messages else {})}
        )

    @property
    def is_trivial(self) -> bool:
        """Whether no letter, digit or emoji can be seen, or a bare opener, and not the reference either."""
        text = self.output.strip()
        if text and text == self.reference.strip():
            return False
        if not any(_carries_meaning(c) for c in text):
            return True
        words = re.finditer(r"[\w']+", text.casefold().replace("’", "'"))
        return " ".join(word[0] for word in islice(words, _MOST_WORDS + 1)) in EMPTY_OPENERS


def answer_text(response: Response) -> str:
    """Return what the model answered as one text, its tool calls included."""
    calls = [f"tool call: {call.name}({call.arguments})" for call in response.tool_calls]
    return "\n".join([response.text, *calls] if response.text.strip() or not calls else calls)


_readable = json.JSONEncoder(ensure_ascii=False).encode


def as_text(value: Json) -> str:
    """Return a string as it stands, anything else as JSON."""
    return value if isinstance(value, str) else _readable(value)


def _turn(message: Message) -> str:
    return f"{message.role}: {answer_text(Response(text=message.content, tool_calls=message.tool_calls))}"


def _carries_meaning(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LN" or category == "So"
