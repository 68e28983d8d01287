"""A trial on its pytest report: how it travels, also from a worker of xdist, and how it is shown."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from swapgate.collect import CaseItem, Miss, TrialErrored
from swapgate.records import Trial, adapter
from swapgate.workers import is_worker

_STATUS: dict[str, tuple[str, str, tuple[str, dict[str, bool]]]] = {
    "missed": ("missed", "m", ("MISS", {"yellow": True})),
    "errored": ("error", "E", ("ERROR", {"red": True})),
    "baseline missed": ("baseline missed", "b", ("BASELINE MISS", {"cyan": True})),
    "baseline errored": ("baseline errored", "e", ("BASELINE ERROR", {"red": True})),
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the trial and its standing; a bug's report is left as it is."""
    report = yield
    if call.when != "call" or not isinstance(item, CaseItem) or item.trial is None:
        return report
    if call.excinfo is None or isinstance(call.excinfo.value, (Miss, TrialErrored)):
        # Only a worker's report leaves the process, as plain JSON.
        text = adapter(Trial).dump_json(item.trial).decode() if is_worker(item.config) else None
        report.__dict__["swapgate_trial"] = item.trial if text is None else text
        report.__dict__["swapgate_status"] = _status(item.trial)
        item.trial = None  # pytest keeps every item to the end
    return report


def _status(trial: Trial) -> str:
    return f"{'baseline ' if trial.role == 'baseline' else ''}{trial.outcome}"


def take_trial(report: pytest.TestReport) -> Trial | None:
    """Take the trial off a report, None when there is none: pytest keeps every report to the end."""
    trial: Trial | str | None = report.__dict__.pop("swapgate_trial", None)
    return _read(trial) if isinstance(trial, str) else trial


def _read(text: str) -> Trial:
    trial: Trial = adapter(Trial).validate_json(text)
    return trial


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Give misses and errored trials a letter and a colour of their own."""
    return _STATUS.get(getattr(report, "swapgate_status", ""))
