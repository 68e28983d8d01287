"""Runs of pytest in a real pseudo-terminal, or into a pipe, forked from one process that has imported all.

Importing takes ten times as long as what these runs do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from processes import plugins

SOURCE = Path(__file__).parents[1] / "evals"
# What would make a run in a test unlike one that somebody starts in a terminal.
UNSET = (
    "COLUMNS",
    "NO_COLOR",
    "CI",
    "BUILD_NUMBER",
    "PY_COLORS",
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "PYTEST_ADDOPTS",
)
_FORKING = """\
import fcntl, importlib, json, os, pkgutil, pty, struct, sys, termios
import pytest, xdist.plugin, jsonschema, sqlalchemy.dialects.sqlite, scipy.special
import swapgate
for module in pkgutil.walk_packages(swapgate.__path__, "swapgate."):
    if not module.name.endswith(("__main__", "local_server", "ray_worker")):
        importlib.import_module(module.name)


def child(job):
    os.chdir(job["root"])
    if job["terminal"]:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, job["columns"], 0, 0))
    else:
        os.environ["COLUMNS"] = str(job["columns"])
    os.environ.update(job["environment"])
    code = pytest.main(job["arguments"])
    sys.stdout.flush()
    os._exit(int(code))


def fork_into_pipe():
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        os.dup2(writing, 1), os.dup2(writing, 2)
        os.close(reading)
    os.close(writing)
    return pid, reading


for line in sys.stdin:
    job = json.loads(line)
    pid, reading = pty.fork() if job["terminal"] else fork_into_pipe()
    if pid == 0:
        child(job)
    written = b""
    try:
        while chunk := os.read(reading, 65536):
            written += chunk
    except OSError:  # the other end of a terminal has hung up
        pass
    os.close(reading)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(json.dumps({"code": code, "text": written.decode()}), flush=True)
"""


class Terminals:
    """Starts runs of pytest, one after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(
        self,
        root: Path,
        arguments: Sequence[str],
        *,
        terminal: bool = True,
        columns: int = 80,
        **variables: str,
    ) -> tuple[int, str]:
        """Return the exit code of a run, and all that it wrote."""
        environment = {"TERM": "xterm", **variables}
        job = {
            "columns": columns,
            "root": str(root),
            "arguments": list(arguments),
            "terminal": terminal,
            "environment": environment,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        done = json.loads(self._process.stdout.readline())
        return done["code"], done["text"].replace("\r\n", "\n")


@contextmanager
def open_terminals(environ: dict[str, str]) -> Iterator[Terminals]:
    """Start the process that all runs are forked from."""
    environment = {k: v for k, v in environ.items() if k not in UNSET and not k.startswith("SWAPGATE_")}
    with subprocess.Popen(
        [sys.executable, "-c", _FORKING],
        env={**environment, **plugins(), "PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Terminals(process)
        assert process.stdin is not None
        process.stdin.close()
