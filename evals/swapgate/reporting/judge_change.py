"""The difference between two versions of a judge in words: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.analysis.judge_change import ChangedVerdict, JudgeChange, Version, changed_to
from swapgate.reporting import format as show
from swapgate.reporting.markdown.text import escaped, own, table
from swapgate.reporting.text import safe_text
from swapgate.stats.interval import Interval

_REASON_CHARS = 240
_HASH_CHARS = 8
_WORDS = {True: "pass", False: "fail", None: "no verdict"}
_TITLES = {"to pass": "fail to pass", "to fail": "pass to fail", "no verdict": "without a verdict on a side"}


def change_lines(change: JudgeChange, *, most: int | None = None) -> Iterator[str]:
    """Yield the lines that tell of one judge; of each direction `most` verdicts (None: all)."""
    yield safe_text(f"judge {change.judge}: {_sides(change)}")
    yield f"  {_counted(change)}"
    for line in _numbers(change):
        yield f"  {safe_text(line)}"
    for kind, changed in changed_to(change).items():
        if changed:
            yield f"  {_TITLES[kind]}: {len(changed):,}"
            for one in changed[:most]:
                yield f"    {safe_text(_name(one))}"
                yield f"      before: {safe_text(_reason(one.before, one.reason_before), _REASON_CHARS)}"
                yield f"      after:  {safe_text(_reason(one.after, one.reason_after), _REASON_CHARS)}"
            if most is not None and len(changed) > most:
                yield f"    and {len(changed) - most:,} more (-v shows all)"


def markdown(changes: Sequence[JudgeChange]) -> str:
    """Return all of it as a page of Markdown."""
    parts = [line for change in changes for line in _page(change)]
    return "\n".join(parts) + "\n"


def _page(change: JudgeChange) -> Iterator[str]:
    yield f"# Judge {escaped(change.judge)}, before and after\n"
    rows = [
        [word, *map(escaped, (v.run, v.definition_hash[:_HASH_CHARS], v.model, ", ".join(v.served)))]
        for word, v in (("before", change.before), ("after", change.after))
    ]
    yield from table(["", "run", "definition", "model", "served as"], rows, left=5, most=2)
    yield f"\n{_counted(change)}\n"
    for line in _numbers(change):
        yield f"- {own(line)}"
    for kind, changed in changed_to(change).items():
        if not changed:
            continue
        yield f"\n## {_TITLES[kind].capitalize()}: {len(changed):,}\n"
        told = [
            [
                escaped(_name(c)),
                escaped(_reason(c.before, c.reason_before), _REASON_CHARS),
                escaped(_reason(c.after, c.reason_after), _REASON_CHARS),
            ]
            for c in changed
        ]
        yield from table(["answer", "before", "after"], told, left=3, most=len(told))
    yield ""


def _sides(change: JudgeChange) -> str:
    before, after = change.before, change.after
    if before.definition_hash == after.definition_hash:
        told = f"the same definition ({after.definition_hash[:_HASH_CHARS]}) on both sides"
    else:
        told = f"{before.definition_hash[:_HASH_CHARS]} -> {after.definition_hash[:_HASH_CHARS]}"
    model = after.model if before.model == after.model else f"{before.model} -> {after.model}"
    return f"{told}, asking {model}{_served(before, after)}"


def _served(before: Version, after: Version) -> str:
    if not before.served or not after.served or before.served == after.served:
        return ""
    return f" (served as {', '.join(before.served)} -> {', '.join(after.served)})"


def _counted(change: JudgeChange) -> str:
    told = f"{show.count(change.answers, 'answer')} with a verdict of both"
    if change.no_verdict:
        told += f"; {change.no_verdict:,} without one on a side"
    if change.other_answers:
        told += f"; {change.other_answers:,} left out, whose answers differ between the runs"
    return told


def _numbers(change: JudgeChange) -> Iterator[str]:
    v = change.verdicts
    if v.pairs:
        before, after = (v.both + v.only_baseline) / v.pairs, (v.both + v.only_candidate) / v.pairs
        bounds = show.points_interval(v.low, v.high, v.confidence)
        p = "" if v.p_value is None else f", p {show.p_value(v.p_value)}"
        yield (
            f"passes: {show.percent(before)} -> {show.percent(after)}, "
            f"{show.points(v.estimate)} points{bounds and ' '}{bounds}{p}; "
            f"{v.only_candidate:,} fail to pass, {v.only_baseline:,} pass to fail"
        )
        yield (
            f"agreement: {_share(change.agreement)}, kappa {_coefficient(change.kappa)}, "
            f"AC1 {_coefficient(change.ac1)}"
        )
    for shift in change.criteria:
        bounds = show.score_interval(shift.low, shift.high, change.confidence)
        p = "" if shift.p_value is None else f", p {show.p_value(shift.p_value)}"
        yield (
            f"score {shift.criterion}: {show.score(shift.before)} -> {show.score(shift.after)}, "
            f"{show.score_change(shift.difference)}{bounds and ' '}{bounds}{p} on {shift.pairs:,}"
        )
    yield f"judge cost: {show.money(change.before.cost_usd)} -> {show.money(change.after.cost_usd)}"


def _share(found: Interval) -> str:
    if found.estimate is None:
        return f"unknown ({found.note})"
    bounds = (
        "" if found.low is None or found.high is None else f" [{100 * found.low:.1f}, {100 * found.high:.1f}]"
    )
    return f"{show.percent(found.estimate)}{bounds}"


def _coefficient(found: Interval) -> str:
    if found.estimate is None:
        return f"undefined ({found.note})"
    bounds = "" if found.low is None or found.high is None else f" [{found.low:.2f}, {found.high:.2f}]"
    return f"{found.estimate:.2f}{bounds}"


def _reason(passed: bool | None, reason: str) -> str:
    return f"{_WORDS[passed]}: {reason}" if reason else _WORDS[passed]


def _name(one: ChangedVerdict) -> str:
    repeat = f", repeat {one.repeat}" if one.repeat > 1 else ""
    return f"{one.suite}/{one.case} by {one.model}{repeat}"
