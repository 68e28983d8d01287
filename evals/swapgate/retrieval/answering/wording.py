"""What is shown, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.reporting.format import count, percent, points, points_interval
from swapgate.retrieval.answering.attribution import Attribution
from swapgate.retrieval.answering.joint import Joint
from swapgate.retrieval.answering.observations import Measure
from swapgate.retrieval.answering.rulings import Ruling
from swapgate.retrieval.answering.steps import Stratum
from swapgate.stats.interval import Interval

NOUNS: dict[Measure, str] = {
    "retrieval": "questions whose right text is found",
    "structure": "well-formed answers",
    "faithfulness": "answers that keep to the texts",
    "answer": "right answers",
}
_MODELS = {"control": "old model", "candidate": "new model"}


def reason(joint: Joint) -> str:
    """Return why the verdict is what it is, in one sentence."""
    said = headline(joint.first, joint)
    return f"{_lacking(joint)}. Of what is known: {said}" if joint.errored else said


def headline(found: Attribution, joint: Joint) -> str:
    """Return what broke it, in one sentence."""
    said = {
        "embedding": _embedding,
        "model": _model,
        "both": _both,
        "together": _together,
        "neither": _neither,
        "unknown": _unknown,
    }[found.cause]
    return said(found, joint)


def _embedding(found: Attribution, joint: Joint) -> str:
    what = f"with the old model too, {_what(found)} fall: {_shown(found.embedding)}"
    retrieval = joint.ruling("retrieval", "embedding", found.slice)
    also = "" if retrieval is None else f"; retrieval {_shown(retrieval)}"
    model = _beside(found.model, "the model", "on the old index")
    return f"the embedding broke it: {what}{also}; {model}{_made_up(found)}"


def _model(found: Attribution, _joint: Joint) -> str:
    what = f"on the old index too, {_what(found)} fall: {_shown(found.model)}"
    embedding = _beside(found.embedding, "the embedding", "with the old model")
    return f"the model broke it: {what}; {embedding}{_made_up(found)}"


def _both(found: Attribution, _joint: Joint) -> str:
    return (
        f"both broke it: {_what(found)} fall by the embedding alone, {_shown(found.embedding)}, and by the "
        f"model alone, {_shown(found.model)}; together {_shown(found.both)}"
    )


def _together(found: Attribution, _joint: Joint) -> str:
    return (
        f"only both together broke it: {_what(found)} fall, {_shown(found.both)}, and hold with either alone "
        f"(the embedding {_shown(found.embedding)}, the model {_shown(found.model)})"
    )


def _neither(found: Attribution, joint: Joint) -> str:
    margin = f"{100 * joint.terms.margin:g} points"
    change = f"with both, {_what(found)} change by {_shown(found.both)}"
    return f"neither broke it: {change}, and {margin} are allowed"


def _unknown(found: Attribution, _joint: Joint) -> str:
    needs = "" if found.needed is None else f": about {count(found.needed, 'question')} would tell"
    alone = f"the embedding alone {_shown(found.embedding)}, the model alone {_shown(found.model)}"
    if not found.both.n:
        return "cannot tell: of no question it is known whether what serves now and what would are right"
    if found.both.state == "falls":
        cleared = "".join(
            f"; it is not {name} alone"
            for name, one in (("the embedding", found.embedding), ("the model", found.model))
            if one.state == "holds"
        )
        fell = f"{_what(found)} {_shown(found.both)} with both, {alone}"
        return f"something broke it, and it cannot be told which: {fell}{cleared}{needs}"
    change = f"with both, {_what(found)} change by {_shown(found.both)}"
    return f"cannot tell from {count(found.both.questions, 'question')}: {change} ({alone}){needs}"


def _beside(one: Ruling, who: str, where: str) -> str:
    """Return what is known of the swap that is not to blame."""
    if one.state == "holds":
        return f"{who} did not: {where} {_shown(one)}"
    needs = f", about {count(one.needed, 'question')} would tell" if one.needed else ""
    return f"whether {who} did as well is open: {where} {_shown(one)}{needs}"


def _made_up(found: Attribution) -> str:
    return f"; with both it is made up for: {_shown(found.both)}" if found.both.state == "holds" else ""


def _what(found: Attribution) -> str:
    return NOUNS[found.measure] + (f" on {found.slice}" if found.slice is not None else "")


def _shown(one: Ruling) -> str:
    return difference(one.interval)


def difference(interval: Interval) -> str:
    """Return a difference of shares in points with its interval."""
    if interval.estimate is None:
        return "unknown"
    bounds = points_interval(interval.low, interval.high, interval.confidence)
    return f"{points(interval.estimate)} points{f' {bounds}' if bounds else ''}"


def steps(joint: Joint) -> Iterator[str]:
    """Yield at which step it broke, as far as the measures tell."""
    found = joint.first
    if found.cause in {"embedding", "both"}:
        yield _retrieval_step(joint)
    if found.cause in {"model", "both"}:
        yield _model_step(joint)
    if found.cause == "together":
        yield from _together_step(joint)
    if len(joint.parts) > 1 and (worst := joint.parts[0]).share < 0:
        fallen = next(one for one in found.rulings if one.state == "falls")
        lies = f"{points(worst.share)} of {points(fallen.interval.estimate)} points"
        yield f"most of it on {worst.slice}: {lies} in {count(worst.questions, 'question')}"


def _retrieval_step(joint: Joint) -> str:
    found = joint.first
    if not joint.strata:
        return (
            "the embedding: nothing says whether the right texts were found. Name `qrels`, or a judge under "
            "`retrieval`"
        )
    ruling = joint.ruling("retrieval", "embedding", found.slice)
    lost, kept = (_stratum(joint, fate) for fate in ("lost", "kept"))
    own = lost.of("embedding", found.measure)
    of_kept = kept.of("embedding", found.measure)
    whole = found.embedding.interval.estimate
    where = (
        f"{points(None if own is None else own.share)} of {points(whole)} points lie in the "
        f"{count(lost.questions, 'question')} whose right text the new index lost"
    )
    if ruling is not None and ruling.state == "falls":
        return f"the embedding broke it at the retrieval: {where}"
    shown = "not measured" if ruling is None else difference(ruling.interval)
    held = (
        "" if of_kept is None else f"; where both find it, answers change by {difference(of_kept.interval)}"
    )
    return f"the embedding: that it finds fewer right texts is not shown (retrieval {shown}); {where}{held}"


def _model_step(joint: Joint) -> str:
    found = joint.first
    structure = joint.ruling("structure", "model", found.slice)
    faithful = joint.ruling("faithfulness", "model", found.slice)
    beside = _where_found(joint)
    if structure is not None and structure.state == "falls":
        return f"the model broke it at the form: well-formed answers {difference(structure.interval)}"
    if faithful is not None and faithful.state == "falls":
        at = "from the same texts, answers that keep to them"
        return (
            f"the model broke it at what it makes of the texts: {at} {difference(faithful.interval)}{beside}"
        )
    if faithful is None:
        told = "whether it keeps to the texts is not measured: name a judge under `faithfulness`"
        return f"the model broke it at the answer; {told}{beside}"
    said = (
        "it keeps to the texts and does not answer what was asked"
        if faithful.state == "holds"
        else "whether it still keeps to the texts is open"
    )
    held = f"{said} (faithfulness {difference(faithful.interval)})"
    return f"the model broke it at the answer: {held}{beside}"


def _together_step(joint: Joint) -> Iterator[str]:
    shares = [
        (one, both)
        for one in joint.strata
        if (both := one.of("both", joint.first.measure)) is not None and both.share
    ]
    for one, both in sorted(shares, key=lambda pair: pair[1].share or 0.0)[:1]:
        yield (
            f"most of it lies in the {count(one.questions, 'question')} whose right text {FATES[one.fate]}: "
            f"{points(both.share)} of {points(joint.first.both.interval.estimate)} points"
        )
    if not joint.strata:
        yield "nothing says whether the right texts were found: name `qrels`, or a judge under `retrieval`"


def _where_found(joint: Joint) -> str:
    """Return what the model's swap alone does where both indexes find the right text."""
    kept = _stratum(joint, "kept").of("model", joint.first.measure) if joint.strata else None
    if kept is None or not kept.n:
        return ""
    return f"; where both indexes find the right text, on the old one {difference(kept.interval)}"


