"""The numbers of both swaps as every format shows them."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.reporting import format as show
from swapgate.retrieval.answering.attribution import Attribution, Cause
from swapgate.retrieval.answering.effects import ArmRate, Effect, EffectName
from swapgate.retrieval.answering.joint import ENDS, Verdict
from swapgate.retrieval.answering.observations import ARMS, Arm, Measure, known_arms
from swapgate.retrieval.answering.report import JointReport
from swapgate.retrieval.answering.rulings import Ruling
from swapgate.retrieval.answering.steps import Conditional, Fate
from swapgate.retrieval.answering.wording import difference
from swapgate.stats.interval import Interval

WORDS: dict[Verdict, str] = {"pass": "PASS", "fail": "FAIL", "inconclusive": "INCONCLUSIVE"}
MEASURES: dict[Measure, str] = {
    "retrieval": "right text found",
    "structure": "well-formed",
    "faithfulness": "keeps to the texts",
    "answer": "right answer",
}
EFFECTS: dict[EffectName, str] = {
    "embedding": "embedding, old model",
    "embedding_after": "embedding, new model",
    "model": "model, old index",
    "model_after": "model, new index",
    "both": "both",
    "interaction": "interaction",
}
CAUSES: dict[Cause, str] = {
    "embedding": "the embedding",
    "model": "the model",
    "both": "both",
    "together": "only together",
    "neither": "neither",
    "unknown": "cannot tell",
}
FATES: dict[Fate, str] = {
    "kept": "both find it",
    "lost": "new index lost it",
    "won": "new index alone finds it",
    "never": "neither finds it",
}
_STATES = {"falls": "FALLS", "holds": "holds", "open": "open"}
MARKS = {"falls": "fail", "holds": "pass", "open": "inconclusive"}
SWAPS_HEADER = ("measure", "both", "embedding alone", "model alone")
EFFECTS_HEADER = ("swap", "measure", "n", "lost", "won", "points", "95%", "p", "p adjusted")
STRATA_HEADER = ("right text", "questions", "embedding, old model", "model, old index", "both")
_OVERALL = "overall"
_LISTED = 8


def headline(report: JointReport) -> str:
    """Return what was swapped, and on how many questions."""
    old, new = report.embeddings["old"], report.embeddings["new"]
    same = f", {report.same_texts:,} with the same texts from both indexes" if report.same_texts else ""
    repeats = f", asked {report.repeats} times" if report.repeats > 1 else ""
    return (
        f"{report.migration}: embedding {old} -> {new}, model {report.models['control']} -> "
        f"{report.models['candidate']}; {show.count(report.joint.questions, 'question')} of {report.suite}"
        f"{repeats}, the best {show.count(report.k, 'text')} of each index{same}"
    )


def arm_name(arm: Arm) -> str:
    """Return an arm as its index and its model."""
    return f"{arm.side} index, {'old' if arm.role == 'control' else 'new'} model"


def ruled(one: Ruling) -> str:
    """Return what is shown of a swap with its interval."""
    return f"{_STATES[one.state]} {compact(one.interval)}"


def compact(interval: Interval) -> str:
    """Return a difference in points, its interval with it."""
    return difference(interval).replace(" points", "")


def rate_of(one: ArmRate) -> str:
    """Return a rate with its interval."""
    rate = one.rate
    if rate.estimate is None:
        return show.MISSING
    bounds = (
        "" if rate.low is None or rate.high is None else f" [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"
    )
    return f"{show.percent(rate.estimate)}{bounds}"


def scopes(report: JointReport) -> list[str | None]:
    """Return the whole (None) and the slices, in the order of every table."""
    return list(dict.fromkeys(one.slice for one in report.joint.attributions))


def scope_name(scope: str | None) -> str:
    """Return what a scope is called."""
    return _OVERALL if scope is None else scope


def swap_rows(report: JointReport, scope: str | None) -> list[tuple[str, ...]]:
    """Return what may be done: each end of the answers, by both swaps and by either alone."""
    return [
        (MEASURES[one.measure], ruled(one.both), ruled(one.embedding), ruled(one.model))
        for one in report.joint.attributions
        if one.slice == scope
    ]


def rate_rows(report: JointReport, scope: str | None) -> list[tuple[str, ...]]:
    """Return the four arms' rates by every measure; what an index finds is the same for both models."""
    rows = []
    for measure in report.joint.measures:
        found = {one.arm: one for one in report.joint.rates if one.measure == measure and one.slice == scope}
        shown = {arm: rate_of(found[arm]) for arm in known_arms(measure) if arm in found}
        rows.append((MEASURES[measure], *(shown.get(arm, "the same") for arm in ARMS)))
    return rows


