"""Which reports are written, where, and what happens when that cannot be done."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reporting_outcome import made_up_outcome
from swapgate.errors import StoreError, UsageError
from swapgate.reporting import ReportsFailed, check_formats, find_reporter, write_reports
from swapgate.reporting.files import atomic_file, write_text

FORMATS = ["json", "md", "html", "junit", "csv", "parquet", "sarif", "codequality"]
PLUGIN = """
class FaultyReporter:
    name = "faulty"
    filename = "report.faulty"

    def write(self, outcome, folder):
        return 1 / 0

class LineReporter:
    name = "line"
    filename = "report.txt"

    def write(self, outcome, folder):
        path = folder / self.filename
        path.write_text(outcome.gate.answer)
        return path
"""


def test_reports_are_written_in_the_order_asked(tmp_path: Path) -> None:
    paths = write_reports(made_up_outcome(), tmp_path / "new" / "folder", ["html", "json", "md", "html"])
    assert [path.name for path in paths] == ["report.html", "report.json", "report.md"]
    assert all(path.stat().st_size > 1000 for path in paths)


def test_a_misspelt_format_is_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"unknown format 'htlm'\. Did you mean 'html'\?.*html, inspect, json, "
    ):
        write_reports(made_up_outcome(), tmp_path, ["json", "htlm"])
    assert list(tmp_path.iterdir()) == []


def test_a_package_adds_a_format_through_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path / "site", "line", "line_reporter:LineReporter", monkeypatch)
    (path,) = write_reports(made_up_outcome(), tmp_path / "reports" / "run", ["line"])
    assert path.read_text() == "fail"


def test_a_broken_entry_point_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path / "site", "broken", "line_reporter:Missing", monkeypatch)
    with pytest.raises(
        UsageError, match=r"'broken': the entry point 'line_reporter:Missing' cannot be loaded"
    ):
        write_reports(made_up_outcome(), tmp_path, ["broken"])


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_that_cannot_be_written_is_told_with_the_command_that_makes_it_again(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    outcome = made_up_outcome(cases=2)
    with pytest.raises(ReportsFailed) as failed:
        write_reports(outcome, tmp_path / "file" / "deeper", [name])
    (problem,) = failed.value.problems
    path = tmp_path / "file" / "deeper" / find_reporter(name).filename
    assert problem.startswith(f"{path}: the report cannot be written: Not a directory. The run itself is")
    assert f"`swapgate report {outcome.run.id} --report={name}` makes up for it" in problem


def test_one_reason_for_many_files_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReportsFailed) as failed:
        write_reports(made_up_outcome(cases=2), tmp_path / "file", ["json", "md", "csv"])
    (problem,) = failed.value.problems
    assert "file/report.json, report.md, trials.csv: the reports cannot be written: " in problem


def test_a_format_that_fails_keeps_no_other_from_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path / "site", "faulty", "line_reporter:FaultyReporter", monkeypatch)
    (tmp_path / "out" / "report.md").mkdir(parents=True)  # a folder where the file should go
    with pytest.raises(ReportsFailed) as failed:
        write_reports(made_up_outcome(cases=2), tmp_path / "out", ["json", "faulty", "md", "csv"])
    assert [path.name for path in failed.value.written] == ["report.json", "trials.csv"]
    refused, broken = failed.value.problems
    assert "report.md: the report cannot be written: Is a directory" in refused
    assert re.search(r"'faulty' failed: ZeroDivisionError: .* at .*line_reporter\.py:\d+\. The run", broken)


def test_a_run_that_is_not_stored_is_not_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReportsFailed, match="not stored either: mend that and run again"):
        write_reports(made_up_outcome(cases=2), tmp_path / "file", ["md"], is_stored=False)


def test_a_comparison_is_not_said_to_be_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReportsFailed, match="The compared runs are stored: put this right"):
        write_reports(replace(made_up_outcome(cases=2), trials=()), tmp_path / "file", ["md"])


def test_a_format_without_its_library_is_refused_before_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"needs pyarrow: `pip install 'swapgate\[parquet\]'`"):
        check_formats(["csv", "parquet"])


def test_a_path_that_names_nothing_is_told_as_such() -> None:
    with pytest.raises(StoreError, match="cannot be written: Is a directory"):
        write_text(Path(), "x")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "x")
        assert os.read(reader, 9) == b"x" and pipe.is_fifo()
    finally:
        os.close(reader)


def test_a_failed_write_leaves_the_old_report_and_no_leftovers(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_file(path) as stream:
        stream.write(b"half of the new")
        raise RuntimeError("stopped")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_lone_surrogates_do_not_stop_a_report(tmp_path: Path) -> None:
    write_text(tmp_path / "a.md", "half \ud83d of a pair")
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "half \ufffd of a pair"


def test_latest_names_the_last_run_and_moves_on(tmp_path: Path) -> None:
    outcome = made_up_outcome()
    (tmp_path / "latest").write_text("an-older-run\n")
    write_reports(outcome, tmp_path / outcome.run.id, ["md"])
    assert (tmp_path / "latest" / "report.md").is_file()
    assert (tmp_path / "latest").readlink() == Path(outcome.run.id)


def test_latest_is_a_text_file_where_there_are_no_symlinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("symbolic links need a privilege")

    monkeypatch.setattr("os.symlink", refuse)
    outcome = made_up_outcome()
    write_reports(outcome, tmp_path / outcome.run.id, ["md"])
    assert (tmp_path / "latest").read_text() == f"{outcome.run.id}\n"


def test_a_folder_of_the_users_own_choice_gets_no_latest_beside_it(tmp_path: Path) -> None:
    write_reports(made_up_outcome(), tmp_path / "elsewhere", ["md"])
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def _install(site: Path, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    info = site / "line_reporter-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "line_reporter.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: line-reporter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[swapgate.reporters]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(site)
