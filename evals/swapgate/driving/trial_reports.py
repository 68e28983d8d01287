"""A trial on its pytest report: how it travels, also from a worker of xdist, and how it is shown."""

from __future__ import annotations

from collections.abc import Generator
from sys import intern

import pytest

from swapgate.driving.collect import NOT_PASSED, CaseItem
from swapgate.driving.workers import is_worker
from swapgate.facts import Facts
from swapgate.records import Trial, adapter, to_text

# The outcome that pytest-rerunfailures gives a report which another attempt follows.
RERUN = "rerun"
_STATUS: dict[str, tuple[str, str, tuple[str, dict[str, bool]]]] = {
    "missed": ("missed", "m", ("MISS", {"yellow": True})),
    "errored": ("error", "E", ("ERROR", {"red": True})),
    "unscored": ("unscored", "u", ("UNSCORED", {"yellow": True})),
    "quarantined missed": ("quarantined", "q", ("QUARANTINED MISS", {"cyan": True})),
    "quarantined errored": ("quarantined", "q", ("QUARANTINED ERROR", {"cyan": True})),
    "quarantined unscored": ("quarantined", "q", ("QUARANTINED UNSCORED", {"cyan": True})),
    "baseline missed": ("baseline missed", "b", ("BASELINE MISS", {"cyan": True})),
    "baseline errored": ("baseline errored", "e", ("BASELINE ERROR", {"red": True})),
    "baseline unscored": ("baseline unscored", "v", ("BASELINE UNSCORED", {"yellow": True})),
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach how the trial stands, and in a worker the trial as JSON; a bug's report is left as it is."""
    report = yield
    if call.when != "call" or not isinstance(item, CaseItem) or item.finished is None:
        return report
    if call.excinfo is None or isinstance(call.excinfo.value, NOT_PASSED):
        if is_worker(item.config) and item.finished.trial is not None:
            report.__dict__["swapgate_trial"] = to_text(item.finished.trial)
        report.__dict__["swapgate_status"] = _status(item.finished.facts)
        report.user_properties = item.user_properties  # pytest's copy would stay beside it
        item.finished = None
        item.parent.swapgate.running.over(item)
    return report


def _status(facts: Facts) -> str:
    of = "baseline " if facts.role == "baseline" else "quarantined " if facts.is_quarantined else ""
    return intern(f"{of}{facts.outcome}")


def is_of_trial(report: pytest.TestReport) -> bool:
    """Whether a report is that of a trial which came to an end of its own, a miss or an error included."""
    return "swapgate_status" in report.__dict__


def take_trial(report: pytest.TestReport) -> Trial | None:
    """Take the trial off a worker's report: pytest keeps every report to the end."""
    text = report.__dict__.pop("swapgate_trial", None)
    return None if text is None else _read(text)


def _read(text: str) -> Trial:
    trial: Trial = adapter(Trial).validate_json(text)
    return trial


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Give misses and errored trials a letter and a colour of their own."""
    if report.outcome == RERUN:
        return None
    return _STATUS.get(getattr(report, "swapgate_status", ""))
