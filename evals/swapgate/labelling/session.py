"""A labelling session: one response after the other, each answer stored before the next is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TypeAlias

from swapgate.labelling.keys import END, Keys
from swapgate.labelling.label_file import Truth
from swapgate.labelling.question import Part, Question
from swapgate.labelling.responses import Shown
from swapgate.labelling.screen import HELP, SCORE_HELP, Screen
from swapgate.spec.labels import LabelledVerdict
from swapgate.values import Value


class Given(Value):
    """What a person said of one response."""

    truth: Truth
    scores: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


# Stores an answer to the response of this id, and returns the row that it became.
Store: TypeAlias = Callable[[str, Given], LabelledVerdict]
_TRUTHS: Mapping[str, Truth] = {"p": "pass", "f": "fail", "s": "skip"}


class Session:
    """Asks about each item that has no answer yet. `answers` are the person's, by the item's id."""

    def __init__(
        self,
        items: Sequence[Shown],
        question: Question,
        *,
        answers: Mapping[str, LabelledVerdict],
        store: Store,
        keys: Keys,
        screen: Screen,
    ) -> None:
        self._items = items
        self._question = question
        self._answers = dict(answers)
        self._store = store
        self._keys = keys
        self._screen = screen
        self._note = ""

    @property
    def left(self) -> int:
        """How many items have no answer."""
        return sum(item.id not in self._answers for item in self._items)

    def run(self) -> None:
        """Ask until everything is answered or the person quits."""
        place = self._next_open(0)
        visited: list[int] = []
        while place is not None:
            given = self._asked(place)
            if given == END:
                return
            if given == "b":
                place = visited.pop() if visited else max(place - 1, 0)
                continue
            if isinstance(given, Given):
                item = self._items[place]
                self._answers[item.id] = self._store(item.id, given)
                visited.append(place)
                place = self._next_open(place + 1)

    def _next_open(self, start: int) -> int | None:
        order = [*range(start, len(self._items)), *range(start)]
        return next((place for place in order if self._items[place].id not in self._answers), None)

    def _asked(self, place: int) -> Given | str:
        """Show one item and return what is said of it, or the key to go on with."""
        item, total = self._items[place], len(self._items)
        earlier = self._answers.get(item.id)
        now = "" if earlier is None else earlier.truth
        title = f"{place + 1} of {total}, {self.left} left"
        # A note belongs to the response that it was written at.
        self._note = ""
        self._screen.show(item, self._question, place=title, now=now)
        while True:
            found = self._verdict() if self._question.asked == "verdict" else self._scores()
            if found != "m":
                return found
            self._screen.show(item, self._question, place=title, now=now, is_whole=True)

    def _verdict(self) -> Given | str:
        while True:
            key = self._key(HELP)
            if key in _TRUTHS:
                return Given(truth=_TRUTHS[key], note=self._note)
            if key in {"b", "m", END}:
                return key

    def _scores(self) -> Given | str:
        scores: dict[str, float] = {}
        for part in self._question.parts:
            found = self._score(part)
            if isinstance(found, str):
                return Given(truth="skip", note=self._note) if found == "s" else found
            scores[part.name] = found
        return Given(truth=self._question.truth(scores), scores=scores, note=self._note)

    def _score(self, part: Part) -> float | str:
        """Return the score of one criterion, or a key that stands for something else."""
        while True:
            if part.scale is None:
                key = self._key(f"{part.name}: p pass   f fail   {SCORE_HELP}")
                if key in {"p", "f"}:
                    return float(key == "p")
            else:
                low, high = part.scale
                how = "" if part.is_one_key else ", then Enter"
                key = self._key(
                    f"{part.name}: {low} to {high}{how}   {SCORE_HELP}", is_line=not part.is_one_key
                )
                if key.lstrip("-").isdecimal() and low <= int(key) <= high:
                    return float(key)
            if key in {"s", "b", "m", END}:
                return key

    def _key(self, prompt: str, *, is_line: bool = False) -> str:
        """Return a key; a note is taken down at once and asked for again."""
        while True:
            self._screen.say(f"{prompt}: ", end="")
            key = self._keys.line().strip().lower() if is_line else self._keys.key()
            self._screen.say("" if is_line else _echo(key))
            if key != "n":
                return key
            self._screen.say("note: ", end="")
            self._note = self._keys.line().strip()


def _echo(key: str) -> str:
    return key if key.isprintable() else ""
