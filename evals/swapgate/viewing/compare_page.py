"""Two runs against each other: what flipped, what the gate's rules say, how the rates differ."""

from __future__ import annotations

from swapgate.records import Run
from swapgate.reporting.words.reasons import overall, telling, telling_slices
from swapgate.viewing import links
from swapgate.viewing.archive import Archive
from swapgate.viewing.asked import Asked
from swapgate.viewing.links import Answered
from swapgate.viewing.render import render
from swapgate.viewing.runs_page import candidates

TERMS = ("baseline", "candidate")
# The most flips of one kind that a page lists.
MOST = 500
_OFFERED = 100


def compare_page(archive: Archive, asked: Asked) -> str:
    """Return the comparison, or a form while a side is not named or holds several models."""
    baseline, candidate = asked.text("baseline"), asked.text("candidate")
    if baseline is None or candidate is None:
        return _form(archive, baseline, candidate)
    open_sides = [name for name in (baseline, candidate) if len(_models(archive, name)) != 1]
    if open_sides:
        return _form(archive, baseline, candidate)
    before, after, outcome = archive.comparison(baseline, candidate)
    (comparison,) = outcome.comparisons

    def address(suite: str, case: str, repeat: int) -> str:
        return links.case(
            suite,
            case,
            one=Answered(before.run.id, before.model, repeat),
            other=Answered(after.run.id, after.model, repeat),
        )

    return render(
        "compare.html.j2",
        before=before,
        after=after,
        outcome=outcome,
        comparison=comparison,
        summaries=overall(outcome),
        differences_=telling(comparison),
        slices=telling_slices(comparison),
        case_address=address,
        most=MOST,
        swapped=links.compare(after.name, before.name),
    )


def _form(archive: Archive, baseline: str | None, candidate: str | None) -> str:
    offered = archive.newest(_OFFERED)
    return render(
        "choose.html.j2",
        baseline=baseline,
        candidate=candidate,
        sides=[
            ("baseline", "Baseline", baseline, _offers(archive, baseline)),
            ("candidate", "Candidate", candidate, _offers(archive, candidate)),
        ],
        runs=[
            (f"{model}@{run.id}", model, run)
            for run in offered
            for model in (*candidates(run), *([run.baseline] if _has_baseline(run) else []))
        ],
    )


def _has_baseline(run: Run) -> bool:
    """Whether a run asked its baseline itself."""
    return any(model.name == run.baseline for model in run.models)


def _offers(archive: Archive, name: str | None) -> list[str]:
    """Return the parts of a run that a side may be, when it is named and holds several."""
    if name is None:
        return []
    models = _models(archive, name)
    run = archive.run(name.rpartition("@")[2])
    return [f"{model}@{run.id}" for model in models] if len(models) > 1 else []


def _models(archive: Archive, name: str) -> list[str]:
    """Return the models that a name stands for: one where it says which."""
    model, at, wanted = name.rpartition("@")
    run = archive.run(wanted)
    return [model] if at and model else candidates(run)
