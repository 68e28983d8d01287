"""Which reports are written, where, and what happens when that cannot be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from reporting_outcome import made_up_outcome
from swapgate.errors import StoreError, UsageError
from swapgate.reporting import write_reports
from swapgate.reporting.files import atomic_file, write_text

PLUGIN = """
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
    with pytest.raises(UsageError, match=r"unknown format 'htlm'\. Did you mean 'html'\?.*html, json, junit, md"):
        write_reports(made_up_outcome(), tmp_path, ["json", "htlm"])
    assert list(tmp_path.iterdir()) == []


def test_a_package_adds_a_format_through_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path / "site", "line", "line_reporter:LineReporter", monkeypatch)
    (path,) = write_reports(made_up_outcome(), tmp_path, ["line"])
    assert path.read_text() == "fail"


def test_a_broken_entry_point_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path / "site", "broken", "line_reporter:Missing", monkeypatch)
    with pytest.raises(
        UsageError, match=r"'broken': the entry point 'line_reporter:Missing' cannot be loaded"
    ):
        write_reports(made_up_outcome(), tmp_path, ["broken"])


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in {"junit", "csv", "parquet"}])
def test_a_folder_that_cannot_be_written_is_a_store_error_with_the_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReportsFailed, match=rf"file/deeper/report\.\w+: .*swapgate report {RUN}`"):
        write_reports(made_up_outcome(), tmp_path / "file" / "deeper", [name])


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
