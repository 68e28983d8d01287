"""What every judge that asks a model comes down to: questions, and the scores that their answers give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from swapgate.values import Value

ABSTAINS = "cannot_assess"
UNDECIDABLE = "the input, the reference and the answer do not let you decide"


class Question(Value):
    """One question to the judge, answered by an integer on `scale`, else by one of `words`.

    An integer is the score of the question's own name. A word gives the scores that it is mapped to, none
    when the judge abstains with it. `meanings` are the points or words that are explained to the judge.
    """

    ask: str
    scale: tuple[int, int] | None = None
    words: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    meanings: Mapping[int, str] | Mapping[str, str] = field(default_factory=dict)

    def gives(self, name: str) -> tuple[str, ...]:
        """Return the names of the scores that an answer can give; `name` is the question's own."""
        if self.scale is not None:
            return (name,)
        return tuple(dict.fromkeys(score for scores in self.words.values() for score in scores))


def on_scale(ask: str, scale: tuple[int, int], anchors: Mapping[int, str]) -> Question:
    """Return a question that is answered by an integer."""
    return Question(ask=ask, scale=scale, meanings=dict(sorted(anchors.items())))


def either(ask: str, *, name: str, yes: str, no: str, is_wanted: bool = True) -> Question:
    """Return a question of two words, of which `yes` (or `no`, when it is not wanted) scores 1."""
    words = {yes: {name: float(is_wanted)}, no: {name: float(not is_wanted)}, ABSTAINS: {}}
    return Question(ask=ask, words=words, meanings={ABSTAINS: UNDECIDABLE})


def one_of(ask: str, labels: Mapping[str, str]) -> Question:
    """Return a question for one label: its score is 1 and that of all others 0."""
    words = {label: {other: float(other == label) for other in labels} for label in labels}
    meanings = {label: meaning for label, meaning in labels.items() if meaning.strip()}
    return Question(ask=ask, words=words | {ABSTAINS: {}}, meanings=meanings | {ABSTAINS: UNDECIDABLE})
