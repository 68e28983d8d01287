"""What an attribution of two swaps is worth: how often the innocent one is blamed, and the guilty one found.

Questions are simulated as the results that four arms leave; each draw is decided about by the product's own
rulings. One case takes the whole report, with slices, by the clock.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.table import Row, run
from swapgate.retrieval.answering.attribution import Cause, attribute
from swapgate.retrieval.answering.joint import Terms, judge_both
from swapgate.retrieval.answering.observations import ARMS, Observation, Outcome
from swapgate.retrieval.answering.rulings import DECIDING, rulings

MARGIN = 0.05
BROKEN: frozenset[Cause] = frozenset({"embedding", "model", "both", "together"})
SLICES = ("general", "medical")


def asked(
    number: int,
    seed: int,
    *,
    embedding: float = 0.0,
    model: float = 0.0,
    together: float = 0.0,
    on: str | None = None,
    noise: float = 0.02,
    slices: Sequence[str] = SLICES,
) -> list[Observation]:
    """Return questions of which these shares are lost: to retrieval, to the new model, to both at once.

    `on` is the only slice where that happens. Of every arm's answers the share `noise` comes out otherwise.
    """
    draw = random.Random(seed)
    return [
        _one(f"q-{n}", slices[n % len(slices)], draw, (embedding, model, together), on=on, noise=noise)
        for n in range(number)
    ]


def _one(
    name: str, own: str, draw: random.Random, shares: Sequence[float], *, on: str | None, noise: float
) -> Observation:
    lost, wrong, clash = (draw.random() < share and on in {None, own} for share in shares)
    outcomes = {}
    for arm in ARMS:
        is_new_model, is_new_index = arm.role == "candidate", arm.side == "new"
        is_wrong = (is_new_index and lost) or (is_new_model and wrong)
        is_wrong = is_wrong or (is_new_index and is_new_model and clash)
        is_right = is_wrong == (draw.random() < noise)
        outcomes[arm] = Outcome(structure=True, faithfulness=not (is_new_model and wrong), answer=is_right)
    return Observation(
        question=name,
        repeat=1,
        cluster=name,
        slices=(own,),
        found={"old": True, "new": not lost},
        outcomes=outcomes,
    )


def causes(number: int, seeds: int, **how: float) -> Counter[Cause]:
    """Return how often each cause is named, of so many draws of so many questions."""
    made = (asked(number, seed, **how) for seed in range(seeds))  # type: ignore[arg-type]
    return Counter(
        attribute(rulings(one, ("answer",), margin=MARGIN, tests=len(DECIDING)), "answer").cause
        for one in made
    )


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the rates of error, then how often a loss is found, then the time."""
    seeds = 200 if quick else 2000
    yield from _innocent(seeds)
    yield from _guilty(seeds)
    yield _timed(200 if quick else 1000)


def _innocent(seeds: int) -> Iterator[Row]:
    for name, how in (
        ("noise alone", {"noise": 0.08}),
        ("each loses half of the margin", {"embedding": 0.025, "model": 0.025}),
        ("the embedding loses just the margin", {"embedding": 0.05, "noise": 0.0}),
    ):
        found = causes(150, seeds, **how)
        share = sum(found[cause] for cause in BROKEN) / seeds
        yield Row(goal=f"anything is blamed, {name}", value=share, limit="<= 0.06")
    for guilty, innocent in (("embedding", "model"), ("model", "embedding")):
        found = causes(150, seeds, **{guilty: 0.25})
        share = (found["both"] + found["together"] + found[innocent]) / seeds  # type: ignore[index]
        yield Row(
            goal=f"the {innocent} is blamed, the {guilty} loses 25 points", value=share, limit="<= 0.06"
        )


def _guilty(seeds: int) -> Iterator[Row]:
    kinds: tuple[tuple[Cause, dict[str, float]], ...] = (
        ("embedding", {"embedding": 0.25}),
        ("model", {"model": 0.25}),
        ("both", {"embedding": 0.25, "model": 0.25}),
        ("together", {"together": 0.25}),
        ("neither", {}),
    )
    for cause, how in kinds:
        found = {number: causes(number, seeds, **how)[cause] / seeds for number in (75, 150, 300)}
        beside = {f"of {number} questions": found[number] for number in (75, 300)}
        limit = ">= 0.7" if cause in {"together", "neither"} else ">= 0.9"
        loses = "nothing loses" if not how else "each loses 25 points" if len(how) > 1 else "25 points lost"
        goal = f"{cause} is told, {loses}, 150 questions"
        yield Row(goal=goal, value=found[150], limit=limit, beside=beside)


def _timed(number: int) -> Row:
    names = [f"slice {n}" for n in range(10)]
    observations = asked(number, 1, embedding=0.1, slices=names)
    started = time.process_time()
    judge_both(observations, Terms(margin=MARGIN))
    taken = time.process_time() - started
    return Row(
        goal=f"seconds for the report on {number:,} questions and 10 slices", value=taken, limit="<= 5"
    )


if __name__ == "__main__":
    run(measure, description=(__doc__ or "").partition("\n")[0])
