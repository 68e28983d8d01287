"""Nights held side by side: what drifts is named with its night, and what tells nothing is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from nights import MODEL, START, SUITE, Drawn, NightDrawn, drawn, nights_of
from swapgate.analysis.night_changes import served_ids
from swapgate.analysis.night_report import NightReport, night_report
from swapgate.analysis.night_series import FEWEST_NIGHTS, NightSeries
from swapgate.analysis.night_subjects import Subject, Watched
from swapgate.analysis.nights import Night
from swapgate.records import AnchorCheck, ModelIdentity, ServedModel
from swapgate.reporting.words.nights import nights_line, subject_lines


def report(nights: Sequence[Night], judges: Sequence[Watched] = (), **more: Any) -> NightReport:
    """Return the report an hour after the last night."""
    late = more.pop("later", timedelta(hours=1))
    last = nights[-1].run.started_at if nights else START.isoformat()
    at = (np.datetime64(last[:-6]) + np.timedelta64(int(late.total_seconds()), "s")).item().isoformat()
    return night_report(nights, judges, at=f"{at}+00:00", **more)


def subject(found: NightReport, kind: str, name: str = MODEL) -> Subject:
    return next(one for one in found.subjects if (one.kind, one.name) == (kind, name))


def series(found: NightReport, measure: str) -> NightSeries:
    return next(one for one in found.series if one.measure == measure)


def test_quiet_nights_show_no_drift() -> None:
    found = report(nights_of(drawn(40)))
    assert found.answer == "no drift shown"
    assert {one.kind: one.answer for one in found.subjects} == {
        "candidate": "no drift shown",
        "provider": "no drift shown",
    }


def test_a_drop_is_the_candidates_and_dated_with_what_changed_that_night() -> None:
    nights = drawn(40, rate=lambda night: 0.95 if night < 32 else 0.80, seed=5)
    nights = [
        replace(night, run={"git_commit": "b" * 40, "prompt_hashes": {f"{SUITE}/{MODEL}": "7" * 64}})
        if number >= 32
        else night
        for number, night in enumerate(nights)
    ]
    found = report(nights_of(nights))
    assert found.answer == "drift"
    assert subject(found, "candidate").answer == "drift"
    assert subject(found, "provider").answer == "no drift shown"
    drop = series(found, "semantic")
    assert drop.since is not None
    assert drop.earliest is not None
    assert drop.latest is not None
    night = (START + timedelta(days=32)).isoformat(timespec="milliseconds")
    assert drop.earliest <= night <= drop.latest
    assert {(change.at, change.what) for change in drop.changes} == {(night, "prompt"), (night, "git commit")}
    assert drop.before == pytest.approx(0.95, abs=0.02)
    assert drop.now == pytest.approx(0.80, abs=0.05)


def test_a_slower_provider_is_the_providers_drift_and_not_the_candidates() -> None:
    found = report(nights_of(drawn(45, seconds=lambda night: 1.0 if night < 33 else 1.6)))
    assert subject(found, "provider").answer == "drift"
    assert subject(found, "candidate").answer == "no drift shown"
    assert series(found, "latency").answer == "drift"


def test_an_answer_of_another_length_of_one_case_is_no_slower_provider() -> None:
    """A night's latency is held against the same cases, so one slow case among many moves nothing."""
    nights = drawn(40)
    slow = [
        replace(one, cases={**one.cases, "c0": replace(one.cases["c0"], latency_s=60.0)}) if i >= 30 else one
        for i, one in enumerate(nights)
    ]
    assert series(report(nights_of(slow)), "latency").answer == "no drift shown"


def test_slower_by_a_few_percent_is_no_drift_however_sure() -> None:
    found = report(nights_of(drawn(80, noise=0.001, seconds=lambda night: 1.0 if night < 60 else 1.06)))
    latency = series(found, "latency")
    assert latency.alarms or latency.evidence is not None
    assert latency.answer == "no drift shown"


def test_refusals_and_errors_that_come_up_are_the_providers() -> None:
    def night(number: int) -> NightDrawn:
        few = number % 2 if number < 30 else 4
        cases = {f"c{i}": Drawn(is_refused=i < few, semantic=i >= few) for i in range(100)}
        return NightDrawn(cases=cases)

    found = report(nights_of([night(number) for number in range(42)]))
    assert series(found, "refusals").answer == "drift"
    assert subject(found, "provider").answer == "drift"


def test_another_id_served_is_the_providers_drift_at_once() -> None:
    nights = drawn(14)
    nights[-1] = replace(nights[-1], served="new-2026-11")
    found = subject(report(nights_of(nights)), "provider")
    assert found.answer == "drift"
    assert found.served is not None
    assert (found.served.before, found.served.now) == (("new-2026-04",), ("new-2026-11",))


def test_another_fingerprint_is_said_and_no_drift_by_itself() -> None:
    nights = [replace(n, fingerprint="fp_2") if i >= 12 else n for i, n in enumerate(drawn(14))]
    found = subject(report(nights_of(nights)), "provider")
    assert found.answer == "no drift shown"
    assert found.fingerprint is not None
    lines = list(subject_lines(found))
    assert any(
        line.startswith("  system fingerprint fp_2 since 2026-") and "before fp_1" in line for line in lines
    )


