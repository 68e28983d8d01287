"""How much of what broke lies on which slice."""

from __future__ import annotations

from swapgate.retrieval.answering.attribution import Attribution
from swapgate.retrieval.answering.effects import contrast
from swapgate.retrieval.answering.observations import Observations, in_slice, questions_of, slices_of
from swapgate.values import Value


class Part(Value):
    """A slice's share of an effect on all questions: a difference of shares, of all of them."""

    slice: str
    questions: int
    share: float


def parts(observations: Observations, found: Attribution) -> tuple[Part, ...]:
    """Return every slice's share of the swap that fell, the largest loss first; slices may overlap."""
    fallen = next((one for one in found.rulings if one.state == "falls"), found.both)
    whole = len(contrast(observations, found.measure, fallen.effect).before)
    made = []
    for name in slices_of(observations):
        own = in_slice(observations, name)
        pairs = contrast(own, found.measure, fallen.effect)
        changed = sum(map(int, pairs.after)) - sum(map(int, pairs.before))
        made.append(Part(slice=name, questions=questions_of(own), share=changed / whole if whole else 0.0))
    return tuple(sorted(made, key=lambda one: (one.share, one.slice)))
