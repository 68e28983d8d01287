"""The addresses of the pages. Names of suites and cases may hold anything, so they stand in the query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode

from swapgate.viewing.problems import Refused


class Answered(NamedTuple):
    """One answer to a case: by which model, in which run, in which of its repeats."""

    run: str
    model: str
    repeat: int

    @property
    def text(self) -> str:
        """How it is written in an address: `MODEL@RUN#2`."""
        return f"{self.model}@{self.run}#{self.repeat}"


def read_answered(text: str) -> Answered:
    """Return what `Answered.text` wrote."""
    name, _, repeat = text.rpartition("#")
    model, _, run = name.rpartition("@")
    if not (model and run and repeat.isdecimal() and len(repeat) < 10):
        raise Refused(400, f"{text!r} names no answer: it is MODEL@RUN#REPEAT")
    return Answered(run, model, int(repeat))


def runs(**terms: str | int | None) -> str:
    """Return the address of the list of runs."""
    return _with("/", terms)


def run(run_id: str, **terms: str | int | None) -> str:
    """Return the address of one run."""
    return _with(f"/runs/{quote(run_id, safe='')}", terms)


def report(run_id: str) -> str:
    """Return the address of a run's report."""
    return f"/runs/{quote(run_id, safe='')}/report.html"


def trends(**terms: str | int | None) -> str:
    """Return the address of a suite's trends."""
    return _with("/trends", terms)


def compare(baseline: str | None = None, candidate: str | None = None, **terms: str | int | None) -> str:
    """Return the address of a comparison of two runs, each by its id or as `MODEL@RUN`."""
    return _with("/compare", {"baseline": baseline, "candidate": candidate, **terms})


def cases(**terms: str | int | None) -> str:
    """Return the address of a suite's cases."""
    return _with("/cases", terms)


def case(
    suite: str,
    name: str,
    *,
    one: Answered | None = None,
    other: Answered | None = None,
    model: str | None = None,
) -> str:
    """Return the address of a case across runs, with the answers that are shown side by side."""
    shown = {"a": one.text if one else None, "b": other.text if other else None}
    return _with("/case", {"suite": suite, "case": name, **shown, "model": model})


def _with(path: str, terms: Mapping[str, str | int | None]) -> str:
    given = {name: str(value) for name, value in terms.items() if value not in (None, "")}
    # A lone surrogate has no place in an address: the name is then not found, which is said.
    query = urlencode(given, errors="replace")
    return f"{path}?{query}" if query else path
