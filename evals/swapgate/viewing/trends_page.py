"""The rates of a suite's models over its runs."""

from __future__ import annotations

from swapgate.memory.history import Choice
from swapgate.records import Run
from swapgate.viewing.archive import Archive
from swapgate.viewing.asked import Asked
from swapgate.viewing.counts import Counts, by_suite
from swapgate.viewing.render import render
from swapgate.viewing.trend_chart import trend_chart

TERMS = ("suite", "model", "since", "until", "all", "last")
LAST = 200
MOST = 1_000


def trends_page(archive: Archive, asked: Asked) -> str:
    """Return the page; without a suite that of the first one."""
    _models, suites = archive.names()
    suite = asked.text("suite") or next(iter(suites), None)
    choice = Choice(
        suite=suite,
        model=asked.text("model"),
        since=asked.day("since"),
        until=asked.end_of_day("until"),
        is_whole=not asked.is_set("all"),
    )
    last = asked.number("last", LAST, most=MOST)
    heads, total = archive.heads(choice, None, limit=last, offset=0)
    by_name = _by_name(archive, heads[::-1], suite) if suite else {}
    wanted = asked.text("model")
    shown = {name: rows for name, rows in by_name.items() if wanted in {None, name}}
    return render(
        "trends.html.j2",
        suite=suite,
        suites=suites,
        models=sorted(by_name),
        charts=[(trend_chart(name, rows), rows) for name, rows in sorted(shown.items())],
        terms={name: asked.text(name) for name in TERMS},
        shown=len(heads),
        total=total,
    )


def _by_name(archive: Archive, runs: list[Run], suite: str) -> dict[str, list[tuple[Run, Counts]]]:
    """Return each model's counts in the suite, in the order of time, of runs that scored something."""
    tallies = archive.tallies(runs)
    found: dict[str, list[tuple[Run, Counts]]] = {}
    for run in runs:
        for counts in by_suite(tally for tally in tallies[run.id] if tally.suite == suite):
            if counts.structural.known or counts.semantic.known:
                found.setdefault(counts.model, []).append((run, counts))
    return found
