"""Why something could not be sent, in words that hold neither a header nor the query of an address."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Response, Session

_LOGGER = "opentelemetry"


@dataclass(slots=True)
class Heard:
    """What became of the last request: the status of an answer, or the reason why there was none."""

    status: int | None = None
    why: str = ""


def hearing_session(heard: Heard) -> Session:
    """Return a session for the exporters that remembers what they themselves only log."""
    from requests import RequestException, Session

    class HearingSession(Session):
        def send(self, *arguments: Any, **options: Any) -> Response:
            try:
                answer = super().send(*arguments, **options)
            except RequestException as exc:
                heard.status, heard.why = None, _innermost(exc)
                raise
            heard.status, heard.why = answer.status_code, f"the answer was HTTP {answer.status_code}"
            return answer

    return HearingSession()


@contextmanager
def muted() -> Iterator[None]:
    """Keep what the exporters log inside the block from everybody: it is told in one sentence afterwards."""
    logger = logging.getLogger(_LOGGER)
    # Its children hand what they log on to it, and there it ends.
    handler, propagated = logging.NullHandler(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated


def _innermost(error: BaseException) -> str:
    """Return what the operating system said, or else the name of what was raised."""
    found: BaseException | None = error
    names = [type(error).__name__]
    for _step in range(10):
        if found is None:
            break
        if isinstance(found, OSError) and found.strerror:
            return found.strerror[0].lower() + found.strerror[1:]
        names.append(type(found).__name__)
        found = _below(found)
    return "it timed out" if any("Timeout" in name for name in names) else names[-1]


def _below(error: BaseException) -> BaseException | None:
    # urllib3 keeps the cause as `reason`, requests hands that on as its argument.
    reasons = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
    return next((one for one in reasons if isinstance(one, BaseException)), None)
