"""The command line as a whole: exit codes, messages on stderr, where the workspace is found."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import swapgate
from swapgate.cli import main
from swapgate.cli.app import build_command
from swapgate.errors import ExitCode
from workspaces import RIGHT, lay, recorded_workspace

SOURCE = Path(__file__).parents[1] / "evals"
COMMAND = [sys.executable, "-m", "swapgate"]
INDEX = """\
migration: docs
old: {sqlite: {path: old.db}, embed: {call: "toys:first", dimensions: 4}}
new: {sqlite: {path: new.db}, embed: {call: "toys:second", dimensions: 4}}
source: {jsonl: docs.jsonl}
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE)}


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"swapgate {swapgate.__version__}\n"


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("init", "check", "report", "history", "cache", "models", "prompt"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inti"], "No such command 'inti'"),
        (["check", "--modle=a"], "No such option: --modle"),
        (["report"], "Missing argument 'RUN'"),
        (
            ["index", "reindex", "--max-cost=-1"],
            "greater than or equal to 0. See `swapgate index reindex --help`",
        ),
        (["history", "list", "--limit", "0"], "Invalid value for '--limit'"),
        (["check", "--root", "nowhere"], "--root 'nowhere' is not a folder"),
    ],
)
def test_mistake_in_the_command_line_is_one_message_and_exit_4(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 4
    said = capsys.readouterr()
    assert said.err.startswith("swapgate: error: ") and message in said.err
    assert said.err.count("\n") == 1 and said.out == ""


def test_broken_store_exits_3_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(tmp_path, {".swapgate/cache.db": "this is no database, and long enough to be seen as none" * 20})
    assert main(["cache", "stats", "--root", str(tmp_path)]) == 3
    assert "the cache cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["check"], ["init"], ["merge"], ["models", "lock", "--root"]])
def test_name_that_no_file_can_have_is_one_message_and_exit_4(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "a" * 5000]) == 4
    said = capsys.readouterr().err
    assert "aaa': File name too long. Name another place, or mend this one" in said
    assert said.startswith("swapgate: error: ") and said.count("\n") == 1


@pytest.mark.parametrize("option", ["--why", "--who"])
def test_argument_that_is_no_utf8_is_one_message_and_exit_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    lay(tmp_path, {"config/index.yml": INDEX})
    assert main(["index", "begin", "--why", "a try", option, "caf\udce9", "--root", str(tmp_path)]) == 4
    assert capsys.readouterr().err == "swapgate: error: 'caf\\udce9' is no text in UTF-8: write it anew\n"


def test_module_runs_as_the_command_and_a_mistake_sets_its_exit_code(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "history", "show", "x"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr.startswith("swapgate: error: ") and "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_interrupt_exits_2_without_a_traceback(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slow.jsonl")
    command = [*COMMAND, "cache", "import", "slow.jsonl"]
    with (
        subprocess.Popen(
            command, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
        ) as running,
        (tmp_path / "slow.jsonl").open("w"),
    ):
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=120)[1]
    assert (running.returncode, said) == (2, "swapgate: error: interrupted\n")


def test_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--help"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == ""


def test_no_color_keeps_the_help_free_of_escapes(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "NO_COLOR": "1", "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    done = subprocess.run(
        [*COMMAND, "check", "--help"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--model" in done.stdout and "\x1b" not in done.stdout


@pytest.mark.parametrize("command", ["import", "cost project"])
def test_a_paragraph_of_the_help_is_one_line_where_the_terminal_is_wide(tmp_path: Path, command: str) -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "NO_COLOR"}
    done = subprocess.run(
        [*COMMAND, *command.split(), "--help"],
        cwd=tmp_path,
        env={**environment, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=True,
    )
    about = [line for line in done.stdout.partition("╭")[0].splitlines() if line.strip()]
    assert len(about) == 3  # the usage, the first sentence, and one paragraph


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["models", "list", "--json", *arguments]) == 0
    return [model["name"] for model in json.loads(capsys.readouterr().out)]


def test_workspace_is_found_upward_and_the_configured_one_wins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded_workspace(tmp_path, {"outer": {"one": RIGHT}})
    recorded_workspace(tmp_path / "inner", {"inner": {"one": RIGHT}})
    (tmp_path / "inner" / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "inner" / "deep")
    assert listed(capsys) == ["inner"]
    (tmp_path / "pyproject.toml").write_text("[tool.swapgate]\n")
    assert listed(capsys) == ["outer"]
    assert listed(capsys, "--root", "..") == ["inner"]


def test_workspace_is_not_looked_for_above_the_git_repository(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded_workspace(tmp_path, {"outer": {"one": RIGHT}})
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repository")
    assert main(["models", "list"]) == 4
    assert "config/models.yml does not exist" in capsys.readouterr().err


def test_a_command_waits_for_no_import_of_another() -> None:
    code = "import sys; from swapgate.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code, "schema", "--help"], capture_output=True, text=True, check=True
    )
    loaded = set(told.stdout.split())
    assert "swapgate.cli.schema" in loaded
    assert not loaded & {"numpy", "pandas", "sqlalchemy", "httpx", "swapgate.cli.judge"}


def leaves(command: Any, path: tuple[str, ...] = ("swapgate",)) -> Iterator[tuple[str, list[str]]]:
    """Yield every command that can be run, with its options."""
    if not hasattr(command, "commands"):
        yield " ".join(path), [option for one in command.params for option in one.opts if option[0] == "-"]
    for name, inner in getattr(command, "commands", {}).items():
        yield from leaves(inner, (*path, name))


def test_every_command_and_option_is_in_the_documentation() -> None:
    text = (SOURCE.parent / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `(.+?)`$(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL))
    shared = {"--root", "--json", "--help"}
    assert all(f"`{option}" in text for option in shared)
    for command, options in leaves(build_command()):
        assert command in sections, command
        for option in set(options) - shared:
            assert f"`{option}" in sections[command], (command, option)


def test_every_exit_code_is_in_the_documentation() -> None:
    text = (SOURCE.parent / "docs" / "cli.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)} == set(ExitCode)
