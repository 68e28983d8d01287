"""One heap for all threads of a session of trials, and what is free in it given back before the end.

glibc gives each thread a heap of its own, in which nothing is put but what that thread asks for. Here texts
are read in one thread, asked about in a second and stored in two more, so that what one has freed lies idle
beside what the next one asks for: some 15 MB of a run. One heap costs no time, since one thread runs Python.
"""

from __future__ import annotations

from contextlib import suppress

_M_ARENA_MAX = -8
# Other C libraries than glibc lack these functions, and Windows has no library of all that is loaded.
_NOT_GLIBC = (OSError, AttributeError, TypeError)


def share_one_heap() -> None:
    """Have threads that begin from now on take their memory from one heap, where the C library is glibc."""
    from ctypes import CDLL

    with suppress(*_NOT_GLIBC):
        CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_back_what_is_free() -> None:
    """Return to the system what is free between what is still held: texts that have had their turn."""
    from ctypes import CDLL

    with suppress(*_NOT_GLIBC):
        CDLL(None).malloc_trim(0)
