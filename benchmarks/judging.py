"""What labels are worth on recorded judgments: bias and coverage, labels and calls that are saved.

Reads LLMBar (Zeng et al., arXiv:2310.07641) from the folder that SWAPGATE_DATA names: 419 pairs of outputs,
the better one by people, and four judges' choices in both orders.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.table import Row, run
from swapgate.labelling.draw import allocate
from swapgate.spec.labels import LabelledVerdict
from swapgate.stats import Labels, corrected_rate, wilson_interval

VARIABLE = "SWAPGATE_DATA"
NEEDED = f"{VARIABLE} names no folder of recorded judgments (llmbar/items.jsonl, llmbar/verdicts.jsonl)"
SEED = 20261126
GPT4, NO_RULES, FALCON = ("GPT-4", "Vanilla"), ("GPT-4", "Vanilla_NoRules"), ("Falcon", "Vanilla")
CHEAP = ("ChatGPT-0301", "Vanilla")
LABELS, TRIALS = 60, 400
WORDS = {True: "pass", False: "fail"}
# A cheap judge is believed about a kind of case when so many of its labelled verdicts are right.
BELIEVED, PER_KIND = 0.75, 30
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """LLMBar: a row a pair. `truth` says that output 1 is better, `said` by judge what it chose per order."""

    truth: Bools
    kinds: tuple[str, ...]
    said: Mapping[tuple[str, str], tuple[Bools, Bools]]


def read() -> Recorded:
    """Read both files; the order of verdicts is that of items."""
    folder = Path(os.environ[VARIABLE]) / "llmbar"
    items, verdicts = (
        [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        for name in ("items.jsonl", "verdicts.jsonl")
    )
    by_judge: dict[tuple[str, str], dict[str, tuple[bool, bool]]] = {}
    for v in verdicts:
        own = by_judge.setdefault((v["judge"], v["prompt"]), {})
        own[v["item_id"]] = v["winner_ab"] == "1", v["winner_ba"] == "1"
    names = [item["item_id"] for item in items]
    return Recorded(
        truth=np.array([item["label"] == 1 for item in items]),
        kinds=tuple(item["subset"] for item in items),
        said={
            judge: tuple(np.array([own[name][order] for name in names]) for order in (0, 1))  # type: ignore[misc]
            for judge, own in by_judge.items()
        },
    )


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the rows of all three parts."""
    recorded = read()
    for judge in (GPT4, NO_RULES, FALCON):
        yield from coverage(recorded, judge, runs=300 if quick else 3000)
    for share in (0.5, 0.85, 0.95):
        yield from saved_labels(recorded, share, runs=200 if quick else 2000)
    yield from escalation(recorded, runs=500 if quick else 5000)


def coverage(recorded: Recorded, judge: tuple[str, str], *, runs: int) -> Iterator[Row]:
    """Yield how often the interval of output 1's win rate holds the truth: pairs drawn anew in each run."""
    random, true = np.random.default_rng(SEED), float(recorded.truth.mean())
    said = recorded.said[judge][0]
    for design in ("random", "by_verdict"):
        found, naive, held, given = [], [], 0, 0
        for _ in range(runs):
            trials = said[random.integers(len(said), size=TRIALS)]
            rows = labelled(random, said, design)
            corrected = corrected_rate(
                trials, Labels(verdicts=said[rows], truths=recorded.truth[rows], design=design)
            )
            plain = wilson_interval(int(trials.sum()), TRIALS)
            naive.append((plain.estimate, plain.low <= true <= plain.high))
            if corrected.low is not None:
                given += 1
                held += corrected.low <= true <= corrected.high
                found.append(corrected.estimate)
        yield Row(
            goal=f"{' '.join(judge)}, {LABELS} labels {design}: coverage of the corrected rate",
            value=held / given,
            limit=">= 0.93",
            beside={
                "of the verdicts": float(np.mean([inside for _, inside in naive])),
                "bias": float(np.mean(found)) - true,
                "bias of the verdicts": float(np.mean([estimate for estimate, _ in naive])) - true,
                "refused": 1 - given / runs,
            },
        )


