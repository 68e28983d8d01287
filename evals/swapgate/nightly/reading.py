"""The nights of a history: which stored runs are nights, which failed, and how their judges were checked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

from swapgate.analysis.night_subjects import Watched
from swapgate.analysis.nights import Night, night_of
from swapgate.errors import UsageError
from swapgate.memory.history import Choice, History, has_history
from swapgate.records import Run
from swapgate.spec.anchors import AnchorSet, anchors_path, read_anchors
from swapgate.spec.settings import Settings
from swapgate.values import Value

# Half a year: a detector needs no more, and a year would take twice as long to read.
MOST_NIGHTS = 180
_RECENT = 10


class Nights(Value):
    """The nights, the oldest first, and the judges of the last of them. `left_out` counts other runs."""

    nights: Sequence[Night]
    judges: Sequence[Watched]
    left_out: int = 0


class Wanted(Value):
    """Which runs are nights: since a day, of a branch, the newest so many, and whether only marked ones."""

    since: str | None = None
    branch: str | None = None
    most: int = MOST_NIGHTS
    is_any: bool = False


def read_nights(settings: Settings, wanted: Wanted) -> Nights:
    """Read the nights from the workspace's history. Where there is none there are no nights."""
    if not has_history(settings.history):
        return Nights(nights=(), judges=())
    with contextlib.closing(History(settings.history)) as history:
        heads = history.heads(Choice(since=wanted.since))
        chosen = list(_chosen(heads, wanted))
        runs = chosen[: wanted.most]
        nights = [
            night_of(run, history.facts(run.id), problem=why_it_does_not_count(run)) for run in reversed(runs)
        ]
        judges = [_watched(settings, history, *one) for one in _judges(nights)]
    return Nights(nights=nights, judges=judges, left_out=len(heads) - len(chosen))


def why_it_does_not_count(run: Run) -> str:
    """Return why a run that set out to be a night is none, or an empty string."""
    if run.finished_at is None:
        return "it never ended"
    if run.stopping is not None and run.stopping.saved_trials:
        return "it stopped early, so that its cases are not those of other nights"
    if run.is_partial and run.is_complete:
        return "it ran a selection of the cases"
    if run.is_partial or not run.is_complete:
        return "it was broken off, or trials of it are missing"
    unusable = [judge.judge for judge in run.canaries if judge.passed and judge.blocks]
    return f"its judge {unusable[0]} let a canary pass" if unusable else ""


def _chosen(heads: Sequence[Run], wanted: Wanted) -> Iterator[Run]:
    """Yield the runs that are nights, the newest first, failed ones included."""
    completed = {run.completes for run in heads if run.completes is not None}
    is_marked = not wanted.is_any and any(_is_marked(run) for run in heads)
    for run in heads:
        is_other = run.shard is not None or run.rejudges is not None or run.id in completed or _is_look(run)
        # Whoever tries a few cases by hand runs no night.
        is_tried = run.is_partial and run.is_complete and not _is_marked(run)
        is_of_branch = wanted.branch is None or run.git_branch == wanted.branch
        if is_of_branch and not is_other and not is_tried and (_is_marked(run) or not is_marked):
            yield run


def _is_look(run: Run) -> bool:
    """Whether it is a look of `swapgate models watch`, at a few cases."""
    return run.settings.get("watch") is True


def _is_marked(run: Run) -> bool:
    return run.settings.get("nightly") is True


def _judges(nights: Sequence[Night]) -> Iterable[tuple[str, str]]:
    """Return the judges of the newest nights with their newest definitions."""
    found: dict[str, str] = {}
    for night in reversed(nights[-_RECENT:]):
        for part in night.parts.values():
            for judge, definition in part.judges:
                found.setdefault(judge, definition)
    return sorted(found.items())


def _watched(settings: Settings, history: History, judge: str, definition: str) -> Watched:
    if not anchors_path(settings.judges_dir, judge).is_file():
        return Watched(judge=judge)
    try:
        known = read_anchors(settings.judges_dir, judge, definition_hash=definition, root=settings.root)
    except UsageError as exc:
        return Watched(judge=judge, has_anchors=True, problem=str(exc))
    checks = [one for one in history.anchor_checks(judge) if one.anchors_hash == known.content_hash]
    return Watched(judge=judge, checks=checks, frozen=_frozen(known), has_anchors=True)


def _frozen(known: AnchorSet) -> tuple[int, int] | None:
    """Return how many anchors had the same verdict in their last two frozen readings, of how many."""
    readings = [anchor.readings for anchor in known.anchors]
    if any(len(one) < 2 for one in readings):
        return None
    return sum(one[-1].passed is one[-2].passed for one in readings), len(readings)
