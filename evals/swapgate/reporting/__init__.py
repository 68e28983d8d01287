"""Reports: what a finished run says, one file per format behind one small Protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from swapgate.errors import UsageError, nearest
from swapgate.reporting.files import mark_latest

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome

GROUP = "swapgate.reporters"
BUILT_IN: Mapping[str, tuple[str, str]] = {
    "json": ("report_json", "JsonReporter"),
    "md": ("markdown.report", "MarkdownReporter"),
    "html": ("html.page", "HtmlReporter"),
    "otel": ("otel.reporter", "OtelReporter"),
}


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


def check_formats(names: Iterable[str]) -> None:
    """Raise UsageError for the first name that is no format. Loads nothing: it is asked before a run."""
    known = sorted({*BUILT_IN, *entry_points(group=GROUP).names})
    for name in names:
        if name not in known:
            listed = ", ".join(known)
            raise UsageError(
                f"report: unknown format {name!r}.{nearest(name, known)} Known formats: {listed}"
            )


def find_reporter(name: str) -> Reporter:
    """Return the reporter of a format, built in or from an entry point; UsageError when there is none."""
    check_formats([name])
    if name not in BUILT_IN:
        return _load(name)
    module, reporter_class = BUILT_IN[name]
    reporter: Reporter = getattr(import_module(f"swapgate.reporting.{module}"), reporter_class)()
    return reporter


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
