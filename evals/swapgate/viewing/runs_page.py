"""The list of runs: filtered, searched, paged; two of them chosen to be compared."""

from __future__ import annotations

from swapgate.memory.history import Choice
from swapgate.records import Run
from swapgate.viewing import links
from swapgate.viewing.archive import Archive
from swapgate.viewing.asked import Asked
from swapgate.viewing.counts import by_model
from swapgate.viewing.pager import Pager
from swapgate.viewing.render import render

TERMS = ("model", "suite", "since", "until", "whole", "q", "page")
ROWS = 50


def runs_page(archive: Archive, asked: Asked) -> str:
    """Return the page."""
    choice = Choice(
        model=asked.text("model"),
        suite=asked.text("suite"),
        since=asked.day("since"),
        until=asked.end_of_day("until"),
        is_whole=asked.is_set("whole"),
    )
    page = asked.number("page", 1)
    heads, total = archive.heads(choice, asked.text("q"), limit=ROWS, offset=(page - 1) * ROWS)
    tallies = archive.tallies(heads)
    models, suites = archive.names()
    terms = {name: asked.text(name) for name in TERMS if name != "page"}
    return render(
        "runs.html.j2",
        rows=[(run, by_model(tallies[run.id])) for run in heads],
        promoted=_promoted(archive),
        models=models,
        suites=suites,
        terms=terms,
        pager=Pager(page, ROWS, total, lambda number: links.runs(**terms, page=number)),
    )


def candidates(run: Run) -> list[str]:
    """Return the names of a run's models without its baseline."""
    return [model.name for model in run.models if model.name != run.baseline]


def _promoted(archive: Archive) -> dict[str, list[str]]:
    """Return the names under which runs are baselines, by the id of the run."""
    found: dict[str, list[str]] = {}
    for one in archive.baselines():
        found.setdefault(one.run_id, []).append(one.name)
    return found
