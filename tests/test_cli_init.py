"""`swapgate init`: what it lays, what it leaves alone, and that the result runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from swapgate.cli import main
from workspaces import lay

SOURCE = Path(__file__).parents[1] / "evals"
LAID = {
    ".github/workflows/swapgate.yml",
    ".gitignore",
    "cases/example.yml",
    "cases/schemas/example.json",
    "config/models.yml",
    "data/example-new-outputs.jsonl",
    "data/example-outputs.jsonl",
    "judges/example.yml",
    "prompts/example.yml",
    "pyproject.toml",
    "reports/.gitkeep",
}
USERS_OWN = {
    "evals/__init__.py": "NAME = 'their own package'\n",
    "tests/conftest.py": "import pytest\n\n@pytest.fixture\ndef number():\n    return 7\n",
    "tests/test_own.py": "import evals\n\ndef test_own(number):\n    assert number == 7 and evals.NAME\n",
    "conftest.py": "# theirs\n",
}


def files_below(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".git/" not in path.as_posix() and "__pycache__" not in path.parts
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_below(folder)}


def git_repository(folder: Path, files: Mapping[str, str] | None = None) -> Path:
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    lay(folder, files or {})
    return folder


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SWAPGATE_", "PYTEST_"))
    }
    command = [sys.executable, "-m", "pytest", "-p", "swapgate.plugin", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={**kept, "PYTHONPATH": f"{SOURCE}{os.pathsep}{folder}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_empty_folder_gets_a_whole_workspace_and_no_evals_folder(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path)]) == 0
    assert files_below(tmp_path) == LAID
    assert tomllib.loads((tmp_path / "pyproject.toml").read_text())["tool"]["swapgate"] == {
        "cases": ["cases"]
    }


def test_folder_that_does_not_exist_is_made(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "new" / "one")]) == 0
    assert files_below(tmp_path / "new" / "one") == LAID


def test_second_time_changes_nothing_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", str(tmp_path)])
    first = contents(tmp_path)
    capsys.readouterr()
    assert main(["init", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert contents(tmp_path) == first
    assert "wrote" not in said and said.count("kept ") == len(LAID)


def test_what_the_user_wrote_is_kept_until_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(tmp_path, {"cases/example.yml": "suite: mine\n", "conftest.py": "# mine\n"})
    assert main(["init", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["kept"] == ["cases/example.yml"]
    assert (tmp_path / "cases/example.yml").read_text() == "suite: mine\n"
    assert main(["init", str(tmp_path), "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wrote"] == ["cases/example.yml"]
    assert (tmp_path / "conftest.py").read_text() == "# mine\n"


def test_pyproject_is_extended_as_text(tmp_path: Path) -> None:
    old = b"# mine\r\n[project]\r\nname   =  'odd   spacing'"
    (tmp_path / "pyproject.toml").write_bytes(old)
    assert main(["init", str(tmp_path)]) == 0
    new = (tmp_path / "pyproject.toml").read_bytes()
    assert new.startswith(old) and b"\n" not in new.replace(b"\r\n", b"")
    assert tomllib.loads(new.decode())["tool"]["swapgate"]["cases"] == ["cases"]


def test_table_of_the_users_own_is_kept(tmp_path: Path) -> None:
    text = "[tool.swapgate]\nconcurrency = 2\n"
    lay(tmp_path, {"pyproject.toml": text})
    assert main(["init", str(tmp_path)]) == 0
    assert (tmp_path / "pyproject.toml").read_text() == text


@pytest.mark.parametrize("text", ["[tool.pytest\n", "tool = {black = {}}\n", "tool = 3\n"])
def test_pyproject_that_cannot_be_extended_stops_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    lay(tmp_path, {"pyproject.toml": text})
    assert main(["init", str(tmp_path)]) == 4
    assert "pyproject.toml: [tool.swapgate] cannot be added" in capsys.readouterr().err
    assert contents(tmp_path) == {"pyproject.toml": text.encode()}


def test_file_where_a_folder_must_be_stops_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(tmp_path, {"prompts": "a file"})
    assert main(["init", str(tmp_path)]) == 4
    assert "prompts is a file; swapgate needs a folder there" in capsys.readouterr().err
    assert files_below(tmp_path) == {"prompts"}


def test_gitignore_gets_only_the_lines_that_it_lacks(tmp_path: Path) -> None:
    lay(tmp_path, {".gitignore": "*.pyc\n.swapgate/"})
    main(["init", str(tmp_path)])
    expected = "*.pyc\n.swapgate/\nreports/*\n!reports/.gitkeep\n"
    assert (tmp_path / ".gitignore").read_text() == expected


def test_conftest_with_an_option_model_of_its_own_is_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = 'def pytest_addoption(parser):\n    parser.addoption(\n        "--model", default="x")\n'
    lay(tmp_path, {"tests/conftest.py": own, ".venv/conftest.py": own})
    assert main(["init", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert said.count("defines an option --model of its own") == 1
    assert "tests/conftest.py" in said and "-p no:swapgate.plugin" in said


def test_remedy_for_an_option_model_of_their_own_works(tmp_path: Path) -> None:
    own = 'def pytest_addoption(parser):\n    parser.addoption("--model", default="x")\n'
    lay(tmp_path, {"conftest.py": own, "pytest.ini": "[pytest]\naddopts = -p no:swapgate.plugin\n"})
    main(["init", str(tmp_path)])
    done = run_pytest(tmp_path, "--confcutdir=cases", "--model=example", "--report=none")
    assert "gate: PASS" in done.stdout, done.stdout + done.stderr


def test_empty_repository_runs_the_example_and_its_successor_is_caught(tmp_path: Path) -> None:
    git_repository(tmp_path)
    main(["init", str(tmp_path)])
    assert "no tests ran" in run_pytest(tmp_path).stdout
    passed = run_pytest(tmp_path, "--model=example", "--report=none")
    assert (passed.returncode, "4 passed" in passed.stdout) == (0, True), passed.stdout + passed.stderr
    caught = run_pytest(tmp_path, "--model=example-new", "--baseline=example", "--report=none")
    assert caught.returncode == 1, caught.stdout + caught.stderr
    assert "day-before-month by example-new: blind pass" in caught.stdout


def test_repository_with_tests_and_an_evals_package_keeps_running_only_its_own(tmp_path: Path) -> None:
    git_repository(tmp_path, USERS_OWN)
    main(["init", str(tmp_path)])
    assert {name: (tmp_path / name).read_text() for name in USERS_OWN} == USERS_OWN
    plain = run_pytest(tmp_path)
    assert (plain.returncode, "1 passed" in plain.stdout) == (0, True), plain.stdout + plain.stderr
    example = run_pytest(tmp_path, "--model=example", "--report=none")
    assert (example.returncode, "4 passed" in example.stdout) == (0, True), example.stdout + example.stderr


def test_workspace_as_laid_has_no_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", str(tmp_path)])
    capsys.readouterr()
    assert main(["check", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "1 suite, 4 cases, 1 prompt, 1 judge, 3 models: no mistakes\n"
