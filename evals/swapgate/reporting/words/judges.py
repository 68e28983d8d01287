"""Judges in words that all reports share: what each took, what escalation saved, how far apart they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapgate.analysis.judge_use import Escalated, JudgeUse
from swapgate.analysis.outcome import RunOutcome
from swapgate.records import Opinion, Spread, Verdict
from swapgate.reporting import format as show

_PASSED = {True: "pass", False: "fail", None: ""}
_STAGES = {1: "", 2: " (escalated to)"}


def has_unscored(outcome: RunOutcome) -> bool:
    """Return whether any trial is unscored: reports have a column for them then."""
    return any(summary.unscored for summary in outcome.summaries)


def use_text(use: JudgeUse) -> str:
    """Return what a judge did and took, in one line."""
    facts = [show.count(use.verdicts, "verdict")]
    facts += [f"{use.unscored:,} unscored"] if use.unscored else []
    facts += [f"{use.errors:,} undecided"] if use.errors else []
    took = (
        show.count(use.calls, "call"),
        f"tokens {'/'.join(tokens_of(use))}",
        f"cost {show.money(use.cost_usd)}",
        f"p50/p95 {show.p50_p95(use.latency_p50_s, use.latency_p95_s)}",
    )
    return f"judge {use.judge} ({', '.join(use.models)}): {', '.join(facts)}; {', '.join(took)}"


def tokens_of(use: JudgeUse) -> tuple[str, str]:
    """Return a judge's tokens in and out, `-` when no provider counted them."""
    is_known = use.counted > 0
    return (
        show.tokens(use.tokens_in if is_known else None),
        show.tokens(use.tokens_out if is_known else None),
    )


def escalation_text(found: Escalated) -> str:
    """Return how often a judge escalated, and what that saved against asking the second model always."""
    share = f"{found.escalated:,} of {show.count(found.of, 'verdict')} escalated to {found.to}"
    if found.spared_calls is None:
        return f"{share}: what it would have cost is not known, since it was never asked"
    calls = f"{share}; against asking it always, at its mean here, {found.spared_calls:,.0f} calls to it and"
    if found.saved_usd is None:
        return f"{calls} an unknown amount were saved: a price is not known"
    if found.saved_usd < 0:
        return (
            f"{calls} no money were saved: the first stage cost {show.money(-found.saved_usd)} more than that"
        )
    return f"{calls} {show.money(found.saved_usd)} were saved"


def opinion_lines(verdict: Verdict) -> Iterator[str]:
    """Yield what is known beyond a verdict's own line: its spread, and each model's own verdict."""
    is_escalated = any(opinion.stage > 1 for opinion in verdict.opinions)
    if not is_escalated and (spread := _spread_text(verdict.spread)):
        yield f"{_spread_title(verdict)}: {spread}"
    for opinion in verdict.opinions:
        yield _opinion_text(opinion)


def _spread_title(verdict: Verdict) -> str:
    """Return what a verdict's spread is over, and how many of them say the same."""
    share = "" if verdict.agreement is None else f", {verdict.agreement:.0%} of them for this verdict"
    return f"{'members' if verdict.opinions else 'samples'}{share}"


def _opinion_text(opinion: Opinion) -> str:
    """Return one model's own verdict in a line."""
    said = _PASSED[opinion.passed] or opinion.status
    line = f"{opinion.model}{_STAGES.get(opinion.stage, '')}: {said}: {opinion.reason}"
    spread = _spread_text(opinion.spread)
    return f"{line} [samples: {spread}]" if spread else line


def _spread_text(spread: Mapping[str, Spread]) -> str:
    """Return how far apart scores are, `accuracy 1 to 5 (sd 2.08 of 3)`."""
    return ", ".join(
        f"{name} {one.low:.3g} to {one.high:.3g} (sd {one.sd:.2f} of {one.n})" for name, one in spread.items()
    )
