"""Who is drawn: by a hash, so that all requests of one user are, or none, and stay so when a share grows."""

from __future__ import annotations

import hashlib

_WHOLE = 1 << 64


def is_drawn(unit: str, share: float, *, salt: str) -> bool:
    """Whether a unit is within a share of all. Who is within a share is within every larger one.

    Different salts draw independently of each other.
    """
    if share <= 0 or share >= 1:
        return share >= 1
    digest = hashlib.blake2b(
        unit.encode("utf-8", "surrogatepass"), digest_size=8, key=salt.encode()[:64]
    ).digest()
    return int.from_bytes(digest, "big") < share * _WHOLE


def unit_hash(unit: str) -> str:
    """Return what stands for a unit in records: its own name may be a person's."""
    return hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8, key=b"unit").hexdigest()
