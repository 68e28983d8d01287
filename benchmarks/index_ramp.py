"""What a look of the ramp of an index is worth: good indexes taken back, bad ones kept, and how soon.

Stages at 5%, simulated as the counts that routers keep. The product itself decides about every look.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.table import Row, run
from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.retrieval.metrics import Counters, Tally, tally
from swapgate.retrieval.phases import Migration, Phase
from swapgate.retrieval.ramping.clock import at_wall
from swapgate.retrieval.ramping.decide import decide
from swapgate.retrieval.ramping.live import rulings
from swapgate.retrieval.ramping.looks import Look
from swapgate.retrieval.ramping.seen import Seen, Troubles, Verified, recovered
from swapgate.spec.index_ramp import RampEntry

SEED = 20261126
SHARE, PER_LOOK = 0.05, 20  # queries of the new index between two looks
PLAN = RampEntry(hours=0)
AT = "2026-11-26T12:00:00+00:00"
MODEL = Fingerprint(provider="p", model="m", dimensions=8)
STAGE = Migration(
    name="docs", phase=Phase.CANARY, share=SHARE, version=7, salt="s", old=MODEL, new=MODEL, changed_at=AT
)
NOTHING = tally([], 7)
Ending = tuple[str, int]  # the word that ended the stage, and how many queries of the new index it took


def stage(tallies: Iterator[Tally], *, goes_on: bool = True) -> Ending:
    """Look at a stage until it ends; without `goes_on` only a rollback ends it."""
    looks: list[Look] = []
    bad, here = 0, NOTHING
    for here in tallies:
        n = here.served["new"] + here.missed["new"]
        test = 1 + sum(look.ripe for look in looks)
        found = rulings(PLAN, here, NOTHING, look=len(looks) + 1, test=test)
        seen = Seen(
            moment=at_wall(AT), age_h=1.0, tally=here, ripe=n >= PLAN.queries,
            rulings=tuple(recovered(found, here, looks)),
            verified=Verified(word="passed"), disliked=(), troubles=Troubles(), in_the_way=(),
            bad_before=bad, looks=len(looks),
        )  # fmt: skip
        word = decide(PLAN, STAGE, seen).word
        if word == "rollback" or (word == "advance" and goes_on):
            return word, n
        bad = bad + 1 if word == "bad" else 0
        looks.append(
            Look(
                word=word, reasons=(), moment=at_wall(AT), phase=Phase.CANARY, at_share=SHARE,
                served=here.served["new"], missed=here.missed["new"], ripe=seen.ripe,
            )
        )  # fmt: skip
    return "wait", here.served["new"] + here.missed["new"]


def failing(rng: np.random.Generator, looks: int, *, old: float, new: float) -> Iterator[Tally]:
    """Yield the counts at each look of sides that fail at these rates, alike in latency."""
    n_old = round(PER_LOOK * (1 - SHARE) / SHARE)
    alike = {"old": [(0.01, 100)], "new": [(0.01, 100)]}
    missed = {"old": 0, "new": 0}
    for look in range(1, looks + 1):
        missed["old"] += int(rng.binomial(n_old, old))
        missed["new"] += int(rng.binomial(PER_LOOK, new))
        served = {"old": look * n_old - missed["old"], "new": look * PER_LOOK - missed["new"]}
        yield Tally(served=served, missed=dict(missed), shadow_served=0, shadow_missed=0, buckets=alike)


def slow(rng: np.random.Generator, looks: int, *, ratio: float) -> Iterator[Tally]:
    """Yield the counts at each look of sides of which the new one takes `ratio` times as long."""
    counters = Counters()
    n_old = round(PER_LOOK * (1 - SHARE) / SHARE)
    for _ in range(looks):
        for seconds in rng.lognormal(-4.6, 0.6, n_old):
            counters.served("old", seconds, version=7)
        for seconds in ratio * rng.lognormal(-4.6, 0.6, PER_LOOK):
            counters.served("new", seconds, version=7)
        yield tally([counters.as_json()], 7)


def rate(endings: list[Ending], word: str) -> float:
    """Return the share of stages that ended so."""
    return sum(one == word for one, _n in endings) / len(endings)


def median(endings: list[Ending]) -> float:
    """Return the queries that it took."""
    return float(np.median([n for _word, n in endings]))


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the rates of errors, and the queries until a bad index is taken back."""
    rng = np.random.default_rng(SEED)
    stages, looks = (100, 60) if quick else (400, 200)

    def ended(old: float, new: float, *, goes_on: bool = True) -> list[Ending]:
        return [stage(failing(rng, looks, old=old, new=new), goes_on=goes_on) for _ in range(stages)]

    for old in (0.002, 0.05):
        found = ended(old, old, goes_on=False)
        yield Row(
            goal=f"both fail in {old:.1%}, {looks} looks: taken back", value=rate(found, "rollback"),
            limit="<= 0.05",
        )  # fmt: skip
    found = ended(0.002, 0.002)
    yield Row(
        goal="both fail in 0.2%: goes on", value=rate(found, "advance"), limit=">= 0.9",
        beside={"queries (median)": median(found)},
    )  # fmt: skip
    at_margin = ended(0.01, 0.01 + (PLAN.failures or 0))
    yield Row(
        goal=f"worse by the margin, looked at up to {looks} times: goes on", value=rate(at_margin, "advance"),
        limit="<= 0.06", beside={"taken back": rate(at_margin, "rollback")},
    )  # fmt: skip
    for new in (0.1, 0.3, 1.0):
        found = ended(0.002, new)
        yield Row(
            goal=f"fails in {new:.0%}: taken back", value=rate(found, "rollback"), limit=">= 0.99",
            beside={"queries (median)": median(found)},
        )  # fmt: skip
    few = max(20, stages // 20)
    for ratio, word, limit in ((1.0, "rollback", "<= 0.05"), (3.0, "rollback", ">= 0.99")):
        found = [stage(slow(rng, 30, ratio=ratio), goes_on=ratio > 1) for _ in range(few)]
        yield Row(
            goal=f"{ratio:g} times the latency: taken back", value=rate(found, word), limit=limit,
            beside={"queries (median)": median(found)},
        )  # fmt: skip


if __name__ == "__main__":
    run(measure, description=__doc__.splitlines()[0])
