"""Streamed answers: the same response as in one piece, and nothing cut off or endless passes for it."""

from __future__ import annotations

import asyncio
import codecs
import dataclasses
import itertools
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fault_server import Exchange, faulty
from processes import PATIENCE_S
from servers import Answer, Received, anthropic_message, gemini_content, openai_completion, serving
from streams import (
    EVENT_STREAM,
    anthropic_events,
    anthropic_stream,
    gemini_events,
    gemini_stream,
    openai_chunk,
    openai_events,
    openai_stream,
    sse,
    streamed,
)
from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.memory.cache import request_key
from swapgate.providers._failures import Target
from swapgate.providers._openai_stream import CompletionStream
from swapgate.providers._stream import Assembly, EventStream, Streamed
from swapgate.providers.http_client import open_http
from swapgate.providers.open import open_provider
from swapgate.records import Json, Message, Request, Response, ToolCall, Usage
from swapgate.spec.models import ModelSpec
from swapgate.storable import parse_json

KEY = "sk-live-0123456789-secret"
PIECES = ("Grüße", " an", " \N{GRINNING FACE}", "\n\n", "data: x", "\u2028", '{"a": 1}')
HI = (Message(role="user", content="Hi"),)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY"):
        monkeypatch.setenv(name, KEY)


def spec(provider: str, url: str, **fields: Any) -> ModelSpec:
    own = {"name": "model-a", "provider": provider, "model": "fixture-model", "base_url": url, "stream": True}
    return ModelSpec(**{**own, "timeout_s": 60, **fields})


def ask(model: ModelSpec, **fields: Any) -> Response:
    async def run() -> Response:
        async with open_http(concurrency=2, timeout_s=60) as http:
            asked = Request(model="fixture-model", messages=HI, **fields)
            return await open_provider(model, http=http, root=Path()).complete(asked)

    return asyncio.run(run())


def exchange(provider: str, body: bytes, asked: Any = None, **fields: Any) -> tuple[Response, Received]:
    with serving(streamed(body, **{"x-request-id": "req-7"})) as server:
        response = ask(spec(provider, server.url, **fields), **(asked or {}))
        return response, server.requests[0]


def failure(answer: bytes | Answer, provider: str = "openai", **fields: Any) -> ProviderError:
    served = streamed(answer) if isinstance(answer, bytes) else answer
    with serving(served) as server, pytest.raises(ProviderError) as caught:
        ask(spec(provider, server.url, **fields))
    assert KEY not in str(caught.value)
    return caught.value


def without_times(response: Response) -> Response:
    return dataclasses.replace(response, latency_s=None, ttft_s=None)


@pytest.mark.parametrize(
    ("provider", "stream", "whole"),
    [
        ("openai", openai_stream, openai_completion),
        ("anthropic", anthropic_stream, anthropic_message),
        ("gemini", gemini_stream, gemini_content),
    ],
)
def test_streamed_answer_is_the_response_of_one_piece_with_the_time_to_its_first_token(
    provider: str, stream: Any, whole: Any
) -> None:
    ours, _ = exchange(provider, stream(*PIECES))
    with serving(Answer(whole("".join(PIECES)), headers={"x-request-id": "req-7"})) as server:
        plain = ask(spec(provider, server.url, stream=None))
    assert without_times(ours) == without_times(plain)
    assert ours.usage.tokens_in is not None
    assert ours.ttft_s is not None
    assert ours.latency_s is not None
    assert 0 < ours.ttft_s <= ours.latency_s
    assert plain.ttft_s is None


def test_what_asks_for_a_stream_is_sent_and_nothing_of_it_is_in_the_cache_key() -> None:
    with serving(lambda r: streamed(_stream_for(r))) as server:
        sent = {}
        for name in ("openai", "mistral", "anthropic", "gemini"):
            ask(spec(name, server.url))
            sent[name] = server.requests[-1]
    assert sent["openai"].json["stream_options"] == {"include_usage": True}
    assert [sent[name].json["stream"] for name in ("openai", "mistral", "anthropic")] == [True] * 3
    assert "stream_options" not in sent["mistral"].json
    assert sent["gemini"].path == "/v1beta/models/fixture-model:streamGenerateContent?alt=sse"
    assert "stream" not in sent["gemini"].json
    assert len({_key(spec("gemini", "http://a", stream=s)) for s in (None, False, True)}) == 1
    assert len({_key(spec("openai", "http://a", unset=names)) for names in ((), ("stream_options",))}) == 1


def _stream_for(request: Received) -> bytes:
    if "Content" in request.path:
        return gemini_stream("a")
    return anthropic_stream("a") if "messages" in request.path else openai_stream("a")


