"""Writes one of these files with the swapgate of another checkout: `make.py CHECKOUT FILE`.

To be run when the schema of the history changes, with a checkout of the version before.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "evals")]

from workspaces import BLIND, FENCED, RIGHT, recorded_workspace  # noqa: E402

ANSWERS = {
    "old": {"a": RIGHT, "b": RIGHT, "c": FENCED, "d": RIGHT},
    "new": {"a": RIGHT, "b": BLIND, "c": RIGHT, "d": "\x00\u202e\x1b[31m<script>"},
}


def make(checkout: Path, file: Path) -> None:
    """Run two models with the checkout's swapgate, and keep the history that it wrote."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        recorded_workspace(root, ANSWERS, tags={"a": ["first"]}, clusters={"a": "x", "b": "x"})
        environ = {**os.environ, "PYTHONPATH": str(checkout / "evals")}
        for arguments in (["--model=old"], ["--model=new", "--baseline=old"]):
            command = [sys.executable, "-P", "-m", "pytest", "-q", "--report=none", *arguments]
            subprocess.run(command, cwd=root, env=environ, check=False)
        connection = sqlite3.connect(root / ".swapgate" / "history.db")
        connection.execute("PRAGMA journal_mode = DELETE")  # all in one file
        connection.close()
        shutil.copy(root / ".swapgate" / "history.db", file)


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
