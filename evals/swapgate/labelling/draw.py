"""Which responses people are asked about: drawn at random or by verdict, the same ones at every call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Literal, TypeAlias

from swapgate.labelling.responses import JudgedResponse, JudgedRun
from swapgate.records import content_hash
from swapgate.spec.labels import Answer, Draw, LabelledVerdict

Sampling: TypeAlias = Literal["random", "by_verdict"]
Counts: TypeAlias = Mapping[Answer, int]
# With fewer labels beside a verdict, how much people vary there is anyone's guess.
PILOT = 10
NOTHING: Counts = {"pass": 0, "fail": 0}


def make_draw(
    found: JudgedRun,
    *,
    run: str,
    design: Sampling,
    seed: int,
    count: int,
    pilot: Sequence[LabelledVerdict] = (),
    earlier: Draw | None = None,
    asked: Literal["verdict", "scores"] = "verdict",
    rule: str | None = None,
) -> Draw:
    """Return which responses to label; `pilot` are the labels that there are, `earlier` the draw they are of.

    What an earlier draw has taken stays.
    """
    by_verdict = _by_verdict(found.responses)
    there: dict[Answer, int] = {verdict: len(own) for verdict, own in by_verdict.items()}
    count = min(count, sum(there.values()))
    if design == "random":
        chosen = in_order(found.responses, seed)[:count]
        numbers = {verdict: len(own) for verdict, own in _by_verdict(chosen).items()}
    else:
        numbers = allocate(there, count, pilot=pilot, taken=_taken(earlier))
    return Draw.model_validate(
        {
            "judge": found.judge,
            "judge_hash": found.judge_hash,
            "run": run,
            "design": design,
            "seed": seed,
            "count": sum(numbers.values()),
            "drawn": numbers,
            "population": found.population,
            "asked": asked,
            "rule": rule,
        }
    )


def allocate(
    there: Counts, count: int, *, pilot: Sequence[LabelledVerdict] = (), taken: Counts = NOTHING
) -> dict[Answer, int]:
    """Return how many of each verdict to draw; what one lacks the other gives.

    As many passing as failing verdicts; once ten of either are labelled, more of the verdict that is commoner
    or whose responses differ more in truth. `taken` are drawn already.

    J. Neyman, "On the two different aspects of the representative method", J. R. Stat. Soc. 97 (1934) 558.
    """
    weights = _weights(there, pilot)
    least = max(taken["pass"], count - there["fail"])
    most = min(there["pass"], count - taken["fail"])
    passing = min(max(round(count * weights["pass"] / sum(weights.values())), least), most)
    return {"pass": passing, "fail": min(count - passing, there["fail"])}


def drawn_responses(found: JudgedRun, draw: Draw) -> list[JudgedResponse]:
    """Return the responses of a draw in the order to ask about them."""
    if draw.design == "random":
        return in_order(found.responses, draw.seed)[: draw.count]
    by_verdict = _by_verdict(found.responses)
    numbers = _taken(draw)
    chosen = [r for v, own in by_verdict.items() for r in in_order(own, draw.seed)[: numbers[v]]]
    return in_order(chosen, draw.seed)


def in_order(responses: Iterable[JudgedResponse], seed: int) -> list[JudgedResponse]:
    """Return the responses in an order that the seed and each response alone decide.

    A response keeps its place among others when the judge's definition changes, so that most of those that
    are drawn anew have been labelled already (permanent random numbers).
    """
    return sorted(responses, key=lambda response: content_hash([seed, response.id]))


def _by_verdict(responses: Iterable[JudgedResponse]) -> dict[Answer, list[JudgedResponse]]:
    found: dict[Answer, list[JudgedResponse]] = {"pass": [], "fail": []}
    for response in responses:
        found[response.said].append(response)
    return found


def _taken(draw: Draw | None) -> dict[Answer, int]:
    if draw is None:
        return dict(NOTHING)
    return {"pass": draw.drawn.passing, "fail": draw.drawn.failing}


def _weights(there: Counts, pilot: Sequence[LabelledVerdict]) -> dict[Answer, float]:
    """Return by what to share the labels out: equally, or N sd once a pilot shows both."""
    shares: dict[Answer, float] = {}
    for verdict in there:
        truths = [row.truth == "pass" for row in pilot if row.verdict == verdict and row.truth != "skip"]
        if len(truths) < PILOT:
            return dict.fromkeys(there, 1.0)
        share = (sum(truths) + 0.5) / (len(truths) + 1)
        shares[verdict] = there[verdict] * sqrt(share * (1 - share))
    return shares
