"""A dry run: calls, tokens and money per model before anything is spent; nothing is called or kept."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from servers import Answer, Received, Server, openai_completion, serving
from swapgate.api import run
from swapgate.cli import main
from swapgate.engine.estimate import Estimator, size_of
from swapgate.engine.forecasting import forecast
from swapgate.engine.workspace import Workspace
from swapgate.errors import UsageError
from swapgate.memory.stored_responses import Sample
from swapgate.records import Json, Message, Request
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import resolve_settings
from workspaces import JUDGE, JUDGED_SUITE, case, lay, recorded_workspace, suite

Pytester = pytest.Pytester
RIGHT = '{"label": "billing"}'
PASS = '{"evidence": [], "reasoning": "It agrees.", "agrees": "pass"}'
USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
# What one answer and one verdict of the server cost.
EACH, VERDICT = (100 * 10 + 50 * 20) / 1e6, (100 * 1 + 50 * 2) / 1e6


def answering(request: Received) -> Answer:
    is_judge = request.json["model"] == "judge-1"
    return Answer({**openai_completion(PASS if is_judge else RIGHT), "usage": USAGE})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789abcdef")
    monkeypatch.delenv("CI", raising=False)
    with serving(answering) as started:
        yield started


def lay_priced(root: Path, url: str, *, cases: int = 4, repeat_first: bool = False, **more: Any) -> None:
    shared = {"provider": "openai-compatible", "base_url": f"{url}/v1", "api_key_env": "PLANTED_KEY"}
    limit = {"max_tokens": 1000}
    models = {
        "candidate": {
            **shared,
            "model": "m-1",
            "params": limit,
            "price": {"input": 10, "output": 20},
            **more,
        },
        "judge": {**shared, "model": "judge-1", "price": {"input": 1, "output": 2}},
    }
    written = [case(f"case-{n}") for n in range(cases)]
    if repeat_first:
        written.append({**written[0], "id": "twin"})
    lay(
        root,
        {
            "cases/triage.yml": suite(written, head=JUDGED_SUITE),
            "judges/meaning.yml": JUDGE,
            "config/models.yml": json.dumps({"models": models}),
        },
    )


def estimated(
    capsys: pytest.CaptureFixture[str], root: Path, *arguments: str, model: str = "candidate"
) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["estimate", "--root", str(root), "--json", "--model", model, *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_nothing_is_called_created_or_run(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url)
    before = sorted(pytester.path.rglob("*"))
    result = pytester.runpytest("--model=candidate", "--dry-run", "-p", "no:cacheprovider")
    assert result.ret == 0
    assert server.requests == []
    assert sorted(pytester.path.rglob("*")) == before
    result.stdout.fnmatch_lines(
        [
            "dry run: nothing was called. 4 trials would take:",
            "*calls*cached*tokens in*at most*tokens out*at most*cost*at most",
            "candidate *4 * 0 *",
            "judge (judge) *<= 4 * 0 *",
            "total *<= 8 * 0 *",
            "how long that takes with 16 calls at once is not known before there are stored answers",
            "<=: judges are asked only where an answer's structure passes",
            "no counted answer of candidate, judge is stored: taken to be 4 characters a token, *",
            "*no tests ran*",
        ]
    )


def test_after_a_run_everything_is_at_hand_and_its_price_is_what_the_cache_saves(
    pytester: Pytester, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_priced(pytester.path, server.url)
    assert pytester.runpytest("--model=candidate").ret == 0
    asked = len(server.requests)
    result = pytester.runpytest("--model=candidate", "--dry-run")
    assert len(server.requests) == asked == 8
    result.stdout.fnmatch_lines(
        ["the cache saves $0.0088: 8 answers need no call", "nothing needs to be called"]
    )
    found = estimated(capsys, pytester.path)
    assert (found["total"]["calls"], found["total"]["to_send"]) == (8, 0)
    assert found["total"]["saved_usd"] == pytest.approx(4 * (EACH + VERDICT))


def test_a_rerun_of_a_live_run_is_estimated_by_what_it_took(
    pytester: Pytester, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_priced(pytester.path, server.url)
    assert pytester.runpytest("--model=candidate").ret == 0
    found = estimated(capsys, pytester.path, "--repeats", "3")
    model, judge = found["rows"]
    assert (model["calls"], model["cached"], model["is_measured"]) == (12, 4, True)
    assert (model["tokens_in"], model["tokens_out"]) == (800, 400)
    assert model["cost_usd"] == pytest.approx(8 * EACH)
    assert model["most_usd"] >= 8 * (100 * 10 + 1000 * 20) / 1e6
    assert (judge["calls"], judge["cached"], judge["is_at_most"]) == (12, 4, True)
    assert found["seconds"] is not None


def test_a_task_is_estimated_like_the_model_that_it_names(
    pytester: Pytester, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_priced(pytester.path, server.url, provider="openai")
    models = pytester.path / "config/models.yml"
    models.write_text(
        json.dumps({**json.loads(models.read_text()), "tasks": {"triage": {"model": "candidate"}}})
    )
    assert pytester.runpytest("--model=triage").ret == 0
    for more in ((), ("--repeats", "3")):
        as_task = estimated(capsys, pytester.path, *more, model="triage")
        assert as_task == estimated(capsys, pytester.path, *more)
    monkeypatch.setenv("SWAPGATE_BATCH", "true")
    assert estimated(capsys, pytester.path, "--repeats", "3", model="triage")["batched"] == ["candidate"]


def test_the_estimate_of_a_run_is_near_what_it_then_costs(
    pytester: Pytester, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_priced(pytester.path, server.url, cases=3)
    assert pytester.runpytest("--model=candidate").ret == 0
    lay_priced(pytester.path, server.url, cases=8)
    found = estimated(capsys, pytester.path)
    sent = len(server.requests)
    assert pytester.runpytest("--model=candidate").ret == 0
    assert found["total"]["to_send"] == len(server.requests) - sent == 10
    paid = 5 * (EACH + VERDICT)
    assert found["total"]["cost_usd"] == pytest.approx(paid, rel=0.1)
    assert found["total"]["most_usd"] > paid


def test_the_selection_counts_and_live_reads_no_cache(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url)
    assert pytester.runpytest("--model=candidate").ret == 0
    result = pytester.runpytest("--model=candidate", "--dry-run", "--live", "-k", "case-1 or case-2")
    result.stdout.fnmatch_lines(["dry run: nothing was called. 2 trials would take:", "candidate *2 * 0 *"])
    assert len(server.requests) == 8


def test_the_same_request_twice_is_sent_once_and_paid_once(
    pytester: Pytester, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_priced(pytester.path, server.url, cases=2, repeat_first=True)
    found = estimated(capsys, pytester.path)
    assert [(row["calls"], row["to_send"]) for row in found["rows"]] == [(3, 2), (3, 3)]
    result = pytester.runpytest("--model=candidate", "--report=json")
    assert len([one for one in server.requests if one.json["model"] == "m-1"]) == 2
    assert len(server.requests) == 4
    result.stdout.fnmatch_lines(["paid this time: $0.0044; the cache saved $0.0022"])


def test_an_unknown_price_is_named_and_left_out(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url, price=None)
    result = pytester.runpytest("--model=candidate", "--dry-run")
    result.stdout.fnmatch_lines(
        [
            "candidate *unknown*unknown",
            "total *at least $*at least $*",
            "no price is known of candidate: write price: in models.yml. The total leaves them out",
        ]
    )


def test_a_missing_key_is_a_note_and_no_obstacle(
    pytester: Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_priced(pytester.path, server.url)
    monkeypatch.delenv("PLANTED_KEY")
    result = pytester.runpytest("--model=candidate", "--dry-run")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["note: *needs the environment variable PLANTED_KEY*"])


def test_recorded_answers_are_at_hand(pytester: Pytester) -> None:
    recorded_workspace(pytester.path, {"a": {"one": RIGHT, "two": RIGHT}, "b": {"one": RIGHT}})
    result = pytester.runpytest("--model=a", "--baseline=b", "--dry-run")
    result.stdout.fnmatch_lines(
        [
            "b (baseline) *1 * 1 *",
            "a *2 * 2 *",
            "nothing needs to be called",
            "note: b has no recorded answer: an error of its trial",
        ]
    )


def test_mistakes_and_workers_stop_it(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url)
    refused = pytester.runpytest("--model=candidate", "--dry-run", "-n1")
    assert refused.ret == 4
    refused.stderr.fnmatch_lines(["*--dry-run counts in one process*leave out -n*"])
    lay(pytester.path, {"cases/broken.yml": "suite: broken\ncasess: []\n"})
    assert pytester.runpytest("--model=candidate", "--dry-run").ret == 2


def test_a_baseline_that_the_run_would_refuse_is_refused(
    pytester: Pytester, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_priced(pytester.path, server.url)
    result = pytester.runpytest("--model=candidate", "--baseline=nobody", "--dry-run")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*'nobody'*"])
    mistyped = pytester.runpytest("--model=candidate", "--baseline=jugde", "--dry-run")
    mistyped.stderr.fnmatch_lines(["*no model 'jugde'. Did you mean 'judge'? And *'jugde'*no history yet*"])
    assert main(["estimate", "--root", str(pytester.path), "--model=candidate", "--baseline=nobody"]) == 4
    assert "'nobody'" in capsys.readouterr().err


def test_batches_are_expected_at_half_the_price_and_at_most_at_that_of_live_calls(
    pytester: Pytester, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_priced(pytester.path, server.url, provider="openai")
    live = estimated(capsys, pytester.path)
    monkeypatch.setenv("SWAPGATE_BATCH", "true")
    found = estimated(capsys, pytester.path)
    # The judge's service has no batch API.
    assert found["batched"] == ["candidate"]
    assert found["seconds"] is None
    assert found["rows"][0]["cost_usd"] == pytest.approx(live["rows"][0]["cost_usd"] / 2)
    assert found["rows"][0]["most_usd"] == live["rows"][0]["most_usd"]
    assert found["rows"][1] == live["rows"][1]
    result = pytester.runpytest("--model=candidate", "--dry-run")
    result.stdout.fnmatch_lines(["candidate in batches: within a day, mostly much sooner. *"])


def test_trials_of_a_model_that_is_not_under_test_are_counted_too(tmp_path: Path, server: Server) -> None:
    lay_priced(tmp_path, server.url)
    catalogue = json.loads((tmp_path / "config/models.yml").read_text())
    catalogue["models"]["third"] = {**catalogue["models"]["candidate"], "model": "m-3"}
    lay(tmp_path, {"config/models.yml": json.dumps(catalogue)})
    workspace = Workspace(resolve_settings(tmp_path, {"model": ["candidate"]}, {}))
    jobs = workspace.jobs(workspace.suite(tmp_path / "cases/triage.yml"))
    others = [replace(job, model="third") for job in jobs]
    counted = {(row.model, row.role): row.calls for row in forecast(workspace, [*jobs, *others]).rows}
    assert counted == {("candidate", "candidate"): 4, ("third", "candidate"): 4, ("judge", "judge"): 8}
    assert server.requests == []


def test_python_is_told_to_use_the_command(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url)
    with pytest.raises(UsageError, match="dry_run calls nothing, so no outcome can be returned"):
        run(model="candidate", root=pytester.path, dry_run=True)
    assert server.requests == []


def test_a_cache_that_a_run_is_writing_to_can_be_read(
    pytester: Pytester, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_priced(pytester.path, server.url)
    assert pytester.runpytest("--model=candidate").ret == 0
    path = pytester.path / ".swapgate" / "cache.db"
    with sqlite3.connect(path) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("DELETE FROM responses WHERE about LIKE '%judge%'")
        writer.commit()
        assert path.with_name("cache.db-wal").exists()
        assert estimated(capsys, pytester.path)["total"]["to_send"] == 4
    writer.close()


def request(text: str, **fields: Any) -> Request:
    return Request(model="m", messages=(Message(role="user", content=text),), case="c", suite="s", **fields)


SPEC = ModelSpec(name="m", provider="vllm", model="m")


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("Please review the following change and say whether it may be merged. " * 20, 260, 400),
        ("人工智能正在改变世界" * 50, 300, 550),
        ("Искусственный интеллект меняет мир. " * 30, 250, 750),
        ("", 0, 0),
    ],
)
def test_the_usual_ratio_is_near_what_tokenizers_give(text: str, low: int, high: int) -> None:
    """Sources in engine/estimate.py: English 4 to 4.8 characters a token, Chinese 1.1 to 1.7."""
    size = size_of(request(text))
    assert low <= size.tokens <= high
    assert size.most_tokens >= size.tokens


def test_what_is_measured_wins_over_what_is_usual() -> None:
    text = "x" * 1000
    sent = Sample("m", "model", "s", "c", 1000, 333, 80, 2.0)
    other = Sample("m", "model", "s", "d", 500, 100, 40, 4.0)
    usual = Estimator().expect(SPEC, request(text), role="model")
    ratio = Estimator([other]).expect(SPEC, request(text), role="model")
    again = Estimator([sent, other]).expect(SPEC, request(text), role="model")
    assert (usual.tokens_in, usual.tokens_out, usual.is_measured) == (250, 400, False)
    assert (ratio.tokens_in, ratio.tokens_out, ratio.is_measured) == (200, 40, True)
    assert (again.tokens_in, again.tokens_out, again.most_in) == (333, 60, 340)
    assert Estimator([sent, other]).latency_s("m") == 3.0
    bounded = Estimator([sent]).expect(SPEC, request(text, params={"max_tokens": 10}), role="model")
    assert (bounded.tokens_out, bounded.most_out) == (10, 10)


@pytest.mark.parametrize(
    ("params", "most"),
    [
        ({"max_tokens": 64, "max_completion_tokens": 8000}, 8000),
        ({"maxOutputTokens": 8000, "max_tokens": 64}, 8000),
        ({"max_tokens": 64, "n": 4}, 256),
        ({"max_tokens": 64, "n": 0}, 64),
    ],
)
def test_the_most_is_the_highest_limit_for_each_of_the_answers(params: Mapping[str, Json], most: int) -> None:
    """One place may bound an answer under several names, and the provider decides which holds."""
    assert Estimator().expect(SPEC, request("x", params=params), role="model").most_out == most


def test_a_server_that_counts_far_more_than_is_usual_is_believed() -> None:
    dear = Sample("m", "model", "s", "d", 10, 100, 40, 4.0)
    expected = Estimator([dear]).expect(SPEC, request("x" * 20), role="model")
    assert (expected.tokens_in, expected.most_in) == (200, 400)


# Panels and escalation.


def judged_by(*, cheap: str = PASS) -> Any:
    """Answer for the candidate, two members of a panel, and the model that they escalate to."""

    def answer(request: Received) -> Answer:
        said = {"m-1": RIGHT, "judge-1": cheap}.get(request.json["model"], PASS)
        return Answer({**openai_completion(said), "usage": USAGE})

    return answer


def lay_judge(root: Path, url: str, judge: dict[str, Any], **keys: Any) -> None:
    """Lay the priced workspace with judges `judge`, `second` and `dear`, ten times as dear."""
    lay_priced(root, url, **keys)
    models = json.loads((root / "config/models.yml").read_text(encoding="utf-8"))
    one = models["models"]["judge"]
    models["models"]["second"] = {**one, "model": "judge-2"}
    models["models"]["dear"] = {**one, "model": "judge-3", "price": {"input": 10, "output": 20}}
    written = {"judge": "meaning", "criteria": {"agrees": {"ask": "Right?"}}, "pass": "agrees", **judge}
    lay(root, {"config/models.yml": json.dumps(models), "judges/meaning.yml": json.dumps(written)})


def rows_of(found: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["model"], row["role"]): row for row in found["rows"]}


def test_every_member_of_a_panel_is_counted(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_judge(tmp_path, server.url, {"model": ["judge", "second"], "samples": 3})
    rows = rows_of(estimated(capsys, tmp_path))
    assert [rows[name, "judge"]["to_send"] for name in ("judge", "second")] == [12, 12]


def test_an_escalation_that_is_not_known_yet_is_counted_in_full_and_said_to_be(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_judge(tmp_path, server.url, {"model": "judge", "escalate": {"to": "dear"}})
    row = rows_of(estimated(capsys, tmp_path))["dear", "escalation"]
    assert (row["to_send"], row["is_at_most"]) == (4, True)
    assert main(["estimate", "--root", str(tmp_path), "--model", "candidate"]) == 0
    said = capsys.readouterr().out
    asked = "it is asked only where the judge before it is unsure"
    assert f"<=: dear (escalation) is counted for every verdict; {asked}" in said
    assert not server.requests


@pytest.mark.parametrize(("cheap", "escalated"), [(PASS, 0), (PASS.replace('"pass"', '"cannot_assess"'), 4)])
def test_what_stored_replies_decide_is_not_guessed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    cheap: str,
    escalated: int,
) -> None:
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789abcdef")
    with serving(judged_by(cheap=cheap)) as server:
        lay_judge(tmp_path, server.url, {"model": "judge"})
        run(model="candidate", root=tmp_path)
        lay_judge(tmp_path, server.url, {"model": "judge", "escalate": {"to": "dear"}})
        found = estimated(capsys, tmp_path)
        row = rows_of(found).get(("dear", "escalation"))
        assert (row["to_send"] if row else 0) == escalated
        assert not (row and row["is_at_most"])
        before = len(server.requests)
        run(model="candidate", root=tmp_path)
        assert len(server.requests) - before == escalated == found["total"]["to_send"]


def test_a_budget_holds_for_all_models_of_a_judge(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_judge(tmp_path, server.url, {"model": ["judge", "second"], "escalate": {"to": "dear"}})
    outcome = run(model="candidate", root=tmp_path, max_cost=0.05)
    paid = sum((f.paid_usd or 0) + (f.judge_paid_usd or 0) for f in outcome.facts)
    assert paid <= 0.05
    models = json.loads((tmp_path / "config/models.yml").read_text(encoding="utf-8"))
    del models["models"]["dear"]["price"]
    lay(tmp_path, {"config/models.yml": json.dumps(models)})
    with pytest.raises(UsageError, match="nobody knows what 'dear' costs"):
        run(model="candidate", root=tmp_path, max_cost=1.0)
