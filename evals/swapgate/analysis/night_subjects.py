"""Candidate, provider and judge: whether each drifted over nights, or why that cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from swapgate.analysis.judge_drift import FEWEST as FEWEST_ANCHORS
from swapgate.analysis.night_changes import fingerprints, served_ids
from swapgate.analysis.night_series import (
    FEWEST_NIGHTS,
    NightSeries,
    Raw,
    SubjectKind,
    judge_series,
    rate_point,
)
from swapgate.analysis.nights import MOST_ERRORS, Night, pin
from swapgate.records import AnchorCheck, Run
from swapgate.values import Value, replace

# A night is late when it is half as late again as nights usually follow each other.
LATE = 1.5
# Where one of these has too few nights, it is said; the others have as many, or are not had at all.
_TELLING = {"structural", "semantic", "latency", "errors"}
SubjectAnswer = Literal["drift", "no drift shown", "cannot tell", "not watched"]


class Served(Value):
    """What a service tells otherwise of a model than when its nights began. `since` is when it first did."""

    since: str
    before: tuple[str, ...]
    now: tuple[str, ...]


class Subject(Value):
    """One model as candidate or by its provider, or one judge. `reasons` say why the answer is what it is.

    `served` are the ids that it is served as, where they are others. Another `fingerprint` is no drift: some
    services change it with every piece of hardware.
    """

    kind: SubjectKind
    name: str
    answer: SubjectAnswer
    reasons: tuple[str, ...]
    series: tuple[NightSeries, ...]
    served: Served | None = None
    fingerprint: Served | None = None


class Watched(Value):
    """A judge with every check of its present anchors, the oldest first.

    `frozen` is how many of the anchors' last two frozen readings agreed, of how many; None where each has
    one. `problem` says why its anchors cannot be used.
    """

    judge: str
    checks: Sequence[AnchorCheck] = ()
    frozen: tuple[int, int] | None = None
    has_anchors: bool = False
    problem: str = ""


def model_subjects(
    nights: Sequence[Night], keys: Sequence[tuple[str, str]], series: Sequence[NightSeries]
) -> Iterator[Subject]:
    kinds: tuple[SubjectKind, ...] = ("candidate", "provider")
    for kind in kinds:
        for model in dict.fromkeys(model for _suite, model in keys):
            own = [one for one in series if one.subject == kind and one.name == model]
            suites = [suite for suite, name in keys if name == model]
            unknown = [reason for s in suites for reason in _open_questions(nights, (s, model), kind, own)]
            if kind == "candidate":
                yield _subject(kind, model, own, None, unknown)
            else:
                yield _provider(_same_pin(nights, model), model, own, unknown)


def _provider(
    nights: Sequence[Night], model: str, series: Sequence[NightSeries], unknown: Sequence[str]
) -> Subject:
    served = _served(nights, lambda run: served_ids(run, model))
    fingerprint = _served(nights, lambda run: fingerprints(run, model))
    return replace(_subject("provider", model, series, served, unknown), fingerprint=fingerprint)


def _subject(
    kind: SubjectKind,
    name: str,
    series: Sequence[NightSeries],
    served: Served | None,
    unknown: Sequence[str],
) -> Subject:
    is_drift = served is not None or any(one.answer == "drift" for one in series)
    answer: SubjectAnswer = "drift" if is_drift else "cannot tell" if unknown else "no drift shown"
    return Subject(
        kind=kind,
        name=name,
        answer=answer,
        reasons=tuple(dict.fromkeys(unknown)),
        series=tuple(series),
        served=served,
    )


def _open_questions(
    nights: Sequence[Night], key: tuple[str, str], kind: SubjectKind, series: Iterable[NightSeries]
) -> Iterator[str]:
    """Yield why the last night does not tell of a model on a suite, or why all nights tell too little."""
    suite, _model = key
    last = next((night for night in reversed(nights) if key in night.parts), None)
    if last is None or last.problem:
        return
    if last is not nights[-1] and not nights[-1].problem and suite in nights[-1].run.suites:
        yield f"{suite}: not in the last night, and before that on {minute(last.at)}"
    if problem := last.parts[key].problem:
        yield f"{suite}: {problem}"
    own = [one for one in series if one.suite == suite]
    if (
        kind == "candidate"
        and not any(one.measure == "semantic" for one in own)
        and _had_meaning(nights, key)
    ):
        yield f"{suite}: nothing scored the meaning in the last night"
    for one in own:
        if one.answer == "too few nights" and one.measure in _TELLING:
            note = f": it {one.note}" if one.note else ""
            yield f"{suite}: {one.measure} has {len(one.points):,} of the {FEWEST_NIGHTS} nights needed{note}"
    if not own and not last.parts[key].problem:
        yield f"{suite}: nothing to watch"


def _had_meaning(nights: Sequence[Night], key: tuple[str, str]) -> bool:
    return any((part.table.semantic >= 0).any() for night in nights if (part := night.parts.get(key)))


def _served(nights: Sequence[Night], names_of: Callable[[Run], tuple[str, ...]]) -> Served | None:
    """Return the names that a service tells now, where some were not among those that it began with."""
    told = [(night.at, names) for night in nights if (names := names_of(night.run))]
    if len(told) < 2:
        return None
    before, now = told[0][1], told[-1][1]
    new = set(now) - set(before)
    if not new:
        return None
    since = next(at for at, names in told if new & set(names))
    return Served(since=since, before=before, now=now)


def _same_pin(nights: Sequence[Night], model: str) -> Sequence[Night]:
    """Return the nights since the name stands for the model that it stands for now."""
    known = [(place, pin(one)) for place, night in enumerate(nights) for one in night.run.models
             if one.name == model]  # fmt: skip
    others = [place for place, found in known if found != known[-1][1]]
    return nights[others[-1] + 1 :] if others else nights


def judge_raw(judge: Watched) -> Raw | None:
    checks = [check for check in judge.checks if check.n]
    frozen = judge.frozen or (next(((c.agreed, c.n) for c in checks), None))
    if frozen is None or not checks:
        return None
    points = [rate_point(check.checked_at, check.agreed, check.n) for check in checks]
    return judge_series(judge.judge, points, frozen=frozen, agreed=[check.agreed for check in checks])


def judge_subject(
    judge: Watched, nights: Sequence[Night], series: Sequence[NightSeries], *, every_h: float
) -> Subject:
    own = [one for one in series if one.subject == "judge" and one.name == judge.judge]
    served = _served(nights, lambda run: served_ids(run, judge=judge.judge))
    found = _subject("judge", judge.judge, own, served, list(_judge_questions(judge, nights, every_h)))
    if judge.has_anchors or found.answer == "drift":
        return found
    told = f"no anchors: `swapgate judge anchor {judge.judge} --from RUN` freezes some"
    return replace(found, answer="not watched", reasons=(told,))


def _judge_questions(judge: Watched, nights: Sequence[Night], every_h: float) -> Iterator[str]:
    if judge.problem:
        yield judge.problem
        return
    if not judge.checks:
        yield f"its anchors were never asked about: `swapgate judge anchors {judge.judge}`"
        return
    last = judge.checks[-1]
    if nights and time_of(nights[-1].at) - time_of(last.checked_at) > timedelta(hours=LATE * every_h):
        yield f"last asked about its anchors on {minute(last.checked_at)}"
    if last.errors > MOST_ERRORS * (last.n + last.errors):
        yield f"{last.errors:,} of {last.n + last.errors:,} anchors got no verdict"
    if last.n < FEWEST_ANCHORS:
        yield f"{last.n:,} of the {FEWEST_ANCHORS} anchors needed"


def minute(at: str) -> str:
    """Return a time as `2026-11-26 12:33Z`."""
    return f"{at[:16].replace('T', ' ')}Z"


def time_of(at: str) -> datetime:
    """Return a time as records write it."""
    return datetime.fromisoformat(at)
