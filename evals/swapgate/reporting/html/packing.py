"""The cases of report.html in compressed blocks: an index of all of them, and their texts in parts.

The browser unpacks the index when the page opens, and a part when one of its cases is opened or searched.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from swapgate.analysis.compare import Comparison
from swapgate.facts.reasons import first_reason
from swapgate.records import Json, Trial
from swapgate.reporting.html.case_data import Texts, case_body
from swapgate.reporting.html.trust import Seen
from swapgate.reporting.text import INVISIBLE, safe_text, visible
from swapgate.reporting.words.reasons import in_order, standing

# A text of so many characters is shown whole, in a run of at most so many trials. In a larger run all texts
# together stay within the product, so that a browser can hold the page.
TEXT_CHARS, WHOLE_TRIALS = 20_000, 5_000
FEWEST_CHARS = 1_000
REASON_CHARS = 300
# Characters of a part: so little is unpacked in a few milliseconds, and compresses nearly as well as more.
_PART_CHARS = 400_000
# A case of very many repeats is parted all the same.
_MOST_CHARS = 8 * _PART_CHARS
# Level 6 takes twice the time of level 4 for 6% less.
_LEVEL = 4
# So few parts wait to be compressed: each is text of some megabytes at most.
_PACKED_AHEAD = 2

Flipped = Literal["regressed", "fixed"]
_Key = tuple[str, str, str, int]


@dataclass(slots=True)
class PackedCases:
    """What was learned while the cases were packed: of each judge, and how much of a text was kept."""

    judges: dict[str, Seen] = field(default_factory=dict)
    text_chars: int = TEXT_CHARS

    def see(self, trial: Trial) -> None:
        """Count what the trial's verdicts show of their judges."""
        for verdict in trial.verdicts:
            self.judges.setdefault(verdict.judge, Seen()).add(verdict)


def text_chars(trials: int) -> int:
    """Return how many characters of each text are kept in a run of so many trials."""
    return min(TEXT_CHARS, max(FEWEST_CHARS, TEXT_CHARS * WHOLE_TRIALS // max(trials, 1)))


def blocks(trials: Sequence[Trial], comparisons: Sequence[Comparison], seen: PackedCases) -> Iterator[bytes]:
    """Yield the parts and then the index as elements; `seen` is filled on the way."""
    seen.text_chars = text_chars(len(trials))
    yield from _packed(_contents(trials, _Index(flips(comparisons)), seen))


def _contents(trials: Iterable[Trial], index: _Index, seen: PackedCases) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the JSON of each element."""
    for number, part in enumerate(_parts(trials, seen.text_chars)):
        texts = Texts(seen.text_chars)
        bodies: list[Json] = []
        for trial in part:
            seen.see(trial)
            index.add(trial, part=number, place=len(bodies))
            bodies.append(case_body(trial, texts))
        yield f"cases-{number}", _json({"trials": bodies, "texts": [*texts.kept]})
    yield "index", _json(index.content())


def flips(comparisons: Iterable[Comparison]) -> dict[_Key, Flipped]:
    """Return the candidates' trials that differ from the baseline's in passing."""
    found: dict[_Key, Flipped] = {}
    for one in comparisons:
        found |= {(f.suite, f.case, one.candidate, f.repeat): "fixed" for f in one.fixed}
        found |= {(f.suite, f.case, one.candidate, f.repeat): "regressed" for f in one.regressed}
    return found


class _Index:
    """What the list and its filters need of every trial: names by number, and where its texts are."""

    def __init__(self, flipped: Mapping[_Key, Flipped]) -> None:
        self._flipped = flipped
        self._names: dict[str, int] = {}
        self._rows: list[Json] = []

    def add(self, trial: Trial, *, part: int, place: int) -> None:
        is_candidate = trial.role == "candidate"
        key = (trial.suite, trial.case, trial.model, trial.repeat)
        self._rows.append(
            [
                self._number(trial.suite),
                visible(trial.case),
                self._number(trial.model),
                trial.repeat,
                int(is_candidate),
                standing(trial),
                (self._flipped.get(key) if is_candidate else None) or "",
                [self._number(tag) for tag in trial.tags],
                safe_text(first_reason(trial), REASON_CHARS),
                part,
                place,
            ]
        )

    def content(self) -> Json:
        # The script shows the same characters as escapes as every other report does.
        return {"names": list(self._names), "rows": self._rows, "invisible": INVISIBLE}

    def _number(self, name: str) -> int:
        return self._names.setdefault(visible(name), len(self._names))


def _parts(trials: Iterable[Trial], limit: int) -> Iterator[list[Trial]]:
    """Yield the trials in order, a part of them at a time; the trials of one case stay together."""
    part: list[Trial] = []
    size = 0
    for trial in in_order(trials):
        is_next_case = bool(part) and (trial.suite, trial.case) != (part[-1].suite, part[-1].case)
        if size >= (_PART_CHARS if is_next_case else _MOST_CHARS):
            yield part
            part, size = [], 0
        part.append(trial)
        size += _size(trial, limit)
    if part:
        yield part


def _size(trial: Trial, limit: int) -> int:
    """Return about how many characters a trial has in a part."""
    texts = [message.content for message in trial.messages]
    texts += [trial.answer.response.text] if trial.answer is not None else []
    texts += [text for v in trial.verdicts for s in v.samples for text in (s.raw, s.reasoning)]
    return sum(min(len(text), limit) for text in texts)


def _packed(contents: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield the elements in order; each is compressed in a thread while the next one is made."""
    with ThreadPoolExecutor(1, thread_name_prefix="swapgate-pack") as packer:
        packing: deque[Future[bytes]] = deque()
        for name, content in contents:
            packing.append(packer.submit(_block, name, content))
            if len(packing) > _PACKED_AHEAD:
                yield packing.popleft().result()
        for block in packing:
            yield block.result()


def _block(name: str, content: bytes) -> bytes:
    packed = b64encode(zlib.compress(content, _LEVEL))
    return b'<script type="application/zlib" id="%s">%s</script>\n' % (name.encode(), packed)


def _json(content: Json) -> bytes:
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        # A lone surrogate, which a model can write as an escape in its JSON, has no UTF-8.
        return json.dumps(content, separators=(",", ":")).encode()
