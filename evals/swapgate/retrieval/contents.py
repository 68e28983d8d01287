"""Whether an index holds what its ledger says, in vectors that can be searched: examined before a swap."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from swapgate.reporting.format import count as counted
from swapgate.reporting.format import percent
from swapgate.retrieval.chunking import digest_of
from swapgate.retrieval.embedded import good_rows
from swapgate.retrieval.index import TEXT, Stored, VectorIndex
from swapgate.retrieval.ledger import WRITTEN, Ledger
from swapgate.retrieval.suspects import Suspects, written_by_routers
from swapgate.retrieval.writing import SUMMARY

_PAGE = 1000
_NAMED = 5
_LENGTH_TOLERANCE = 1e-3
# Below this spread of its values no dimension tells texts apart.
_CONSTANT = 1e-7


@dataclass(slots=True, kw_only=True)
class Contents:
    """What was found in one index. Lists of ids name the first few alone.

    `alike` counts entries whose vector is that of another text too; `strangers` are entries that the ledger
    does not know: written by a router since, or by somebody else. `by_routers` were changed or deleted since
    they were filled in, and the old index agrees: they are neither `stale` nor `missing`.
    """

    entries: int = 0
    expected: int = 0
    missing: int = 0
    strangers: int = 0
    by_routers: int = 0
    stale: int = 0
    wrong_width: int = 0
    not_finite: int = 0
    no_length: int = 0
    not_normalised: int = 0
    alike: int = 0
    dead: int = 0
    named: dict[str, list[str]] = field(default_factory=dict)
    is_constant: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against serving from the index."""
        return not self.problems


def examine(
    index: VectorIndex,
    ledger: Ledger,
    *,
    max_alike: float,
    old: Callable[[], VectorIndex] | None = None,
    draw: Callable[[int], None] = lambda _entries: None,
) -> Contents:
    """Return what an index holds, held against its ledger; memory is 16 bytes an entry.

    `old` opens the index that routers write as well: it tells their writes from faults.
    """
    found = Contents()
    suspects = Suspects()
    stamped = index.stamp()
    spread = _Spread()
    seen = _Twins()
    for page in _pages(index):
        found.entries += len(page)
        _hold_against(ledger, page, found, suspects)
        vectors = _of_width(page, stamped.dimensions if stamped else len(page[0].vector), found)
        if len(vectors):
            _look_at(vectors, page, found, normalised=bool(stamped and stamped.normalised))
            spread.add(vectors)
        seen.add(page)
        draw(found.entries)
    written, found.dead = ledger.counts()
    found.expected = written
    found.missing = max(0, written - (found.entries - found.strangers))
    if old is not None and (found.missing or suspects.texts):
        changed, deleted = written_by_routers(suspects, found.missing, index=index, ledger=ledger, old=old)
        found.stale -= changed
        found.missing -= deleted
        found.by_routers = changed + deleted
    found.alike = seen.count()
    found.is_constant = spread.is_none()
    found.problems = list(_problems(found, max_alike))
    return found


def _pages(index: VectorIndex) -> Iterator[list[Stored]]:
    after: str | None = None
    while True:
        page, after = index.scan(after, _PAGE)
        if page:
            yield page
        if after is None:
            return


def _hold_against(ledger: Ledger, page: Sequence[Stored], found: Contents, suspects: Suspects) -> None:
    known = ledger.known([one.id for one in page])
    for one in page:
        row = known.get(one.id)
        if row is None:
            found.strangers += 1
            _name(found, "strangers", one.id)
        elif row.state != WRITTEN or row.digest != _digest(one):
            found.stale += 1
            suspects.add(one)
            _name(found, "stale", one.id)
            # Of a dead chunk the index holds an older text: it is no stranger, and not expected either.
            found.strangers += row.state != WRITTEN


def _digest(one: Stored) -> bytes:
    payload = {key: value for key, value in one.payload.items() if key not in {TEXT, SUMMARY}}
    return digest_of(str(one.payload.get(TEXT, "")), payload)


def _of_width(page: Sequence[Stored], width: int, found: Contents) -> npt.NDArray[np.float32]:
    wrong = [one for one in page if one.vector.shape != (width,)]
    found.wrong_width += len(wrong)
    for one in wrong:
        _name(found, "wrong_width", one.id)
    right = [one.vector for one in page if one.vector.shape == (width,)]
    return np.stack(right) if right else np.empty((0, width), dtype=np.float32)


