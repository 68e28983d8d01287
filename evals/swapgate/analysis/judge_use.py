"""What the judges of a run did and took: verdicts, calls, tokens, money, time, and what escalation saved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum

from swapgate.analysis.summary import nearest_rank
from swapgate.facts import Facts
from swapgate.facts.amounts import JudgeCalls
from swapgate.values import Value


class Escalated(Value):
    """How often a second model was asked, `of` so many verdicts, and what that saved.

    It is held against asking the second model always, at the mean of the calls and the costs that it had
    here; None where it was never asked, or a price is not known. `saved_usd` takes the first stage's cost
    off, and is below zero where the two stages were dearer.
    """

    to: str
    escalated: int
    of: int
    spared_calls: float | None
    saved_usd: float | None


class JudgeUse(Value):
    """One judge over all models of a run. Costs are list prices, None when unknown; latencies of its calls.

    `verdicts` counts the answers that it was asked about, and `unscored` those on which its panel agreed too
    little. Of the replies that count, `plain` came without the log-probabilities that were asked for.
    """

    judge: str
    models: tuple[str, ...]
    verdicts: int
    unscored: int
    errors: int
    calls: int
    tokens_in: int
    tokens_out: int
    counted: int
    cost_usd: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None
    weighted: int = 0
    plain: int = 0
    escalation: Escalated | None = None


def judge_uses(facts: Iterable[Facts]) -> tuple[JudgeUse, ...]:
    """Return what each judge did, in order of appearance."""
    found: dict[str, list[JudgeCalls]] = {}
    said: dict[str, list[str]] = {}
    for one in facts:
        for calls in one.judging:
            found.setdefault(calls.judge, []).append(calls)
        for judge, _hash, status, _passed in one.verdicts:
            said.setdefault(judge, []).append(status)
    return tuple(_use(judge, calls, said.get(judge, ())) for judge, calls in found.items())


def logprob_warnings(uses: Iterable[JudgeUse]) -> list[str]:
    """Return once for each judge that log-probabilities were asked for and did not come."""
    return [
        f"judge {use.judge}: {use.plain:,} of {use.plain + use.weighted:,} replies came without usable "
        f"log-probabilities ({', '.join(use.models)}): their scores are plain ones"
        for use in uses
        if use.plain
    ]


def served_warnings(facts: Iterable[Facts]) -> list[str]:
    """Return once for each model of a judge that it was served under several ids: not one judge, perhaps."""
    served: dict[tuple[str, str], dict[str, None]] = {}
    for one in facts:
        for calls in one.judging:
            for model, told in calls.served:
                served.setdefault((calls.judge, model), {})[told] = None
    return [
        f"judge {judge}: its model {model} was served as {', '.join(ids)}: its verdicts may be those of "
        "different models"
        for (judge, model), ids in served.items()
        if len(ids) > 1
    ]


def _use(judge: str, calls: Sequence[JudgeCalls], said: Sequence[str]) -> JudgeUse:
    latencies = sorted(latency for one in calls for latency in one.latencies_s)
    return JudgeUse(
        judge=judge,
        models=tuple(dict.fromkeys(name for one in calls for name in one.models)),
        verdicts=len(calls),
        unscored=said.count("unscored"),
        errors=said.count("error"),
        calls=sum(one.calls for one in calls),
        tokens_in=sum(one.tokens_in for one in calls),
        tokens_out=sum(one.tokens_out for one in calls),
        counted=sum(one.counted for one in calls),
        cost_usd=_sum([one.cost_usd for one in calls]),
        latency_p50_s=nearest_rank(latencies, 0.50),
        latency_p95_s=nearest_rank(latencies, 0.95),
        weighted=sum(one.weighted for one in calls),
        plain=sum(one.plain for one in calls),
        escalation=_escalated([one for one in calls if one.escalates_to]),
    )


def _escalated(calls: Sequence[JudgeCalls]) -> Escalated | None:
    if not calls:
        return None
    second = [one for one in calls if one.second_calls]
    all_usd, second_usd = _sum([one.cost_usd for one in calls]), _sum([one.second_usd for one in second])
    share = len(calls) / len(second) if second else None
    second_calls = sum(one.second_calls for one in second)
    always_usd = second_usd * share if share is not None and second_usd is not None else None
    return Escalated(
        to=calls[0].escalates_to,
        escalated=sum(one.is_escalated for one in calls),
        of=len(calls),
        spared_calls=None if share is None else second_calls * share - second_calls,
        saved_usd=None if always_usd is None or all_usd is None else always_usd - all_usd,
    )


def _sum(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return fsum(known) if len(known) == len(amounts) else None