def test_a_task_is_served_what_the_models_name_is_that_answers_for_it() -> None:
    task, other = (ModelIdentity(name=name, provider="openai", model=name) for name in (MODEL, "other"))

    def told(*names: str) -> tuple[str, ...]:
        served = tuple(ServedModel(model=name, ids=(f"id of {name}",), answers=1) for name in names)
        [night] = nights_of(drawn(1))
        return served_ids(replace(night.run, models=(task, other), served=served), MODEL)

    assert told("main", "other") == ("id of main",)
    assert told(MODEL, "main") == (f"id of {MODEL}",)
    assert told("main", "spare", "other") == ()  # which of the two is not known


def test_another_id_served_for_another_pin_is_no_drift() -> None:
    pin = ModelIdentity(name=MODEL, provider="openai", model="new-2026-11")
    nights = drawn(14)
    nights = [
        replace(n, served="new-2026-11", run={"models": (pin,)}) if i >= 2 else n
        for i, n in enumerate(nights)
    ]
    assert subject(report(nights_of(nights)), "provider").answer == "no drift shown"


def test_all_cases_of_a_small_suite_failing_is_seen_in_the_first_night() -> None:
    nights = drawn(20, cases=8, rate=lambda night: 0.95 if night < 19 else 0.0)
    assert subject(report(nights_of(nights)), "candidate").answer == "drift"


def test_a_recovery_ends_the_alarm() -> None:
    found = report(nights_of(drawn(60, rate=lambda night: 0.75 if 20 <= night < 26 else 0.95)))
    drop = series(found, "semantic")
    assert drop.alarms
    assert drop.answer == "no drift shown"


@pytest.mark.parametrize("count", [1, FEWEST_NIGHTS - 1])
def test_too_few_nights_cannot_tell(count: int) -> None:
    found = report(nights_of(drawn(count)))
    assert found.answer == "could not find out"
    assert (
        f"structural has {count} of the {FEWEST_NIGHTS} nights needed"
        in subject(found, "candidate").reasons[0]
    )
    assert subject(found, "provider").answer == "cannot tell"


def test_no_night_at_all_is_not_all_well() -> None:
    assert report([]).answer == "could not find out"


def test_a_night_that_never_ended_is_not_all_well() -> None:
    nights = nights_of(drawn(20))
    nights[-1] = replace(nights[-1], problem="it never ended")
    found = report(nights)
    assert found.answer == "could not find out"
    assert "it never ended" in found.reasons[0]


def test_a_night_that_is_missing_now_is_not_all_well() -> None:
    found = report(nights_of(drawn(20)), later=timedelta(hours=37))
    assert found.answer == "could not find out"
    assert "1 missed" in found.reasons[0]
    assert report(nights_of(drawn(20)), later=timedelta(hours=35)).answer == "no drift shown"
    assert report(nights_of(drawn(20)), later=timedelta(days=8), every_h=168).answer == "no drift shown"


def test_nights_missing_in_between_are_listed() -> None:
    nights = nights_of(drawn(20))
    del nights[7:9]
    (gap,) = report(nights).gaps
    assert (gap.missed, gap.after[:10], gap.before) == (2, "2026-09-07", nights[7].at)


@pytest.mark.parametrize(
    ("nights", "said"), [(1, "1 night, 2026-09-01 02:00Z, it counts"), (2, ", 2 of them count")]
)
def test_how_many_nights_there_are_is_said(nights: int, said: str) -> None:
    report = night_report(nights_of(drawn(nights)), at=(START + timedelta(days=nights)).isoformat())
    assert nights_line(report).endswith(said)


def test_a_night_of_errors_counts_for_nothing_and_is_said() -> None:
    nights = drawn(20)
    broken = {name: replace(one, is_errored=int(name[1:]) < 10) for name, one in nights[-1].cases.items()}
    nights[-1] = replace(nights[-1], cases=broken)
    found = report(nights_of(nights))
    assert found.answer == "could not find out"
    assert "10 of 50 trials errored, most often server (10)" in subject(found, "candidate").reasons[0]
    assert not found.nights[-1].counts
    assert len(series(found, "structural").points) == 19


def test_answers_from_the_cache_tell_nothing_of_the_night() -> None:
    nights = drawn(20)
    nights[-1] = replace(
        nights[-1], cases={n: replace(c, from_cache=True) for n, c in nights[-1].cases.items()}
    )
    found = report(nights_of(nights))
    assert found.answer == "could not find out"
    assert "50 of 50 answers came from the cache" in subject(found, "candidate").reasons[0]


def test_a_case_that_is_new_is_left_out_until_all_nights_have_it() -> None:
    nights = drawn(30)
    nights = [replace(n, cases={**n.cases, "new": Drawn(semantic=False)}) if i >= 20 else n
              for i, n in enumerate(nights)]  # fmt: skip
    found = series(report(nights_of(nights)), "semantic")
    assert len(found.points) == 30
    assert {point.n for point in found.points} == {50}


