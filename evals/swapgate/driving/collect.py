"""YAML files to pytest items: one item a trial."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from swapgate.daemon import load_unbroken
from swapgate.engine.workspace import Job, ReadySuite
from swapgate.errors import UsageError
from swapgate.facts.reasons import first_reason

if TYPE_CHECKING:
    from swapgate.driving.session import SwapgateSession
    from swapgate.engine.runner import Finished

REASON_CHARS = 200
_EXPLAINS = "swapgate.reporting.terminal.explain"
# What ends the name in a line of pytest's ini key `markers`.
_ENDS_A_NAME = frozenset(":(")
_MAY_SKIP = frozenset(("skip", "skipif", "xfail"))


class Miss(Exception):
    """A trial whose answer is wrong, in structure or meaning. The gate, not the miss, fails the session."""


class TrialErrored(Exception):
    """A trial without a result."""


class Unscored(Exception):
    """A trial whose answer the judges disagree about: neither right nor wrong."""


NOT_PASSED = (Miss, TrialErrored, Unscored)


class SuiteFile(pytest.File):
    """One suite."""

    swapgate: SwapgateSession
    # Some plugins run thousands of trials again: none of them looks through all.
    _read_again: tuple[ReadySuite, dict[str, Job]] | None = None

    def collect(self) -> Iterator[CaseItem]:
        """Yield the suite's trials; a mistake in the file is an error of collection, without a traceback."""
        try:
            suite = self.swapgate.workspace.suite(self.path)
        except UsageError as exc:
            raise self.CollectError(str(exc)) from exc
        for job in self.swapgate.workspace.jobs(suite):
            name = self._name(job)
            # As text: an id built from the name does not know its brackets, and --lf would not find it.
            yield CaseItem.from_parent(self, name=name, nodeid=f"{self.nodeid}::{name}", job=job)

    def job(self, name: str) -> Job:
        """Return the trial of this name, from the file as it is now."""
        suite = self.swapgate.workspace.suite(self.path)
        if self._read_again is None or self._read_again[0] is not suite:
            jobs = self.swapgate.workspace.jobs(suite)
            self._read_again = suite, {self._name(job): job for job in jobs}
        found = self._read_again[1].get(name)
        if found is None:
            raise UsageError(f"{self.nodeid}: the case of {name} is not there any more")
        return found

    def _name(self, job: Job) -> str:
        repeat = f"#{job.repeat}" if self.swapgate.settings.repeats > 1 else ""
        return f"{job.case.placed.case.id}[{job.model}{repeat}]"


class CaseItem(pytest.Item):
    """One trial: waits for the engine's record and reports it."""

    parent: SuiteFile

    def __init__(self, *, job: Job, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._job: Job | None = job
        self.finished: Finished | None = None
        for tag in job.case.placed.case.tags:
            self.add_marker(self.config.stash[TAGS].mark(self.config, tag))
        self.extra_keyword_matches.update(job.case.placed.case.tags)

    @property
    def job(self) -> Job:
        """What is to be run; read again for whoever runs a trial once more that is over."""
        if self._job is None:
            self._job = self.parent.job(self.name)
        return self._job

    @job.setter
    def job(self, job: Job) -> None:
        self._job = job

    def let_go(self) -> None:
        """Drop what the trial was made from, now that it is over: pytest keeps items to the end."""
        self._job = None

    def runtest(self) -> None:
        """Wait for the trial; raise what NOT_PASSED holds, but for a baseline's or one in quarantine."""
        self.finished = self.parent.swapgate.running.wait(self)
        facts = self.finished.facts
        self.user_properties.extend(_properties(facts.model, facts.structural, facts.semantic))
        if facts.role == "baseline" or facts.is_quarantined:
            return
        if facts.outcome == "errored":
            raise TrialErrored
        if facts.outcome == "missed":
            raise Miss
        if facts.outcome == "unscored":
            raise Unscored

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Explain a miss or an error in a few lines; anything else is a bug and shows its traceback.

        pytest's short summary shows the beginning of the first line alone.
        """
        trial = self.finished.trial if self.finished is not None else None
        if trial is not None and isinstance(excinfo.value, NOT_PASSED):
            if _EXPLAINS not in sys.modules:
                load_unbroken(partial(import_module, _EXPLAINS), name="swapgate-explaining")
            from swapgate.reporting.terminal.explain import explain_trial
            from swapgate.reporting.text import safe_text

            return "\n".join([safe_text(first_reason(trial), REASON_CHARS), *explain_trial(trial)])
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Point at the case's own line."""
        placed = self.job.case.placed
        return placed.path, placed.line - 1, f"{self.job.suite.name}::{self.name}"

    def is_prefetched(self) -> bool:
        """Whether the engine may run ahead with this trial: not when pytest may skip it."""
        return _MAY_SKIP.isdisjoint(mark.name for mark in self.iter_markers())


@lru_cache(maxsize=256)
def _properties(model: str, structural: bool | None, semantic: bool | None) -> tuple[tuple[str, object], ...]:
    """Return the scalars of a trial that JUnit shows as properties: pytest keeps those of every trial."""
    shown = {"model": model, "structural": structural, "semantic": semantic}
    return tuple((name, str(value).lower()) for name, value in shown.items() if value is not None)


class TagMarks:
    """Makes each tag a mark once, whatever is written in it."""

    def __init__(self) -> None:
        self._made: dict[str, pytest.MarkDecorator] = {}

    def mark(self, config: pytest.Config, tag: str) -> pytest.MarkDecorator:
        """Return the mark of a tag; one that pytest can know by name is declared, for --strict-markers."""
        if tag not in self._made:
            if not _ENDS_A_NAME.intersection(tag):
                config.addinivalue_line("markers", f"{tag}: a tag of swapgate's cases")
            # Not `pytest.mark`, which warns of every name that cannot be declared and refuses `_private`.
            mark = pytest.Mark(tag, (), {}, _ispytest=True)
            self._made[tag] = pytest.MarkDecorator(mark, _ispytest=True)
        return self._made[tag]


TAGS = pytest.StashKey[TagMarks]()
