"""What is said before the first call: what is under test, how much of it, what can hardly be decided."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from swapgate.driving.collect import CaseItem
from swapgate.errors import UsageError
from swapgate.reporting.format import count

if TYPE_CHECKING:
    from swapgate.driving.session import SwapgateSession
    from swapgate.engine.workspace import Job


class Announcements:
    """The lines of swapgate's in pytest's header and after collection."""

    def __init__(self, session: SwapgateSession) -> None:
        self._session = session
        self._workspace = session.workspace
        self._settings = session.settings

    @pytest.hookimpl
    def pytest_report_header(self) -> list[str]:
        """Say what is under test."""
        roles = [self._under_test(name, role) for name, role in self._workspace.roles()]
        batched = "; in batches" if self._settings.is_batched else ""
        lines = [f"swapgate: {', '.join(roles)}; cache {self._settings.cache}{batched}"]
        return lines + [f"swapgate: {note}" for note in self._workspace.catalogue.notes]

    def _under_test(self, name: str, role: str) -> str:
        """Return a model's name, with its role and the hash of its file where it has them."""
        from swapgate.providers.open import file_sha256

        facts = [role] if role == "baseline" else []
        with contextlib.suppress(UsageError):  # told before the first call, with the way to mend it
            if (file_hash := file_sha256(self._workspace.model(name), self._settings.root)) is not None:
                facts.append(f"sha256 {file_hash[:12]}")
        return f"{name} ({', '.join(facts)})" if facts else name

    @pytest.hookimpl
    def pytest_report_collectionfinish(self, items: Sequence[pytest.Item]) -> list[str]:
        """Say what will be run, and what of it can hardly be decided, before the first call."""
        jobs = [item.job for item in items if isinstance(item, CaseItem)]
        if not jobs:
            folders = ", ".join(folder.name for folder in self._settings.cases_dirs)
            is_asked = bool(self._session.config.option.swapgate_model) and self._session.part is None
            return [f"swapgate: warning: no case is selected; suites lie in {folders}"] if is_asked else []
        from swapgate.reporting.words import warnings

        verbose = self._session.config.get_verbosity()
        head = [] if verbose < 0 else [f"swapgate: {self._told(jobs)}"]
        shown = warnings.shown(self._session.warnings, verbose=verbose)
        return [*head, *(f"swapgate: warning: {text}" for text in shown)]

    def _told(self, jobs: Sequence[Job]) -> str:
        """Return how many trials there are, how fast they are run and who judges them."""
        cases = len({(job.suite.name, job.case.placed.case.id) for job in jobs})
        size = f"{count(len(jobs), 'trial')} of {count(cases, 'case')}"
        judges = sorted({f"{j.spec.judge} ({j.shown})" for job in jobs for j in job.case.judges})
        judged = f"; judged by {', '.join(judges)}" if judges else "; no judge"
        at_once = f"{count(self._settings.concurrency, 'call')} at once{self._on_ray(jobs)}"
        return f"{size}, {at_once}{judged}"

    def _on_ray(self, jobs: Sequence[Job]) -> str:
        """Say that a run takes place on Ray: starting it takes some seconds."""
        from swapgate.runs.before_run import uses_ray

        return f", on Ray ({self._settings.ray})" if uses_ray(self._workspace, jobs) else ""
