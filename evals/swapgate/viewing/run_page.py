"""One run: how it ended, with what it was made, and its trials to be searched."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.facts import Facts
from swapgate.records import Run
from swapgate.viewing import links
from swapgate.viewing.archive import Archive, standing
from swapgate.viewing.asked import Asked
from swapgate.viewing.counts import by_model, by_suite
from swapgate.viewing.pager import Pager
from swapgate.viewing.render import render
from swapgate.viewing.runs_page import candidates

TERMS = ("outcome", "suite", "model", "tag", "q", "page")
OUTCOMES = ("blind", "missed", "errored", "unscored", "passed")
ROWS = 100
# Runs before this one that a comparison is offered with.
_EARLIER = 5


def run_page(archive: Archive, run_id: str, asked: Asked) -> str:
    """Return the page."""
    run = archive.run(run_id)
    facts = archive.facts(run.id)
    terms = {name: asked.text(name) for name in TERMS if name != "page"}
    asked.one_of("outcome", OUTCOMES)
    found = [one for one in facts if _is_meant(one, terms)]
    page = asked.number("page", 1)
    tallies = archive.tallies([run])[run.id]
    return render(
        "run.html.j2",
        run=run,
        models=by_model(tallies),
        suites=by_suite(tallies),
        counted=sum(tally.trials for tally in tallies),
        earlier=_comparisons(archive, run),
        promoted=[one for one in archive.baselines() if one.run_id == run.id],
        rows=_worst_first(found)[(page - 1) * ROWS : page * ROWS],
        outcomes=OUTCOMES,
        terms=terms,
        tags=sorted({tag for one in facts for tag in one.tags}),
        suite_names=sorted({one.suite for one in facts}),
        model_names=sorted({one.model for one in facts}),
        standing=standing,
        answered=lambda one: links.Answered(run.id, one.model, one.repeat),
        pager=Pager(page, ROWS, len(found), lambda number: links.run(run.id, **terms, page=number)),
    )


def _is_meant(one: Facts, terms: dict[str, str | None]) -> bool:
    wanted = terms["outcome"]
    if wanted is not None and wanted not in {one.outcome, standing(one)}:
        return False
    if terms["suite"] not in {None, one.suite} or terms["model"] not in {None, one.model}:
        return False
    if terms["tag"] is not None and terms["tag"] not in one.tags:
        return False
    word = (terms["q"] or "").casefold()
    return word in f"{one.suite}/{one.case} {one.reason}".casefold()


def _worst_first(facts: Sequence[Facts]) -> list[Facts]:
    return sorted(facts, key=lambda f: (OUTCOMES.index(standing(f)), f.suite, f.case, f.model, f.repeat))


def _comparisons(archive: Archive, run: Run) -> list[tuple[str, str]]:
    """Return what this run may be compared with: a name for people, and the address."""
    found: dict[str, str] = {}
    own = candidates(run)
    if run.baseline and any(model.name == run.baseline for model in run.models):
        for model in own:
            address = links.compare(f"{run.baseline}@{run.id}", f"{model}@{run.id}")
            found[f"{model} with {run.baseline}, in this run"] = address
    for one in archive.baselines():
        if one.run_id != run.id:
            found[f"with the baseline @{one.name}"] = links.compare(f"{one.model}@{one.run_id}", run.id)
    for earlier in archive.before(run, limit=_EARLIER):
        names = ", ".join(candidates(earlier))
        found[f"with {names} of {earlier.started_at[:16].replace('T', ' ')}"] = links.compare(
            earlier.id, run.id
        )
    return list(found.items())
