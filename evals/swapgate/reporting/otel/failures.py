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
    """What became of the last request: the status of an answer, or the reason why there was none.

    `is_anybody_there` says that any request has had an answer.
    """

    status: int | None = None
    why: str = ""
    is_anybody_there: bool = False


class NobodyThere(Exception):
    """No connection came about, and none did before: to try again would only hold up who waits."""


def hearing_session(heard: Heard) -> Session:
    """Return a session for the exporters that remembers what they themselves only log.

    They send again after a failure of the network, for as long as a request may take. Where nobody has
    answered yet and there is no connection to be had, NobodyThere keeps them from that.
    """
    from requests import RequestException, Session

    class HearingSession(Session):
        def send(self, *arguments: Any, **options: Any) -> Response:
            try:
                answer = super().send(*arguments, **options)
            except RequestException as exc:
                heard.status, heard.why = None, _innermost(exc)
                if not heard.is_anybody_there and _is_without_connection(exc):
                    raise NobodyThere from exc
                raise
            heard.is_anybody_there = True
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


def _is_without_connection(error: BaseException) -> bool:
    """Whether the address has no machine, nobody listens there, or it cannot be trusted."""
    from urllib3.exceptions import NewConnectionError, SSLError

    return any(isinstance(one, (NewConnectionError, SSLError)) for one in _chain(error))


def _innermost(error: BaseException) -> str:
    """Return what the operating system said, or else the name of what was raised."""
    names = []
    for one in _chain(error):
        if isinstance(one, OSError) and one.strerror:
            return one.strerror[0].lower() + one.strerror[1:]
        names.append(type(one).__name__)
    return "it timed out" if any("Timeout" in name for name in names) else names[-1]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, down to the first."""
    found: BaseException | None = error
    for _step in range(10):
        if found is None:
            return
        yield found
        found = _below(found)


def _below(error: BaseException) -> BaseException | None:
    # urllib3 keeps the cause as `reason`, requests hands that on as its argument.
    reasons = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
    return next((one for one in reasons if isinstance(one, BaseException)), None)
