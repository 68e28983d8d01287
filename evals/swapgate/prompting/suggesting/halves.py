"""The cases of a prompt in two halves: one to learn from and to choose on, one to report on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from swapgate.engine.workspace import ReadyCase, ReadySuite
from swapgate.records import content_hash, to_json
from swapgate.values import Value

Placed = tuple[ReadySuite, ReadyCase]


class Halves(Value):
    """The training half and the held-out half, in the suites' order."""

    training: Sequence[Placed]
    held_out: Sequence[Placed]


def halves(prompt: str, suites: Iterable[ReadySuite]) -> Halves:
    """Split the cases of the suites by a hash, so that a case stays in its half whatever else is added.

    Cases of one cluster fall into one half, and so do those that ask the same, in whichever suite. Cases in
    quarantine are in neither.
    """
    training: list[Placed] = []
    held_out: list[Placed] = []
    for suite in suites:
        for case in suite.cases:
            if case.quarantine is None:
                (training if _is_training(prompt, case) else held_out).append((suite, case))
    return Halves(training=training, held_out=held_out)


def _is_training(prompt: str, case: ReadyCase) -> bool:
    written = case.placed.case
    asked = content_hash([written.input, [to_json(message) for message in written.messages]])
    digest = hashlib.sha256(f"{prompt}\n{written.cluster or asked}".encode()).digest()
    return digest[0] < 128
