"""What makes vectors comparable. Two that differ in any of it belong into two indexes."""

from __future__ import annotations

from dataclasses import fields
from typing import Literal

from swapgate.errors import UsageError
from swapgate.records import adapter, content_hash, to_json, to_text
from swapgate.values import Value

Distance = Literal["cosine", "dot", "euclid"]
_SHOWN_DIGITS = 12


class FingerprintError(UsageError):
    """Vectors, or a threshold, of one embedding would be used with another's."""


class Fingerprint(Value):
    """One embedding and all that changes its vectors; stamped on indexes, ledgers and thresholds.

    `truncation` says what is cut off before embedding (as in `8191 tokens`), `chunker` how texts are parted;
    both empty where nothing is.
    """

    provider: str
    model: str
    dimensions: int
    normalised: bool = False
    query_prefix: str = ""
    passage_prefix: str = ""
    chunker: str = ""
    truncation: str = ""
    distance: Distance = "cosine"

    @property
    def digest(self) -> str:
        """The short hash that people write beside a threshold."""
        return content_hash(to_json(self))[:_SHOWN_DIGITS]

    def differences(self, other: Fingerprint) -> tuple[str, ...]:
        """Return what differs, each as `model 'a', not 'b'`: here, and there."""
        pairs = [(f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        return tuple(f"{name} {mine!r}, not {theirs!r}" for name, mine, theirs in pairs if mine != theirs)

    def to_text(self) -> str:
        """Return it as one line of JSON, as an index is stamped."""
        return to_text(self)


class Threshold(Value):
    """A least score, and the digest of the fingerprint that it was tuned for: elsewhere it means nothing."""

    value: float
    fingerprint: str

    def require(self, fingerprint: Fingerprint, where: str) -> None:
        """Raise FingerprintError unless it was tuned for this embedding."""
        if self.fingerprint != fingerprint.digest:
            raise FingerprintError(
                f"{where}: the threshold {self.value:g} was tuned for the embedding {self.fingerprint!r}, "
                f"and this one is {fingerprint.digest!r} ({fingerprint.provider}:{fingerprint.model}). "
                "Scores of two embeddings cannot be compared: tune a threshold for this one, or leave it out"
            )


def distance_of(stamped: Fingerprint | None) -> Distance:
    """Return how an index with this stamp compares vectors: by their cosine when nothing says otherwise."""
    return stamped.distance if stamped is not None else "cosine"


def read_fingerprint(text: str) -> Fingerprint:
    """Return the fingerprint of a stamp; ValueError when it is none."""
    found: Fingerprint = adapter(Fingerprint).validate_json(text)
    return found


def require_same(where: str, *, stamped: Fingerprint | None, wanted: Fingerprint) -> None:
    """Raise FingerprintError unless what was stamped is what is wanted."""
    if stamped is None:
        raise FingerprintError(
            f"{where}: no fingerprint says which embedding made its vectors. When you know that it was "
            f"{wanted.provider}:{wanted.model} as configured, say so once: `swapgate index stamp`"
        )
    if found := stamped.differences(wanted):
        raise FingerprintError(
            f"{where}: made with another embedding than the configured one: {'; '.join(found)}. Vectors of "
            "two embeddings never share an index: give the new one its own, or mend the configuration"
        )
