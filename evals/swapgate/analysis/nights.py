"""Runs as nights: which of them tell something, and what each says of one model on one suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from sys import intern

import numpy as np

from swapgate.analysis.table import UNKNOWN, Codes, Flags, Results, Table, table_of
from swapgate.facts import Facts
from swapgate.records import ModelIdentity, Run
from swapgate.values import Value

# A night with more errors than the gate bears, or with most of its answers from the cache, tells nothing.
MOST_ERRORS = 0.05
MOST_CACHED = 0.5
# A series goes back as long as so many of today's cases were asked alike.
FEWEST_SHARED = 0.8


class Part(Value, eq=False):
    """What one night says of one model on one suite: a trial a position, those from the cache left out.

    `cases` are names that equal cases share over nights: the case, the hash of what makes it the same, and
    the repeat. `judges` are the judges that gave verdicts, with their definitions. `problem` says why the
    part tells nothing, empty when it counts.
    """

    suite: str
    model: str
    identity: ModelIdentity | None
    cases: tuple[str, ...]
    table: Table
    is_errored: Flags
    is_refused: Flags
    judges: tuple[tuple[str, str], ...]
    asked: int
    cached: int
    quarantined: frozenset[str] = frozenset()
    problem: str = ""

    def of(self, measure: str) -> Results:
        """Return the results of a pass rate, UNKNOWN where there is none."""
        return self.table.semantic if measure == "semantic" else self.table.structural

    def among(self, wanted: frozenset[str]) -> Codes:
        """Return the positions of the trials of these cases."""
        return np.array([place for place, name in enumerate(self.cases) if name in wanted], dtype=np.int64)


class Night(Value, eq=False):
    """One run of the suites. `problem` says why none of it counts, empty when it does."""

    run: Run
    parts: Mapping[tuple[str, str], Part]
    problem: str = ""

    @property
    def at(self) -> str:
        """When it began, ISO 8601."""
        return self.run.started_at

    @property
    def day(self) -> str:
        """The day on which it began."""
        return self.run.started_at[:10]


def night_of(run: Run, facts: Iterable[Facts], *, problem: str = "") -> Night:
    """Return a run as a night; `problem` is what is wrong with the whole of it."""
    found: dict[tuple[str, str], list[Facts]] = {}
    for one in facts:
        found.setdefault((one.suite, one.model), []).append(one)
    return Night(run=run, parts={key: _part(run, own) for key, own in found.items()}, problem=problem)


class Segment(Value):
    """The nights that can be held side by side, by number, and the cases that are in all of them.

    `note` says why they do not go back further, empty where there is nothing before them.
    """

    numbers: tuple[int, ...] = ()
    cases: frozenset[str] = frozenset()
    note: str = ""


def segment(nights: Sequence[Night], key: tuple[str, str]) -> Segment:
    """Return the nights of a suite and a model back from the last one that counts.

    They end where the model behind the name becomes another one, or where too few of today's cases had been
    asked in the same words.
    """
    chosen: list[int] = []
    shared: frozenset[str] = frozenset()
    identity: tuple[object, ...] | None = None
    note, wanted = "", 0
    for number in reversed(range(len(nights))):
        part = nights[number].parts.get(key)
        if part is None or part.problem or nights[number].problem:
            continue
        cases = frozenset(part.cases)
        if not chosen:
            shared, identity, wanted = cases, pin(part.identity), len(cases)
        if note := _why_apart(part, identity, kept=len(shared & cases), wanted=wanted):
            note = f"begins anew on {nights[chosen[-1]].day}: {note}"
            break
        shared &= cases
        chosen.append(number)
    return Segment(numbers=tuple(chosen[::-1]), cases=shared, note=note)


def _why_apart(part: Part, identity: tuple[object, ...] | None, *, kept: int, wanted: int) -> str:
    if pin(part.identity) != identity:
        return "another model was behind the name before"
    if kept < FEWEST_SHARED * wanted:
        return f"{wanted - kept:,} of {wanted:,} cases were not there before, or were asked otherwise"
    return ""


def pin(identity: ModelIdentity | None) -> tuple[object, ...]:
    """Return what makes two models of one name the same; their parameters are told as a change instead."""
    if identity is None:
        return ()
    # A file of recorded answers is another one every night, and no other model.
    file = None if identity.provider == "recorded" else identity.file_sha256
    return identity.provider, identity.model, identity.base_url, identity.api_version, file


def _part(run: Run, facts: Sequence[Facts]) -> Part:
    first = facts[0]
    live = [one for one in facts if not one.from_cache]
    cached, errors = len(facts) - len(live), sum(one.outcome == "errored" for one in live)
    return Part(
        suite=first.suite,
        model=first.model,
        identity=next((one for one in run.models if one.name == first.model), None),
        cases=tuple(map(_name, live)),
        table=table_of(live),
        is_errored=np.array([one.outcome == "errored" for one in live], dtype=bool),
        is_refused=np.array([one.is_refused for one in live], dtype=bool),
        judges=tuple(sorted({(judge, definition) for one in live for judge, definition, *_ in one.verdicts})),
        asked=len(live),
        cached=cached,
        quarantined=frozenset(_name(one) for one in live if one.is_quarantined),
        problem=_problem(cached=cached, asked=len(live), errors=errors, kinds=[f.error_kind for f in live]),
    )


def _name(one: Facts) -> str:
    return intern(f"{one.case}#{one.repeat} {one.case_hash}")


def _problem(*, cached: int, asked: int, errors: int, kinds: Sequence[str | None]) -> str:
    """Return why a part tells nothing of tonight's model."""
    if cached > MOST_CACHED * (cached + asked):
        return (
            f"{cached:,} of {cached + asked:,} answers came from the cache, which tells nothing of tonight: "
            "run with --live"
        )
    if errors > MOST_ERRORS * asked:
        named = [kind for kind in kinds if kind is not None]
        most = max(sorted(set(named)), key=named.count)
        return f"{errors:,} of {asked:,} trials errored, most often {most} ({named.count(most):,})"
    return ""


def rate_counts(part: Part, inside: Codes, measure: str) -> tuple[int, int]:
    """Return how many of these trials passed, and how many have a result."""
    results = part.of(measure)[inside]
    known = results[results != UNKNOWN]
    return int(known.sum()), int(known.size)
