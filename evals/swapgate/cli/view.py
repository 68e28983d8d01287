"""`swapgate view`: the history as a page for a browser."""

from __future__ import annotations

import sys
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.history.open import called
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json
from swapgate.errors import UsageError

if TYPE_CHECKING:
    from swapgate.viewing.server import Listening

PORT = 8477


def view(
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, metavar="N", help="Where to listen; 0 takes a free port."),
    ] = PORT,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="An address of this machine. Others than loopback ask for a token.",
        ),
    ] = "127.0.0.1",
    allow_hosts: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", metavar="NAME", help="A name under which the page is reached; repeat for several."
        ),
    ] = None,
    *,
    token: Annotated[
        bool, typer.Option("--token", help="Ask for a token on this machine too: others may share it.")
    ] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the stored runs as web pages until Ctrl-C: runs, trends, comparisons, cases. It only reads."""
    import asyncio
    import secrets

    from swapgate.memory.history import has_history
    from swapgate.viewing.archive import Archive
    from swapgate.viewing.guard import is_loopback, known_hosts
    from swapgate.viewing.server import serve

    if not host:
        raise UsageError("--host is empty: name an address of this machine, such as 127.0.0.1")
    settings = open_settings(root)
    if not has_history(settings.history):
        raise UsageError(f"no history at {called(settings)}: `pytest --model=NAME` makes one")
    secret = secrets.token_urlsafe(32) if token or not is_loopback(host) else None

    def ready(listening: Listening) -> None:
        if as_json:
            print_json({"url": listening.address, "host": host, "port": listening.port, "token": secret})
        else:
            typer.echo(f"view: {listening.address}")
            typer.echo(f"{called(settings)}, read only. Ctrl-C ends it")
        sys.stdout.flush()
        if not no_open and sys.stdout.isatty():
            import webbrowser

            # A browser in the terminal keeps the call until it is closed.
            Thread(target=webbrowser.open, args=(listening.address,), daemon=True).start()

    with closing(Archive(settings)) as archive:
        asyncio.run(
            serve(
                archive,
                host=host,
                port=port,
                hosts=known_hosts(host, allow_hosts or ()),
                token=secret,
                ready=ready,
            )
        )