FATES = {
    "kept": "both indexes find",
    "lost": "the new index lost",
    "won": "the new index alone finds",
    "never": "neither index finds",
}


def _lacking(joint: Joint) -> str:
    """Return of which arm most answers are missing."""
    worst = max(joint.errors, key=lambda arm: joint.errors[arm])
    total = joint.trials // len(joint.errors)
    lacks = f"{joint.errors[worst]:,} of {total:,}, {percent(joint.errors[worst] / max(total, 1))}"
    arm = f"the {_MODELS[worst.role]} on the {worst.side} index"
    return f"too many answers are missing: of {arm} {lacks}, and {100 * joint.terms.max_errors:g}% may be"


def _is_news(one: Attribution, joint: Joint) -> bool:
    """Whether what broke here is said by nothing else: neither first, nor as on the whole."""
    whole = next(other for other in joint.attributions if other.measure == one.measure)
    is_as_whole = one.slice is not None and one.cause == whole.cause
    return one.is_broken and one is not joint.first and not is_as_whole


def _stratum(joint: Joint, fate: str) -> Stratum:
    return next(one for one in joint.strata if one.fate == fate)


def notes(joint: Joint) -> Iterator[str]:
    """Yield what a reader of the numbers must know."""
    if not joint.errored and any(joint.errors.values()):
        missing = sum(joint.errors.values())
        yield f"{missing:,} of {joint.trials:,} answers are missing, and count for neither side"
    for name, number in joint.small.items():
        wanted = joint.terms.slice_questions
        yield f"slice {name}: {count(number, 'question')}, and it takes {wanted} to clear one"
    yield from (headline(one, joint) for one in joint.attributions if _is_news(one, joint))
    if "retrieval" not in joint.measures:
        yield "retrieval is not measured: name `qrels`, or a judge under `retrieval`, in config/index.yml"
    if "faithfulness" not in joint.measures:
        yield "faithfulness is not measured: name a judge under `faithfulness` in config/index.yml"