def _key(model: ModelSpec) -> str:
    async def run() -> str:
        async with open_http(concurrency=1, timeout_s=1) as http:
            asked = Request(model="fixture-model", messages=HI)
            return request_key(asked, open_provider(model, http=http, root=Path()))

    return asyncio.run(run())


def test_stream_options_can_be_added_to_and_unset() -> None:
    own = {"params": {"stream_options": {"include_obfuscation": False}}}
    _, request = exchange("openai", openai_stream("a"), own)
    assert request.json["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    _, request = exchange("openai", openai_stream("a"), unset=("stream_options",))
    assert "stream_options" not in request.json
    refused = {"error": {"message": "Unknown parameter: 'stream_options'.", "param": "stream_options"}}
    assert "`unset: [stream_options]`" in str(failure(Answer(refused, status=400)))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"provider": "http", "request": "x"}, "provider http does not stream"),
        ({"stream": None, "params": {"stream": True}}, "write `stream` beside `params`"),
    ],
)
def test_stream_where_it_cannot_be_is_a_usage_error(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        _key(spec(**{"provider": "openai", "url": "http://a", **fields}))


def test_server_that_answers_in_one_piece_is_read_without_a_time_to_the_first_token() -> None:
    with serving(Answer(openai_completion("whole"))) as server:
        response = ask(spec("openai", server.url))
    assert (response.text, response.ttft_s) == ("whole", None)


def test_openai_tool_calls_in_pieces_are_those_of_the_official_client() -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        head = {"id": f"call_{index}", "type": "function"} if "name" in function else {}
        return openai_chunk({"tool_calls": [{"index": index, **head, "function": function}]})

    parts = [call(0, name="find", arguments=""), call(1, name="read", arguments="{")]
    parts += [call(0, arguments='{"é":'), call(1, arguments="}"), call(0, arguments=" 1}")]
    body = sse(openai_events([])[0], *parts, *openai_events([], reason="tool_calls")[1:])
    with serving(streamed(body)) as server:
        ours = ask(spec("openai", server.url))
        with (
            openai.OpenAI(api_key=KEY, base_url=server.url) as client,
            client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "Hi"}]) as stream,
        ):
            theirs = stream.get_final_completion()
    told = theirs.choices[0].message.tool_calls or []
    assert [(c.name, c.arguments, c.id) for c in ours.tool_calls] == [
        (c.function.name, c.function.arguments, c.id) for c in told
    ]
    assert ours.finish_reason == "tool_calls"
    assert (ours.usage.tokens_in, ours.usage.tokens_out) == (20, 9)
    assert ours.ttft_s is not None


@pytest.mark.parametrize("index", [{}, {"index": 0}])
def test_whole_tool_calls_of_servers_that_do_not_count_them_stay_apart(index: dict[str, int]) -> None:
    calls = [{**index, "id": f"c{n}", "function": {"name": f"f{n}", "arguments": {"n": n}}} for n in range(2)]
    body = sse(*(openai_chunk({"tool_calls": [call]}) for call in calls), *openai_events([])[1:])
    response, _ = exchange("openai", body)
    assert response.tool_calls == tuple(
        ToolCall(name=f"f{n}", arguments=f'{{"n": {n}}}', id=f"c{n}") for n in range(2)
    )


def test_openai_refusal_and_reasoning() -> None:
    thought = openai_chunk({"reasoning_content": "hm " * 9})
    said = (openai_chunk({"refusal": part}) for part in ("I ", "won't."))
    response, _ = exchange("openai", sse(thought, *said, *openai_events([])[1:]))
    assert (response.text, response.finish_reason) == ("I won't.", "refusal")


def test_anthropic_message_is_that_of_the_official_client() -> None:
    def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_start", "index": index, "content_block": start},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    first, *_, delta, stop = anthropic_events(["x"])
    delta = {**delta, "delta": {"stop_reason": "tool_use", "stop_sequence": None}}
    thought = {"type": "thinking_delta", "thinking": "hm"}
    jsons = [{"type": "input_json_delta", "partial_json": part} for part in ("", '{"n": ', '[1, "é"]}')]
    tool = {"type": "tool_use", "id": "t1", "name": "find", "input": {}}
    events = [
        first,
        *block(0, {"type": "thinking", "thinking": "", "signature": ""}, thought),
        *block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Now"}),
        *block(2, tool, *jsons),
        *block(3, {**tool, "id": "t2"}),
        delta,
        stop,
    ]
    with serving(streamed(sse(*events, kinds=True))) as server:
        ours = ask(spec("anthropic", server.url))
        with (
            anthropic.Anthropic(api_key=KEY, base_url=server.url) as client,
            client.messages.stream(
                model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
            ) as stream,
        ):
            theirs = stream.get_final_message()
    told = [block for block in theirs.content if block.type == "tool_use"]
    assert [(c.name, json.loads(c.arguments), c.id) for c in ours.tool_calls] == [
        (b.name, b.input, b.id) for b in told
    ]
    assert (ours.text, ours.finish_reason) == ("Now", "tool_calls")
    assert ours.usage == Usage(tokens_in=140, tokens_out=5, tokens_cached_in=100, tokens_cache_write=30)
    assert theirs.usage.output_tokens == 5


