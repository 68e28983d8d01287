"""Two models' trials of the same questions, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from swapgate.analysis.ordering import in_order, renumbered
from swapgate.analysis.table import Codes, ModelTrials, Table
from swapgate.facts import Facts
from swapgate.values import Value, replace

Key = tuple[str, str, int]


class Pairs(Value):
    """The trials of two models on the same suite, case and repeat, both answered; position i is one pair.

    `unpaired` counts the trials of both models that are in no pair, `changed` the pairs that were left out
    because their case or their judge changed in between. The clusters are the candidate's.
    """

    candidate: str
    baseline: str
    ours: Sequence[Facts]
    theirs: Sequence[Facts]
    our_table: Table
    their_table: Table
    unpaired: int
    changed: int

    @property
    def clusters(self) -> Codes:
        """The cluster of each pair as a number."""
        return self.our_table.clusters

    def in_order(self) -> Pairs:
        """Return the pairs by suite, case and repeat, the clusters numbered as they appear in that order."""
        order = in_order(self.ours, range(len(self.ours)))
        table = self.our_table.take(order)
        return replace(
            self,
            ours=[self.ours[i] for i in order],
            theirs=[self.theirs[i] for i in order],
            our_table=replace(table, clusters=renumbered(table.clusters)),
            their_table=self.their_table.take(order),
        )


def pair_up(models: Sequence[ModelTrials], *, candidate: str, baseline: str) -> Pairs:
    """Return the pairs of two models; a trial whose partner is absent or did not answer is in none."""
    ours, theirs = _trials_of(models, candidate, "candidate"), _trials_of(models, baseline, "baseline")
    our_places, their_places = _places(ours), _places(theirs)
    found = [(their_places[key], place) for key, place in our_places.items() if key in their_places]
    known = [
        (b, c)
        for b, c in found
        if theirs.facts[b].structural is not None and ours.facts[c].structural is not None
    ]
    pairs = [(b, c) for b, c in known if _is_same_question(theirs.facts[b], ours.facts[c])]
    return Pairs(
        candidate=candidate,
        baseline=baseline,
        ours=[ours.facts[c] for _, c in pairs],
        theirs=[theirs.facts[b] for b, _ in pairs],
        our_table=ours.table.take(np.array([c for _, c in pairs], dtype=np.int64)),
        their_table=theirs.table.take(np.array([b for b, _ in pairs], dtype=np.int64)),
        unpaired=len(our_places) + len(their_places) - 2 * len(known),
        changed=len(known) - len(pairs),
    )


def _trials_of(models: Sequence[ModelTrials], model: str, role: str) -> ModelTrials:
    """Return one model's trials; its role decides when it is in both."""
    own = [one for one in models if one.model == model]
    in_role = [one for one in own if one.role == role]
    return next(iter(in_role or own), ModelTrials(model=model, role=role, facts=()))


def _places(trials: ModelTrials) -> dict[Key, int]:
    """Return where each trial stands, by suite, case and repeat."""
    return {(f.suite, f.case, f.repeat): place for place, f in enumerate(trials.facts)}


def _is_same_question(baseline: Facts, candidate: Facts) -> bool:
    """Whether the case and every judge that scored both are the same for both; an old record may not say."""
    if None not in {baseline.case_hash, candidate.case_hash} and baseline.case_hash != candidate.case_hash:
        return False
    if not baseline.verdicts or not candidate.verdicts:
        return True
    judged = {judge: definition for judge, definition, *_ in baseline.verdicts}
    return all(judged.get(judge, definition) == definition for judge, definition, *_ in candidate.verdicts)
