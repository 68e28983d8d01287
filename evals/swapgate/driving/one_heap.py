"""One heap for all threads of a session of trials.

glibc gives each thread a heap of its own, in which nothing is put but what that thread asks for. Here texts
are read in one thread, asked about in a second and stored in two more, so that what one has freed lies idle
beside what the next one asks for: some 15 MB of a run. One heap costs no time, since one thread runs Python.
"""

from __future__ import annotations

from contextlib import suppress

_M_ARENA_MAX = -8


def share_one_heap() -> None:
    """Have threads that begin from now on take their memory from one heap, where the C library is glibc."""
    from ctypes import CDLL

    # Elsewhere there is no such function, or on Windows no such library.
    with suppress(OSError, AttributeError, TypeError):
        CDLL(None).mallopt(_M_ARENA_MAX, 1)
