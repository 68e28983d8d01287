"""How often an audit of prompts is wrong: noise that it names, breaks that it misses, overrides it misjudges.

Trials are drawn: no model is asked. Prompts pass at rates of their own, and answers vary in length.
"""

import sys
from collections.abc import Iterator, Sequence
from math import exp
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.table import Row, run
from swapgate.facts import facts_of
from swapgate.prompting.auditing.cells import cells_of
from swapgate.prompting.auditing.observed import Arm, Observation
from swapgate.prompting.auditing.overrides import keeps_of
from swapgate.prompting.auditing.plan import OverrideUse
from swapgate.prompting.auditing.shifts import Floors
from swapgate.records import Answer, CheckResult, Response, Trial

PROMPTS, CASES = 23, 24
SEVEN = frozenset(range(7))
FLOORS = Floors(rate=0.05, length=1.5)
BLANK = facts_of(
    Trial(
        suite="",
        case="",
        model="m",
        answer=Answer(response=Response(text="x"), model="m"),
        checks=(CheckResult(check="json", kind="structural", passed=True),),
    )
)


def observed(rates: Sequence[float], rng: np.random.Generator, *, cases: int = CASES) -> list[Observation]:
    """Return a model's trials of prompts that pass at these rates; lengths vary by half."""
    return [
        Observation(
            facts=BLANK._replace(
                suite=f"s{prompt}",
                case=f"c{case}",
                cluster=f"s{prompt}/c{case}",
                prompt=f"p{prompt}",
                structural=bool(rng.random() < rate),
            ),
            chars=1 + int(100 * exp(rng.normal(0.0, 0.5))),
        )
        for prompt, rate in enumerate(rates)
        for case in range(cases)
    ]


def named(base: Sequence[float], others: Sequence[Sequence[float]], rng: np.random.Generator) -> set[int]:
    """Return the numbers of the prompts that one audit names."""
    arms = {"base": observed(base, rng)}
    arms |= {f"m{number}": observed(rates, rng) for number, rates in enumerate(others)}
    cells = cells_of(arms, base="base", floors=FLOORS)
    return {int(cell.prompt[1:]) for cell in cells if cell.standing == "differs"}


def judged(without: float, with_it: float, rng: np.random.Generator, *, cases: int) -> str:
    """Return whether an override earns its keep, that passes at these rates without it and with it."""
    use = OverrideUse(prompt="p0", override="m", model="m", changes=True)
    arms = {
        Arm("m"): observed([with_it], rng, cases=cases),
        Arm("m", "p0", "m"): observed([without], rng, cases=cases),
    }
    (keep,) = keeps_of([use], arms, floors=FLOORS)
    return keep.answer


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the shares of audits that are wrong."""
    audits = 40 if quick else 400
    noise, found, extra = 0, 0.0, 0
    for seed in range(audits):
        rng = np.random.default_rng(seed)
        base = rng.uniform(0.6, 1.0, size=PROMPTS).tolist()
        noise += bool(named(base, [base, base], rng))
        broken = [0.15 if prompt in SEVEN else rate for prompt, rate in enumerate(base)]
        told = named([0.97 if prompt in SEVEN else rate for prompt, rate in enumerate(base)], [broken], rng)
        found += len(told & SEVEN) / len(SEVEN)
        extra += bool(told - SEVEN)
    yield Row(goal="noise alone: audits that name any prompt", value=noise / audits, limit="<= 0.05")
    yield Row(goal="seven of 23 break from 97% to 15%: share found", value=found / audits, limit=">= 0.95")
    yield Row(goal="the same: audits that name another one too", value=extra / audits, limit="<= 0.05")
    draws = 100 if quick else 1000
    rng = np.random.default_rng(1)
    useless = [judged(0.9, 0.9, rng, cases=200) for _ in range(draws)]
    yield Row(
        goal="override without use, 200 cases: earns", value=useless.count("earns") / draws, limit="<= 0.05"
    )
    worth = [judged(0.8, 0.9, rng, cases=200) for _ in range(draws)]
    yield Row(
        goal="override worth 10 points: does not", value=worth.count("does not") / draws, limit="<= 0.05"
    )


if __name__ == "__main__":
    run(measure, description=__doc__ or "")
