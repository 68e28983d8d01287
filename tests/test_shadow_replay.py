"""A replay asks what was spooled or logged: once each, under a budget, through kills."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from processes import wait_for
from servers import Answer, Received, Server, anthropic_message, openai_completion, serving
from shadowing import environment, read_counts, read_exchanges, run_shadow, shadowing, write_workspace
from swapgate.errors import StoreError
from swapgate.memory.leasing import renewed
from swapgate.shadow.records import Exchange
from swapgate.shadow.store import ShadowStore

STORE = Path(".swapgate/shadow.db")


def replayed(root: Path, *arguments: str) -> dict[str, Any]:
    done = run_shadow(root, "replay", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def logged(number: int) -> dict[str, Any]:
    text = f"question {number} of ada@example.com"
    return {
        "request": {"model": "old-1", "messages": [{"role": "user", "content": text}]},
        "response": openai_completion(f"answer {number}"),
        "timestamp": 1795000000 + number,
        "latency_s": 1.5,
    }


def write_log(path: Path, count: int) -> Path:
    path.write_text("".join(json.dumps(logged(number)) + "\n" for number in range(count)))
    return path


def asked(server: Server) -> Counter[str]:
    return Counter(r.json["messages"][-1]["content"] for r in server.requests)


@pytest.fixture
def candidate() -> Iterator[Server]:
    with serving(Answer(openai_completion("new"))) as server:
        yield server


def workspace(root: Path, candidate: Server, **more: Any) -> Path:
    return write_workspace(root, control="http://127.0.0.1:9", candidate=candidate.url, **more)


def test_what_was_spooled_is_asked_later_and_its_content_is_dropped_then(tmp_path: Path) -> None:
    with (
        serving(Answer(openai_completion("old"))) as control,
        serving(Answer(openai_completion("new"))) as candidate,
        shadowing(tmp_path, control=control.url, candidate=candidate.url, route={"mode": "spool"}) as shadow,
    ):
        for number in range(5):
            body = {"model": "old-1", "messages": [{"role": "user", "content": f"{number} x@y.org"}]}
            httpx.post(f"{shadow.url}/v1/chat/completions", json=body)
        shadow.wait_for_exchanges(5, state="waiting")
        shadow.stop()
        assert candidate.requests == []
        told = replayed(tmp_path)
        assert (told["asked"], told["waiting"], told["outcomes"]) == (5, 0, {"answered": 5})
        assert set(asked(candidate)) == {f"{number} [email]" for number in range(5)}
        found = read_exchanges(tmp_path / STORE)
        assert {e.state for e in found} == {"whole"} and not any(e.has_content for e in found)
        assert all(e.redactions == {"email": 1} for e in found)
        assert replayed(tmp_path)["asked"] == 0


def test_a_spool_of_files_can_be_replayed_twice_and_is_asked_once(tmp_path: Path, candidate: Server) -> None:
    with (
        serving(Answer(openai_completion("old"))) as control,
        shadowing(
            tmp_path, control=control.url, candidate=candidate.url, route={"mode": "spool"}, spool="spooled"
        ) as shadow,
    ):
        for number in range(3):
            body = {"model": "old-1", "messages": [{"role": "user", "content": f"{number}"}]}
            httpx.post(f"{shadow.url}/v1/chat/completions", json=body)
        wait_for(lambda: shadow.counts().get("mirrored") == 3)
    assert len(list((tmp_path / "spooled").glob("*.jsonl"))) == 1
    assert replayed(tmp_path)["read"] == 3
    assert replayed(tmp_path)["read"] == 0
    assert asked(candidate).total() == 3


def test_a_killed_replay_goes_on_where_it_was(tmp_path: Path) -> None:
    with serving(Answer(openai_completion("new"), delay_s=0.05)) as candidate:
        workspace(tmp_path, candidate)
        log = write_log(tmp_path / "log.jsonl", 60)
        command = [
            sys.executable,
            "-m",
            "swapgate",
            "shadow",
            "replay",
            "--from",
            str(log),
            "--format",
            "openai",
        ]
        process = subprocess.Popen([*command, "--concurrency", "4"], cwd=tmp_path, env=environment())
        wait_for(lambda: len(candidate.requests) > 20)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # What a dead process holds is free again after its lease: here at once.
        with closing(ShadowStore(tmp_path / STORE)) as store:
            held = [e.key for e in (s.exchange for s in store.exchanges(state="waiting"))]
            before = 60 - len(held)
            store.renew(held, lease_s=0)
        told = replayed(tmp_path, "--from", str(log), "--format", "openai")
    assert told["read"] == 0 and told["asked"] == 60 - before and told["waiting"] == 0
    found = read_exchanges(tmp_path / STORE)
    assert len(found) == 60 and all(e.candidate is not None for e in found)
    # Only what was on its way when it was killed may have been asked a second time.
    twice = asked(candidate)
    assert len(twice) == 60 and twice.total() - 60 <= 4


def test_what_is_held_stays_held_though_the_store_was_busy_once() -> None:
    """Else another process would ask it too."""
    calls: list[None] = []

    def renew() -> None:
        calls.append(None)
        if len(calls) == 1:
            raise StoreError("another process has held it for 30 s")

    async def until_the_third() -> None:
        async with asyncio.timeout(60), renewed(renew, every_s=0.01):
            while len(calls) < 3:  # noqa: ASYNC110 - what is waited for is in the store
                await asyncio.sleep(0.01)

    asyncio.run(until_the_third())
    assert len(calls) >= 3


def test_an_interrupted_replay_gives_back_what_it_held(tmp_path: Path) -> None:
    with serving(Answer(openai_completion("new"), delay_s=0.2)) as candidate:
        workspace(tmp_path, candidate)
        log = write_log(tmp_path / "log.jsonl", 30)
        command = [
            sys.executable,
            "-m",
            "swapgate",
            "shadow",
            "replay",
            "--from",
            str(log),
            "--format",
            "openai",
        ]
        process = subprocess.Popen(
            [*command, "--concurrency", "2"],
            cwd=tmp_path,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: len(candidate.requests) > 4)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 2
        assert process.stderr is not None and "Traceback" not in process.stderr.read()
        process.stderr.close()
        with closing(ShadowStore(tmp_path / STORE)) as store:
            assert store.free_in_s() == 0


def test_two_replays_at_once_ask_everything_once(tmp_path: Path) -> None:
    with serving(Answer(openai_completion("new"), delay_s=0.02)) as candidate:
        workspace(tmp_path, candidate)
        log = write_log(tmp_path / "log.jsonl", 80)
        command = [
            sys.executable,
            "-m",
            "swapgate",
            "shadow",
            "replay",
            "--from",
            str(log),
            "--format",
            "openai",
        ]
        processes = [subprocess.Popen(command, cwd=tmp_path, env=environment()) for _ in range(2)]
        assert [process.wait(120) for process in processes] == [0, 0]
    assert set(asked(candidate).values()) == {1} and len(asked(candidate)) == 80


def test_a_replay_keeps_its_budget_and_the_rest_waits(tmp_path: Path, candidate: Server) -> None:
    workspace(tmp_path, candidate, route={"params": {"max_tokens": 10}})
    log = write_log(tmp_path / "log.jsonl", 30)
    arguments = ("--from", str(log), "--format", "openai")
    told = replayed(tmp_path, *arguments, "--max-cost", "0.0005")
    assert told["is_over_budget"] and told["cost_usd"] <= 0.0005
    assert 0 < told["asked"] < 30 and told["asked"] + told["waiting"] == 30
    assert replayed(tmp_path, "--limit", "2")["asked"] == 2
    assert replayed(tmp_path)["waiting"] == 0
    assert set(asked(candidate).values()) == {1}


def test_the_candidate_s_failures_are_records_too(tmp_path: Path) -> None:
    def answer(request: Received) -> Answer:
        bad = "question 1 " in request.json["messages"][0]["content"]
        return (
            Answer({"error": {"message": "no such parameter"}}, 400) if bad else Answer(openai_completion())
        )

    with serving(answer) as candidate:
        workspace(tmp_path, candidate)
        log = write_log(tmp_path / "log.jsonl", 4)
        told = replayed(tmp_path, "--from", str(log), "--format", "openai")
    assert told["outcomes"] == {"answered": 3, "bad_request": 1}
    assert sum(e.candidate.error_kind is not None for e in read_exchanges(tmp_path / STORE)) == 1


CHAT = {"role": "user", "content": "hi"}
SPAN = {
    "spanId": "ab12",
    "startTimeUnixNano": "1795000000000000000",
    "endTimeUnixNano": "1795000002500000000",
    "attributes": [
        {"key": "gen_ai.request.model", "value": {"stringValue": "old-1"}},
        {"key": "gen_ai.request.max_tokens", "value": {"intValue": "50"}},
        {"key": "gen_ai.response.model", "value": {"stringValue": "old-1-0501"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "5"}},
        {
            "key": "gen_ai.system_instructions",
            "value": {"stringValue": json.dumps([{"type": "text", "content": "Be brief."}])},
        },
        {
            "key": "gen_ai.input.messages",
            "value": {
                "stringValue": json.dumps(
                    [
                        {"role": "user", "parts": [{"type": "text", "content": "weather?"}]},
                        {
                            "role": "assistant",
                            "parts": [
                                {"type": "tool_call", "id": "c1", "name": "get", "arguments": {"q": 1}}
                            ],
                        },
                        {
                            "role": "tool",
                            "parts": [{"type": "tool_call_response", "id": "c1", "response": "rain"}],
                        },
                    ]
                )
            },
        },
        {
            "key": "gen_ai.output.messages",
            "value": {
                "stringValue": json.dumps(
                    [
                        {
                            "role": "assistant",
                            "parts": [{"type": "text", "content": "It rains."}],
                            "finish_reason": "stop",
                        }
                    ]
                )
            },
        },
    ],
}
LITELLM = {
    "id": "lit-1",
    "call_type": "acompletion",
    "stream": True,
    "status": "success",
    "model": "old-1",
    "messages": [CHAT],
    "response": openai_completion("from the gateway"),
    "startTime": 1795000000.0,
    "endTime": 1795000002.0,
    "completionStartTime": 1795000000.5,
    "model_parameters": {"temperature": 0.2, "stream": True},
    "request_tags": ["team:blue"],
    "end_user": "ada",
}
ANTHROPIC = {
    "request": {"model": "claude-x", "max_tokens": 9, "messages": [CHAT]},
    "response": anthropic_message("bonjour"),
    "at": "2026-11-20T10:00:00Z",
}
FORMATS: dict[str, tuple[str, Any, str, str]] = {
    "openai": ("openai", logged(1), "answer 1", "question 1 of [email]"),
    "fine-tuning": (
        "openai",
        {"messages": [CHAT, {"role": "assistant", "content": "hello"}], "timestamp": 1795000000},
        "hello",
        "hi",
    ),
    "anthropic": ("openai", ANTHROPIC, "bonjour", "hi"),
    "batch": (
        "openai",
        {
            "custom_id": "b1",
            "body": {"model": "old-1", "messages": [CHAT]},
            "response": {"status_code": 200, "body": {**openai_completion("batched"), "created": 1795000000}},
        },
        "batched",
        "hi",
    ),
    "litellm": ("litellm", LITELLM, "from the gateway", "hi"),
    "otel": ("otel", {"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}, "It rains.", "rain"),
}


def read_one(root: Path, candidate: Server, log_format: str, line: Any) -> Exchange:
    workspace(root, candidate, content=True)
    packed = root / "log.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(line).encode() + b"\n"))
    assert replayed(root, "--from", str(packed), "--format", log_format)["asked"] == 1
    [exchange] = read_exchanges(root / STORE)
    return exchange


@pytest.mark.parametrize("name", FORMATS)
def test_a_logged_exchange_is_read_and_its_candidate_asked_the_same(
    tmp_path: Path, candidate: Server, name: str
) -> None:
    log_format, line, answer, last = FORMATS[name]
    exchange = read_one(tmp_path, candidate, log_format, line)
    assert exchange.source == "log" and exchange.control is not None
    assert exchange.control.text == answer and exchange.control.finish_reason == "stop"
    assert list(asked(candidate)) == [last]
    assert exchange.candidate is not None and exchange.candidate.text == "new"


def test_what_a_gateway_and_a_span_know_beside_is_kept(tmp_path: Path, candidate: Server) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    lite = read_one(tmp_path / "a", candidate, "litellm", LITELLM)
    assert lite.control is not None
    assert (lite.control.latency_s, lite.control.ttft_s) == (2.0, 0.5)
    assert lite.tags == ("team:blue",) and lite.unit is not None and lite.at.startswith("2026-11-18")
    assert candidate.requests[-1].json["temperature"] == 0.2
    span = read_one(tmp_path / "b", candidate, "otel", FORMATS["otel"][1])
    assert span.control is not None and span.turns == 2
    assert (span.control.usage.tokens_in, span.control.latency_s) == (12, 2.5)
    sent = candidate.requests[-1].json
    assert sent["max_tokens"] == 50 and sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert sent["messages"][2]["tool_calls"][0]["function"]["name"] == "get"


@pytest.mark.parametrize(
    ("log_format", "line", "said"),
    [
        ("openai", '{"request": {}}', "log.jsonl:2: not a line of the format openai: it needs `request`"),
        ("openai", "{cut", "log.jsonl:2: not a line of the format openai"),
        ("litellm", '{"a": 1}', "standard_logging_object"),
        ("otel", "[]", "resourceSpans"),
        ("spool", '{"key": 1}', "Other logs are read with --format"),
        ("opena", "{}", "Did you mean 'openai'?"),
    ],
)
def test_a_wrong_line_is_told_with_its_place(
    tmp_path: Path, candidate: Server, log_format: str, line: str, said: str
) -> None:
    workspace(tmp_path, candidate)
    log = write_log(tmp_path / "log.jsonl", 1)
    good = "" if log_format != "openai" else log.read_text()
    log.write_text(f"{good}\n{line}\n" if not good else f"{good}{line}\n")
    done = run_shadow(tmp_path, "replay", "--from", "log.jsonl", "--format", log_format)
    assert done.returncode == 4 and said in done.stderr and "Traceback" not in done.stderr


def test_status_counts_and_purge_deletes(tmp_path: Path, candidate: Server) -> None:
    workspace(tmp_path, candidate, content=True)
    assert "nothing in .swapgate/shadow.db" in run_shadow(tmp_path, "status").stdout
    log = write_log(tmp_path / "log.jsonl", 3)
    replayed(tmp_path, "--from", str(log), "--format", "openai")
    shown = run_shadow(tmp_path, "status").stdout
    assert "2026-11-18  review  3" in shown
    told = json.loads(run_shadow(tmp_path, "status", "--json").stdout)
    assert told["exchanges"] == [{"day": "2026-11-18", "route": "review", "state": "whole", "exchanges": 3}]
    assert b"question 1" in (tmp_path / STORE).read_bytes()
    assert "3 lost what was said" in run_shadow(tmp_path, "purge", "--all", "--content").stdout
    assert b"question 1" not in (tmp_path / STORE).read_bytes()
    assert len(read_exchanges(tmp_path / STORE)) == 3
    assert (
        json.loads(run_shadow(tmp_path, "purge", "--before", "2026-11-19", "--json").stdout)["exchanges"] == 3
    )
    assert read_exchanges(tmp_path / STORE) == []
    assert read_counts(tmp_path / STORE)["spent_usd"] > 0
    for wrong in ((), ("--before", "soon"), ("--all", "--older-than", "3")):
        assert run_shadow(tmp_path, "purge", *wrong).returncode == 4


def test_what_is_replayed_is_compared_before_its_content_goes(tmp_path: Path, candidate: Server) -> None:
    workspace(tmp_path, candidate)
    log = write_log(tmp_path / "log.jsonl", 3)
    (tmp_path / "config" / "promote.yml").write_text("compare: {review: {suite: nowhere}}\n")
    refused = run_shadow(tmp_path, "replay", "--from", str(log), "--format", "openai")
    assert refused.returncode == 4 and "unknown suite 'nowhere'" in refused.stderr
    assert candidate.requests == []
    (tmp_path / "config" / "promote.yml").write_text("compare: {review: {similarity: 'likeness:alike'}}\n")
    (tmp_path / "likeness.py").write_text(
        "def alike(texts):\n"
        "    if 'answer 1' in texts[0]: raise LookupError('no vector')\n"
        "    return [[1.0, len(text)] for text in texts]\n"
    )
    told = replayed(tmp_path)
    assert (told["asked"], told["uncompared"]) == (3, 1)
    with closing(ShadowStore(tmp_path / STORE)) as store:
        kinds = [s.comparison and s.comparison["candidate"]["same_text"] for s in store.exchanges()]
        assert not any(s.exchange.has_content for s in store.exchanges())
    assert sorted(map(str, kinds)) == ["False", "False", "None"]


def test_ray_without_work_for_it_is_said_and_not_started(tmp_path: Path, candidate: Server) -> None:
    workspace(tmp_path, candidate)
    log = write_log(tmp_path / "log.jsonl", 2)
    done = run_shadow(tmp_path, "replay", "--from", str(log), "--format", "openai", "--ray", "local")
    assert done.returncode == 0 and "2 asked, 2 answered" in done.stdout
    assert "the replay stays in this process" in done.stderr
    wrong = run_shadow(tmp_path, "replay", "--ray", "loca")
    assert wrong.returncode == 4 and "option 'ray' must be local, auto or the address" in wrong.stderr
