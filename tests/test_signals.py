"""Signals that end a process: what they may not break on the way."""

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from swapgate import signals
from tests.processes import PATIENCE_S

# Imports without end, each interrupted once, and whether another thread can still import after them all.
INTERRUPTED_IMPORTS = """
import faulthandler, importlib, os, random, signal, sys, threading, time
from swapgate import signals

signals.take((signal.SIGINT,), signals.interrupt)
is_armed = False

def send():
    global is_armed
    while True:
        time.sleep(random.uniform(0.0005, 0.001))
        if is_armed:
            is_armed = False
            os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=send, daemon=True).start()
started, interrupted = time.monotonic(), 0
while time.monotonic() < started + 3 or (interrupted <= 50 and time.monotonic() < started + 60):
    try:
        is_armed = True
        for _ in range(2000):  # not for ever: Python swallows what is raised in some of its callbacks
            importlib.import_module("this_module_is_empty")
            sys.modules.pop("this_module_is_empty", None)
    except KeyboardInterrupt:
        interrupted += 1

other = threading.Thread(target=importlib.import_module, args=("colorsys",), daemon=True)
other.start()
other.join(20)
if other.is_alive():
    faulthandler.dump_traceback()
print(interrupted, "interrupted", "stuck" if other.is_alive() else "free", flush=True)
os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGUSR1")
def test_a_signal_waits_until_an_import_has_its_lock() -> None:
    told: list[int] = []
    here: dict[str, Any] = {"told": told, "send": partial(signal.raise_signal, signal.SIGUSR1)}
    code = "def importing():\n    send()\n    return list(told)\n"
    exec(compile(code, "<frozen importlib._bootstrap>", "exec"), here)
    give_back = signals.take((signal.SIGUSR1,), lambda number, _frame: told.append(number))
    try:
        assert here["importing"]() == []
        until = time.monotonic() + PATIENCE_S
        while not told and time.monotonic() < until:
            time.sleep(0.001)
    finally:
        give_back()
    assert told == [signal.SIGUSR1]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGUSR1")
def test_a_signal_waits_until_a_class_has_named_its_fields() -> None:
    class Field:
        def __set_name__(self, _owner: type, _name: str) -> None:
            signal.raise_signal(signal.SIGUSR1)

    def name_fields() -> None:
        type("Owner", (), {"field": Field()})
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            time.sleep(0.001)

    give_back = signals.take((signal.SIGUSR1,), signals.interrupt)
    try:
        with pytest.raises(KeyboardInterrupt, match="SIGUSR1"):
            name_fields()
    finally:
        give_back()


@pytest.mark.skipif(sys.platform == "win32", reason="a process is not sent SIGINT there")
def test_interruption_leaves_no_lock_of_an_import_behind(tmp_path: Path) -> None:
    (tmp_path / "this_module_is_empty.py").touch()
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORTS],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    times, word, state = ended.stdout.split() or (0, "", ended.stderr)
    assert (word, state) == ("interrupted", "free"), ended.stderr
    assert int(times) > 50
