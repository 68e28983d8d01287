"""The order of a run that may stop early: random, the same for one seed, whole clusters at every look."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis_trials import trial
from swapgate.engine.workspace import Job, ReadyCase, ReadySuite
from swapgate.facts import facts_of
from swapgate.records import Stopping
from swapgate.runs.early_stop import EarlyStop, shuffled
from swapgate.spec.settings import Settings
from swapgate.spec.suite import Case, GateSpec, LoadedSuite, PlacedCase, RateRule, Suite
from workspaces import BLIND, RIGHT, newest_run, recorded_workspace

Pytester = pytest.Pytester
NAMES = [f"case-{n:02}" for n in range(90)]


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SWAPGATE_MODEL", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def lay_models(pytester: Pytester, *, wrong: int = 0) -> None:
    """Lay the models `old`, which is always right, and `new`, which is not on the first cases."""
    answers = {name: BLIND if n < wrong else RIGHT for n, name in enumerate(NAMES)}
    old = dict.fromkeys(NAMES, RIGHT)
    recorded_workspace(pytester.path, {"old": old, "new": answers}, gate={"margin": 0.2})


def shown_order(pytester: Pytester, *arguments: str) -> list[str]:
    result = pytester.runpytest("--model=new", "--baseline=old", "--collect-only", "-q", *arguments)
    return [line.partition("::")[2] for line in result.outlines if "::" in line]


def test_same_seed_gives_the_same_random_order_with_the_models_side_by_side(pytester: Pytester) -> None:
    lay_models(pytester)
    written = shown_order(pytester)
    first, again, other = (shown_order(pytester, "--stop-early", f"--swapgate-seed={n}") for n in (7, 7, 8))
    assert first == again
    assert first not in (written, other)
    assert sorted(first) == sorted(written)
    pairs = list(zip(first[::2], first[1::2], strict=True))
    assert all(old == new.replace("[new]", "[old]") and new.endswith("[new]") for old, new in pairs)


def test_drawn_seed_is_stored_and_gives_the_order_again(pytester: Pytester) -> None:
    lay_models(pytester)
    result = pytester.runpytest("--model=new", "--baseline=old", "--stop-early", "--report=none", "-v")
    ran = [line.split(" ")[0].partition("::")[2] for line in result.outlines if "[new] " in line]
    run, _trials = newest_run(pytester.path)
    assert run.stopping is not None and run.seed == run.stopping.seed
    order = shown_order(pytester, "--stop-early", f"--swapgate-seed={run.seed}")
    assert [name for name in order if name.endswith("[new]")] == ran


def test_failed_first_would_end_the_run_on_a_chosen_sample_and_so_it_goes_to_its_end(
    pytester: Pytester,
) -> None:
    lay_models(pytester, wrong=6)
    assert pytester.runpytest("--model=new", "--baseline=old", "--report=none").ret == 0
    result = pytester.runpytest("--model=new", "--baseline=old", "--ff", "--stop-early", "--report=none")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["swapgate: warning: --stop-early needs its own random order*--ff*"])
    run, trials = newest_run(pytester.path)
    assert (run.stopping, len(trials)) == (None, 180)


def jobs_of(clusters: Iterable[str | None], *, repeats: int = 1) -> list[Job]:
    """Return the trials of two models on cases in these clusters, as a run collects them."""
    here = Path("cases/s.yml")
    written = Suite(suite="s")
    loaded = LoadedSuite(path=here, suite=written, cases=())
    ready = ReadySuite(root=Path(), loaded=loaded, prompt=None, decoding_schema=None, cases=())
    return [
        Job(
            suite=ready,
            case=ReadyCase(
                placed=PlacedCase(case=Case(id=f"c{n}", cluster=cluster), path=here, line=n + 1),
                checks=(),
                judges=(),
                content_hash="",
            ),
            model=model,
            repeat=repeat,
            role="candidate",
        )
        for n, cluster in enumerate(clusters)
        for repeat in range(1, repeats + 1)
        for model in ("old", "new")
    ]


def cluster_of(job: Job) -> str:
    return job.case.placed.case.cluster or job.case.placed.case.id


def in_order(jobs: list[Job], *, seed: int) -> list[Job]:
    return shuffled(jobs, lambda job: job, seed=seed)


CLUSTERS = st.lists(st.sampled_from([None, "a", "b", "c", "d"]), max_size=12)


@given(CLUSTERS, st.integers(1, 3), st.integers(0, 2**63 - 1))
def test_clusters_stay_whole_and_the_trials_within_them_in_their_order(
    clusters: list[str | None], repeats: int, seed: int
) -> None:
    jobs = jobs_of(clusters, repeats=repeats)
    found = in_order(jobs, seed=seed)
    assert sorted(map(id, found)) == sorted(map(id, jobs))
    labels = [cluster_of(job) for job in found]
    starts = [n for n, label in enumerate(labels) if n == 0 or labels[n - 1] != label]
    assert len(starts) == len(set(labels))
    for label in set(labels):
        assert [j for j in found if cluster_of(j) == label] == [j for j in jobs if cluster_of(j) == label]
    assert in_order(found, seed=seed) == found


@given(CLUSTERS, st.integers(0, 2**63 - 1))
def test_order_of_the_others_stays_when_a_cluster_goes(clusters: list[str | None], seed: int) -> None:
    jobs = jobs_of(clusters)
    without = [job for job in jobs if cluster_of(job) != "a"]
    assert [job for job in in_order(jobs, seed=seed) if cluster_of(job) != "a"] == in_order(
        without, seed=seed
    )


def ended(jobs: list[Job], is_right: Callable[[Job], bool], **chosen: object) -> Stopping:
    """Return how a run of these trials ends that goes by the least rate of 60%."""
    settings = Settings(root=Path(), gate=GateSpec(semantic=RateRule(min=0.6)), **chosen)  # type: ignore[arg-type]
    early = EarlyStop(settings, jobs, seed=1, baseline=None)
    for place, job in enumerate(jobs):
        if early.admit(place) is not None:
            placed = job.case.placed.case
            made = trial(placed.id, semantic=is_right(job), model=job.model, cluster=placed.cluster)
            early.add(facts_of(replace(made, repeat=job.repeat)))
    return early.conclude()


@given(
    st.lists(st.sampled_from([1, 2, 6]), min_size=60, max_size=90),
    st.sampled_from(["every-case", 4, 25]),
    st.floats(0.3, 0.8),
    st.integers(0, 2**32),
)
@settings(max_examples=40)
def test_looks_see_whole_clusters_only(sizes: list[int], looks: str | int, rate: float, seed: int) -> None:
    clusters = [f"source-{n}" for n, size in enumerate(sizes) for _ in range(size)]
    jobs = [job for job in jobs_of(clusters) if job.model == "new"]
    results = random.Random(seed)
    found = ended(jobs, lambda _job: results.random() < rate, looks=looks)
    (rule,) = found.rules
    assert rule.trials in {0, *accumulate(sizes)}
