"""How many files a process may have open: each call in flight is one, beside those that any run needs."""

from __future__ import annotations

import contextlib

from swapgate.errors import UsageError

# Cache, history, reports, pipes, and modules that are being read: about twenty, and as many again to spare.
_BESIDE = 40


def allow_calls(calls: int, *, endpoints: int) -> None:
    """Let this process hold so many calls open at once; UsageError where the system does not.

    What a user may raise is raised, and stays so: macOS begins at 256 files, most Linux systems at 1,024. A
    connection that was kept for one endpoint may be idle while others are open: there may be as many again.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit = resource.RLIMIT_NOFILE
    least, wanted = calls + _BESIDE, calls * endpoints + _BESIDE
    soft, hard = resource.getrlimit(limit)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed > soft:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (allowed, hard))
            soft = allowed
    if soft < least:
        fitting = max(1, soft - _BESIDE)
        raise UsageError(
            f"--concurrency={calls} takes about {least:,} open files, and a process may have {soft:,} here: "
            f"say --concurrency={fitting}, or raise that limit (ulimit -n)"
        )