def test_arguments_that_a_token_limit_cut_off_are_kept_as_the_model_wrote_them() -> None:
    events = anthropic_events([])
    events[1]["content_block"] = {"type": "tool_use", "id": "t1", "name": "find", "input": {}}
    events.insert(
        2,
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": '{"n": 1'},
        },
    )
    events[-2]["delta"]["stop_reason"] = "max_tokens"
    response, _ = exchange("anthropic", sse(*events))
    assert response.tool_calls == (ToolCall(name="find", arguments='{"n": 1', id="t1"),)
    assert response.finish_reason == "length"


def test_gemini_thoughts_calls_and_blocks() -> None:
    first, second = gemini_events(["a", "b"])
    thought = {"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}]}}]}
    call = {"functionCall": {"name": "find", "args": {"n": 1}, "id": "g1"}}
    called = {"candidates": [{"content": {"parts": [call]}}]}
    response, _ = exchange("gemini", sse(thought, first, called, second))
    assert (response.text, response.finish_reason) == ("ab", "tool_calls")
    assert response.tool_calls == (ToolCall(name="find", arguments='{"n": 1}', id="g1"),)
    blocked, _ = exchange("gemini", sse({"promptFeedback": {"blockReason": "SAFETY"}}))
    assert (blocked.text, blocked.finish_reason, blocked.ttft_s) == ("", "content_filter", None)


def test_first_token_is_timed_when_it_comes_and_thinking_is_none() -> None:
    async def slowly(exchange: Exchange) -> None:
        await exchange.head(**EVENT_STREAM)
        await exchange.send(sse(openai_events([])[0], openai_chunk({"reasoning_content": "hm"})))
        await asyncio.sleep(0.2)
        await exchange.send(sse(openai_chunk({"content": "a"})))
        await asyncio.sleep(0.6)
        await exchange.send(sse(*openai_events(["b"])[1:]))

    with faulty({"Hi": slowly}) as server:
        response = ask(spec("openai", server.url))
    assert response.ttft_s is not None
    assert response.latency_s is not None
    # Not when the thinking came, nor when the last one did.
    assert response.ttft_s >= 0.2
    assert response.latency_s - response.ttft_s >= 0.3


def test_connection_that_stays_open_after_the_end_does_not_hold_the_answer_up() -> None:
    async def open_ended(exchange: Exchange) -> None:
        await exchange.head(**EVENT_STREAM)
        await exchange.send(openai_stream("whole"))
        await asyncio.sleep(600)

    with faulty({"Hi": open_ended}) as server:
        started = time.monotonic()
        response = ask(spec("openai", server.url))
    assert response.text == "whole"
    assert response.latency_s is not None
    assert response.latency_s < PATIENCE_S
    assert time.monotonic() - started < PATIENCE_S


def test_whatever_follows_the_end_is_no_part_of_the_answer() -> None:
    async def talkative(exchange: Exchange) -> None:
        await exchange.head(**EVENT_STREAM)
        await exchange.send(openai_stream("whole"))
        await asyncio.sleep(0.2)
        while True:
            await exchange.send(b"data: \xff" + b"x" * 1_000_000)

    with faulty({"Hi": talkative}) as server:
        assert ask(spec("openai", server.url)).text == "whole"


def test_answer_that_stalls_is_a_timeout_before_the_call_itself_is_over() -> None:
    async def stalling(exchange: Exchange) -> None:
        await exchange.head(**EVENT_STREAM)
        await asyncio.sleep(0.4)  # no token yet: a model that thinks may be silent
        await exchange.send(sse(*openai_events(["some"])[:2]))
        await asyncio.sleep(60)

    with faulty({"Hi": stalling}) as server, pytest.raises(ProviderError) as caught:
        ask(spec("openai", server.url, stall_timeout_s=0.2))
    assert caught.value.kind is ErrorKind.TIMEOUT
    assert "stalled: nothing more came for 0.2 s" in str(caught.value)


# What is broken


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("openai", sse(*openai_events(["cut"])[:2])),
        ("openai", sse(*openai_events(["cut"])[:2])[:-1]),
        ("openai", b""),
        ("anthropic", sse(*anthropic_events(["cut"])[:-2])),
        ("gemini", sse(*gemini_events(["cut", "off"])[:1])),
    ],
)
def test_stream_that_ends_before_the_answer_is_a_connection_error(provider: str, body: bytes) -> None:
    error = failure(body, provider)
    assert error.kind is ErrorKind.CONNECTION
    assert "the stream ended before the answer did" in str(error)


