"""How far each look at a model is from all others, case by case, in one respect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from swapgate.analysis.alias_looks import Behaviour, Look
from swapgate.values import Value

Floats = NDArray[np.float64]
MEASURES = ("decision", "structure", "wording", "length")
# How the false alarms that are allowed are shared out among the respects that the cases have.
SHARES: Mapping[str, float] = {"decision": 0.4, "structure": 0.2, "wording": 0.2, "length": 0.2}
# Less is no change worth an alarm: a share of the answers, and of length a ratio.
LEAST: Mapping[str, float] = {"decision": 0.05, "structure": 0.05, "wording": 0.05, "length": 0.10}
_NO_FIELD = "(nothing)"
_FARTHEST = 4.0


class Counted(Value, eq=False):
    """One case in one respect: how often each kind of answer came in each look, or its mean length.

    `counts` has a row a look and a column a kind; a case of several decisions has several.
    """

    case: str
    counts: tuple[Floats, ...]


def counted(looks: Sequence[Look], cases: Sequence[str], measure: str) -> list[Counted]:
    """Return the cases that can be looked at in this respect, of looks that all have them."""
    found = [_case(looks, case, measure) for case in cases]
    return [one for one in found if one.counts]


def distances(one: Sequence[Counted], looks: int, measure: str) -> Floats:
    """Return how far each of the first looks is from the others: a row a case, a column a look.

    Of kinds it is the share of the answers that are of another kind; of lengths the difference of the means
    in units of the case's own spread. Both are the same whatever the order of the looks is.
    """
    far = _length_distances if measure == "length" else _kind_distances
    rows = [np.mean([far(counts[:looks]) for counts in case.counts], axis=0) for case in one]
    return np.array(rows).reshape(len(one), looks)


def effect(
    one: Sequence[Counted], since: int, looks: int, measure: str
) -> tuple[float, list[tuple[str, float]]]:
    """Return how far the looks from `since` on are from those before, beyond what looks are from each other.

    With it comes the same of each case, the farthest first. Of lengths it is the ratio less one.
    """
    if measure == "length":
        own = [_length_effect(case.counts[0], since, looks) for case in one]
        cases = [(case.case, float(np.expm1(x))) for case, x in zip(one, own, strict=True)]
        return float(np.expm1(np.mean(own))), sorted(cases, key=lambda pair: -abs(pair[1]))
    own = [float(np.mean([_kind_effect(counts, since, looks) for counts in case.counts])) for case in one]
    cases = [(case.case, x) for case, x in zip(one, own, strict=True)]
    return float(np.mean(own)), sorted(cases, key=lambda pair: -pair[1])


def _case(looks: Sequence[Look], case: str, measure: str) -> Counted:
    answers = [look.answers[case] for look in looks]
    if measure == "length":
        return Counted(case=case, counts=(np.array([[np.mean([a.length for a in own])] for own in answers]),))
    if measure == "decision":
        places = sorted({place for own in answers for one in own for place in one.decisions})
        kinds: list[Callable[[Behaviour], str]] = [_decision_at(place) for place in places]
    else:
        kinds = [(lambda one: one.shape) if measure == "structure" else (lambda one: one.text)]
    return Counted(case=case, counts=tuple(_counts(answers, kind) for kind in kinds))


def _decision_at(place: str) -> Callable[[Behaviour], str]:
    return lambda one: one.decisions.get(place, _NO_FIELD)


def _counts(answers: Sequence[Sequence[Behaviour]], kind: Callable[[Behaviour], str]) -> Floats:
    said = [[kind(one) for one in own] for own in answers]
    names = {name: place for place, name in enumerate(sorted({n for own in said for n in own}))}
    found = np.zeros((len(said), len(names)))
    for look, own in enumerate(said):
        np.add.at(found[look], [names[name] for name in own], 1.0)
    return found


def _kind_distances(counts: Floats) -> Floats:
    """Return each look's total variation distance from the others together."""
    others = counts.sum(axis=0) - counts
    return np.asarray(0.5 * np.abs(_shares(counts) - _shares(others)).sum(axis=1))


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def _length_distances(lengths: Floats) -> Floats:
    own = lengths[:, 0]
    others = (own.sum() - own) / (len(own) - 1)
    spread = own.std()
    if spread == 0:
        return np.zeros(len(own))
    return np.asarray(np.clip((own - others) / spread, -_FARTHEST, _FARTHEST))


def _kind_effect(counts: Floats, since: int, looks: int) -> float:
    before, now = counts[:since], counts[since:looks]
    far = 0.5 * np.abs(_shares(now.sum(axis=0)) - _shares(before.sum(axis=0))).sum()
    usual = _kind_distances(before).mean() if since > 1 else 0.0
    return float(far - usual)


def _length_effect(lengths: Floats, since: int, looks: int) -> float:
    return float(lengths[since:looks].mean() - lengths[:since].mean())
