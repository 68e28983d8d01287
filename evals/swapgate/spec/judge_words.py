"""What the scores of a judge may be called: words of the pass rule, and keys of the judge's reply."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from swapgate.spec.pointers import pointer_of
from swapgate.spec.source import Document

SCORE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
TAKEN_NAMES = frozenset(
    {"evidence", "reasoning", "and", "or", "not", "in", "is", "if", "else", "mean", "min", "max"}
)


def check_names(
    document: Document, key: str, names: Iterable[str], *, noun: str, taken: Collection[str] = ()
) -> None:
    """Raise SpecError at the first key of a mapping that cannot be a score's name."""
    for name in names:
        _check(document, name, pointer_of([key, name]), noun=noun, taken=taken)


def check_words(document: Document, key: str, names: Iterable[str], *, noun: str) -> None:
    """Raise SpecError at the first entry of a list that cannot be a score's name."""
    for place, name in enumerate(names):
        _check(document, name, pointer_of([key, place]), noun=noun, taken=())


def _check(document: Document, name: str, pointer: str, *, noun: str, taken: Collection[str]) -> None:
    if not SCORE_NAME.fullmatch(name):
        example = "as in 'factual_accuracy'"
        raise document.error(f"{noun} {name!r}: write letters, digits and _, {example}", pointer)
    if name in TAKEN_NAMES or name in taken:
        raise document.error(
            f"{noun} {name!r}: the word is taken by the reply or the pass rule; rename it", pointer
        )
