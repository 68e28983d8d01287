"""Two models' trials of the same questions, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swapgate.analysis.columns import Codes, Columns, columns
from swapgate.facts import Facts

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The trials of two models on the same suite, case and repeat, both answered; position i is one pair.

    `unpaired` counts the trials of both models that are in no pair, `changed` the pairs that were left out
    because their case or their judge changed in between. The clusters are the candidate's.
    """

    candidate: str
    baseline: str
    ours: Sequence[Facts]
    theirs: Sequence[Facts]
    our_columns: Columns
    their_columns: Columns
    unpaired: int
    changed: int

    @property
    def clusters(self) -> Codes:
        """The cluster of each pair as a number."""
        return self.our_columns.clusters


def pair_up(facts: Iterable[Facts], *, candidate: str, baseline: str) -> Pairs:
    """Return the pairs of two models; a trial whose partner is absent or did not answer is in none."""
    facts = list(facts)
    ours, theirs = _by_key(facts, candidate, "candidate"), _by_key(facts, baseline, "baseline")
    found = [(theirs[key], one) for key, one in ours.items() if key in theirs]
    known = [(b, c) for b, c in found if b.structural is not None and c.structural is not None]
    pairs = [(b, c) for b, c in known if _is_same_question(b, c)]
    our_facts, their_facts = [c for _, c in pairs], [b for b, _ in pairs]
    return Pairs(
        candidate=candidate,
        baseline=baseline,
        ours=our_facts,
        theirs=their_facts,
        our_columns=columns(our_facts),
        their_columns=columns(their_facts),
        unpaired=len(ours) + len(theirs) - 2 * len(known),
        changed=len(known) - len(pairs),
    )


def _by_key(facts: Sequence[Facts], model: str, role: str) -> dict[Key, Facts]:
    """Return one model's trials by suite, case and repeat; its role decides when it is in both."""
    own = [f for f in facts if f.model == model]
    in_role = [f for f in own if f.role == role]
    return {(f.suite, f.case, f.repeat): f for f in in_role or own}


def _is_same_question(baseline: Facts, candidate: Facts) -> bool:
    """Whether the case and every judge that scored both are the same for both; an old record may not say."""
    if None not in {baseline.case_hash, candidate.case_hash} and baseline.case_hash != candidate.case_hash:
        return False
    if baseline.verdicts == candidate.verdicts:
        return True
    judged = {judge: definition for judge, definition, *_ in baseline.verdicts}
    return all(judged.get(judge, definition) == definition for judge, definition, *_ in candidate.verdicts)
