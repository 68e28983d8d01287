"""The numbers of a candidate in shadow as every format shows them."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from swapgate.reporting import format as show
from swapgate.shadow.deciding.evidence import Evidence, RouteReport
from swapgate.shadow.deciding.measures import Beside
from swapgate.stats.interval import Interval

WORDS = {"promote": "PROMOTE", "hold": "HOLD", "inconclusive": "INCONCLUSIVE", "rollback": "ROLL BACK"}
# The colours of the gate's answers.
MARKS = {"promote": "pass", "hold": "fail", "inconclusive": "inconclusive", "rollback": "fail"}
ASPECTS = {
    "failure": "no answer",
    "refusal": "a refusal by one alone",
    "finish": "another finish reason",
    "structure": "structure right in one alone",
    "tools": "other tool calls",
    "fields": "another value in a deciding field",
}
SHORT = (
    "",
    "requests",
    "other decisions",
    "above noise",
    "structure fails",
    "no answer",
    "preferred",
    "p95",
    "cost",
)
LONG = (
    "",
    "Requests",
    "Second answers",
    "Other decisions",
    "Control's own",
    "Above its noise",
    "Structure fails",
    "No answer",
    "Refusals above",
    "Judged",
    "Preferred",
    "Similarity",
    "Latency p95",
    "p95 ratio",
    "Cost a request",
    "Cost ratio",
)


def scopes(report: RouteReport) -> list[Evidence]:
    """Return the whole, its slices and its days, in the order of every table."""
    return [report.overall, *report.slices, *report.days]


def scope_name(evidence: Evidence) -> str:
    """Return what a scope is called."""
    return evidence.name or "overall"


def short_row(evidence: Evidence) -> tuple[str, ...]:
    """Return the cells of SHORT."""
    return (
        scope_name(evidence),
        f"{evidence.n:,}",
        show.percent(evidence.disagreement.candidate.estimate),
        above(evidence.disagreement.excess),
        show.percent(evidence.structure.estimate),
        show.percent(evidence.failures.estimate),
        show.score(evidence.preference.estimate),
        _ratio(evidence.latency_p95_s),
        _ratio(evidence.cost_usd),
    )


def long_row(evidence: Evidence) -> tuple[str, ...]:
    """Return the cells of LONG."""
    return (
        scope_name(evidence),
        f"{evidence.n:,}",
        f"{evidence.again:,}",
        show.percent(evidence.disagreement.candidate.estimate),
        show.percent(evidence.disagreement.floor.estimate),
        above(evidence.disagreement.excess),
        share(evidence.structure),
        share(evidence.failures),
        above(evidence.refusals),
        f"{evidence.judged:,}",
        mean(evidence.preference),
        mean(evidence.similarity),
        _both(evidence.latency_p95_s, _seconds),
        _ratio(evidence.latency_p95_s),
        _both(evidence.cost_usd, lambda one: show.money(one.estimate)),
        _ratio(evidence.cost_usd),
    )


def above(found: Interval) -> str:
    """Return a difference of shares in points with its interval."""
    bounds = show.points_interval(found.low, found.high, found.confidence)
    return f"{show.points(found.estimate)} {bounds}".rstrip()


def share(found: Interval) -> str:
    """Return a share with its interval in percent."""
    if found.estimate is None or found.low is None or found.high is None:
        return show.percent(found.estimate)
    return f"{show.percent(found.estimate)} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def mean(found: Interval) -> str:
    """Return a mean with its interval."""
    if found.low is None or found.high is None:
        return show.score(found.estimate)
    return f"{show.score(found.estimate)} [{found.low:.2f}, {found.high:.2f}]"


def differing_rows(report: RouteReport) -> list[tuple[str, str, str]]:
    """Return in what answers differ: the candidate's, and the control's own second ones."""
    return [
        (ASPECTS[one.aspect], _of(one.candidate, one.candidate_n), _of(one.again, one.again_n))
        for one in report.differing
        if one.candidate or one.again
    ]


def headline(report: RouteReport) -> str:
    """Return who was compared with whom, and on what."""
    promotion = report.promotion
    return (
        f"route {promotion.route}: {promotion.candidate} in the shadow of {promotion.control}, "
        f"{show.count(promotion.requests, 'request')} on {show.count(len(promotion.days), 'day')}, "
        f"{show.count(promotion.again, 'second answer')} of the control"
    )


def facts(report: RouteReport) -> list[str]:
    """Return what tables do not show: failures by kind, failed checks, lengths, prices of tokens."""
    overall = report.overall
    tokens = overall.cost_per_1k_tokens_usd
    found = []
    if report.failures:
        kinds = ", ".join(f"{kind} {number:,}" for kind, number in report.failures.items())
        found.append(f"no answer of the candidate: {kinds}")
    if report.failed_checks:
        checks = ", ".join(f"{check} {number:,}" for check, number in report.failed_checks.items())
        found.append(f"structural checks that its answers fail: {checks}")
    if overall.length_ratio is not None:
        found.append(f"its answers have {overall.length_ratio:.2f} times the characters (median)")
    if tokens.candidate.estimate is not None:
        before, now = show.money(tokens.control.estimate), show.money(tokens.candidate.estimate)
        found.append(f"1,000 tokens cost {now}, the control's {before}")
    if overall.ttft_p95_s.candidate.estimate is not None:
        before, now = _seconds(overall.ttft_p95_s.control), _seconds(overall.ttft_p95_s.candidate)
        found.append(f"95th percentile to the first token {now}, the control's {before}")
    return found


def _of(number: int, n: int) -> str:
    return f"{number:,} of {n:,} ({show.percent(number / n)})" if n else show.MISSING


def _both(found: Beside, form: Callable[[Interval], str]) -> str:
    """Return the control's amount and the candidate's."""
    return f"{form(found.control)} / {form(found.candidate)}"


def _seconds(found: Interval) -> str:
    return "never" if found.estimate == inf else show.seconds(found.estimate)


def _ratio(found: Beside) -> str:
    ratio = found.ratio
    if ratio.estimate is None:
        return show.MISSING
    if ratio.low is None or ratio.high is None:
        return f"{ratio.estimate:.2f}x"
    return f"{ratio.estimate:.2f}x [{ratio.low:.2f}, {ratio.high:.2f}]"
