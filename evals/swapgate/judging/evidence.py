"""The quotes that a judge gives for its verdict: whether they occur in the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from swapgate.checks.json_reading import read_json
from swapgate.records import Evidence, Json


def checked_quotes(quotes: Sequence[str], output: str) -> tuple[Evidence, ...]:
    """Return each quote with whether it occurs in the answer; runs of white space count as one space.

    A quote may be taken from the answer as written, or from a text inside the JSON that it holds.
    """
    if not quotes:
        return ()
    places = [_normal(text) for text in (output, *texts_in(read_json(output).recovered))]
    return tuple(Evidence(quote=q, is_verbatim=_occurs(_normal(q), places)) for q in quotes)


def _occurs(quote: str, places: Iterable[str]) -> bool:
    return bool(quote) and any(quote in place for place in places)


def _normal(text: str) -> str:
    return " ".join(text.split())


def texts_in(value: Json | Mapping[str, Json]) -> Iterator[str]:
    """Yield every text of a value, in order; the names of keys are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)
