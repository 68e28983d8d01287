"""From the running proxy to the decision: words compared as they go by, and a ramp that the proxy follows."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from processes import wait_for
from servers import Answer, openai_completion, serving
from shadowing import Shadow, shadowing
from swapgate.cli import main
from swapgate.shadow.comparing.likeness import from_stored
from swapgate.shadow.store import ShadowStore
from workspaces import lay

SUITE = """\
suite: review
prompt: {user: "{{ diff }}"}
checks: [{json: strict}, {enum: {pointer: /label, values: [yes, no]}}]
cases: [{id: one, input: {diff: x}}]
"""
CRITERIA = "compare: {review: {suite: review, similarity: none}}\n"
FENCED = '```json\n{"label": "no"}\n```'


def ask(shadow: Shadow, user: str) -> str:
    body = {"model": "old-1", "messages": [{"role": "user", "content": "secret words"}]}
    reply = httpx.post(f"{shadow.url}/v1/chat/completions", json=body, headers={"x-user": user})
    return str(reply.json()["choices"][0]["message"]["content"])


def test_words_are_compared_as_they_go_by_and_never_stored(tmp_path: Path) -> None:
    lay(tmp_path, {"cases/review.yml": SUITE, "config/promote.yml": CRITERIA})
    with (
        serving(Answer(openai_completion('{"label": "yes"}'))) as control,
        serving(Answer(openai_completion(FENCED))) as candidate,
        shadowing(
            tmp_path, control=control.url, candidate=candidate.url, route={"again_share": 1.0}
        ) as shadow,
    ):
        ask(shadow, "u")
        shadow.wait_for_exchanges(1)
        with closing(ShadowStore(shadow.store)) as store:
            [one] = list(store.exchanges())
    assert one.exchange.request is None
    assert one.comparison is not None
    found = from_stored(one.comparison)
    assert found.candidate is not None
    assert found.again is not None
    assert found.candidate.differs_in == ("structure", "fields")
    assert found.candidate_failed == ("json",)
    assert found.again.differs_in == ()
    assert b"secret words" not in shadow.store.read_bytes()


def test_mistaken_criteria_keep_nobody_from_being_served(tmp_path: Path) -> None:
    lay(tmp_path, {"config/promote.yml": "compare: {review: {suite: nowhere}}\n"})
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(tmp_path, control=control.url, candidate=candidate.url) as shadow,
    ):
        assert ask(shadow, "u") == "old"
        shadow.wait_for_exchanges(1)


def test_the_running_proxy_follows_a_ramp_and_its_rollback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(
            tmp_path, control=control.url, candidate=candidate.url, route={"sticky": "header:x-user"}
        ) as shadow,
    ):
        assert ask(shadow, "u") == "old"
        shadow.wait_for_exchanges(1)
        assert main(["shadow", "promote", "--json"]) == 10
        assert json.loads(capsys.readouterr().out)["verdict"] == "inconclusive"
        forced = ["ramp", "advance", "review", "--to", "1", "--force", "--why", "a test"]
        assert main(["shadow", *forced]) == 0
        wait_for(lambda: ask(shadow, "u") == "new")
        assert main(["shadow", "ramp", "rollback", "review", "--why", "enough"]) == 0
        wait_for(lambda: ask(shadow, "u") == "old")
        wait_for(lambda: any(one.served == "candidate" for one in shadow.exchanges()))
