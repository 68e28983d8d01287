"""What is printed at the end of a session: misses explained, the summary, the gate's answer."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swapgate.driving.misses import TO_EXPLAIN
from swapgate.errors import StoreError
from swapgate.reporting.format import count

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.driving.session import SwapgateSession


class ClosingWords:
    """The section at the end of pytest's own output."""

    def __init__(self, session: SwapgateSession) -> None:
        self._session = session
        self._config = session.config

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the summary and the gate's answer."""
        session, outcome = self._session, self._session.outcome
        for problem in session.problems:
            terminalreporter.write_line(f"swapgate: {problem}", red=True)
        for line in self._batches_said():
            terminalreporter.write_line(f"swapgate: batch: {line}")
        if outcome is None:
            return
        from swapgate.reporting.terminal.summary import write_summary

        verbose = self._config.get_verbosity()
        if verbose > -2:
            terminalreporter.section("swapgate", sep="=")
        is_explained = False
        for line in self._explained(outcome, verbose):
            terminalreporter.write_line(line)
            is_explained = True
        if is_explained:
            terminalreporter.write_line("")
        write_summary(
            outcome,
            terminalreporter.write_line,
            verbose=verbose,
            width=terminalreporter._tw.fullwidth,
            reports=[_short(path, self._config.invocation_params.dir) for path in session.reports],
        )
        for line in self._day_said():
            terminalreporter.write_line(line)
        self._tell_github(outcome, terminalreporter)

    def _explained(self, outcome: RunOutcome, verbose: int) -> Iterator[str]:
        """Yield the first misses in full, with -v all others in two lines, with -vv all of them in full."""
        from swapgate.reporting.terminal.explain import explain_shortly, explain_trial
        from swapgate.reporting.words.reasons import of_outcome

        if verbose < 0:
            return
        first = list(self._session.misses)
        for trial in first:
            yield from explain_trial(trial)
        if verbose < 1:
            yield from _more(outcome, len(first))
            return
        told = {(t.suite, t.case, t.model, t.repeat) for t in first}
        try:
            for trial in (t for kind in TO_EXPLAIN for t in of_outcome(outcome.trials, kind)):
                is_told = (trial.suite, trial.case, trial.model, trial.repeat) in told
                if trial.role == "candidate" and not is_told:
                    yield from explain_trial(trial) if verbose > 1 else explain_shortly(trial)
        except StoreError:  # said already, as a problem
            yield "the other misses cannot be read back from the history"

    def _batches_said(self) -> list[str]:
        """Return what became of the run's batches, and how to pick up those that are still running."""
        batches = self._session.batches
        if batches is None:
            return []
        if batches.left is None:
            return batches.said
        from swapgate.runs.manifest import without_secrets

        typed = [str(argument) for argument in self._config.invocation_params.args]
        command = shlex.join(["pytest", *without_secrets(typed, os.environ)])
        where = ", ".join(batches.left.services)
        return [
            *batches.said,
            f"{count(batches.left.requests, 'request')} still running at {where}: `{command}` picks them up, "
            "`swapgate batch cancel --all` ends them",
        ]

    def _day_said(self) -> Iterator[str]:
        """Yield what of the day's budget is spent by now, over all processes."""
        settings = self._session.settings
        if settings.max_cost_per_day is None or settings.cache == "replay":
            return
        from swapgate.runs.day_lines import day_line

        yield day_line(settings)

    def _tell_github(self, outcome: RunOutcome, terminalreporter: pytest.TerminalReporter) -> None:
        """Annotate the cases and add to the job's summary, where GitHub Actions runs this."""
        from swapgate.reporting.github.publishing import publish

        settings = self._session.settings
        if settings.github == "off":
            return
        for problem in publish(outcome, os.environ, terminalreporter.write_line, near=settings.root):
            terminalreporter.write_line(f"swapgate: {problem}", yellow=True)


def _more(outcome: RunOutcome, explained: int) -> Iterator[str]:
    """Yield how many misses are not explained, and how to see them."""
    missed = sum(f.role == "candidate" and f.outcome in TO_EXPLAIN for f in outcome.facts)
    if missed > explained:
        yield f"and {missed - explained:,} more: -v gives the reason of each"


def _short(path: Path, start: Path) -> Path:
    return path.relative_to(start) if path.is_relative_to(start) else path
