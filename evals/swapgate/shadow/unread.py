"""What came to the proxy's port and was no HTTP request: counted, and told on one line for each reason."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import http_exceptions as faults

_LOG = logging.getLogger("swapgate.shadow")
_WORDS = {
    "no_http": "what is no HTTP, TLS perhaps: the proxy is spoken to by http://, without TLS",
    "too_large": "a request with a head that is larger than the proxy takes",
    "broken": "a request that breaks the rules of HTTP/1.1",
}


def log_of_bugs(count: Callable[[str], None]) -> logging.Logger:
    """Return a log for aiohttp's server that lets bugs of ours pass; `count` is told the reason of the rest.

    A port is found by scanners, and by clients with a wrong base URL: neither is worth a traceback. What they
    sent is never told, a key may stand in it.
    """
    told: set[str] = set()

    def is_bug(record: logging.LogRecord) -> bool:
        cause = record.exc_info[1] if record.exc_info else None
        if not isinstance(cause, faults.HttpProcessingError):
            return record.levelno >= logging.WARNING
        reason = _reason(cause)
        count(reason)
        if reason not in told:
            told.add(reason)
            remote = record.args[0] if isinstance(record.args, tuple) and record.args else "somebody"
            _LOG.warning("%s sent %s. Refused; more of them are only counted", remote, _WORDS[reason])
        return False

    # A log of its own for each server. That TLS came, aiohttp says on the level of debugging.
    log = logging.Logger("swapgate.shadow.server", level=logging.DEBUG)
    log.parent = _LOG
    log.addFilter(is_bug)
    return log


def _reason(cause: faults.HttpProcessingError) -> str:
    if isinstance(cause, faults.LineTooLong) or "too many headers" in cause.message.lower():
        return "too_large"
    return "no_http" if isinstance(cause, faults.BadHttpMethod) else "broken"
