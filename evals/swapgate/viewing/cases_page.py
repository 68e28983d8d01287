"""A suite's cases, each with how it ended in the last runs."""

from __future__ import annotations

from collections.abc import Iterable

from swapgate.memory.history import Choice
from swapgate.records import Run
from swapgate.values import Value
from swapgate.viewing import links
from swapgate.viewing.archive import Archive, Ending
from swapgate.viewing.asked import Asked
from swapgate.viewing.pager import Pager
from swapgate.viewing.render import render

TERMS = ("suite", "model", "q", "changed", "last", "page")
ROWS = 100
LAST, MOST = 10, 20
# How a case with several answers in one run is shown: by the worst of them.
_WORST = ("blind", "missed", "errored", "unscored", "passed")


class Row(Value):
    """One case: how it ended in each of the runs, None where it was not run, and why in the newest."""

    case: str
    endings: tuple[str | None, ...]
    reason: str

    @property
    def is_changed(self) -> bool:
        """Whether it did not end the same in all runs that had it."""
        return len({ending for ending in self.endings if ending is not None}) > 1


def cases_page(archive: Archive, asked: Asked) -> str:
    """Return the page; without a suite that of the first one."""
    models, suites = archive.names()
    suite = asked.text("suite") or next(iter(suites), None)
    choice = Choice(suite=suite, model=asked.text("model"))
    heads, _total = archive.heads(choice, None, limit=asked.number("last", LAST, most=MOST), offset=0)
    runs = heads if suite else []
    rows = [row for row in _rows(archive, runs, suite or "", asked.text("model")) if _is_meant(row, asked)]
    page = asked.number("page", 1)
    terms = {name: asked.text(name) for name in TERMS if name != "page"}
    return render(
        "cases.html.j2",
        suite=suite,
        suites=suites,
        models=models,
        runs=runs,
        rows=rows[(page - 1) * ROWS : page * ROWS],
        terms=terms,
        pager=Pager(page, ROWS, len(rows), lambda number: links.cases(**terms, page=number)),
    )


def _rows(archive: Archive, runs: list[Run], suite: str, model: str | None) -> list[Row]:
    endings: dict[str, list[str | None]] = {}
    reasons: dict[str, str] = {}
    for number, run in enumerate(runs):
        for case, found in _by_case(archive.endings(run, suite), model).items():
            worst = min(found, key=lambda one: _WORST.index(one.standing))
            endings.setdefault(case, [None] * len(runs))[number] = worst.standing
            reasons.setdefault(case, worst.reason)
    return [Row(case=case, endings=tuple(endings[case]), reason=reasons[case]) for case in sorted(endings)]


def _by_case(endings: Iterable[Ending], model: str | None) -> dict[str, list[Ending]]:
    """Return the endings of each case: those of the model, or of the run's candidates."""
    found: dict[str, list[Ending]] = {}
    for one in endings:
        if one.model == model or (model is None and one.role == "candidate"):
            found.setdefault(one.case, []).append(one)
    return found


def _is_meant(row: Row, asked: Asked) -> bool:
    word = (asked.text("q") or "").casefold()
    return word in f"{row.case} {row.reason}".casefold() and (row.is_changed or not asked.is_set("changed"))
