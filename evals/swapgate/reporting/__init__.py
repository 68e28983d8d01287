"""Reports: what a finished run says, one file per format behind one small Protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Protocol, cast

from swapgate.errors import StoreError, UsageError, nearest
from swapgate.reporting.files import CannotWrite, mark_latest

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome

GROUP = "swapgate.reporters"
BUILT_IN: Mapping[str, tuple[str, str]] = {
    "json": ("report_json", "JsonReporter"),
    "md": ("markdown.report", "MarkdownReporter"),
    "html": ("html.page", "HtmlReporter"),
    "junit": ("report_junit", "JunitReporter"),
    "csv": ("report_csv", "CsvReporter"),
    "parquet": ("report_parquet", "ParquetReporter"),
    "sarif": ("report_sarif", "SarifReporter"),
    "codequality": ("report_codequality", "CodeQualityReporter"),
    "inspect": ("report_inspect", "InspectReporter"),
    "openai-evals": ("report_openai_evals", "OpenAIEvalsReporter"),
    "otel": ("otel.reporter", "OtelReporter"),
}
# What a format needs beyond swapgate itself, by the name of the extra that installs it.
NEEDS: Mapping[str, str] = {"parquet": "pyarrow", "otel": "opentelemetry"}


class Reporter(Protocol):
    """Writes one report format: `name` is what users ask for, `filename` what the file is called.

    A package adds one through the entry point group `swapgate.reporters`, naming a Reporter class without
    arguments (or an instance).
    """

    name: str
    filename: str

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write the report into the folder, which is there; return its path. StoreError when it cannot be."""
        ...


class ReportsFailed(StoreError):
    """Some reports could not be written: `problems` says which and why, `written` are the others."""

    def __init__(self, problems: Sequence[str], written: Sequence[Path]) -> None:
        self.problems = tuple(problems)
        self.written = tuple(written)
        super().__init__("\n".join(problems))


def write_reports(
    outcome: RunOutcome, folder: Path, formats: Sequence[str], *, is_stored: bool = True
) -> list[Path]:
    """Write the run's reports into the folder, in the order of `formats`, and return their paths.

    A folder named after the run is one of many in a reports folder: `latest` beside it then names it.
    Raises UsageError for an unknown format, before anything is written. A format that fails keeps no other
    from being written: ReportsFailed comes after the last. `is_stored` says that the run is in the history,
    from which its reports can be made again.
    """
    reporters = [find_reporter(name) for name in dict.fromkeys(formats)]
    written: list[Path] = []
    refused: dict[str, list[Path]] = {}
    problems: list[str] = []
    failed: list[str] = []
    for reporter in reporters:
        failed.append(reporter.name)
        try:
            _make(folder, reporter)
            written.append(reporter.write(outcome, folder))
            failed.pop()
        except CannotWrite as exc:
            refused.setdefault(exc.why, []).append(exc.path)
        except StoreError as exc:
            problems.append(str(exc))
        except Exception as exc:  # a paid run's verdict and its other reports do not depend on one format
            problems.append(_broken(reporter, exc))
    if written and folder.name == outcome.run.id:
        try:
            mark_latest(folder)
        except CannotWrite as exc:
            refused.setdefault(exc.why, []).append(exc.path)
    # A history that cannot be read is one problem, however many formats meet it.
    problems = [*(_cannot_write(paths, why) for why, paths in refused.items()), *dict.fromkeys(problems)]
    if problems:
        problems[-1] += f". {_remedy(outcome, failed, is_stored=is_stored)}"
        raise ReportsFailed(problems, written)
    return written


def check_formats(names: Iterable[str]) -> None:
    """Raise UsageError for the first name that is no format, or that lacks a library.

    It is asked before a run. What is built in is not loaded; what a package brings is, lest it turn out to be
    broken when everything has been paid for.
    """
    for name in names:
        # Packages are asked only for what is not built in: to look through all that are installed takes 5 ms.
        if name not in BUILT_IN and name not in (known := _known()):
            listed = ", ".join(known)
            raise UsageError(
                f"report: unknown format {name!r}.{nearest(name, known)} Known formats: {listed}"
            )
        if name in NEEDS and find_spec(NEEDS[name]) is None:
            raise UsageError(f"report {name!r} needs {NEEDS[name]}: `pip install 'swapgate[{name}]'`")
        if name not in BUILT_IN:
            _load(name)


def _known() -> list[str]:
    return sorted({*BUILT_IN, *entry_points(group=GROUP).names})


def find_reporter(name: str) -> Reporter:
    """Return the reporter of a format, built in or from an entry point; UsageError when there is none."""
    check_formats([name])
    if name not in BUILT_IN:
        return _load(name)
    module, reporter_class = BUILT_IN[name]
    make: Callable[[], Reporter] = getattr(import_module(f"swapgate.reporting.{module}"), reporter_class)
    return make()


def _load(name: str) -> Reporter:
    (entry, *_) = entry_points(group=GROUP, name=name)
    try:
        loaded = entry.load()
    except (ImportError, AttributeError) as exc:
        raise UsageError(
            f"report format {name!r}: the entry point {entry.value!r} cannot be loaded: {exc}. "
            "Reinstall or remove the package that declares it"
        ) from exc
    return cast("Reporter", loaded() if isinstance(loaded, type) else loaded)


def _make(folder: Path, reporter: Reporter) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise CannotWrite(folder / reporter.filename, exc) from exc


def _cannot_write(paths: Sequence[Path], why: str) -> str:
    first, *others = paths
    names = ", ".join([str(first), *(path.name for path in others)])
    return f"{names}: the {'reports' if others else 'report'} cannot be written: {why}"


def _broken(reporter: Reporter, exc: Exception) -> str:
    """Return which format has a bug, and where it is: without a traceback, which would hide the verdict."""
    places = extract_tb(exc.__traceback__)
    place = f" at {places[-1].filename}:{places[-1].lineno}" if places else ""
    return f"{reporter.filename}: the report {reporter.name!r} failed: {type(exc).__name__}: {exc}{place}"


def _remedy(outcome: RunOutcome, failed: Sequence[str], *, is_stored: bool) -> str:
    if not is_stored:
        return "The run is not stored either: mend that and run again. What the cache holds costs nothing"
    if outcome.trials == ():  # a comparison of stored runs, which has no record of its own
        return "The compared runs are stored: put this right and give the command again"
    command = " ".join([f"swapgate report {outcome.run.id}", *(f"--report={name}" for name in failed)])
    return f"The run itself is stored: put this right, then `{command}` makes up for it"
