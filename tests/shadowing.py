"""A shadow proxy as its users run it: the command in a process of its own, before loopback servers."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from processes import wait_for
from swapgate.cli import main
from swapgate.shadow.records import Exchange
from swapgate.shadow.store import ShadowStore

KEYS = {"CANDIDATE_KEY": "candidate-key-0123456789", "CONTROL_KEY": "control-key-0123456789"}


@dataclass
class Shadow:
    """A running proxy; `url` is what an application's base URL begins with."""

    root: Path
    url: str
    process: subprocess.Popen[str]

    @property
    def store(self) -> Path:
        return self.root / ".swapgate" / "shadow.db"

    def exchanges(self) -> list[Exchange]:
        return read_exchanges(self.store)

    def counts(self) -> dict[str, float]:
        return read_counts(self.store)

    def wait_for_exchanges(self, number: int, *, state: str = "whole") -> list[Exchange]:
        """Return the exchanges once so many have ended."""
        wait_for(lambda: sum(e.state == state for e in self.exchanges()) >= number)
        return self.exchanges()

    def wait_for_count(self, what: str, amount: float = 1) -> None:
        wait_for(lambda: self.counts().get(what, 0) >= amount)

    def stop(self) -> int:
        """Stop as a service manager does, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


def read_exchanges(path: Path) -> list[Exchange]:
    if not path.is_file():
        return []
    with closing(ShadowStore(path)) as store:
        return [stored.exchange for stored in store.exchanges()]


def read_counts(path: Path) -> dict[str, float]:
    counts: dict[str, float] = {}
    if path.is_file():
        with closing(ShadowStore(path)) as store:
            for count in store.counts():
                counts[count.what] = counts.get(count.what, 0) + count.amount
    return counts


def write_workspace(
    root: Path,
    *,
    control: str,
    candidate: str,
    route: Mapping[str, Any] | None = None,
    control_model: Mapping[str, Any] | None = None,
    candidate_model: Mapping[str, Any] | None = None,
    **config: Any,
) -> Path:
    """Write models.yml and shadow.yml (JSON is YAML); return the latter's path."""
    models = {
        "old": {
            "provider": "openai-compatible",
            "model": "old-1",
            "base_url": f"{control}/v1",
            "api_key_env": "CONTROL_KEY",
            "price": {"input": 2, "output": 8},
            **(control_model or {}),
        },
        "new": {
            "provider": "openai-compatible",
            "model": "new-1",
            "base_url": f"{candidate}/v1",
            "api_key_env": "CANDIDATE_KEY",
            "price": {"input": 1, "output": 4},
            **(candidate_model or {}),
        },
    }
    routes = {"review": {"control": "old", "candidate": "new", **(route or {})}}
    (root / "config").mkdir(exist_ok=True)
    (root / "cases").mkdir(exist_ok=True)
    (root / "config" / "models.yml").write_text(json.dumps({"models": models}))
    path = root / "config" / "shadow.yml"
    path.write_text(json.dumps({"listen": "127.0.0.1:0", "routes": routes, **config}))
    return path


def environment(**more: str) -> dict[str, str]:
    source = str(Path(__file__).parents[1] / "evals")
    return {**os.environ, "PYTHONPATH": source, **KEYS, **more}


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def run_shadow(root: Path, *arguments: str, **environ: str) -> Done:
    """Run a command as its user does, but in this process: starting one takes longer than all it does."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(root), pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in {**KEYS, **environ}.items():
            patch.setenv(name, value)
        code = main(["shadow", *arguments])
    return Done(code, out.getvalue(), err.getvalue())


def start_shadow(root: Path, *arguments: str) -> Shadow:
    command = [sys.executable, "-W", "error", "-m", "swapgate", "shadow", "serve", "--json", *arguments]
    process = subprocess.Popen(command, cwd=root, env=environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("}"):
            return Shadow(root=root, url=json.loads(said)["url"], process=process)
    raise AssertionError(f"the proxy ended with {process.wait()}")


@contextmanager
def shadowing(root: Path, *arguments: str, **workspace: Any) -> Iterator[Shadow]:
    """Run a proxy over a workspace made for it."""
    write_workspace(root, **workspace)
    shadow = start_shadow(root, *arguments)
    try:
        yield shadow
    finally:
        if shadow.process.poll() is None:
            shadow.stop()
        assert shadow.process.stdout is not None
        shadow.process.stdout.close()