def effect_rows(report: JointReport, scope: str | None) -> list[tuple[str, ...]]:
    """Return the cells of EFFECTS_HEADER."""
    return [_effect_row(one) for one in report.joint.effects if one.slice == scope]


def effect_name(one: Effect) -> str:
    """Return what an effect is called; what an index finds does not depend on who answers."""
    return "embedding" if one.measure == "retrieval" else EFFECTS[one.name]


def _effect_row(one: Effect) -> tuple[str, ...]:
    low, high = one.interval.low, one.interval.high
    bounds = show.MISSING if low is None or high is None else f"[{show.points(low)}, {show.points(high)}]"
    return (
        effect_name(one),
        MEASURES[one.measure],
        f"{one.n:,}",
        f"{one.lost:,}",
        f"{one.won:,}",
        show.points(one.interval.estimate),
        bounds,
        show.p_value(one.p_value),
        show.p_value(one.p_adjusted),
    )


def stratum_rows(report: JointReport, *, has_intervals: bool = True) -> list[tuple[str, ...]]:
    """Return the cells of STRATA_HEADER: the first measure by what became of the right texts."""
    measure = report.joint.first.measure
    return [
        (
            FATES[one.fate],
            f"{one.questions:,}",
            *(
                _conditional(one.of(name, measure), has_intervals=has_intervals)
                for name in ("embedding", "model", "both")
            ),
        )
        for one in report.joint.strata
    ]


def _conditional(one: Conditional | None, *, has_intervals: bool) -> str:
    if one is None or not one.n:
        return show.MISSING
    shown = compact(one.interval) if has_intervals else show.points(one.interval.estimate)
    return f"{shown}, {show.points(one.share)} of the whole"


def is_told(one: Attribution, report: JointReport) -> bool:
    """Whether a slice is told of unasked: something is shown to be broken there, or it was named."""
    return one.is_broken or one.slice in report.joint.terms.slices


def slices_left_out(report: JointReport) -> str:
    """Return what is known of the slices that are not told of, empty where there is none."""
    told = {one.slice for one in report.joint.attributions if is_told(one, report)}
    left = [name for name in scopes(report) if name is not None and name not in told]
    if not left:
        return ""
    return f"nothing is shown to be broken on {', '.join(left[:_LISTED])}" + (
        f" and {len(left) - _LISTED} more" if len(left) > _LISTED else ""
    )


def slice_rows(report: JointReport, *, is_whole: bool = True) -> list[tuple[str, ...]]:
    """Return one row a slice and end: who broke it, and what is shown of it; else of those told of alone."""
    return [
        (
            scope_name(one.slice),
            MEASURES[one.measure],
            f"{one.both.questions:,}",
            CAUSES[one.cause],
            *_of(one),
        )
        for one in report.joint.attributions
        if one.slice is not None and (is_whole or is_told(one, report))
    ]


RATES_HEADER = ("measure", *map(arm_name, ARMS))
SLICES_HEADER = ("slice", "measure", "questions", "broken by", "both", "embedding alone", "model alone")


def _of(one: Attribution) -> Iterator[str]:
    yield from (ruled(ruling) for ruling in (one.both, one.embedding, one.model))


def facts(report: JointReport) -> list[str]:
    """Return what the tables do not show."""
    return [
        f"run {report.run} holds every answer: `swapgate history show {report.run}`",
        f"paid this time: {show.money(report.paid_usd)}",
    ]


def yes_no(value: bool | None) -> str:
    """Return a result in a word."""
    return {True: "yes", False: "NO", None: "not known"}[value]


def ends(report: JointReport) -> list[Measure]:
    """Return the measures that decide."""
    return [one for one in ENDS if one in report.joint.measures]
