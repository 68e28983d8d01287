"""Looks at floating models: the tagged cases asked anew under pytest, and the looks of a history."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from swapgate.analysis.alias_looks import Look, look_of
from swapgate.errors import ExitCode, UsageError
from swapgate.memory.history import Choice, History, has_history
from swapgate.nightly.reading import MOST_NIGHTS
from swapgate.pins.lint import DeclaredModel
from swapgate.records import Run
from swapgate.runs.under_pytest import Ran, run_pytest, why_no_verdict
from swapgate.spec.settings import Settings

# What stands behind these changes when the user changes it.
_OWN = frozenset({"recorded", "local", "python"})


def floating(declared: Sequence[DeclaredModel]) -> tuple[str, ...]:
    """Return the models that may become other ones by themselves; UsageError where there is none."""
    found = [m.name for m in declared if not m.pin.is_pinned and m.spec.provider not in _OWN]
    # A task that only names a model repeats nothing.
    own = tuple(m.name for m in declared if m.name in found and m.spec.name == m.name)
    if not own:
        raise UsageError("no model of models.yml floats, so there is nothing to watch: name one with --model")
    return own


def look(settings: Settings, arguments: Sequence[str], *, tag: str, to_stderr: bool = False) -> Ran:
    """Ask the models about the cases with this tag, each answer anew, and return what was stored."""
    own = [*(f"--model={name}" for name in settings.models), "-m", tag, "--swapgate-watch", "--report=none"]
    own += [f"--repeats={settings.repeats}"]
    own += [] if {"--live", "--replay"} & set(arguments) else ["--live"]
    own += [f"--max-cost={settings.max_cost:g}"] if settings.max_cost is not None else []
    paths = [str(folder) for folder in settings.cases_dirs if folder.is_dir()]
    return run_pytest(settings, [*own, *paths, *arguments], is_meant=_is_look, to_stderr=to_stderr)


def why_no_look(ran: Ran, tag: str) -> list[str]:
    """Return why there was no look, nothing where a run is stored: that one speaks for itself."""
    if ran.run is not None and not ran.is_over_time:
        return []
    if ran.code == ExitCode.NO_TESTS_COLLECTED:
        return [f"no case has the tag {tag!r}: write `tags: [{tag}]` at those that are to be asked"]
    return why_no_verdict(ran)


def read_looks(settings: Settings, models: Sequence[str]) -> dict[str, Sequence[Look]]:
    """Return the newest looks at each model, the oldest first; without a history there are none."""
    if not has_history(settings.history):
        return dict.fromkeys(models, ())
    with contextlib.closing(History(settings.history)) as history:
        return {name: _looks(history, name, settings.drift_since) for name in models}


def _looks(history: History, model: str, since: str | None) -> Sequence[Look]:
    runs = [run for run in history.heads(Choice(model=model, since=since)) if _is_look(run)][:MOST_NIGHTS]
    return [look_of(run, model, history.trials(run.id), problem=_why_not(run)) for run in reversed(runs)]


def _why_not(run: Run) -> str:
    if run.finished_at is None:
        return "it never ended"
    return "" if run.is_complete else "it was broken off, or trials of it are missing"


def _is_look(run: Run) -> bool:
    return run.settings.get("watch") is True and run.shard is None
