"""Why a program cannot listen at an address: what is wrong, in words, and of which part."""

from __future__ import annotations

import errno
import os
import socket

from swapgate.values import Value


class NotListening(Value):
    """The reason, and whether it is the host's: then no other port helps."""

    why: str
    is_of_host: bool = False
    is_in_use: bool = False


def not_listening(error: OSError) -> NotListening:
    """Return what an operating system's refusal means."""
    if isinstance(error, socket.gaierror):
        return NotListening(why=f"no machine has this name ({error.strerror})", is_of_host=True)
    # Without a number it is what newer versions of asyncio say where nothing of the host can be bound.
    if error.errno in (errno.EADDRNOTAVAIL, None):
        return NotListening(why="it is no address of this machine", is_of_host=True)
    if error.errno == errno.EADDRINUSE:
        return NotListening(why="it is in use", is_in_use=True)
    # asyncio's own words name the address again.
    said = os.strerror(error.errno)
    return NotListening(why=said[:1].lower() + said[1:])
