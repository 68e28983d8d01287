"""A workspace as the steps of a migration look at it: everything is opened once, when it is asked for."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

from swapgate.analysis.outcome import RunOutcome
from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.errors import UsageError
from swapgate.facts import Facts
from swapgate.memory.history import Choice, History, StoredTrials, has_history
from swapgate.records import Run, Trial
from swapgate.runs.concluded import concluded
from swapgate.shadow.plan import SHADOW_CONFIG, open_plan
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import Settings


class Looked:
    """`old` and `new` are the models' names; without them those of the newest run with a baseline."""

    def __init__(
        self, settings: Settings, *, old: str | None, new: str | None, index_config: Path | None = None
    ) -> None:
        self.settings = settings
        self.workspace = Workspace(settings)
        self.index_config = index_config
        self._old, self._new = old, new

    @cached_property
    def suites(self) -> list[ReadySuite]:
        """Every suite of the cases folders; UsageError where one is wrong, or none is there."""
        files = self.workspace.suite_files(self.settings.cases_dirs)
        if not files:
            raise UsageError("there is no suite: `swapgate init` lays one")
        return [self.workspace.suite(file) for file in files]

    @property
    def today(self) -> date:
        """The day in UTC."""
        return datetime.now(UTC).date()

    @property
    def old(self) -> str:
        """The name of the model that is left."""
        return self._old or self._named[0]

    @property
    def new(self) -> str:
        """The name of the model that takes over."""
        return self._new or self._named[1]

    @property
    def new_spec(self) -> ModelSpec:
        """The model that takes over, as models.yml has it."""
        return self.workspace.model(self.new)

    @property
    def old_spec(self) -> ModelSpec:
        """The model that is left."""
        return self.workspace.model(self.old)

    @cached_property
    def _named(self) -> tuple[str, str]:
        run = next((run for run in self.runs if run.baseline is not None), None)
        new = next((m.name for m in run.models if m.name != run.baseline), None) if run is not None else None
        if run is None or run.baseline is None or new is None:
            raise UsageError("which models? No stored run has a baseline: name them, --old and --new")
        return run.baseline.partition("@")[0], new

    @cached_property
    def routes(self) -> list[str]:
        """The routes of the shadow configuration whose candidate the new model is."""
        path = self.settings.root / SHADOW_CONFIG
        if not path.is_file():
            return []
        plan = open_plan(self.settings, path)
        return [n for n, one in plan.routes.items() if one.candidate and one.candidate.name == self.new]

    @cached_property
    def runs(self) -> list[Run]:
        """The stored runs that are whole, the newest first."""
        if not has_history(self.settings.history):
            return []
        with closing(History(self.settings.history, is_read_only=True)) as history:
            return history.heads(Choice(is_whole=True))

    def newest(self, model: str) -> Run | None:
        """Return the newest whole run in which a model answered as the candidate or as the baseline."""
        return next((run for run in self.runs if any(one.name == model for one in run.models)), None)

    @cached_property
    def compared(self) -> RunOutcome | None:
        """The newest whole run of the new model against the old one, concluded; None where there is none."""
        for run in self.runs:
            names = {one.name for one in run.models}
            baseline = (run.baseline or "").partition("@")[0]
            if self.new in names and baseline == self.old:
                with closing(History(self.settings.history, is_read_only=True)) as history:
                    whole = history.find(run.id)
                trials = StoredTrials(self.settings.history, run.id, is_read_only=True)
                return concluded(whole, trials, self.settings, warn=lambda _text: None)
        return None

    def facts_of(self, model: str) -> list[Facts]:
        """Return the facts of a model's answers in the comparison, else in its newest run."""
        if self.compared is not None:
            own = [one for one in self.compared.facts if one.model.partition("@")[0] == model]
            if own:
                return own
        run = self.newest(model)
        if run is None:
            return []
        with closing(History(self.settings.history, is_read_only=True)) as history:
            return history.facts(run.id, model=model)

    def trials_of(self, model: str) -> list[Trial]:
        """Return the trials of a model in the comparison."""
        found = self.compared
        return [] if found is None else [t for t in found.trials if t.model.partition("@")[0] == model]
