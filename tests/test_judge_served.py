"""A judge whose model the service swaps under the same name: a run that sees both says so."""

from __future__ import annotations

import json

import pytest

from servers import Answer, Received, openai_completion, serving
from swapgate.facts import facts_of, pack, unpack
from test_rejudge import is_judge, lay_judged, says
from workspaces import newest_run


@pytest.mark.parametrize("ids", [("judge-1-2026-01-01",), ("judge-1-2026-01-01", "judge-1-2026-06-01")])
def test_judge_served_under_two_ids_is_warned_of(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ids: tuple[str, ...]
) -> None:
    judged = 0

    def answers(request: Received) -> Answer:
        nonlocal judged
        if not is_judge(request):
            number = request.body.decode().partition("case-")[2][:1]
            return Answer(openai_completion(json.dumps({"label": "billing", "about": number})))
        judged += 1
        return Answer(openai_completion(says("pass")) | {"model": ids[judged % len(ids)]})

    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    with serving(answers) as server:
        lay_judged(pytester.path, server.url)
        result = pytester.runpytest("--model=candidate")
    warned = "judge meaning: its model judge was served as" in result.stdout.str()
    assert warned is (len(ids) > 1)
    _run, trials = newest_run(pytester.path)
    facts = [facts_of(trial) for trial in trials]
    assert {served for one in facts for calls in one.judging for _model, served in calls.served} == set(ids)
    assert unpack(list(map(pack, facts))) == facts
