"""The same engine from Python."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import swapgate
from swapgate.errors import UsageError
from workspaces import BLIND, RIGHT, recorded_workspace

GATE = {"semantic": {"min": 0.5, "on": "point"}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    names = [f"case-{n}" for n in range(40)]
    worse = {name: BLIND if n < 10 else RIGHT for n, name in enumerate(names)}
    recorded_workspace(tmp_path, {"old": dict.fromkeys(names, RIGHT), "new": worse}, gate=GATE)
    return tmp_path


def test_run_returns_the_outcome_and_a_frame_with_a_row_a_trial(root: Path) -> None:
    outcome = swapgate.run("cases/triage.yml", model="new", root=root)
    assert outcome.gate.answer == "pass"
    frame = outcome.to_frame()
    assert len(frame) == 40
    assert frame["outcome"].value_counts().to_dict() == {"passed": 30, "missed": 10}
    assert frame["blind_pass"].sum() == 10
    assert not (root / "reports").exists()


def test_whole_workspace_is_run_without_a_path_and_remembered(root: Path) -> None:
    first = swapgate.run(model="old", root=root)
    second = swapgate.run(model="new", root=root, baseline=first.run.id)
    (comparison,) = second.comparisons
    assert comparison.baseline == f"old@{first.run.id}"
    assert len(comparison.regressed) == 10
    assert second.gate.answer == "fail"


def test_compare_two_outcomes(root: Path) -> None:
    old, new = (swapgate.run(model=name, root=root) for name in ("old", "new"))
    comparison = swapgate.compare(new, old)
    assert [flip.case for flip in comparison.regressed] == [f"case-{n}" for n in range(10)]
    assert comparison.fixed == ()


def test_run_works_inside_a_running_loop_as_in_a_notebook(root: Path) -> None:
    async def cell() -> int:
        return len(swapgate.run(model="old", root=root).trials)

    assert asyncio.run(cell()) == 40


def test_mistakes_are_raised_before_anything_is_called(root: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown model 'ndw'.*Did you mean 'new'"):
        swapgate.run(model="ndw", root=root)
    with pytest.raises(UsageError, match="repeats"):
        swapgate.run(model="new", root=root, repeats=0)
    with pytest.raises(UsageError, match="cases/nonesuch"):
        swapgate.run("cases/nonesuch.yml", model="new", root=root)
    assert not (root / ".swapgate").exists()


def test_strict_plan_refuses_a_suite_that_cannot_pass_and_warnings_are_kept(root: Path) -> None:
    gate = {"semantic": {"min": 0.99}}
    recorded_workspace(root, {"old": {f"case-{n}": RIGHT for n in range(40)}}, gate=gate)
    with pytest.raises(UsageError, match=r"--strict-plan: 40 cases .*at least \d+"):
        swapgate.run(model="old", root=root, strict_plan=True)
    warned = swapgate.run(model="old", root=root)
    assert any("40 cases" in text for text in warned.warnings)


def test_public_names_complete_before_they_are_used() -> None:
    assert {"run", "compare", "__version__"} <= set(dir(swapgate))
