"""What a comparison says in words, the same in every report. "Not separated" is never "no difference"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

from swapgate.analysis.compare import Comparison, Difference
from swapgate.analysis.distributions import Spread
from swapgate.analysis.ranking import LEVEL, Rank
from swapgate.analysis.rule_scopes import floor_of
from swapgate.analysis.scopes import OVERALL, Scoped
from swapgate.analysis.shifts import AmountShift, BlindPassChange, ScoreShift
from swapgate.analysis.wording import limit_points, over_looks
from swapgate.reporting import format as show

Word = Literal["better", "worse", "not separated"]
_Part = TypeVar("_Part", bound=Scoped)
AMOUNT_WORDS = {
    "tokens_in": "tokens in",
    "tokens_out": "tokens out",
    "cost_usd": "cost",
    "latency_s": "latency",
}
NOT_SEPARATED = '"Not separated" says that these cases cannot tell the two apart, not that they are equal.'


def word_of(difference: Difference) -> Word | None:
    """Return how the candidate stands to the baseline; None where it cannot be said.

    The p-values are those of one look: in a run that may stop early the bounds decide, which hold over all.
    """
    if difference.look is None:
        return _by_p(decisive_p(difference), difference.estimate)
    if difference.low is None or difference.high is None:
        return None
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "not separated"


def decisive_p(difference: Difference) -> float | None:
    """Return the p-value that decides: among several candidates the one adjusted for their number."""
    return difference.p_value if difference.p_adjusted is None else difference.p_adjusted


def says(difference: Difference) -> str:
    """Return `worse`, or `not separated, not worse by more than 5 points`; empty where it cannot be said."""
    word = word_of(difference)
    if word is None or word == "better" or not _is_noninferior(difference):
        return word or ""
    but = "but not" if word == "worse" else "not worse"
    return f"{word}, {but} by more than {limit_points(difference.margin)}"


def p_text(difference: Difference) -> str:
    """Return `p 0.031`, with the adjusted one where there is one; the looks where no single p-value holds."""
    if difference.look is not None:
        return over_looks(difference.look).strip()
    adjusted = "" if difference.p_adjusted is None else f", adjusted {show.p_value(difference.p_adjusted)}"
    return f"p {show.p_value(difference.p_value)}{adjusted}"


def blind_word(change: BlindPassChange) -> Word | None:
    """Return how the candidate stands in blind passes: more of them are worse."""
    return _by_p(change.p_value, None if change.estimate is None else -change.estimate)


def separated(differences: Iterable[Difference]) -> list[Difference]:
    """Return the differences that are told apart."""
    return [d for d in differences if word_of(d) in {"better", "worse"}]


def blind_pass_of(comparison: Comparison) -> BlindPassChange | None:
    """Return the overall change of blind passes, None where no side has any."""
    change = next(iter(overall_of(comparison.blind_pass)), None)
    if change is None or not (change.baseline_counted and change.candidate_counted):
        return None
    return change if change.baseline_hits or change.candidate_hits else None


def scores_of(comparison: Comparison) -> list[ScoreShift]:
    """Return the overall shift of each criterion."""
    return [shift for shift in overall_of(comparison.scores) if shift.pairs]


def amounts_of(comparison: Comparison) -> list[AmountShift]:
    """Return the overall shift of each amount; what costs nothing on either side is left out."""
    return [a for a in overall_of(comparison.amounts) if a.pairs and (a.baseline_mean or a.candidate_mean)]


def overall_of(parts: Iterable[_Part]) -> list[_Part]:
    """Return the parts that are about all suites."""
    return [part for part in parts if part.scope == OVERALL]


def rank_word(rank: Rank) -> str:
    """Return how a model stands to the next one in the ranking, empty for the last one."""
    if rank.to_next is None:
        return ""
    if rank.is_separated is None:
        return "cannot be said"
    return "told apart" if rank.is_separated else "not separated"


def spread_title(spread: Spread) -> str:
    """Return `semantic pass rates over 23 prompts`, with the suite where it is one."""
    unit = show.count(spread.comparison.units, spread.unit)
    where = f" of {spread.suite}" if spread.suite else ""
    return f"{spread.measure} pass rates over {unit}{where}"


def spread_text(spread: Spread) -> str:
    """Return the two distributions and what differs, empty where they could not be compared."""
    found = spread.comparison
    if found.baseline is None or found.candidate is None:
        return ""
    return (
        f"mean {show.percent(found.baseline.mean)} -> {show.percent(found.candidate.mean)}, "
        f"spread {100 * found.baseline.between_sd:.1f} -> {100 * found.candidate.between_sd:.1f} points, "
        f"p {show.p_value(found.p_value)} {_spread_answer(spread)}"
    )


def is_spread_told_apart(spread: Spread) -> bool:
    """Whether the two distributions differ."""
    p = spread.comparison.p_value
    return p is not None and p <= LEVEL


def _spread_answer(spread: Spread) -> str:
    if not is_spread_told_apart(spread):
        return "for the whole: not separated"
    found = spread.comparison
    parts = {"mean": found.mean_p_value, "spread": found.spread_p_value, "shape": found.shape_p_value}
    told = [part for part, p in parts.items() if p is not None and p <= LEVEL]
    return "for the whole: told apart" + (f" by {' and '.join(told)}" if told else "")


def _by_p(p: float | None, estimate: float | None) -> Word | None:
    if p is None or estimate is None:
        return None
    if p > LEVEL or estimate == 0:
        return "not separated"
    return "better" if estimate > 0 else "worse"


def _is_noninferior(difference: Difference) -> bool:
    margin = difference.margin
    if not margin or difference.clusters < floor_of(margin):
        return False
    if difference.look is not None:
        return difference.low is not None and difference.low > -margin
    return difference.p_noninferior is not None and difference.p_noninferior <= LEVEL
