"""Numbers as people read them, the same in every report. What is not known is said, never shown as 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from swapgate.analysis.wording import confidence_percent

if TYPE_CHECKING:
    # numpy comes with these, and what is asked before a run needs to count and to price only.
    from swapgate.analysis.rates import Rate
    from swapgate.analysis.summary import Summary

MISSING = "-"
UNKNOWN = "unknown"


def percent(share: float | None) -> str:
    """Return a share as `71.0%`; what is not quite none or all is never rounded to 0% or 100%."""
    if share is None:
        return MISSING
    shown = round(100 * share, 1)
    if shown == 0 and share > 0:
        return "<0.1%"
    if shown == 100 and share < 1:
        return ">99.9%"
    return f"{shown:.1f}%"


def interval(rate: Rate) -> str:
    """Return the interval in percent as `[63.1, 77.8]`, empty when there is none."""
    if rate.low is None or rate.high is None:
        return ""
    return f"[{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def rate_with_interval(rate: Rate, *, absent: str = "not scored") -> str:
    """Return `71.0% [63.1, 77.8]`, `absent` without trials, `(no interval)` where one was refused.

    `71.0%*` is a rate that was corrected for the judge's errors.
    """
    if rate.n == 0 or rate.rate is None:
        return absent
    return f"{marked_percent(rate)} {interval(rate) or '(no interval)'}"


def marked_percent(rate: Rate) -> str:
    """Return the rate in percent, with a star where it was corrected for the judge's errors."""
    return percent(rate.rate) + ("*" if rate.correction else "")


def points(difference: float | None) -> str:
    """Return a difference of two shares as signed percentage points, `-4.2`."""
    if difference is None:
        return MISSING
    # Adding 0.0 turns -0.0 into 0.0.
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def points_interval(low: float | None, high: float | None, confidence: float) -> str:
    """Return an interval of a difference of shares as `[90%: -38.6, -18.6]`, empty when there is none."""
    if low is None or high is None:
        return ""
    return f"[{confidence_percent(confidence)}: {points(low)}, {points(high)}]"


def score_interval(low: float | None, high: float | None, confidence: float) -> str:
    """Return an interval of a difference of scores as `[95%: -0.38, +0.18]`, empty when there is none."""
    if low is None or high is None:
        return ""
    return f"[{confidence_percent(confidence)}: {score_change(low)}, {score_change(high)}]"


def change(ratio: float | None) -> str:
    """Return a ratio as a signed change, `+36%`, with a decimal where it is small; `-` when unknown."""
    if ratio is None:
        return MISSING
    percents = 100 * (ratio - 1)
    return f"{round(percents, 1) + 0.0:+.1f}%" if abs(percents) < 9.95 else f"{percents:+,.0f}%"


def number(value: float) -> str:
    """Return a number with at most six digits that count, `604` or `12,500`."""
    return f"{value:,.6g}"


def score(value: float | None) -> str:
    """Return a mean score with two decimals."""
    return MISSING if value is None else f"{value:.2f}"


def score_change(difference: float | None) -> str:
    """Return a difference of mean scores, signed."""
    return MISSING if difference is None else f"{round(difference, 2) + 0.0:+.2f}"


def money(usd: float | None) -> str:
    """Return US dollars with as many decimals as the amount needs: `$0.0042`, `$1.37`, `$1,204`."""
    if usd is None:
        return UNKNOWN
    if usd == 0:
        return "$0"
    if usd < 0.0001:
        return "<$0.0001"
    if usd < 0.09995:
        return f"${usd:.4f}"
    return f"${usd:,.2f}" if usd < 999.995 else f"${usd:,.0f}"


def money_sum(parts: Sequence[float | None]) -> str:
    """Return the sum of amounts, `at least $0.06` when some are unknown."""
    known = [part for part in parts if part is not None]
    if len(known) == len(parts):
        return money(sum(known))
    return f"at least {money(sum(known))}" if known else UNKNOWN


def p50_p95(p50_s: float | None, p95_s: float | None) -> str:
    """Return two percentiles of a duration in a short form, as `1.10/1.48 s`."""
    return f"{seconds(p50_s).removesuffix(' s')}/{seconds(p95_s)}"


def milliseconds(duration_s: float | None) -> str:
    """Return a short duration as `0.4 ms`, from a second on as `seconds` does."""
    if duration_s is None or duration_s >= 1:
        return seconds(duration_s)
    return f"{1000 * duration_s:.1f} ms"


def seconds(duration_s: float | None) -> str:
    """Return a duration as `0.84 s`, `12.3 s` or `3 min 20 s`."""
    if duration_s is None:
        return MISSING
    if duration_s < 9.995:
        return f"{duration_s:.2f} s"
    if duration_s < 99.95:
        return f"{duration_s:.1f} s"
    minutes, rest = divmod(round(duration_s), 60)
    return f"{minutes} min {rest} s"


def tokens(count: int | None) -> str:
    """Return a number of tokens as `950`, `12.3k` or `1.2M`."""
    if count is None:
        return MISSING
    if count < 1000:
        return str(count)
    return f"{count / 1e3:.1f}k" if count < 999_950 else f"{count / 1e6:.1f}M"


def tokens_used(summary: Summary) -> tuple[str, str]:
    """Return a model's tokens in and out, `-` when no provider counted them."""
    is_known = summary.counted > 0
    return _tokens(summary.tokens_in, is_known=is_known), _tokens(summary.tokens_out, is_known=is_known)


def judge_tokens_used(summary: Summary) -> tuple[str, str]:
    """Return the tokens in and out of a model's judges, `-` when no provider counted them."""
    is_known = summary.judge_counted > 0
    return (
        _tokens(summary.judge_tokens_in, is_known=is_known),
        _tokens(summary.judge_tokens_out, is_known=is_known),
    )


def _tokens(count: int, *, is_known: bool) -> str:
    return tokens(count if is_known else None)


def amount(name: str, value: float | None) -> str:
    """Return tokens, dollars (`cost_usd`) or seconds (`latency_s`) a trial."""
    if name == "cost_usd":
        return money(value)
    if name == "latency_s":
        return seconds(value)
    return MISSING if value is None else f"{value:,.0f}"


def signed_amount(name: str, value: float) -> str:
    """Return a difference of amounts, signed."""
    return ("-" if value < 0 else "+") + amount(name, abs(value))


def p_value(p: float | None) -> str:
    """Return a p-value with three decimals, `<0.001` below that."""
    if p is None:
        return MISSING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def moment(at: str) -> str:
    """Return a stored moment, which is one of UTC, to the minute: `2026-05-04 10:15`."""
    return at[:16].replace("T", " ")


def count(number: int, noun: str) -> str:
    """Return `1 case` or `1,204 cases`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
