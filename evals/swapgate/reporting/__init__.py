"""Reports: what a finished run says, one file per format behind one small Protocol."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from swapgate.analysis.outcome import RunOutcome
from swapgate.errors import UsageError, nearest
from swapgate.reporting.files import mark_latest

GROUP = "swapgate.reporters"


class Reporter(Protocol):
    """Writes one report format: `name` is what users ask for, `filename` what the file is called.

    A package adds one through the entry point group `swapgate.reporters`, naming a Reporter class without
    arguments (or an instance).
    """

    name: str
    filename: str

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write the report into the folder and return its path; StoreError when it cannot be written."""
        ...


def write_reports(outcome: RunOutcome, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the run's reports into the folder, in the order of `formats`, and return their paths.

    A folder named after the run is one of many in a reports folder: `latest` beside it then names it.
    Raises UsageError for an unknown format, before anything is written, and StoreError for a folder that
    cannot be written.
    """
    reporters = [find_reporter(name) for name in dict.fromkeys(formats)]
    paths = [reporter.write(outcome, folder) for reporter in reporters]
    if paths and folder.name == outcome.run.id:
        mark_latest(folder)
    return paths


def find_reporter(name: str) -> Reporter:
    """Return the reporter of a format, built in or from an entry point; UsageError when there is none."""
    built_in = _built_in()
    if name in built_in:
        return built_in[name]
    found = entry_points(group=GROUP)
    if name in found.names:
        return _load(name)
    known = sorted({*built_in, *found.names})
    raise UsageError(
        f"report formats: unknown format {name!r}.{nearest(name, known)} Known formats: {', '.join(known)}"
    )


def _built_in() -> dict[str, Reporter]:
    from swapgate.reporting.html import HtmlReporter
    from swapgate.reporting.markdown import MarkdownReporter
    from swapgate.reporting.report_json import JsonReporter

    reporters: list[Reporter] = [JsonReporter(), MarkdownReporter(), HtmlReporter()]
    return {reporter.name: reporter for reporter in reporters}


def _load(name: str) -> Reporter:
    (entry, *_) = entry_points(group=GROUP, name=name)
    try:
        loaded = entry.load()
    except (ImportError, AttributeError) as exc:
        raise UsageError(
            f"report format {name!r}: the entry point {entry.value!r} cannot be loaded: {exc}. "
            "Reinstall or remove the package that declares it"
        ) from exc
    return cast(Reporter, loaded() if isinstance(loaded, type) else loaded)
