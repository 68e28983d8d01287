"""A panel: several models answer the same calls, each gives its own verdict, and one is made of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NotRequired, TypedDict, Unpack

from swapgate.judging.judge import Ask, Judge
from swapgate.judging.scoring import short
from swapgate.judging.spread import spreads
from swapgate.judging.subject import Judged
from swapgate.records import Json, Message, Opinion, Request, Response, Rival, Verdict, VerdictStatus
from swapgate.spec.judges import JudgeSpec
from swapgate.spec.passrule import PassRule
from swapgate.values import Value, replace

_WORDS = {True: "pass", False: "fail"}


class About(TypedDict):
    """What a judge is asked about, and how: the arguments of `Judge.judge`."""

    variables: Mapping[str, Json]
    messages: Sequence[Message]
    expected: Json
    response: Response
    ask: Ask
    suite: str
    case: str
    repeat: int
    rival: NotRequired[Rival | None]


class Panel(Judge):
    """A judge of several models, asked side by side."""

    def __init__(self, spec: JudgeSpec) -> None:
        super().__init__(spec)
        self._members = [Judge(of_one_model(spec, model)) for model in spec.members]

    async def judge(self, **about: Unpack[About]) -> Verdict:
        """Return the panel's verdict; only NotAsked is raised, once every member has come to its end.

        A member without a verdict of its own leaves the panel smaller. One that may not be asked does not:
        a budget must not decide who judges.
        """
        judged = (member.judge(**about) for member in self._members)
        ended = await asyncio.gather(*judged, return_exceptions=True)
        for one in ended:
            if isinstance(one, BaseException):
                raise one
        verdicts = [one for one in ended if isinstance(one, Verdict)]
        if is_settled_by_code(verdicts[0]):
            return replace(verdicts[0], model=self.model_names, definition_hash=self.definition_hash)
        decided = decide(verdicts, self.spec, self.rule)
        valid = [v.scores for v in verdicts if v.status == "scored"] if decided.status == "scored" else []
        return replace(
            self._verdict(decided.status, decided.reason, passed=decided.passed),
            scores=decided.scores if decided.status == "scored" else {},
            samples=tuple(sample for v in verdicts for sample in v.samples),
            spread=spreads(valid),
            agreement=decided.agreement,
            opinions=tuple(opinion_of(v) for v in verdicts),
            rival=verdicts[0].rival,
            suspicions=verdicts[0].suspicions,
        )

    def requests(self, judged: Judged, *, suite: str, case: str) -> list[Request]:
        """Return the requests to all members about one answer, without sending them."""
        return [r for member in self._members for r in member.requests(judged, suite=suite, case=case)]


class Decided(Value):
    """What the members' verdicts come to."""

    status: VerdictStatus
    reason: str
    passed: bool | None = None
    agreement: float | None = None
    scores: Mapping[str, float]


def decide(verdicts: Sequence[Verdict], spec: JudgeSpec, rule: PassRule) -> Decided:
    """Return the panel's verdict: of those members that have one themselves, if they are enough and agree.

    The scores are the means over them. Agreement is the share of them whose own verdict is the panel's,
    compared in whole percent: two of three are 0.67.
    """
    valid = [v for v in verdicts if v.status == "scored"]
    names = dict.fromkeys(name for v in valid for name in v.scores)
    scores = {name: fmean(v.scores[name] for v in valid if name in v.scores) for name in names}
    if len(valid) < (needed := spec.needed_members):
        missing = "; ".join(_told(v) for v in verdicts if v.status != "scored")
        reason = f"{len(valid)} of {len(verdicts)} members of the panel have a verdict, {needed} needed: "
        return Decided(status="error", reason=reason + missing, scores=scores)
    votes = Counter(v.passed is True for v in valid)
    passed = rule.evaluate(scores) if spec.decide == "mean" else _majority(votes)
    if passed is None and spec.decide == "mean":
        reason = f"{rule.text} cannot be decided from the means of the members"
        return Decided(status="error", reason=reason, scores=scores)
    share = (votes[passed] if passed is not None else max(votes.values())) / len(valid)
    if passed is None or round(share, 2) < spec.needed_agreement:
        reason = _split(votes, valid, spec, passed=passed)
        return Decided(status="unscored", reason=reason, agreement=share, scores=scores)
    reason = _agreed(votes, verdicts, scores, spec, rule, passed=passed)
    return Decided(status="scored", reason=reason, passed=passed, agreement=share, scores=scores)


def of_one_model(spec: JudgeSpec, model: str) -> JudgeSpec:
    """Return the judge as one model alone is asked."""
    alone = {"model": model, "decide": None, "min_agreement": None, "min_members": None, "escalate": None}
    return spec.model_copy(update=alone)


def opinion_of(verdict: Verdict, *, stage: int = 1) -> Opinion:
    """Return what one model said, without its replies: they stand in the verdict over all."""
    return Opinion(
        model=verdict.model,
        status=verdict.status,
        stage=stage,
        passed=verdict.passed,
        scores=verdict.scores,
        spread=verdict.spread,
        agreement=verdict.agreement,
        reason=verdict.reason,
        calls=len(verdict.samples),
    )


def is_settled_by_code(verdict: Verdict) -> bool:
    """Whether an answer was found to say nothing, so that no model was asked."""
    return verdict.status == "scored" and not verdict.samples


def _majority(votes: Counter[bool]) -> bool | None:
    return None if votes[True] == votes[False] else votes[True] > votes[False]


def _split(votes: Counter[bool], valid: Sequence[Verdict], spec: JudgeSpec, *, passed: bool | None) -> str:
    wanted = "no majority" if passed is None else f"{spec.needed_agreement:.0%} must agree"
    who = ", ".join(f"{v.model} {_WORDS[v.passed is True]}" for v in valid)
    return f"the panel agrees too little: {votes[True]} pass, {votes[False]} fail, {wanted} ({who})"


def _agreed(
    votes: Counter[bool],
    verdicts: Sequence[Verdict],
    scores: Mapping[str, float],
    spec: JudgeSpec,
    rule: PassRule,
    *,
    passed: bool,
) -> str:
    """Return the vote, or the means that decide, then what the first member says that agrees."""
    size = votes.total()
    vote = f"{votes[passed]} of {size} members {_WORDS[passed]} it"
    if spec.decide == "mean":
        means = ", ".join(f"{name} {scores[name]:.3g}" for name in rule.names if name in scores)
        vote = f"mean of {size} members: {means} (wanted {rule.text}); {vote}"
    lost = "" if size == len(verdicts) else f" [{len(verdicts) - size} of {len(verdicts)} have no verdict]"
    agreeing = next((v for v in verdicts if v.status == "scored" and v.passed is passed), None)
    return vote + lost + (f": {_told(agreeing)}" if agreeing is not None else "")


def _told(verdict: Verdict) -> str:
    return f"{verdict.model}: {short(verdict.reason)}"
