"""inspect/SUITE.MODEL.eval: logs that Inspect reads, one for each suite and model of the run."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swapgate.records import ModelIdentity, Run, Trial, content_hash, total
from swapgate.reporting.files import FileNames, atomic_file, whole
from swapgate.reporting.inspect_sample import sample, summary

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome

_FORMAT = 2  # Inspect's LOG_SCHEMA_VERSION
# The earliest that a zip file can hold.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class InspectReporter:
    """Writes the folder inspect/."""

    name = "inspect"
    filename = "inspect"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write a log for each suite and model into the folder, and return the folder with them.

        The trials go through once, in the order in which they are stored: by suite first.
        """
        path = folder / self.filename
        names, open_logs = FileNames(), dict[str, _Log]()
        with ExitStack() as stack:
            for trial in outcome.trials:
                if any(log.suite != trial.suite for log in open_logs.values()):
                    stack.pop_all().close()
                    open_logs.clear()
                if trial.model not in open_logs:
                    file = path / f"{names.of(trial.suite, trial.model)}.eval"
                    open_logs[trial.model] = stack.enter_context(_Log(file, outcome, trial))
                open_logs[trial.model].add(trial)
        return path


@dataclass(slots=True)
class _Log:
    """One log while it is written: samples go into the zip file as they come, what is of all at the end."""

    path: Path
    outcome: RunOutcome
    first: Trial
    summaries: list[dict[str, Any]] = field(default_factory=list)
    usages: list[dict[str, float | None]] = field(default_factory=list)
    marks: dict[str, list[str]] = field(default_factory=dict)
    repeats: int = 1
    _stack: ExitStack = field(default_factory=ExitStack)
    _zip: zipfile.ZipFile | None = None

    @property
    def suite(self) -> str:
        return self.first.suite

    def __enter__(self) -> _Log:
        file = self._stack.enter_context(atomic_file(self.path))
        self._zip = self._stack.enter_context(zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED))
        return self

    def __exit__(self, *raised: Any) -> None:
        if raised[0] is None:
            self._write("summaries.json", self.summaries)
            self._write("_journal/start.json", {"version": _FORMAT, "eval": self._spec(), "plan": {}})
            self._write("header.json", self._header())
        self._stack.__exit__(*raised)

    def add(self, trial: Trial) -> None:
        """Write the sample of a trial."""
        written = sample(trial, self._model)
        self._write(f"samples/{trial.case}_epoch_{trial.repeat}.json", written)
        self.summaries.append(summary(written))
        self.repeats = max(self.repeats, trial.repeat)
        for name, score in written["scores"].items():
            self.marks.setdefault(name, []).append(score["value"])
        self.usages.extend(written.get("model_usage", {}).values())

    def _write(self, name: str, value: Any) -> None:
        assert self._zip is not None
        # Without the time of writing, so that the same run makes the same file.
        about = zipfile.ZipInfo(name, date_time=_NO_TIME)
        about.compress_type = zipfile.ZIP_DEFLATED
        self._zip.writestr(about, whole(json.dumps(value, ensure_ascii=False, separators=(",", ":"))))

    @property
    def _identity(self) -> ModelIdentity | None:
        return next((one for one in self.outcome.run.models if one.name == self.first.model), None)

    @property
    def _model(self) -> str:
        """What the log calls the model: `provider/model`, as Inspect does, where that is known."""
        found = self._identity
        return self.first.model if found is None else f"{found.provider}/{found.model}"

    def _header(self) -> dict[str, Any]:
        run = self.outcome.run
        stats = {"started_at": run.started_at, "completed_at": run.finished_at or run.started_at}
        return {
            "version": _FORMAT,
            "status": "success" if run.finished_at else "cancelled",
            "eval": self._spec(),
            "plan": {"name": "plan", "steps": [], "config": {}},
            "results": self._results(),
            "stats": {**stats, "model_usage": self._usage()},
        }

    def _spec(self) -> dict[str, Any]:
        run, found = self.outcome.run, self._identity
        cases = list(dict.fromkeys(str(one["id"]) for one in self.summaries))
        identity = content_hash([run.id, self.suite, self.first.model])
        return {
            "eval_id": identity[:22],
            "run_id": run.id,
            "created": run.started_at,
            "task": self.suite,
            "task_id": content_hash([self.suite, self.first.model])[:22],
            "task_file": self.first.path or None,
            "dataset": {"name": self.suite, "samples": len(cases), "sample_ids": cases, "shuffled": False},
            "model": self._model,
            "model_args": {},
            "model_generate_config": _config(found),
            "config": {"epochs": self.repeats},
            "packages": {"swapgate": run.versions.get("swapgate", "")},
            "revision": _revision(run),
            "scorers": [{"name": name} for name in self.marks],
            "metadata": {
                "swapgate_model": self.first.model,
                "role": self.first.role,
                "gate": self.outcome.gate.answer,
                "params": {} if found is None else dict(found.params),
            },
        }

    def _usage(self) -> dict[str, dict[str, float | None]]:
        """Return the sum over the answers whose tokens are known; what one of them lacks has none."""
        if not self.usages:
            return {}
        return {self._model: {kind: total([one[kind] for one in self.usages]) for kind in self.usages[0]}}

    def _results(self) -> dict[str, Any]:
        errors = sum(one["error"] is not None for one in self.summaries)
        return {
            "total_samples": len(self.summaries),
            "completed_samples": len(self.summaries) - errors,
            "scores": [_accuracy(name, marks) for name, marks in self.marks.items()],
        }


def _accuracy(name: str, marks: list[str]) -> dict[str, Any]:
    value = marks.count("C") / len(marks)
    metric = {"name": "accuracy", "value": value}
    return {"name": name, "scorer": name, "scored_samples": len(marks), "metrics": {"accuracy": metric}}


def _config(found: ModelIdentity | None) -> Mapping[str, Any]:
    """Return the parameters that Inspect has names for."""
    known = {"temperature": float, "top_p": float, "max_tokens": int, "seed": int}
    params = {} if found is None else found.params
    return {
        name: value
        for name, kind in known.items()
        if isinstance(value := params.get(name), (kind, int)) and not isinstance(value, bool)
    }


def _revision(run: Run) -> dict[str, Any] | None:
    if run.git_commit is None:
        return None
    return {"type": "git", "origin": "", "commit": run.git_commit, "dirty": run.git_dirty}
