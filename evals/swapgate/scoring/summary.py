"""What the parts of a scoring add up to; a response that is there twice counts once, the first time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from swapgate.analysis.rates import REPORT_CONFIDENCE, Rate
from swapgate.engine.workspace import ReadyCase
from swapgate.records import total
from swapgate.scoring.parts import DonePart, Parts
from swapgate.scoring.scorer import ERRORED, SCORED, SEMANTIC, STRUCTURAL, Facts, Trouble, count_checks
from swapgate.stats.clusters import cluster_codes
from swapgate.stats.proportion import rate_of_sums
from swapgate.values import Value

# Keys looked at together: 8 bytes each, and their places.
_BUCKET = 4_000_000
_Counts = npt.NDArray[np.int64]


class ScopeScore(Value):
    """One model on one suite. Rates have 95% intervals over clusters of cases."""

    model: str
    suite: str
    responses: int
    cases: int
    errored: int
    structural: Rate
    semantic: Rate
    blind_pass: Rate


class CheckScore(Value):
    """How many responses passed one check, of `n` that it saw, over all models."""

    suite: str
    check: str
    passed: int
    n: int


@dataclass(slots=True, kw_only=True)
class ScoreSummary:
    """All parts together; `records` are the lines read, whatever became of them."""

    records: int = 0
    scopes: list[ScopeScore] = field(default_factory=list)
    checks: list[CheckScore] = field(default_factory=list)
    unreadable: Trouble = field(default_factory=Trouble)
    unknown: Trouble = field(default_factory=Trouble)
    repeated: Trouble = field(default_factory=Trouble)
    judge_cost_usd: float | None = 0.0


def summarise_parts(
    parts: Parts, done: Sequence[DonePart], cases: Sequence[tuple[str, ReadyCase]]
) -> ScoreSummary:
    """Return what the parts add up to, in a memory that the number of cases bounds."""
    summary = ScoreSummary(judge_cost_usd=total([part.judge_cost_usd for part in done]))
    tallies: dict[str, _Tally] = {}
    checks: dict[str, list[int]] = {}
    again = _repeated(parts, done)
    for part in done:
        summary.records += part.records
        summary.unreadable.merge(part.unreadable)
        summary.unknown.merge(part.unknown)
        _add_checks(checks, part)
        places = again.get(part.number, np.zeros(0, dtype=np.int64))
        if len(places):
            _take_out(parts, part, places, checks, summary.repeated)
        facts = np.delete(parts.facts(part.number), places)
        for number, model in enumerate(part.models):
            tallies.setdefault(model, _Tally(len(cases))).add(facts[facts["model"] == number])
    summary.scopes = list(_scopes(tallies, cases))
    for name, (passed, n) in sorted(checks.items()):
        suite, _, check = name.partition("/")
        summary.checks.append(CheckScore(suite=suite, check=check, passed=passed, n=n))
    return summary


def _add_checks(checks: dict[str, list[int]], part: DonePart) -> None:
    for name, (passed, n) in part.checks.items():
        pair = checks.setdefault(name, [0, 0])
        pair[0], pair[1] = pair[0] + passed, pair[1] + n


def _scopes(tallies: Mapping[str, _Tally], cases: Sequence[tuple[str, ReadyCase]]) -> Iterator[ScopeScore]:
    """Yield each model on each suite of which it answered a case."""
    suites = np.array([suite for suite, _case in cases], dtype=object)
    clusters = cluster_codes([(suite, _cluster(case)) for suite, case in cases])
    for model, tally in sorted(tallies.items()):
        for suite in sorted(set(suites)):
            is_inside = suites == suite
            if tally.answered[is_inside].any():
                yield _scope(model, suite, tally, is_inside, clusters)


class _Tally:
    """Counts of one model by case."""

    def __init__(self, cases: int) -> None:
        self.answered, self.errored, self.structural, self.scored, self.semantic, self.sound, self.blind = (
            np.zeros(cases, dtype=np.int64) for _ in range(7)
        )

    def add(self, facts: Facts) -> None:
        """Count results."""
        case, said = facts["case"], facts["said"]
        has = {bit: (said & bit) > 0 for bit in (STRUCTURAL, SCORED, SEMANTIC, ERRORED)}
        for counts, is_one in (
            (self.answered, np.ones(len(said), dtype=bool)),
            (self.errored, has[ERRORED]),
            (self.structural, has[STRUCTURAL]),
            (self.scored, has[SCORED]),
            (self.semantic, has[SEMANTIC]),
            (self.sound, has[STRUCTURAL] & has[SCORED]),
            (self.blind, has[STRUCTURAL] & has[SCORED] & ~has[SEMANTIC]),
        ):
            np.add(counts, np.bincount(case[is_one], minlength=len(counts)), out=counts)


def _scope(
    model: str, suite: str, tally: _Tally, is_inside: npt.NDArray[np.bool_], clusters: _Counts
) -> ScopeScore:
    groups = clusters[is_inside]

    def rate(passed: _Counts, seen: _Counts) -> Rate:
        return _rate(passed[is_inside], seen[is_inside], groups)

    return ScopeScore(
        model=model,
        suite=suite,
        responses=int(tally.answered[is_inside].sum()),
        cases=int((tally.answered[is_inside] > 0).sum()),
        errored=int(tally.errored[is_inside].sum()),
        structural=rate(tally.structural, tally.answered - tally.errored),
        semantic=rate(tally.semantic, tally.scored),
        blind_pass=rate(tally.blind, tally.sound),
    )


def _rate(passed: _Counts, seen: _Counts, clusters: _Counts) -> Rate:
    sums = np.bincount(clusters, weights=passed).astype(np.int64)
    sizes = np.bincount(clusters, weights=seen).astype(np.int64)
    is_seen = sizes > 0
    interval = rate_of_sums(sums[is_seen], sizes[is_seen], confidence=REPORT_CONFIDENCE)
    return Rate(
        passed=int(passed.sum()),
        n=int(seen.sum()),
        clusters=int(is_seen.sum()),
        rate=interval.estimate,
        low=interval.low,
        high=interval.high,
        note=interval.note,
        effective_n=interval.effective_n,
    )


def _repeated(parts: Parts, done: Sequence[DonePart]) -> dict[int, npt.NDArray[np.int64]]:
    """Return by part the places of results whose key occurred before, in the order of parts and places."""
    total = sum(part.results for part in done)
    buckets = total // _BUCKET + 1
    found: dict[int, list[npt.NDArray[np.int64]]] = {}
    for bucket in range(buckets):
        for number, places in _repeated_in(parts, done, bucket, buckets):
            found.setdefault(number, []).append(places)
    return {number: np.sort(np.concatenate(places)) for number, places in found.items()}


def _repeated_in(
    parts: Parts, done: Sequence[DonePart], bucket: int, buckets: int
) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    picked = [np.flatnonzero(parts.facts(part.number)["key"] % buckets == bucket) for part in done]
    keys = [parts.facts(part.number)["key"][places] for part, places in zip(done, picked, strict=True)]
    together = np.concatenate(keys) if keys else np.zeros(0, dtype=np.uint64)
    _unique, first = np.unique(together, return_index=True)
    if len(first) == len(together):
        return
    is_again = np.ones(len(together), dtype=bool)
    is_again[first] = False
    ends = np.cumsum([len(places) for places in picked])
    for part, places, seen in zip(done, picked, np.split(is_again, ends[:-1]), strict=True):
        if seen.any():
            yield part.number, places[seen]


def _take_out(
    parts: Parts,
    part: DonePart,
    places: npt.NDArray[np.int64],
    checks: dict[str, list[int]],
    repeated: Trouble,
) -> None:
    """Take the checks of repeated results out of the counts, and note where they are."""
    wanted = set(places.tolist())
    for place, line in enumerate(parts.lines(part.number)):
        if place in wanted:
            suite = str(line["suite"])
            count_checks(checks, suite, line["checks"], by=-1)
            what = f"a second output of {line['model']} for {suite}/{line['case']}, repeat {line['repeat']}"
            repeated.add(str(line["place"]), what)


def _cluster(case: ReadyCase) -> str:
    written = case.placed.case
    return written.cluster or f"/{written.id}"
