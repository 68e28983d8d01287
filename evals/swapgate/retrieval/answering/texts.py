"""What both indexes find for each question, as the models are shown it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from swapgate.errors import UsageError
from swapgate.reporting.format import count
from swapgate.retrieval.index import SIDES, TEXT, Side
from swapgate.retrieval.verifying.asking import Asked, Ranking, document_of
from swapgate.retrieval.verifying.labels import Labels
from swapgate.values import Value


class Passage(Value):
    """One text that was found, with its id."""

    id: str
    text: str


class Texts(Value):
    """What one index found for a question, best first, or the error; and whether it holds the answer."""

    passages: tuple[Passage, ...] = ()
    error: str | None = None
    is_right: bool | None = None

    @property
    def shown(self) -> str:
        """The texts as a prompt shows them: numbered, without their ids, which may tell their index."""
        return "\n\n".join(f"[{number}] {one.text}" for number, one in enumerate(self.passages, start=1))


class Retrieved(Value):
    """The texts of both indexes, by question. In US dollars; seconds are those of all searches.

    `stood_in` says that the texts are others, as long as those that would be found: nothing was embedded.
    """

    texts: Mapping[str, Mapping[Side, Texts]]
    paid_usd: float = 0.0
    notes: tuple[str, ...] = field(default=())
    stood_in: bool = False

    def of(self, question: str, side: Side) -> Texts:
        """Return what one index found for a question."""
        return self.texts[question][side]

    @property
    def same(self) -> int:
        """For how many questions both found the same texts in the same order."""
        return sum(
            one["old"].error is None and one["old"].passages == one["new"].passages
            for one in self.texts.values()
        )


def texts_of(asked: Sequence[Asked]) -> dict[str, dict[Side, Texts]]:
    """Return the texts by question; UsageError where an index keeps none."""
    return {one.query.id: {side: _texts(one.side(side), side) for side in SIDES} for one in asked}


def _texts(found: Ranking, side: Side) -> Texts:
    if found.error is not None:
        return Texts(error=found.error)
    for one in found.ids:
        if one not in found.texts:
            raise UsageError(
                f"the {side} index keeps no text of {one!r} in its payload, under {TEXT!r}: without it "
                "no model can be shown what was found. Fill it by `swapgate index reindex`"
            )
    return Texts(passages=tuple(Passage(id=one, text=found.texts[one]) for one in found.ids))


def by_labels(found: Texts, question: str, labels: Labels, *, relevant_from: int) -> bool | None:
    """Return whether a text that is labelled relevant was found; None where none is labelled."""
    if found.error is not None or not labels.has_relevant(question, relevant_from=relevant_from):
        return None
    grades = labels.of(question)
    names = (name for one in found.passages for name in (one.id, document_of(one.id)))
    return any(grades.get(name, 0) >= relevant_from for name in names)


def failures(texts: Mapping[str, Mapping[Side, Texts]]) -> Iterator[str]:
    """Yield one sentence for each index that did not answer some questions."""
    for side in SIDES:
        errors = [one[side].error for one in texts.values() if one[side].error is not None]
        if errors:
            yield f"the {side} index did not answer {count(len(errors), 'question')}: {errors[0]}"