def _look_at(
    vectors: npt.NDArray[np.float32], page: Sequence[Stored], found: Contents, *, normalised: bool
) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1)
    is_finite = np.isfinite(vectors).all(axis=1)
    found.not_finite += int((~is_finite).sum())
    found.no_length += int((is_finite & ~good_rows(vectors)).sum())
    if normalised:
        found.not_normalised += int((is_finite & (np.abs(lengths - 1) > _LENGTH_TOLERANCE)).sum())
    for number in np.flatnonzero(~good_rows(vectors))[:_NAMED].tolist():
        _name(found, "not_finite", page[number].id)


def _name(found: Contents, what: str, one: str) -> None:
    names = found.named.setdefault(what, [])
    if len(names) < _NAMED:
        names.append(one)


class _Spread:
    """The variance of each dimension, summed up page by page."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: npt.NDArray[np.float64] | None = None
        self._squares: npt.NDArray[np.float64] | None = None
        self._first: npt.NDArray[np.float64] | None = None

    def add(self, vectors: npt.NDArray[np.float32]) -> None:
        good = vectors[np.isfinite(vectors).all(axis=1)].astype(np.float64)
        if not len(good):
            return
        if self._first is None or self._sum is None or self._squares is None:
            self._first = good[0]
            self._sum = np.zeros_like(self._first)
            self._squares = np.zeros_like(self._first)
        # Measured from the first vector: where all are equal, what is left is exactly nothing.
        away = good - self._first
        self._count += len(good)
        self._sum += away.sum(axis=0)
        self._squares += (away**2).sum(axis=0)

    def is_none(self) -> bool:
        """Whether there are several vectors, and all are the same."""
        if self._count < 2 or self._sum is None or self._squares is None:
            return False
        variance = self._squares / self._count - (self._sum / self._count) ** 2
        return bool(variance.max() < _CONSTANT**2)


class _Twins:
    """Counts entries whose vector another text has too, by hashes of 8 bytes each."""

    def __init__(self) -> None:
        self._vectors: list[npt.NDArray[np.uint64]] = []
        self._texts: list[npt.NDArray[np.uint64]] = []

    def add(self, page: Sequence[Stored]) -> None:
        vectors = [_short_hash(one.vector.tobytes()) for one in page]
        texts = [_short_hash(_embedded_text(one).encode("utf-8", "surrogatepass")) for one in page]
        self._vectors.append(np.frombuffer(b"".join(vectors), dtype=np.uint64))
        self._texts.append(np.frombuffer(b"".join(texts), dtype=np.uint64))

    def count(self) -> int:
        if not self._vectors:
            return 0
        pairs = np.stack([np.concatenate(self._vectors), np.concatenate(self._texts)], axis=1)
        distinct = np.unique(pairs, axis=0)
        _values, texts = np.unique(distinct[:, 0], return_counts=True)
        return int(texts[texts > 1].sum())


def _embedded_text(one: Stored) -> str:
    return str(one.payload.get(SUMMARY, one.payload.get(TEXT, one.id)))


def _short_hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=8).digest()


def _problems(found: Contents, max_alike: float) -> Iterator[str]:
    if not found.entries:
        yield "the index is empty"
        return
    if found.missing:
        yield f"{counted(found.missing, 'chunk')} of the ledger are not in the index"
    if found.stale:
        yield f"{found.stale:,} entries hold another text than the source{_such(found, 'stale')}"
    if found.wrong_width:
        yield f"{counted(found.wrong_width, 'vector')} of another width{_such(found, 'wrong_width')}"
    if found.not_finite or found.no_length:
        yield (
            f"{counted(found.not_finite, 'vector')} with NaN or infinity, {found.no_length:,} of no length"
            f"{_such(found, 'not_finite')}"
        )
    if found.not_normalised:
        yield f"{counted(found.not_normalised, 'vector')} not of length 1, though `normalise` is written"
    if found.is_constant:
        yield "all vectors are the same: the embedding tells no texts apart"
    elif found.alike > max_alike * found.entries:
        yield (
            f"{percent(found.alike / found.entries)} of the vectors belong to several texts, more than "
            f"`max_alike: {max_alike:g}` allows"
        )


def _such(found: Contents, what: str) -> str:
    return f" (as {', '.join(repr(one) for one in found.named[what])})" if found.named.get(what) else ""
