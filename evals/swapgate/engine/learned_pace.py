"""Calls spaced for a limit that nobody told, of one model or of several that share it. Pure: no clock."""

from __future__ import annotations

import math

from swapgate.engine.learned_rate import LearnedRate
from swapgate.engine.meter import Meter

# A model that has sent within this time may have used up what another one was refused.
_RECENT_S = 2.0
# So unlikely a row of rejections that hit the same model, while another one sends too, says that each has a
# limit of its own.
_UNLIKELY = math.log(0.07)
_FOLLOWED_CALLS = 32


class LearnedPace:
    """When the next call may go, as far as rejections have taught; `sharers` is how many models go by it."""

    def __init__(self, rate: LearnedRate | None = None) -> None:
        self.rate = rate or LearnedRate()
        self.meter: Meter | None = None
        self.ready_at = -math.inf
        self.sharers = 1
        self.paused_until = -math.inf

    def take(self, now: float, *, is_echo: bool = False) -> None:
        """Count a call that goes out now; an echo teaches nothing, and delays the others as any call does."""
        if not is_echo:
            self.rate.sent(now)
        self.follow(now)
        if self.meter is not None:
            self.meter.take(now)
            self._follow_meter()

    def answered(self, now: float, sent_at: float) -> None:
        """Count an accepted call."""
        self.rate.answered(now, sent_at)
        self.follow(now)

    def rejected(self, now: float, sent_at: float, retry_after_s: float | None) -> float:
        """Take in a rejection; return the pause that all calls make."""
        pause_s = self.rate.rejected(now, sent_at, retry_after_s)
        self.follow(now)
        if self.rate.is_due:
            self.hurry(now + pause_s)
        self.pause(now + pause_s)
        return pause_s

    def pause(self, until: float) -> None:
        """Let nothing go before this moment."""
        self.paused_until = max(self.paused_until, until)
        self._follow_meter()

    def hurry(self, at: float) -> None:
        """Let the next call go at this moment, if it would have to wait longer for the rate."""
        if self.meter is not None:
            self.meter.hurry(at)
            self._follow_meter()

    def follow(self, now: float) -> None:
        """Space what follows for the rate that is known now."""
        if self.rate.rate is None:
            return
        if self.meter is None:
            self.meter = Meter(self.rate.rate)
            self.meter.begin_at(now)
        else:
            self.meter.change(self.rate.rate)
        self._follow_meter()

    def _follow_meter(self) -> None:
        self.ready_at = max(self.paused_until, -math.inf if self.meter is None else self.meter.ready_at)


class Member:
    """One model of an account. `pace` is its own, or the one that it shares."""

    def __init__(self, account: Account | None = None) -> None:
        self.account = account
        self.pace = self.own = LearnedPace()
        self.sent_at = -math.inf
        self.share = 0.0
        if account is not None:
            account.members.append(self)

    def take(self, now: float, *, is_echo: bool = False) -> None:
        """Count a call that goes out now."""
        self.sent_at = now
        if self.pace is not self.own and self.account is not None:
            self.account.count(self)
        self.pace.take(now, is_echo=is_echo)

    def forget(self) -> None:
        """Go by no rate any more; what others go by stays."""
        self.pace.sharers -= 1
        self.pace = self.own = LearnedPace()

    def rejected(self, now: float, sent_at: float, retry_after_s: float | None) -> float:
        """Take in a rejection; return the pause that all calls make."""
        pause_s = self.pace.rejected(now, sent_at, retry_after_s)
        if self.account is not None and self.pace.rate.is_news:
            self.account.judge(self, now)
        return pause_s


class Account:
    """The models that are asked at one address with one key: whether they share a limit is found out.

    A rate that had been borne and is rejected all the same, while another model sends too: what one of them
    uses, the other one lacks, so from there on they go by one rate. If only one of them is rejected then,
    again and again, each has a limit of its own and goes by its own rate again; and the next time, twice as
    many rejections are wanted before it is believed that they share one.
    """

    def __init__(self) -> None:
        self.members: list[Member] = []
        self._wanted, self._strikes = 1, 0
        self._last: Member | None = None
        self._chance = 0.0

    def count(self, member: Member) -> None:
        """Follow which share of the latest calls each of those who go by one rate has sent."""
        for one in self.members:
            one.share += ((one is member) - one.share) / _FOLLOWED_CALLS

    def judge(self, member: Member, now: float) -> None:
        """Ask of a rejection whether it shows a limit that is shared, or one that is not."""
        if member.pace is not member.own:
            self._judge_shared(member, now)
        elif member.pace.rate.was_borne:
            sharers = [one for one in self.members if _is_limited(one, now)]
            self._strikes += len(sharers) > 1
            if self._strikes >= self._wanted:
                self._join(sharers, now)

    def _judge_shared(self, member: Member, now: float) -> None:
        if member is not self._last:
            self._last, self._chance = member, 0.0
        self._chance += math.log(max(1e-9, member.share))
        if self._chance < _UNLIKELY:
            self._part(member.pace, now)

    def _join(self, members: list[Member], now: float) -> None:
        paces = list({id(one.pace): one.pace for one in members}.values())
        joint = LearnedPace(LearnedRate.joined([pace.rate for pace in paces], now))
        for one in self.members:
            if one.pace in paces:
                one.pace, one.share = joint, 1 / len(members)
        joint.sharers = sum(one.pace is joint for one in self.members)
        joint.pause(max(pace.paused_until for pace in paces))
        joint.follow(now)
        self._last, self._chance, self._strikes = None, 0.0, 0

    def _part(self, joint: LearnedPace, now: float) -> None:
        self._wanted *= 2
        for one in self.members:
            if one.pace is joint:
                least = one.share * (joint.rate.rate or 0.0)
                one.pace = one.own = LearnedPace(one.own.rate.resumed(now, least))
                one.pace.pause(joint.paused_until)
                one.pace.follow(now)


def _is_limited(member: Member, now: float) -> bool:
    """Whether a model sends at a rate that was learned."""
    return now - member.sent_at <= _RECENT_S and member.pace.rate.rate is not None
