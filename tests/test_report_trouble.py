"""Reports that cannot be written at the end of a run: what is told, what is kept, how to make them again."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from swapgate.cli import main
from swapgate.errors import ExitCode
from workspaces import BLIND, RIGHT, newest_run, recorded_workspace


@pytest.fixture
def root(pytester: pytest.Pytester) -> Path:
    recorded_workspace(pytester.path, {"new": {"one": RIGHT, "two": BLIND}}, gate="every-case")
    return pytester.path


def test_a_reports_folder_that_is_a_file_leaves_the_verdict_and_the_run(
    pytester: pytest.Pytester, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "reports").write_text("in the way")
    result = pytester.runpytest("--model=new")
    run, trials = newest_run(root)
    assert result.ret == ExitCode.FAILED
    assert len(trials) == 2
    files = f"reports/{run.id}/report.json, report.md, report.html"
    again = f"swapgate report {run.id} --report=json --report=md --report=html"
    remedy = f"put this right, then `{again}` makes up for it"
    result.stdout.fnmatch_lines(
        [
            f"swapgate: *{files}: the reports cannot be written: *. The run itself is stored: {remedy}",
            "gate: FAIL *",
        ]
    )
    result.stdout.no_fnmatch_line("report: *")
    (root / "reports").unlink()
    monkeypatch.chdir(root)
    assert main(again.split()[1:]) == 0
    assert len(list((root / "reports" / run.id).iterdir())) == 3


def test_a_format_that_fails_is_told_beside_those_that_were_written(
    pytester: pytest.Pytester, root: Path
) -> None:
    (root / "reports").mkdir()
    (root / "reports" / "latest").mkdir()  # a folder where the link goes
    result = pytester.runpytest("--model=new", "--report=md")
    result.stdout.fnmatch_lines(
        ["swapgate: *reports/latest: the report cannot be written: *", "report: reports/*/report.md"]
    )
    assert result.ret == ExitCode.FAILED


@pytest.fixture
def small_disk(root: Path) -> Iterator[Path]:
    """A reports folder on a file system that has room for 12 KiB more."""
    folder = root / "reports"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system takes root")
    (folder / "other").write_bytes(b"x" * 20_480)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_keeps_what_fits_and_leaves_nothing_half_written(
    pytester: pytest.Pytester, root: Path, small_disk: Path
) -> None:
    result = pytester.runpytest("--model=new", "--report=md", "--report=html", "--report=csv")
    assert result.ret == ExitCode.FAILED
    result.stdout.fnmatch_lines(
        ["swapgate: *report.html: the report cannot be written: No space left on device*", "gate: FAIL *"]
    )
    (folder,) = small_disk.glob("20*")
    assert sorted(path.name for path in folder.iterdir()) == ["report.md", "trials.csv"]
    run, trials = newest_run(root)
    assert (run.is_complete, len(trials)) == (True, 2)


def test_the_command_keeps_what_it_could_write_and_exits_with_an_error(
    pytester: pytest.Pytester, root: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytester.runpytest("--model=new", "--report=none")
    capsys.readouterr()
    asked = [f"--report={name}" for name in ("md", "html", "csv")]
    assert main(["report", "latest", *asked, "--root", str(root)]) == ExitCode.INTERNAL_ERROR
    said = capsys.readouterr()
    assert [line.rpartition("/")[2] for line in said.out.splitlines()] == ["report.md", "trials.csv"]
    assert re.fullmatch(
        r"swapgate: error: \S+/report\.html: the report cannot be written: No space left on device\. The run "
        r"itself is stored: put this right, then `swapgate report \S+ --report=html` makes up for it\n",
        said.err,
    )


def test_a_merge_prints_its_verdict_where_reports_cannot_be_written(
    pytester: pytest.Pytester, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for shard in (1, 2):
        pytester.runpytest("--model=new", f"--shard={shard}/2", "--report=json")
    (root / "reports").rename(root / "shards")
    (root / "reports").write_text("in the way")
    capsys.readouterr()
    assert main(["merge", str(root / "shards"), "--root", str(root)]) == ExitCode.FAILED
    said = capsys.readouterr()
    assert "swapgate: warning: " in said.err
    assert "`swapgate report " in said.err
    assert "gate: FAIL" in said.out
