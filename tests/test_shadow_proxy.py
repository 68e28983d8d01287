"""The proxy: an application sees through it what it sees without it, whatever the candidate does."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import brotli
import httpx
import pytest

from fault_server import FAULTS, KEEPS_CONNECTION, Exchange, FaultServer, faulty
from processes import wait_for
from servers import anthropic_message, openai_completion
from shadowing import KEYS, Shadow, shadowing
from streams import anthropic_stream, openai_events, openai_stream, sse
from swapgate.errors import ErrorKind

APP_KEY = "sk-application-0123456789abcdef"
# How long the candidate may be silent: in this time ten megabytes come from it, at a low priority.
SILENCE_S = 5.0


async def answering(exchange: Exchange) -> None:
    """Answer in the format that was asked for."""
    path = exchange.request.path
    if not path.startswith(("/v1/messages", "/v1/chat")) or exchange.request.body.startswith(b"["):
        await exchange.answer({"object": "list", "data": []})
        return
    asked = exchange.request.json
    if path.startswith("/v1/messages"):
        events = {"content-type": "text/event-stream"}
        if asked.get("stream"):
            await exchange.answer(anthropic_stream("hel", "lo"), **events)
        else:
            await exchange.answer(anthropic_message("hello"))
    else:
        await exchange.complete("hello there")


async def with_headers(exchange: Exchange) -> None:
    """Send what gateways send: doubled headers, odd spelling, a compressed body."""
    body = gzip.compress(json.dumps(openai_completion("packed")).encode(), mtime=0)
    lines = (
        "HTTP/1.1 200 Fine\r\nX-RateLimit-Remaining-Requests: 7\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\n"
        "x-request-id: req_7\r\ncontent-type: application/json\r\nContent-Encoding: gzip\r\n"
        f"Connection: close, x-hop\r\nX-Hop: 1\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    await exchange.send(lines.encode() + body)


async def chunked(exchange: Exchange) -> None:
    """Send a stream in chunks with pauses between them."""
    await exchange.head(**{"content-type": "text/event-stream", "transfer-encoding": "chunked"})
    for event in openai_events(["one ", "two ", "three"]):
        part = sse(event)
        await exchange.send(b"%x\r\n%s\r\n" % (len(part), part))
        await asyncio.sleep(0.03)
    await exchange.send(b"0\r\n\r\n")


TAKEN = threading.Semaphore(0)


async def one_by_one(exchange: Exchange) -> None:
    """Send each part of a stream when the one before it has been taken by whom it is for."""
    await exchange.head(**{"content-type": "text/event-stream", "transfer-encoding": "chunked"})
    for event in openai_events(["one ", "two ", "three"]):
        part = sse(event)
        await exchange.send(b"%x\r\n%s\r\n" % (len(part), part))
        assert await asyncio.to_thread(TAKEN.acquire, timeout=120)
    await exchange.send(b"0\r\n\r\n")


async def nothing(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 204 No Content\r\n\r\n")


async def squeezed(exchange: Exchange) -> None:
    """Compress with what only a client that asked for it can read."""
    body = brotli.compress(json.dumps(openai_completion("squeezed")).encode())
    await exchange.answer(body, **{"content-encoding": "br"})


async def lingering(exchange: Exchange) -> None:
    """Say that the stream is over, and keep the connection."""
    await exchange.head(**{"content-type": "text/event-stream"})
    await exchange.send(openai_stream("all"))
    await asyncio.sleep(60)


KEEPS_CONNECTION.update({answering, chunked, one_by_one, nothing})
CONTROL = {
    **FAULTS,
    "with-headers": with_headers,
    "chunked": chunked,
    "one-by-one": one_by_one,
    "nothing": nothing,
    "lingering": lingering,
    "squeezed": squeezed,
}


@dataclass
class Stage:
    shadow: Shadow
    control: FaultServer
    candidate: FaultServer


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    root = tmp_path_factory.mktemp("shadow")
    with (
        faulty({f"control-{name}": b for name, b in CONTROL.items()} | {"": answering}) as control,
        faulty({f"candidate-{name}": b for name, b in FAULTS.items()} | {"": answering}) as candidate,
        shadowing(
            root,
            control=control.url,
            candidate=candidate.url,
            candidate_model={"stall_timeout_s": SILENCE_S},
            limits={"body_mb": 1, "timeout_s": SILENCE_S, "retries": 0},
            content=True,
            upstream={"anthropic": control.url},
        ) as shadow,
    ):
        yield Stage(shadow, control, candidate)


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "old-1", "messages": [{"role": "user", "content": text}], **more}


def seen_from(url: str, body: Any, *, path: str = "/v1/chat/completions") -> tuple[Any, ...]:
    """Return all that an application can tell of an answer: or what broke, and what had come by then."""
    raw = b""
    try:
        with (
            httpx.Client(timeout=10) as client,
            client.stream(
                "POST", url + path, json=body, headers={"authorization": f"Bearer {APP_KEY}"}
            ) as got,
        ):
            headers = [(n, v) for n, v in got.headers.raw if n.lower() not in _HOPS]
            status = (got.http_version, got.status_code, got.reason_phrase)
            for part in got.iter_raw():
                raw += part
            return (*status, headers, raw)
    except httpx.TransportError:
        return ("broken", raw)


_HOPS = {b"connection", b"transfer-encoding", b"x-hop", b"keep-alive"}
WHOLE = ["well", "rate-limited", "rate-limited-with-a-date", "broken-inside", "error-within", "no-json"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [*WHOLE, "with-headers", "nothing", "chunked", "squeezed"])
def test_an_answer_goes_through_byte_for_byte(stage: Stage, name: str, stream: bool) -> None:
    body = chat(f"control-{name} please", stream=stream)
    assert seen_from(stage.shadow.url, body) == seen_from(stage.control.url, body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", ["reset-in-the-body", "hanging-up", "too-short"])
def test_a_connection_that_breaks_breaks_for_the_application_too(
    stage: Stage, name: str, stream: bool
) -> None:
    body = chat(f"control-{name} please", stream=stream)
    direct = seen_from(stage.control.url, body)
    assert len(direct) == 2
    assert seen_from(stage.shadow.url, body) == direct

    def kept() -> list[Any]:
        asked = (body["messages"], stream)
        return [
            e
            for e in stage.shadow.exchanges()
            if e.request["messages"] and (e.request["messages"], e.is_streamed) == asked
        ]

    wait_for(lambda: bool(kept()))
    [exchange] = kept()
    assert exchange.control is not None and exchange.control.error_kind is ErrorKind.CONNECTION
    assert exchange.candidate is None


def test_a_part_of_a_stream_goes_on_when_it_comes(stage: Stage) -> None:
    url, parts = stage.shadow.url, 0
    with (
        httpx.Client(timeout=60) as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=chat("control-one-by-one")) as got,
    ):
        for _part in got.iter_raw():
            parts += 1
            TAKEN.release()
    assert parts >= 5


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        (
            "POST",
            "/v1/chat/completions?beta=true&x=%2F",
            b'{ "model" : "old-1",\n "messages": [{"role" : "user", "content":"\\u00e9"}] , "odd": 1e2}',
        ),
        ("POST", "/v1/embeddings", b'{"input": "x"}'),
        ("POST", "/v1/files", b"\x00\xff not json \x80"),
        ("GET", "/v1/models", b""),
        ("DELETE", "/v1/files/file-1", b""),
        ("POST", "/v1/audio/transcriptions", b"z" * 3_000_000),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_arrives_as_it_was_sent(stage: Stage, method: str, path: str, body: bytes) -> None:
    headers = {
        "authorization": f"Bearer {APP_KEY}",
        "X-Stainless-Lang": "python",
        "user-agent": "application/1",
        "x-swapgate-tags": "plan:free",
    }
    httpx.request(method, stage.shadow.url + path, content=body, headers=headers)
    got = stage.control.requests[-1]
    assert (got.method, got.path, got.body) == (method, path, body)
    assert got.headers["authorization"] == f"Bearer {APP_KEY}"
    assert got.headers["x-stainless-lang"] == "python" and got.headers["user-agent"] == "application/1"
    assert not any(name.startswith("x-swapgate") for name in got.headers)
    assert "via" not in got.headers and "x-forwarded-for" not in got.headers


EXPECTED = {
    "rate-limited": ErrorKind.RATE_LIMIT,
    "rate-limited-with-a-date": ErrorKind.RATE_LIMIT,
    "broken-inside": ErrorKind.SERVER,
    "silent": ErrorKind.TIMEOUT,
    "dripping": ErrorKind.TIMEOUT,
    "reset-in-the-body": ErrorKind.CONNECTION,
    "hanging-up": ErrorKind.CONNECTION,
    "too-short": ErrorKind.CONNECTION,
    "cut-off": None,
    "endless": None,  # too long or too late, whichever comes first
    "endless-line": None,
    "no-json": ErrorKind.BAD_RESPONSE,
    "error-within": ErrorKind.SERVER,
    "bomb": ErrorKind.BAD_RESPONSE,
    "nested-bomb": ErrorKind.BAD_RESPONSE,
}


def _ended_of_candidates(stage: Stage) -> dict[tuple[str, bool], Any]:
    """Return the exchanges that ask a candidate to misbehave and have ended, by fault and streaming."""
    found = {}
    for exchange in stage.shadow.exchanges():
        text = exchange.request["messages"][0]["content"] if exchange.request["messages"] else ""
        if text.startswith("candidate-") and exchange.state == "whole":
            name = text.removeprefix("candidate-").removesuffix(" please")
            found[name, exchange.is_streamed] = exchange
    return found


def test_whatever_the_candidate_does_the_application_has_its_answer_and_the_record_says_what(
    stage: Stage,
) -> None:
    for name in EXPECTED:
        for stream in (False, True):
            body = chat(f"candidate-{name} please", stream=stream)
            started = time.perf_counter()
            seen = seen_from(stage.shadow.url, body)
            assert time.perf_counter() - started < SILENCE_S, name
            assert seen == seen_from(stage.control.url, body), name
    # Those of the tests before may end meanwhile.
    wait_for(lambda: len(_ended_of_candidates(stage)) == 2 * len(EXPECTED))
    told = _ended_of_candidates(stage)
    assert all(exchange.control.has_answer for exchange in told.values())
    for (name, is_streamed), exchange in told.items():
        kind = exchange.candidate.error_kind
        assert kind is not None, (name, is_streamed)
        assert EXPECTED[name] in {None, kind}, (name, kind, exchange.candidate.error)


def test_a_client_that_leaves_ends_the_exchange_with_the_control(stage: Stage) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{stage.shadow.url}/v1/chat/completions", json=chat("control-silent one"), timeout=0.3)
    wait_for(lambda: stage.shadow.counts().get("client_left", 0) == 1)


def test_metrics_and_health_are_where_no_provider_has_a_path(stage: Stage) -> None:
    health = httpx.get(f"{stage.shadow.url}/-/swapgate/health").json()
    assert health["status"] == "ok" and health["mirror"] == "up"
    page = httpx.get(f"{stage.shadow.url}/-/swapgate/metrics").text
    assert 'swapgate_shadow_requests_total{route="review",status="200"}' in page
    assert "swapgate_shadow_mirror_up 1.0" in page


def test_each_leg_has_its_own_key_and_no_key_is_anywhere_on_disk(stage: Stage) -> None:
    seen_from(stage.shadow.url, chat("whose key", metadata={"trace": "abc"}))
    wait_for(lambda: stage.candidate.received("whose key") == 1)
    got = next(r for r in stage.candidate.requests if b"whose key" in r.body)
    assert got.headers["authorization"] == f"Bearer {KEYS['CANDIDATE_KEY']}"
    assert got.json["model"] == "new-1"
    wait_for(lambda: any("whose key" in json.dumps(e.request) for e in stage.shadow.exchanges()))
    written = b"".join(path.read_bytes() for path in stage.shadow.root.rglob("*") if path.is_file())
    for key in (APP_KEY, *KEYS.values()):
        assert key.encode() not in written


@pytest.mark.parametrize(
    ("body", "headers", "what"),
    [
        (chat("not me"), {"x-swapgate-shadow": "off"}, "opted_out"),
        (chat("not me: tools", tools=[{"type": "web_search"}]), {}, "server_tools"),
        (chat("not me: search", web_search_options={}), {}, "server_tools"),
        (chat("not me" + "x" * 1_100_000), {}, "request_too_large"),
        ([1, 2], {}, "unreadable"),
    ],
    ids=["opted out", "server tools", "web search", "too large", "no object"],
)
def test_what_is_not_mirrored_is_counted_with_its_reason(
    stage: Stage, body: Any, headers: dict[str, str], what: str
) -> None:
    before = stage.shadow.counts().get(what, 0)
    answer = httpx.post(f"{stage.shadow.url}/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code in {200, 500} or body == [1, 2]
    wait_for(lambda: stage.shadow.counts().get(what, 0) == before + 1)
    assert stage.candidate.received("not me") == 0


def test_a_client_that_stops_at_the_last_event_has_had_a_whole_answer(stage: Stage) -> None:
    body = chat("control-lingering", stream=True)
    with (
        httpx.Client() as client,
        client.stream("POST", f"{stage.shadow.url}/v1/chat/completions", json=body) as answer,
    ):
        next(line for line in answer.iter_lines() if line == "data: [DONE]")
    wait_for(lambda: any("lingering" in json.dumps(e.request) for e in stage.shadow.exchanges()))


def test_a_control_s_answer_is_read_however_it_is_compressed(stage: Stage) -> None:
    for name, text in (("with-headers", "packed"), ("squeezed", "squeezed")):
        seen_from(stage.shadow.url, chat(f"control-{name} read me"))
        wait_for(lambda text=text: any(e.control.text == text for e in stage.shadow.exchanges()))


@pytest.mark.parametrize("target", ["@127.0.0.1:9/v1/models", "http://127.0.0.1:9/v1/models", "*"])
def test_no_target_leads_anywhere_but_to_the_control(stage: Stage, target: str) -> None:
    host, port = stage.shadow.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        answer = connection.recv(4096)
    assert answer.split(b" ")[1] == b"400"
