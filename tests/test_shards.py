"""`--shard K/N`: which cases a shard has, what it says of itself, what it ends with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapgate import run
from swapgate.errors import UsageError
from swapgate.runs.shards import share_out
from swapgate.spec.settings import resolve_settings
from workspaces import BLIND, RIGHT, newest_run, recorded_workspace

NAMES = [f"case-{number}" for number in range(20)]
GATE = {"semantic": {"min": 0.5, "on": "point"}}
MISSES = {"case-2", "case-7"}
ANSWERS = {"new": {name: BLIND if name in MISSES else RIGHT for name in NAMES}}


def lay_suite(root: Path, **options: object) -> None:
    recorded_workspace(root, ANSWERS, gate=GATE, **options)  # type: ignore[arg-type]


def selected(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    """Return the ids of the items that pytest would run."""
    result = pytester.runpytest("--model=new", "--collect-only", "-q", *arguments)
    return [line.partition("::")[2] for line in result.outlines if line.startswith("cases/")]


# Sharing out


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1), st.integers(1, 50), max_size=40), st.integers(1, 12))
def test_shares_hold_every_cluster_once_and_are_about_even(sizes: dict[str, int], count: int) -> None:
    shares = share_out(sizes, count)
    assert shares.keys() == sizes.keys()
    assert set(shares.values()) <= set(range(count))
    totals = Counter(dict.fromkeys(range(count), 0))
    for cluster, place in shares.items():
        totals[place] += sizes[cluster]
    assert max(totals.values()) - min(totals.values()) <= max(sizes.values(), default=0)


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1), st.integers(1, 50), max_size=40), st.randoms())
def test_shares_do_not_depend_on_the_order(sizes: dict[str, int], random: object) -> None:
    names = list(sizes)
    random.shuffle(names)  # type: ignore[attr-defined]
    assert share_out({name: sizes[name] for name in names}, 4) == share_out(sizes, 4)


def test_shards_part_the_cases_and_keep_models_and_repeats_together(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, {**ANSWERS, "old": ANSWERS["new"]}, gate=GATE)
    arguments = ("--baseline=old", "--repeats=2")
    shards = [selected(pytester, f"--shard={number}/3", *arguments) for number in (1, 2, 3)]
    assert sorted(name for shard in shards for name in shard) == sorted(selected(pytester, *arguments))
    cases = [{name.partition("[")[0] for name in shard} for shard in shards]
    assert not (cases[0] & cases[1] | cases[0] & cases[2] | cases[1] & cases[2])
    assert sorted(map(len, shards)) == [24, 28, 28]


def test_shards_part_a_selection_and_never_a_cluster(pytester: pytest.Pytester) -> None:
    clusters = {name: f"repo-{number % 5}" for number, name in enumerate(NAMES)}
    lay_suite(pytester.path, clusters=clusters)
    shards = [selected(pytester, f"--shard={number}/2", "-k", "not case-1") for number in (1, 2)]
    assert sorted(name for shard in shards for name in shard) == sorted(
        selected(pytester, "-k", "not case-1")
    )
    own = [{clusters[name.partition("[")[0]] for name in shard} for shard in shards]
    assert own[0]
    assert own[1]
    assert not own[0] & own[1]


def test_shard_is_the_same_whatever_another_plugin_does_to_the_order(pytester: pytest.Pytester) -> None:
    lay_suite(pytester.path)
    before = selected(pytester, "--shard=2/3")
    pytester.makeconftest(
        "import pytest\n"
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_collection_modifyitems(items):\n"
        "    items.reverse()\n"
    )
    assert selected(pytester, "--shard=2/3") == before[::-1]


# What a shard says and ends with


def test_shards_misses_fail_nothing_and_its_record_knows_the_whole(pytester: pytest.Pytester) -> None:
    lay_suite(pytester.path)
    shares = []
    for number in (1, 2, 3):
        result = pytester.runpytest("--model=new", f"--shard={number}/3")
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            [
                f"swapgate: shard {number}/3 of 20 trials",
                f"gate not judged: shard {number}/3, `swapgate merge` judges the shards together",
            ]
        )
        run, trials = newest_run(pytester.path)
        assert run.shard is not None
        assert (run.planned, run.wanted, run.is_complete, run.is_partial) == (len(trials), 20, True, True)
        shares.append((run.shard.plan, run.shard.sizes, {trial.case for trial in trials}))
    assert len({plan for plan, _sizes, _cases in shares}) == 1
    assert shares[0][1] == tuple(len(cases) for _plan, _sizes, cases in shares)
    assert set().union(*(cases for _plan, _sizes, cases in shares)) >= MISSES


def test_ordinary_failure_fails_its_shard(pytester: pytest.Pytester) -> None:
    lay_suite(pytester.path)
    pytester.makepyfile(test_other="def test_fails():\n    assert False\n")
    result = pytester.runpytest("--model=new", "--shard=1/3", "cases", "test_other.py")
    assert result.ret == 1


def test_stopped_shard_keeps_pytests_code_and_says_why(pytester: pytest.Pytester) -> None:
    lay_suite(pytester.path)
    results = [pytester.runpytest("--model=new", f"--shard={number}/2", "-x") for number in (1, 2)]
    assert 1 in [result.ret for result in results]
    problems = []
    for result in results:
        if result.ret == 1:
            result.stdout.fnmatch_lines(["gate not judged: the session stopped early*"])
            problems.append(result)
    assert problems


def test_shard_without_a_case_ends_well(pytester: pytest.Pytester) -> None:
    lay_suite(pytester.path)
    arguments = ("--model=new", "-k", "case-0")
    codes = [pytester.runpytest(*arguments, f"--shard={number}/3") for number in (1, 2, 3)]
    assert [result.ret for result in codes] == [0, 0, 0]
    codes[2].stdout.fnmatch_lines(["swapgate: shard 3/3 of 1 trials; none of them falls to it"])
    assert pytester.runpytest(*arguments[:2], "no-such-case", "--shard=1/3").ret == 5


def test_strict_plan_counts_the_cases_of_all_shards(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, ANSWERS, gate={"semantic": {"min": 0.8}})
    assert pytester.runpytest("--model=new", "--shard=1/4", "--strict-plan").ret == 0


@pytest.mark.parametrize("value", ["0/3", "4/3", "x", "3", "1/0", "-1/3", "1/3/5", "1/99999"])
def test_wrong_shard_is_refused_with_what_to_write(tmp_path: Path, value: str) -> None:
    with pytest.raises(UsageError, match=f"option 'shard' must be K/N, .* such as 1/3.* got '{value}'"):
        resolve_settings(tmp_path, {"shard": value}, {})


def test_wrong_shard_is_a_usage_error(pytester: pytest.Pytester) -> None:
    lay_suite(pytester.path)
    result = pytester.runpytest("--model=new", "--shard=4/3")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*option 'shard' must be K/N*"])


def test_shard_may_not_stop_early(pytester: pytest.Pytester) -> None:
    lay_suite(pytester.path)
    result = pytester.runpytest("--model=new", "--shard=1/3", "--stop-early")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--stop-early*a shard has its own alone*"])


def test_shard_comes_from_the_environment_too(tmp_path: Path) -> None:
    assert resolve_settings(tmp_path, {}, {"SWAPGATE_SHARD": "2/3"}).shard == (2, 3)


def test_workers_share_a_shard_out(pytester: pytest.Pytester) -> None:
    lay_suite(pytester.path)
    for options in (("-n", "2"), ("-p", "no:xdist")):
        result = pytester.runpytest("--model=new", "--shard=2/3", *options)
        assert result.ret == 0
        result.stdout.fnmatch_lines(["*gate not judged: shard 2/3*"])
    with_workers, alone = stored_runs(pytester.path)
    assert with_workers == alone


def test_empty_shard_ends_well_with_workers(pytester: pytest.Pytester) -> None:
    lay_suite(pytester.path)
    result = pytester.runpytest("--model=new", "--shard=3/3", "-n", "2", "-k", "case-0")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*swapgate: shard 3/3 of 1 trials; none of them falls to it*"])
    assert not (pytester.path / "reports").exists()


def stored_runs(root: Path) -> list[tuple[object, ...]]:
    from contextlib import closing

    from swapgate.memory.history import History

    with closing(History(root / ".swapgate" / "history.db")) as history:
        return [
            (run.shard, run.planned, run.is_complete, sorted(t.case for t in history.trials(run.id)))
            for run in history.runs()
        ]


def test_python_takes_shards_and_reruns_too(tmp_path: Path) -> None:
    recorded_workspace(tmp_path, {"new": {"one": RIGHT, "two": RIGHT, "three": BLIND}}, gate=GATE)
    outcomes = [run(model="new", root=tmp_path, shard=f"{number}/2") for number in (1, 2)]
    assert sorted(len(outcome.trials) for outcome in outcomes) == [1, 2]
    assert {outcome.gate.answer for outcome in outcomes} == {"not_judged"}
    whole = run(model="new", root=tmp_path)
    again = run(model="new", root=tmp_path, rerun_errors=True)
    assert (again.run.completes, again.gate) == (whole.run.id, whole.gate)
