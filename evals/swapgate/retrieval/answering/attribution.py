"""Which of the two swaps broke it: from what is shown of each alone and of both together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from swapgate.retrieval.answering.observations import Measure
from swapgate.retrieval.answering.rulings import Ruling, State, find
from swapgate.values import Value

Cause = Literal["embedding", "model", "both", "together", "neither", "unknown"]


class Attribution(Value):
    """What broke a measure on a slice (None: overall); `rulings` are what it follows from."""

    measure: Measure
    cause: Cause
    embedding: Ruling
    model: Ruling
    both: Ruling
    slice: str | None = None

    @property
    def rulings(self) -> tuple[Ruling, Ruling, Ruling]:
        """What is shown of the embedding alone, the model alone, and both."""
        return self.embedding, self.model, self.both

    @property
    def is_broken(self) -> bool:
        """Whether anything is shown to be broken, be it made up for by the other swap."""
        return self.cause not in {"neither", "unknown"}

    @property
    def needed(self) -> int | None:
        """About how many questions it takes to tell, None where nothing is open or no number would."""
        known = [one.needed for one in self.rulings if one.state == "open" and one.needed is not None]
        return max(known, default=None)


def cause_of(*, embedding: State, model: State, both: State) -> Cause:
    """Return what follows from the states of each swap made alone, and of both made together.

    Whoever falls alone is to blame, whatever else is open. Where both hold alone and fall together it is
    neither by itself. Nothing is broken where both together hold and neither falls alone.
    """
    if embedding == "falls":
        return "both" if model == "falls" else "embedding"
    if model == "falls":
        return "model"
    if both == "falls":
        return "together" if embedding == model == "holds" else "unknown"
    return "neither" if both == "holds" else "unknown"


def attribute(rulings: Sequence[Ruling], measure: Measure) -> Attribution:
    """Return what broke a measure, from the rulings of one scope."""
    embedding, model, both = (find(rulings, measure, name) for name in ("embedding", "model", "both"))
    return Attribution(
        measure=measure,
        cause=cause_of(embedding=embedding.state, model=model.state, both=both.state),
        embedding=embedding,
        model=model,
        both=both,
        slice=both.slice,
    )