def labelled(random: np.random.Generator, said: Bools, design: str, *, weights: object = None) -> NDArray:
    """Return the rows of labels drawn by a design: at random, or as many of either verdict."""
    if design == "random":
        return random.choice(len(said), size=LABELS, p=weights)
    return np.concatenate([drawn(random, said == verdict, LABELS // 2, weights) for verdict in (True, False)])


def drawn(random: np.random.Generator, among: Bools, count: int, weights: object) -> NDArray:
    """Return so many of the rows that count."""
    chances = among.astype(float) if weights is None else among * np.asarray(weights)
    return random.choice(len(among), size=count, p=chances / chances.sum())


def saved_labels(recorded: Recorded, share: float, *, runs: int) -> Iterator[Row]:
    """Yield which part of the labels strata save, where output 1 is better in this share of the pairs."""
    random, said = np.random.default_rng(SEED), recorded.said[GPT4][0]
    true = recorded.truth.mean()
    weights = np.where(recorded.truth, share / true, (1 - share) / (1 - true))
    weights /= weights.sum()
    parts: dict[str, list[float]] = {"random": [], "by_verdict": [], "neyman": []}
    for _ in range(runs):
        trials = said[random.choice(len(said), size=TRIALS, p=weights)]
        rows = {name: labelled(random, said, name, weights=weights) for name in ("random", "by_verdict")}
        rows["neyman"] = by_pilot(random, recorded, trials, rows["by_verdict"], weights)
        for name, own in rows.items():
            design = "random" if name == "random" else "by_verdict"
            found = corrected_rate(
                trials, Labels(verdicts=said[own], truths=recorded.truth[own], design=design)
            )
            if found.low is not None and found.label_share is not None:
                parts[name].append(found.label_share * (found.high - found.low) ** 2)
    needed = {name: float(np.mean(values)) for name, values in parts.items()}
    yield Row(
        goal=f"output 1 better in {share:.0%}: labels saved by strata with a pilot",
        value=1 - needed["neyman"] / needed["random"],
        limit={0.5: ">= -0.05", 0.85: ">= 0.1", 0.95: ">= 0.2"}[share],
        beside={"as many of either verdict": 1 - needed["by_verdict"] / needed["random"]},
    )


def by_pilot(
    random: np.random.Generator, recorded: Recorded, trials: Bools, pilot: NDArray, weights: object
) -> NDArray:
    """Return labels of which the first 24 are a pilot that says how to share out the others."""
    said, half = recorded.said[GPT4][0], 12
    first = np.concatenate([pilot[:half], pilot[LABELS // 2 : LABELS // 2 + half]])
    rows = [
        LabelledVerdict(verdict=WORDS[bool(said[i])], truth=WORDS[bool(recorded.truth[i])]) for i in first
    ]
    there = {"pass": int(trials.sum()), "fail": int((~trials).sum())}
    numbers = allocate(there, LABELS, pilot=rows, taken={"pass": half, "fail": half})
    more = [drawn(random, said == v, numbers[WORDS[v]] - half, weights) for v in (True, False)]
    return np.concatenate([first, *more])


def escalation(recorded: Recorded, *, runs: int) -> Iterator[Row]:
    """Yield accuracy and calls of a cheap judge that hands over what it is unsure of.

    It is unsure where its two orders differ; a kind of case about which its labelled sure verdicts are not
    right often enough is handed over whole. Accuracy counts a tie as half.
    """
    random, kinds = np.random.default_rng(SEED), np.array(recorded.kinds)
    cheap, dear = (scored(recorded, judge) for judge in (CHEAP, GPT4))
    is_sure = recorded.said[CHEAP][0] == recorded.said[CHEAP][1]
    accuracy, calls = [], []
    for _ in range(runs):
        kept = np.zeros(len(kinds), dtype=bool)
        for kind in dict.fromkeys(recorded.kinds):
            own = np.flatnonzero(is_sure & (kinds == kind))
            right = cheap[random.choice(own, size=PER_KIND)]
            low = wilson_interval(int(right.sum()), PER_KIND, confidence=0.90).low
            kept[own] = low is not None and low >= BELIEVED
        accuracy.append(float(np.where(kept, cheap, dear).mean()))
        calls.append(1 - float(kept.mean()))
    everywhere = np.where(is_sure, cheap, dear)
    yield Row(
        goal=f"{CHEAP[0]} to {GPT4[0]}, calibrated by kind: accuracy beside {GPT4[0]} alone",
        value=float(np.mean(accuracy)) - float(dear.mean()),
        limit=">= -0.01",
        beside={"without calibration": float(everywhere.mean() - dear.mean()), "alone": float(dear.mean())},
    )
    yield Row(
        goal=f"{CHEAP[0]} to {GPT4[0]}, calibrated by kind: calls to {GPT4[0]} saved",
        value=1 - float(np.mean(calls)),
        limit=">= 0.1",
        beside={"without calibration": float(is_sure.mean())},
    )


def scored(recorded: Recorded, judge: tuple[str, str]) -> NDArray[np.float64]:
    """Return 1 where both orders are right, 0 where both are wrong, half where they differ."""
    one, two = recorded.said[judge]
    return ((one == recorded.truth).astype(float) + (two == recorded.truth)) / 2


if __name__ == "__main__":
    if "--help" not in sys.argv and not Path(os.environ.get(VARIABLE, ""), "llmbar", "items.jsonl").is_file():
        sys.exit(NEEDED)
    run(measure, description=__doc__)