def test_a_suite_that_became_another_one_begins_anew_and_says_so() -> None:
    nights = drawn(30)
    nights = [
        replace(n, cases={f"other-{c}": one for c, one in n.cases.items()}) if i >= 25 else n
        for i, n in enumerate(nights)
    ]
    found = report(nights_of(nights))
    assert len(series(found, "semantic").points) == 5
    assert (
        "begins anew on 2026-09-26: 50 of 50 cases were not there before"
        in subject(found, "candidate").reasons[0]
    )


def test_another_model_behind_the_name_begins_anew() -> None:
    pin = ModelIdentity(name=MODEL, provider="openai", model="new-2026-11")
    nights = [replace(n, run={"models": (pin,)}) if i >= 28 else n for i, n in enumerate(drawn(30))]
    found = report(nights_of(nights))
    assert len(series(found, "structural").points) == 2
    assert "another model was behind the name" in subject(found, "candidate").reasons[0]


def test_a_suite_that_is_gone_is_not_asked_for_after_a_week() -> None:
    old = nights_of(drawn(20))
    here = [replace(n, parts={("kept", MODEL): replace(n.parts[SUITE, MODEL], suite="kept")}) for n in old]
    both = [replace(n, parts={**n.parts, **h.parts}) for n, h in zip(old[:10], here[:10], strict=True)]
    found = report([*both, *here[10:]])
    assert {one.suite for one in found.series} == {"kept"}


def checks(agreed: Sequence[int], *, n: int = 40, errors: int = 0) -> list[AnchorCheck]:
    return [
        AnchorCheck(
            judge="meaning",
            definition_hash="d",
            anchors_hash="a",
            checked_at=(START + timedelta(days=i)).isoformat(),
            n=n,
            agreed=one,
            errors=errors,
            pass_rate=0.5,
            answer="no drift shown",
        )
        for i, one in enumerate(agreed)
    ]


def watched(agreed: Sequence[int], **more: Any) -> Watched:
    return Watched(judge="meaning", checks=checks(agreed, **more), frozen=(39, 40), has_anchors=True)


def test_a_judge_that_agrees_less_with_its_frozen_verdicts_has_drifted() -> None:
    nights = nights_of(drawn(20))
    quiet = report(nights, [watched([39, 38, 40, 39] * 5)])
    assert subject(quiet, "judge", "meaning").answer == "no drift shown"
    moved = report(nights, [watched([39, 38, 40, 39] * 4 + [33, 32, 34, 33])])
    judge = subject(moved, "judge", "meaning")
    assert judge.answer == "drift"
    assert judge.series[0].since == (START + timedelta(days=16)).isoformat()
    assert subject(moved, "candidate").answer == "no drift shown"


def test_a_judge_without_anchors_is_not_watched_and_nothing_more() -> None:
    found = report(nights_of(drawn(20)), [Watched(judge="meaning")])
    assert found.answer == "no drift shown"
    assert subject(found, "judge", "meaning").answer == "not watched"


@pytest.mark.parametrize(
    ("judge", "reason"),
    [
        (Watched(judge="meaning", has_anchors=True), "were never asked about"),
        (Watched(judge="meaning", has_anchors=True, problem="the judge has changed"), "has changed"),
        (watched([39] * 10), "last asked about its anchors on 2026-09-10"),
        (watched([39] * 20, errors=5), "5 of 45 anchors got no verdict"),
        (watched([5] * 20, n=5), "5 of the 10 anchors needed"),
    ],
)
def test_a_judge_that_cannot_be_watched_is_not_all_well(judge: Watched, reason: str) -> None:
    found = report(nights_of(drawn(20)), [judge])
    assert found.answer == "could not find out"
    assert reason in subject(found, "judge", "meaning").reasons[0]


def test_flaky_cases_are_told_from_cases_that_broke() -> None:
    def night(number: int) -> NightDrawn:
        cases = {f"c{i}": Drawn() for i in range(8)}
        cases |= {"wavers": Drawn(semantic=number % 2 == 0), "broke": Drawn(semantic=number < 10)}
        gates = {SUITE: {"semantic": {"min": 0.85, "on": "point"}}}
        return NightDrawn(cases=cases, run={"settings": {"suite_gates": gates}})

    (found,) = report(nights_of([night(number) for number in range(20)])).flaky
    assert [one.case for one in found.flaky] == ["wavers"]
    assert (found.rate, found.lowest, found.highest) == pytest.approx((0.9, 0.8, 1.0))
    assert found.spread == pytest.approx(0.05)
    assert found.tossed == (f"gate of {SUITE}: semantic min 85%",)


def test_false_alarms_are_shared_out_over_all_series() -> None:
    found = report(nights_of(drawn(20)), [watched([39] * 20)])
    assert sum(one.share for one in found.series) == pytest.approx(1)
    assert {one.subject for one in found.series} == {"candidate", "provider", "judge"}


def test_seeded_years_of_quiet_nights_hardly_ever_alarm() -> None:
    alarms = 0
    for seed in range(8):
        found = report(nights_of(drawn(120, cases=20, seed=seed)))
        alarms += sum(bool(one.alarms) for one in found.series)
    assert alarms <= 2
