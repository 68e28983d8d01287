"""Whether calls are rejected for their rate whatever it is: others use the same capacity. Pure: no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Of so many calls right after a rejection a limit lets none through, seldom one.
_ECHOES = 3
_LET_THROUGH_BY_A_LIMIT = (0.59, 0.39, 0.015, 0.005)
_AT_ONCE_S = 0.05
# In the time since the rejected one went a limit may have made room for more: so much of a call at most.
_ROOM = 0.4
_FIRST_ECHO_AT = 3
_FARTHER, _FARTHEST = 2, 50
# So much likelier (logarithm) it must be that chance rejects.
_SURE = 6.0
_UNLIKELY = -2.0
_FOLLOWED = 64
_LEAST_SHARE, _MOST_SHARE = 0.1, 0.8
# So much more than was believed is rejected once there is a limit too.
_MUCH_MORE = 0.25
# So many calls without a rejection: whoever used the capacity has gone.
_OVER_AFTER = 256


@dataclass(slots=True, eq=False)
class Echo:
    """Some calls that go right after a rejection, against all that a limit allows."""

    until: float
    sent: int = 0
    ended: int = 0
    accepted: int = 0


class Chance:
    """Tells rejections by chance from those of a limit: right after one, a limit lets nothing through.

    After a few rejections, some calls echo one: they go at once. It `is_believed` that chance rejects when
    that is some hundred times likelier; until much more is rejected than was then, or nothing any more.
    """

    def __init__(self) -> None:
        self.is_believed = False
        self._echo: Echo | None = None
        self._share, self._believed_share = 0.0, 0.0
        self._seen = self._in_vain = self._news = 0
        self._next_at, self._evidence = _FIRST_ECHO_AT, 0.0

    def may_echo(self, now: float) -> bool:
        """Whether a call that goes now is an echo."""
        return self._echo is not None and self._echo.sent < _ECHOES and now <= self._echo.until

    def sent(self, now: float) -> Echo | None:
        """Count a call that goes out now; return what it echoes."""
        if self._echo is None or not self.may_echo(now):
            return None
        self._echo.sent += 1
        return self._echo

    def answered(self) -> None:
        """Count a call that was let through."""
        self._follow(0.0)

    def rejected(self) -> None:
        """Count a rejection."""
        self._follow(1.0)

    def echo(self, now: float, sent_at: float, rate: float | None) -> None:
        """Have a rejection echoed, of a call that was sent at this rate, if it is time for that."""
        self._news += 1
        room = (rate or math.inf) * (now - sent_at + _AT_ONCE_S)
        is_awaited = self._echo is not None and (self._echo.sent > 0 or self.may_echo(now))
        if not is_awaited and self._news >= self._next_at and room < _ROOM:
            self._echo = Echo(now + _AT_ONCE_S)

    def ended(self, echo: Echo, *, is_accepted: bool) -> None:
        """Count the end of an echo; that of the last one says whether chance rejects."""
        echo.ended += 1
        echo.accepted += is_accepted
        if echo is self._echo and echo.ended == echo.sent:
            self._echo = None
            self._hear(echo)

    def _hear(self, echo: Echo) -> None:
        let_through = 1 - min(_MOST_SHARE, max(_LEAST_SHARE, self._share))
        ways = math.comb(echo.sent, echo.accepted)
        by_chance = ways * let_through**echo.accepted * (1 - let_through) ** (echo.sent - echo.accepted)
        self._evidence += math.log(by_chance / _LET_THROUGH_BY_A_LIMIT[echo.accepted])
        if self._evidence > _SURE:
            self.is_believed, self._believed_share, self._in_vain = True, self._share, 0
        elif self._evidence < _UNLIKELY:
            self._ask_again_at(min(_FARTHER * self._news, self._news + _FARTHEST))

    def _ask_again_at(self, news: int) -> None:
        self.is_believed, self._evidence = False, 0.0
        self._next_at = news

    def _follow(self, is_rejected: float) -> None:
        self._seen = min(_FOLLOWED, self._seen + 1)
        self._share += (is_rejected - self._share) / self._seen
        self._in_vain = 0 if is_rejected else self._in_vain + 1
        is_more = self._share > self._believed_share + _MUCH_MORE
        if self.is_believed and (is_more or self._in_vain > _OVER_AFTER):
            self._ask_again_at(self._news + _FIRST_ECHO_AT)