@pytest.mark.parametrize(
    ("provider", "body", "kind", "told"),
    [
        (
            "anthropic",
            sse(
                *anthropic_events(["some"])[:4],
                {"type": "error", "error": {"type": "overloaded_error", "message": f"Overloaded {KEY}"}},
                kinds=True,
            ),
            ErrorKind.SERVER,
            "HTTP 529: Overloaded [redacted]",
        ),
        (
            "anthropic",
            sse({"error": {"type": "authentication_error", "message": f"not {KEY}"}}).replace(
                b"sk-live", b"\\u0073k-live"
            ),
            ErrorKind.AUTH,
            "HTTP 401: not [redacted]",
        ),
        (
            "anthropic",
            sse({"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}),
            ErrorKind.RATE_LIMIT,
            "slow",
        ),
        (
            "openai",
            sse(*openai_events(["some"])[:2], {"error": {"message": "slow", "code": "rate_limit_exceeded"}}),
            ErrorKind.RATE_LIMIT,
            "slow",
        ),
        ("openai", sse({"error": {"message": "out of tokens", "code": 503}}), ErrorKind.SERVER, "HTTP 503"),
        (
            "openai",
            sse({"error": {"message": "flagged", "code": "content_filter"}}),
            ErrorKind.CONTENT_FILTER,
            "",
        ),
        (
            "gemini",
            sse(*gemini_events(["some", "more"])[:1])
            + b'{\n  "error": {\n    "code": 429,\n    "message": "Resource exhausted",\n'
            b'    "details": [{"retryDelay": "7s"}]\n  }\n}\n',
            ErrorKind.RATE_LIMIT,
            "Resource exhausted",
        ),
    ],
)
def test_error_within_a_stream_is_classified_like_a_status(
    provider: str, body: bytes, kind: ErrorKind, told: str
) -> None:
    error = failure(body, provider)
    assert error.kind is kind
    assert told in str(error)
    assert error.retry_after_s == (7 if provider == "gemini" else None)


@pytest.mark.parametrize(
    "body",
    [
        b"data: {\n\n",
        sse({"choices": "none"}),
        sse({"choices": [{"delta": {"content": 3}}]}),
        sse([]),
        sse("[DONE]"),
        b"data: \xff\xfe\n\n",
        sse(openai_chunk({"content": "x" * 11_000_000})),
        sse(*[openai_chunk({"content": "x" * 600_000})] * 20),
        b"data: " + b"x" * 11_000_000,
        sse(*[openai_chunk({"reasoning_content": "x" * 900_000})] * 100),
        b": ping\n\n" * 11_000_000,
    ],
    ids=lambda body: f"{bytes(body[:12])!r}-{len(body)}",
)
def test_garbage_and_what_has_no_end_is_a_bad_response(body: bytes) -> None:
    error = failure(body, timeout_s=60)  # of 88 MB a busy machine needs more than the usual 5 s
    assert error.kind is ErrorKind.BAD_RESPONSE
    assert len(str(error)) < 500


def test_key_in_a_streamed_answer_is_masked_also_when_it_comes_in_pieces() -> None:
    response, _ = exchange("openai", openai_stream("the key is ", KEY[:7], KEY[7:], "."))
    assert response.text == "the key is [redacted]."


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def read_pieces(pieces: list[bytes], assembly: Assembly | None = None) -> Streamed:
    response = httpx.Response(200, headers=EVENT_STREAM, stream=_Pieces(pieces))
    target = Target(name="a", model="a", host="a", written={})
    stream = EventStream(
        target=target, response=response, limit=10**6, silence_s=9, started=time.perf_counter()
    )
    return asyncio.run(stream.read(assembly or CompletionStream()))


WHOLE = sse(*openai_events(PIECES)).replace(b"\n", b"\r\n") + b": bye\r\n\r\n"


@given(cuts=st.sets(st.integers(1, len(WHOLE) - 1)))
def test_where_the_bytes_are_parted_does_not_matter(cuts: set[int]) -> None:
    places = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[a:b] for a, b in itertools.pairwise(places)]
    assert read_pieces(pieces).text == read_pieces([WHOLE]).text


@given(end=st.integers(0, WHOLE.index(b'"finish_reason": "stop"')))
def test_no_beginning_of_an_answer_is_taken_for_the_whole(end: int) -> None:
    with pytest.raises(ProviderError):
        read_pieces([WHOLE[:end]])


@given(st.binary(max_size=300))
def test_whatever_comes_is_an_answer_or_a_provider_error(junk: bytes) -> None:
    with pytest.raises(ProviderError):
        read_pieces([b"data: ", junk, b"\n\n"])


class _Seen:
    """An assembly that keeps the events as they are."""

    is_over = False
    is_whole = True

    def __init__(self) -> None:
        self.events: list[Json] = []

    def add(self, event: Json) -> int:
        self.events.append(event)
        return 1

    def body(self) -> Json:
        return None


def dispatched(stream: bytes) -> list[str]:
    """Return the data of all events, as the standard has a stream interpreted.

    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    text = stream.removeprefix(codecs.BOM_UTF8).decode()
    *lines, _unended = re.split("\r\n|\r|\n", text)
    events, data = [], ""
    for line in lines:
        name, _colon, value = line.partition(":")
        if not line:
            events += [data.removesuffix("\n")] if data else []
            data = ""
        elif name == "data":
            data += f"{value.removeprefix(' ')}\n"
    return events


def told_before_the_end(events: list[str]) -> list[Json] | None:
    """Return the values of the events before the last, None where one is no JSON. Empty ones say nothing."""
    with suppress(ValueError):
        before = itertools.takewhile(lambda data: data.strip() != "[DONE]", events)
        return [parse_json(data) for data in before if data]
    return None


_DATA = ("data: 1", "data:2", "data:  [3,", "data: 4]", 'data: "a: \u2028\x85\ufeff"', "data: [DONE]", "data")
_OTHERS = ("data : 5", "Data: 6", "event: e", "id: 7", "id", "retry: 8", "retry: x", ": 9", ":", "junk")
FIELDS = st.sampled_from((*_DATA, *_OTHERS)) | st.just("")
PARTS = st.lists(st.tuples(FIELDS, st.sampled_from(["\n", "\r", "\r\n"])), max_size=12)


@given(parts=PARTS, mark=st.sampled_from(["", "\ufeff", "\ufeff\ufeff"]), unended=FIELDS, data=st.data())
def test_events_are_those_of_the_standard(
    parts: list[tuple[str, str]], mark: str, unended: str, data: st.DataObject
) -> None:
    stream = f"{mark}{''.join(field + end for field, end in parts)}{unended}".encode()
    cuts = data.draw(st.sets(st.integers(0, len(stream))))
    pieces = [stream[a:b] for a, b in itertools.pairwise([0, *sorted(cuts), len(stream)])]
    expected = told_before_the_end(dispatched(stream))
    seen = _Seen()
    if expected is None:
        with pytest.raises(ProviderError, match="an event of the stream is not JSON"):
            read_pieces(pieces, seen)
    else:
        read_pieces(pieces, seen)
        assert seen.events == expected


def test_byte_order_mark_before_a_stream_costs_no_event() -> None:
    response, _ = exchange("anthropic", codecs.BOM_UTF8 + anthropic_stream("a", "b"))
    assert (response.text, response.usage.tokens_in) == ("ab", 140)
    response, _ = exchange("openai", codecs.BOM_UTF8 + sse(*openai_events(["a", "b"])[1:]))
    assert response.text == "ab"
    bare = codecs.BOM_UTF8 + b'{"error": {"message": "slow", "code": 429}}'
    assert failure(bare, "gemini").kind is ErrorKind.RATE_LIMIT


def test_end_with_a_blank_and_choices_without_numbers_are_read() -> None:
    *chunks, _end = openai_events(["a", "b"])
    numberless = [{**c, "choices": [{**choice, "index": None} for choice in c["choices"]]} for c in chunks]
    response, _ = exchange("openai", sse(*numberless, "[DONE] "))
    assert (response.text, response.finish_reason) == ("ab", "stop")


def test_other_choices_than_the_first_are_left_out_in_whatever_order_they_come() -> None:
    def both(chunk: Any) -> Any:
        if chunk == "[DONE]" or not chunk["choices"]:
            return chunk
        (first,) = chunk["choices"]
        return {**chunk, "choices": [{**first, "index": 1, "delta": {"content": "other"}}, first]}

    response, _ = exchange("openai", sse(*map(both, openai_events(["a", "b"]))))
    assert response.text == "ab"
