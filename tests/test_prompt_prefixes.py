"""How much of a call equals the one before it: what providers cache of a prompt is its beginning."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import pytest

from swapgate.engine.trial import render_case, request_of
from swapgate.engine.workspace import Job, Workspace
from swapgate.judging.subject import Judged
from swapgate.records import Message
from swapgate.spec.settings import resolve_settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    """The example workspace of this repository."""
    return Workspace(resolve_settings(ROOT, {"model": ["gpt-5.5"]}, {}))


def jobs(workspace: Workspace, suite: str) -> list[Job]:
    return workspace.jobs(workspace.suite(ROOT / "cases" / f"{suite}.yml"))


def common(first: Sequence[Message], second: Sequence[Message]) -> str:
    """Return the beginning that two calls share, roles included."""
    texts = ["".join(f"\n{m.role}:\n{m.content}" for m in messages) for messages in (first, second)]
    equal = takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False))
    return "".join(character for character, _ in equal)


@pytest.mark.parametrize("suite", ["code_review", "ticket_triage"])
def test_calls_of_one_suite_share_everything_up_to_the_cases_own_text(
    workspace: Workspace, suite: str
) -> None:
    spec = workspace.model("gpt-5.5")
    pair = jobs(workspace, suite)[:2]
    first, second = (request_of(job, spec, render_case(job, spec)).messages for job in pair)
    shared = common(first, second)
    own = next(iter(pair[0].case.placed.case.input.values()))
    before = "".join(f"\n{m.role}:\n{m.content}" for m in first).partition(str(own).strip()[:40])[0]
    assert first[0].role == "system"
    assert first[0].content in shared
    assert shared.startswith(before)
    assert len(before) > 200


def judge_messages(job: Job, output: str) -> Sequence[Message]:
    case = job.case.placed.case
    judged = Judged(
        output=output, variables=case.input, messages=tuple(case.messages), expected=case.expected
    )
    (judge,) = job.case.judges
    (request,) = judge.requests(judged, suite=job.suite.name, case=case.id)
    return request.messages


def test_judge_calls_about_one_case_share_input_reference_and_rubric(workspace: Workspace) -> None:
    """Of the candidate and its baseline, of repeats and of samples: only the answer comes after."""
    job = jobs(workspace, "code_review")[0]
    first, second = judge_messages(job, "The change is fine."), judge_messages(job, "It must not be merged.")
    shared = common(first, second)
    judge = job.case.judges[0]
    assert all(criterion.ask.strip() in shared for criterion in judge.spec.criteria.values())
    assert str(next(iter(job.case.placed.case.input.values()))).strip()[:40] in shared
    assert len(shared) > 0.75 * len("".join(m.content for m in first))


def test_judge_calls_about_two_cases_share_the_system_text(workspace: Workspace) -> None:
    """The rubric stands behind the input: a long one belongs into the judge's `system`."""
    first, second = (judge_messages(job, "The change is fine.") for job in jobs(workspace, "code_review")[:2])
    shared = common(first, second)
    assert first[0].role == "system"
    assert shared.startswith(f"\nsystem:\n{first[0].content}")


def test_the_calls_of_one_prompt_follow_each_other(workspace: Workspace) -> None:
    """Suite by suite and case by case: while a prompt is in use, its cached beginning stays warm."""
    both = [job for suite in ("code_review", "ticket_triage") for job in jobs(workspace, suite)]
    names = [job.suite.name for job in both]
    assert names == sorted(names, key=["code_review", "ticket_triage"].index)
