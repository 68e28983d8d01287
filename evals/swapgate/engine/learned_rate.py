"""The rate that a server bears and does not tell, found from what it rejects. Pure: no clock, no waiting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from swapgate.values import Value

# Limits are made in whole seconds and minutes: a span near one of them is taken for it.
_WINDOWS = ((1.0, 0.6, 2.1), (60.0, 45.0, 80.0))
# A rate so close below the limit leaves room for jitter: a window of a second then has 25 ms to spare.
_MARGIN = 0.975
_FEW = 3
_CLOSE = 1.045
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_LEAST_RATE = 1 / 600
# What is tried where nothing that was sent has ever been accepted: the first answer then doubles it.
_BLIND_RATE = 1 / 5
_DECREASES = (0.97, 0.9, 0.75, 0.5)


class _Hold(Value, kw_only=False):
    """How long a rate must be borne before a higher one is tried."""

    seconds: float
    calls: int


_BLIND = _Hold(0.0, 1)
_FEWEST = _Hold(0.0, 2)
_SHORT = _Hold(1.2, 5)
_LONG = _Hold(30.0, 150)
_FEWEST_A_PROBE = 50
_LONGEST_S = 300.0
# What a rejection costs is earned back before the next: so many times the seconds that it lost.
_TIMES_LOST = 50.0
# A second is the least that `retry-after` can say in whole ones: it may mean a tenth of one.
_LEAST_ASKED_S = 1.0
# A settled rate is tried much higher, and now and then a little: the limit may have jumped or crept.
_FAR = 1.5
_STEPS = (_FAR, _FAR, 1.05)


@dataclass(slots=True)
class _Span:
    """Calls since a moment: how many went out, how many of them were rejected."""

    begun_at: float
    sent: int = 0
    rejected: int = 0

    @property
    def accepted(self) -> int:
        """How many were not rejected; of those sent last, the rejections may still be on their way."""
        return self.sent - self.rejected

    @classmethod
    def together(cls, spans: Sequence[_Span]) -> _Span:
        """Return the calls of several spans as those of one."""
        begun_at = min(one.begun_at for one in spans)
        return cls(begun_at, sum(one.sent for one in spans), sum(one.rejected for one in spans))

    def reject(self, sent_at: float) -> None:
        """Count the rejection of a call, if it was sent within this span."""
        self.rejected += sent_at >= self.begun_at


class LearnedRate:
    """Searches the highest rate without rejections: an estimate, halving of the range, then small probes.

    `rate` is None as long as nothing was rejected. The estimate is what was accepted over the time until the
    server took calls again; it is made with the next call when it `is_due`. From there on `_low` has been
    borne and `_high` has not; once they are close, the rate is settled. It stays for long, and is then tried
    much higher, now and then a little: if that fails, it stays for as long again as the rejection cost.
    """

    def __init__(self) -> None:
        self.rate: float | None = None
        self._low, self._high, self._step = 0.0, math.inf, 2.0
        self._hold = _SHORT
        self._least_hold_s = _SHORT.seconds
        self._all: _Span | None = None
        self._last = _Span(math.inf)  # until the first call
        self._answered = 0
        self._changed_at = -math.inf
        self.is_due = self._is_confirmed = self._is_window = self._is_blind = False
        self._is_settled = self._is_alone = False
        # What the latest rejection was: one that tells something new, of a rate that had been borne.
        self.is_news = self.was_borne = False
        self._rounds = self._strikes = self._settled = 0
        self._burst = 1

    @classmethod
    def joined(cls, rates: Sequence[LearnedRate], now: float) -> LearnedRate:
        """Return the search for one limit of what was searched as several: it bears their sum, perhaps."""
        joint = cls()
        joint.rate = joint._low = math.fsum(one._low for one in rates)
        joint._all = _Span.together([one._all or _Span(now) for one in rates])
        joint._last = _Span.together([one._last for one in rates])
        joint._burst = max(one._burst for one in rates)
        joint._changed_at = max(one._changed_at for one in rates)
        joint._rounds = max(one._rounds for one in rates)
        joint.is_due = any(one.is_due for one in rates)
        joint._is_confirmed = all(one._is_confirmed for one in rates)
        return joint

    def resumed(self, now: float, least: float) -> LearnedRate:
        """Return the search that goes on from here, after a while in which another one was gone by."""
        again = self.joined([self], now)
        again.rate = again._low = max(self._low, least, _LEAST_RATE)
        again._all, again._last, again._changed_at = _Span(now), _Span(now), now
        again.is_due, again._is_confirmed, again._rounds = False, True, 0
        return again

    @property
    def is_unfounded(self) -> bool:
        """Whether no answer has come that the rate could rest on."""
        return self._is_blind and not self._answered

    def sent(self, now: float) -> None:
        """Count a call that goes out now; after a pause this is where the rate is estimated."""
        if self._all is None:
            self._all, self._last = _Span(now), _Span(now)
        if self.is_due:
            self._estimate(now)
        self._all.sent += 1
        self._last.sent += 1

    def answered(self, now: float, sent_at: float) -> None:
        """Count an accepted call; go on searching when the rate has been borne for long enough."""
        if self.rate is None or sent_at < self._changed_at or self.is_due:
            return
        self._answered += 1
        held_s = now - self._changed_at
        if self._answered < self._hold.calls or held_s < self._hold.seconds:
            return
        if self._answered >= 0.7 * self.rate * held_s:  # else it is not the rate that bounds the calls
            self._raise(now)

    def rejected(self, now: float, sent_at: float, retry_after_s: float | None) -> float:
        """Take in a rejection; return how many seconds the endpoint is to be left alone."""
        assert self._all is not None
        self._all.reject(sent_at)
        self._last.reject(sent_at)
        self.is_news = sent_at >= self._changed_at and not (self.rate is None and self.is_due)
        self.was_borne = self.rate is not None and self.rate <= self._low
        if not self.is_news:
            # Sent before the last rejection was known: it tells nothing new.
            return 0.0 if self._is_alone else retry_after_s or 0.0
        ahead_s = self._ahead_s(now)
        is_first = self.rate is None and self._all.accepted >= _FEW
        self._is_alone = self._is_least(retry_after_s)
        pause_s = self._fall_back(now) if self._is_borne() else self._plan_estimate()
        if retry_after_s is not None and not self._is_alone:
            pause_s = max(retry_after_s, self._all.begun_at + _FIRST_PAUSE_S - now if is_first else 0.0)
        if self._is_settled:
            self._earn_back(pause_s - ahead_s)
        self._changed_at, self._answered = now + pause_s, 0
        return pause_s

    def _is_least(self, retry_after_s: float | None) -> bool:
        """Whether the pause that is asked for is the least that can be said, and less will do.

        A rate that is borne by no window was tried too high: its last one was borne. Rejected again at that
        one, before any answer, the endpoint is left alone for as long as it asks.
        """
        if retry_after_s is None or retry_after_s > _LEAST_ASKED_S:
            return False
        if self.rate is None or not self._is_borne() or self._low * retry_after_s <= 1:
            return False
        return self.rate > self._low or self._answered > 0 or not self._is_alone

    def _is_borne(self) -> bool:
        """Whether the rate has held for so long that a rejection is about a little less or more of it."""
        held = self.rate is not None and self._answered >= max(10.0, 2 * self.rate)
        return self._is_confirmed or held

    def _plan_estimate(self) -> float:
        """Have the rate estimated after the pause that is returned: of what was accepted until then."""
        self.is_due = True
        if self._answered >= _FEW:
            self._rounds = 0
        return self._wait_longer()

    def _fall_back(self, now: float) -> float:
        """Lower the rate where it was too high, but not where nothing at all is accepted any more."""
        pause_s = self._lower(now) if self._last.accepted else self._wait_longer()
        self._last = _Span(now)
        return pause_s

    def _wait_longer(self) -> float:
        self._rounds += 1
        return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._rounds - 1, 10))

    def _estimate(self, now: float) -> None:
        before = self._forget_what_came_before()
        assert self._all is not None
        count, span_s = self._all.accepted, max(now - self._all.begun_at, 1e-3)
        window_s = next((whole for whole, least, most in _WINDOWS if least <= span_s <= most), None)
        self._high = math.inf
        self._is_blind = not count
        self._is_window = count >= _FEW and window_s is not None and count / window_s <= (before or math.inf)
        self._burst = max(1, count)
        if self._is_window and window_s is not None:
            self.rate = self._low = _MARGIN * count / window_s
            # Perhaps it was a bucket that holds less than a second's calls: then a higher rate is borne.
            self._least_hold_s, self._step = 1.2 * window_s, 1.5
            self._hold = _Hold(self._least_hold_s, _SHORT.calls)
        else:
            self.rate = self._low = max(count / span_s, _LEAST_RATE) if count else _BLIND_RATE
            # Of so few nothing can be read off but that they were let through: hurry.
            self._least_hold_s, self._step = (0.0, 2.0) if count < _FEW else (_SHORT.seconds, 1.25)
            self._hold = _BLIND if not count else _FEWEST if count < _FEW else _SHORT
            if before is not None and before > self._low:
                self._high, self.rate = before, math.sqrt(self._low * before)
        self.is_due = self._is_confirmed = False
        if not 0 < self._last.accepted < _FEW:  # so few are counted together with those of the next round
            self._last = _Span(now)
        self._changed_at, self._answered = now, 0

    def _forget_what_came_before(self) -> float | None:
        """Estimate from the calls since the last estimate, if enough were accepted: return its rate then.

        This is decided after the pause, when their rejections have arrived.
        """
        if self.rate is None or self._last.accepted < _FEW:
            return None
        self._all, self._last, self._rounds = self._last, _Span(math.inf), 1
        return self.rate

    def _raise(self, now: float) -> None:
        assert self.rate is not None
        was_probe = self.rate > self._low
        self._is_window &= not was_probe
        self._is_settled &= not was_probe
        self._low = self.rate
        self._is_confirmed = True
        self._strikes = self._rounds = 0
        if self._high == math.inf:
            if was_probe:  # far from the limit: hurry
                self._step = min(2.0, max(_FAR, self._step**2))
            self._try(self._low * self._step)
        elif self._high > _CLOSE * self._low:
            self._try(math.sqrt(self._low * self._high))
        else:
            self._settle()
        self._changed_at, self._answered = now, 0

    def _try(self, rate: float) -> None:
        """Try a higher rate, for so long that no bucket which was full can bear what is too much of it."""
        self.rate = rate
        calls = math.ceil(self._burst * rate / (rate - self._low))
        self._hold = _Hold(self._least_hold_s, calls + 1)

    def _ahead_s(self, now: float) -> float:
        """Return by how much the calls are ahead of the last rate that was borne, of trying a higher one."""
        if self.rate is None or self.rate <= self._low:
            return 0.0
        return (1 - self._low / self.rate) * (now - self._changed_at)

    def _lower(self, now: float) -> float:
        """Fall back to the last rate that was borne, or below it; return a pause if none is asked for."""
        assert self.rate is not None
        if self.rate > self._low:
            # A window that is full takes nothing before its end.
            pause_s = self._ahead_s(now) + (1.0 if self._is_window else 0.5) / self._low
            self._high, self.rate = self.rate, self._low
            if self._is_settled or self._is_window or self._high <= _CLOSE * self._low:
                self._settle()
            else:
                self._hold = _Hold(self._least_hold_s, _SHORT.calls)
            return min(_LONGEST_PAUSE_S, pause_s)
        self.rate = max(_LEAST_RATE, self._low * _DECREASES[min(self._strikes, len(_DECREASES) - 1)])
        self._strikes += 1
        if self._strikes == 1:
            self._settle()
        else:
            self._high, self._hold, self._is_settled = self._low, _SHORT, False
        self._low = self.rate
        return min(_LONGEST_PAUSE_S, self._strikes / self.rate)

    def _settle(self) -> None:
        """Stay for long, then try more: much and little by turns, as the limit may have jumped or crept."""
        self._step = _STEPS[self._settled % len(_STEPS)]
        self._settled += 1
        self._high, self._is_settled = math.inf, True
        # At a low rate as many calls would take minutes; a rejection among fifty is 2% still.
        assert self.rate is not None
        calls = min(_LONG.calls, max(_FEWEST_A_PROBE, int(_LONG.seconds * self.rate)))
        self._hold = _Hold(self._least_hold_s, calls)

    def _earn_back(self, lost_s: float) -> None:
        """Stay for the longer the more a rejection cost."""
        self._hold = _Hold(min(_LONGEST_S, max(self._hold.seconds, _TIMES_LOST * lost_s)), self._hold.calls)
