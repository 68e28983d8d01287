"""Telling a webhook: one POST of JSON, tried again where that may help. Its URL is a secret: never shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from swapgate.errors import SwapgateError

TIMEOUT_S = 10.0
WAITS_S = (1.0, 4.0, 10.0)
_TOO_MANY = 429
_SERVER = 500
_LONGEST_WAIT_S = 60.0


class Undelivered(SwapgateError):
    """The webhook was not told; the text says why, and of its URL the host alone."""


def post(
    url: str,
    message: Mapping[str, Any],
    *,
    timeout_s: float = TIMEOUT_S,
    waits_s: tuple[float, ...] = WAITS_S,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Post the message; raise Undelivered after as many further attempts as there are waits.

    A refusal that would be the same again (400, 404, ...) is not repeated, nor is a redirect followed: it
    would carry the message, and the secret of its address, elsewhere.
    """
    import httpx

    host = urlsplit(url).hostname or "the webhook"
    problem = ""
    with httpx.Client(timeout=timeout_s, follow_redirects=False) as client:
        for wait_s in (*waits_s, None):
            try:
                # What the answer holds is of no account, and it may never end.
                with client.stream("POST", url, json=message) as reply:
                    pass
            except (httpx.HTTPError, httpx.InvalidURL) as exc:
                # What httpx says may hold the URL.
                problem, asked_s = f"{host} cannot be reached: {type(exc).__name__}", None
            else:
                if reply.is_success:
                    return
                problem, asked_s = f"{host} answered {reply.status_code}", _asked_wait(reply.headers)
                if reply.status_code < _SERVER and reply.status_code != _TOO_MANY:
                    raise Undelivered(f"{problem}: is the webhook's URL still right?")
            if wait_s is not None:
                sleep(max(wait_s, asked_s or 0.0))
    raise Undelivered(f"{problem}, {len(waits_s) + 1} times")


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait, as far as they are bearable."""
    try:
        return min(float(headers["retry-after"]), _LONGEST_WAIT_S)
    except (KeyError, ValueError):
        return None
