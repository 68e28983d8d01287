"""Counts of a run added up as the pages show them: by model, or by suite and model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from swapgate.records import Tally
from swapgate.stats.proportion import wilson_bounds
from swapgate.values import Value


class Share(Value):
    """So many of so many. The bounds hold at 95% with each case counted once, whatever its repeats."""

    right: int
    known: int
    low: float | None = None
    high: float | None = None

    @property
    def rate(self) -> float | None:
        """The share, None of none."""
        return self.right / self.known if self.known else None


class Counts(Value):
    """How one model did in a run, or in one of its suites."""

    model: str
    role: str
    suite: str | None
    trials: int
    cases: int
    passed: int
    missed: int
    errored: int
    unscored: int
    structural: Share
    semantic: Share
    cost_usd: float | None

    @property
    def main(self) -> Share:
        """The meaning, or the structure where nothing scored the meaning."""
        return self.semantic if self.semantic.known else self.structural

    @property
    def measure(self) -> str:
        """What `main` is about."""
        return "semantic" if self.semantic.known else "structural"


def by_model(tallies: Iterable[Tally]) -> list[Counts]:
    """Return the counts of each model over all suites, candidates first."""
    groups: dict[tuple[str, str], list[Tally]] = {}
    for tally in tallies:
        groups.setdefault((tally.role, tally.model), []).append(tally)
    return [
        _added(groups[key], suite=None) for key in sorted(groups, key=lambda key: (key[0] == "baseline", key))
    ]


def by_suite(tallies: Iterable[Tally]) -> list[Counts]:
    """Return the counts of each suite and model."""
    ordered = sorted(tallies, key=lambda t: (t.suite, t.role == "baseline", t.model))
    return [_added([tally], suite=tally.suite) for tally in ordered]


def _added(tallies: Sequence[Tally], *, suite: str | None) -> Counts:
    costs = [tally.cost_usd for tally in tallies]
    known = [cost for cost in costs if cost is not None]
    trials, cases = sum(t.trials for t in tallies), sum(t.cases for t in tallies)
    return Counts(
        model=tallies[0].model,
        role=tallies[0].role,
        suite=suite,
        trials=trials,
        cases=cases,
        passed=sum(t.passed for t in tallies),
        missed=sum(t.missed for t in tallies),
        errored=sum(t.errored for t in tallies),
        unscored=sum(t.unscored for t in tallies),
        structural=_share(
            sum(t.structural_right for t in tallies), sum(t.structural_known for t in tallies), cases, trials
        ),
        semantic=_share(
            sum(t.semantic_right for t in tallies), sum(t.semantic_known for t in tallies), cases, trials
        ),
        cost_usd=sum(known) if len(known) == len(costs) else None,
    )


def _share(right: int, known: int, cases: int, trials: int) -> Share:
    """Return a share with Wilson's bounds, for as many independent trials as there are cases."""
    if not known:
        return Share(right=0, known=0)
    low, high = wilson_bounds(right / known, known * cases / trials, confidence=0.95)
    return Share(right=right, known=known, low=low, high=high)
