"""When an endpoint is given up: one clear message instead of N times the time-out. Pure: no clock."""

from __future__ import annotations

import math
import random

from swapgate.engine.refusals import Refusals
from swapgate.errors import ErrorKind, ProviderError
from swapgate.values import Value

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
LONGEST_RETRY_AFTER_S = 300.0
_DOUBTFUL = 5
_BAD_KEYS = 2
_RATE_ROUNDS = 8
_RATE_ROW_S = 30.0
_FIRST_PROBE_S = 10.0
_LONGEST_PROBE_S = 120.0
_REMEDIES = {
    ErrorKind.AUTH: "Mend that",
    ErrorKind.CONNECTION: "Start the server or mend base_url",
    ErrorKind.TIMEOUT: "Mend the server or set a longer timeout_s",
    ErrorKind.SERVER: "Wait until it has recovered",
    ErrorKind.RATE_LIMIT: "Wait until its limit lets calls through",
}


class _GivenUp(Value):
    message: str
    kind: ErrorKind
    status: int | None

    def error(self) -> ProviderError:
        return ProviderError(self.message, kind=self.kind, status=self.status)


class Breaker:
    """Follows what fails in a row at one endpoint.

    After a few failures in a row the endpoint is *doubtful*: one call at a time, with pauses between that
    grow. After `retries` such rounds without an answer, at least one (at most one where each takes a whole
    time-out, and as many as for a rate where a server that has answered says that it is overloaded), it is
    *given up*: every call fails with the same message. Later calls find out now and then whether it is back.
    A key that is not accepted needs no rounds.
    """

    def __init__(self, *, retries: int, jitter: random.Random) -> None:
        self._retries = retries
        self.refusals = Refusals()
        self._jitter = jitter
        self._given_up: _GivenUp | None = None
        self._has_answered = False
        self._row = self._keys = self._rounds = self._rate_rounds = 0
        self._row_since = 0.0
        self._answered_at = -math.inf
        self._round_from = -math.inf
        self._probe_pause_s = _FIRST_PROBE_S
        self._probe_at = math.inf
        self.is_doubtful = False

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is given up."""
        return self._given_up is not None

    def refusal(self, now: float) -> ProviderError | None:
        """Return the error for a call to an endpoint that is given up; None when it may be asked."""
        if self._given_up is None:
            return None
        if now >= self._probe_at:
            self._probe_at = now + self._probe_pause_s
            self._probe_pause_s = min(_LONGEST_PROBE_S, 2 * self._probe_pause_s)
            return None
        return self._given_up.error()

    def reason(self) -> ProviderError:
        """Return the error of an endpoint that is given up."""
        assert self._given_up is not None
        return self._given_up.error()

    def succeeded(self, now: float) -> None:
        """An answer came: whatever failed before, the endpoint works."""
        self._has_answered = True
        self._answered_at = now
        self.refusals.answered()
        if self._row or self._keys or self._rate_rounds or self._given_up is not None:
            self._row = self._keys = self._rounds = self._rate_rounds = 0
            self._round_from = -math.inf
            self.is_doubtful = False
            self._given_up = None
            self._probe_pause_s = _FIRST_PROBE_S

    def failed(self, now: float, sent_at: float, error: ProviderError, *, is_refusal: bool) -> float:
        """Take in a failure other than a rejection for its rate; return a pause for the whole endpoint.

        It `is_refusal` where the server has too much to do, or says of any call that its rate is too high.
        """
        if error.kind is ErrorKind.AUTH:
            self._count_key(now, error)
            return 0.0
        if not error.is_transient:
            self.succeeded(now)
            return 0.0
        if is_refusal:
            self.refusals.refused()
            if self.refusals.are_usual and sent_at < self._answered_at:
                return 0.0  # of calls that began together the answers may all come first
        self._begin_row(now, sent_at)
        self._row += 1
        doubtful = _DOUBTFUL
        if is_refusal:
            doubtful = self.refusals.in_a_row(_DOUBTFUL)
        if self._row < doubtful or sent_at < self._round_from:
            return 0.0
        self.is_doubtful = True
        self._rounds += 1
        if self._rounds > self._most_rounds(error, is_refusal=is_refusal):
            self._give_up(now, error)
            return 0.0
        asked_s = min(error.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
        pause_s = max(asked_s, backoff_s(self._rounds, self._jitter))
        self._round_from = now + pause_s
        return pause_s

    def _most_rounds(self, error: ProviderError, *, is_refusal: bool) -> int:
        """Return how many rounds without an answer are borne."""
        if error.kind is ErrorKind.TIMEOUT:
            return min(self._retries, 1)
        if is_refusal and self._has_answered:
            return max(1, self._most_rate_rounds())
        # Quick failures of one burst may have overtaken its answers: a round more finds out.
        return max(1, self._retries)

    def _most_rate_rounds(self) -> int:
        return min(_RATE_ROUNDS, most_rejections(self._retries))

    def rejected(self, now: float, sent_at: float, error: ProviderError, pause_s: float) -> None:
        """Take in a rejection for its rate, after which the endpoint is left alone for a pause."""
        self._begin_row(now, sent_at)
        self._row += 1
        if sent_at >= self._round_from:
            self._rate_rounds += 1
            self._round_from = now + pause_s
        asked_s = error.retry_after_s or 0.0
        is_long = now - self._row_since >= _RATE_ROW_S  # pauses of some milliseconds are soon over
        if asked_s > LONGEST_RETRY_AFTER_S or (is_long and self._rate_rounds > self._most_rate_rounds()):
            self._give_up(now, error)

    def _begin_row(self, now: float, sent_at: float) -> None:
        if not self._row:
            self._row_since = min(now, sent_at)

    def _count_key(self, now: float, error: ProviderError) -> None:
        """A key is refused as a whole; a single refusal may be about one request."""
        self._begin_row(now, now)
        self._keys += 1
        self._row += 1
        if self._keys >= (_DOUBTFUL if self._has_answered else _BAD_KEYS):
            self._give_up(now, error)

    def _give_up(self, now: float, error: ProviderError) -> None:
        if self._given_up is None:
            self._given_up = _GivenUp(
                message=_message(error, self._row, now - self._row_since),
                kind=error.kind,
                status=error.status,
            )
            self._probe_at = now + self._probe_pause_s
        if error.kind is ErrorKind.AUTH:
            self._probe_at = math.inf


def most_rejections(retries: int) -> int:
    """Return how often one call may be rejected for its rate; waiting for that is no retry.

    A request that alone is too much for a limit is rejected for ever, while others are let through.
    """
    return 2 + 2 * retries


def backoff_s(attempt: int, jitter: random.Random) -> float:
    """Return a wait with full jitter that grows with the attempts that failed."""
    return jitter.uniform(0.0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**attempt))


def _message(error: ProviderError, row: int, span_s: float) -> str:
    times = "1 attempt" if row == 1 else f"{row} attempts in a row"
    said = str(error).rstrip(".")
    said += "" if said.endswith("?") else "."
    return (
        f"{said} Given up: {times} failed within {max(1, math.ceil(span_s))} s, "
        "and what was left for it was not tried. "
        f"{_REMEDIES.get(error.kind, 'Mend that')} and run again: what was answered is stored"
    )
