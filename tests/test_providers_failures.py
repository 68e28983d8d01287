"""What goes wrong on the wire: every failure has its kind, a message that helps, and no secret in it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import email.utils
import gzip
import json
import re
import socket
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes import PATIENCE_S
from servers import (
    Answer,
    Handler,
    Server,
    anthropic_message,
    gemini_content,
    letting_nobody_in,
    openai_completion,
    serving,
    talking,
)
from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.providers._failures import excerpt, retry_after_s
from swapgate.providers.credentials import scrub
from swapgate.providers.http_client import open_http
from swapgate.providers.open import open_provider
from swapgate.records import Message, Request, Response
from swapgate.spec.models import ModelSpec

KEY = 'sk-live/"0123456789"-secret'


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@contextlib.contextmanager
def unused_port() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def ask(url: str, *, timeout_s: float = 5, params: dict[str, Any] | None = None, **fields: Any) -> Response:
    spec = ModelSpec(
        **{
            "name": "gpt-a",
            "provider": "openai",
            "model": "gpt-a-1",
            "base_url": url,
            "timeout_s": timeout_s,
            **fields,
        }
    )
    asked = Request(model="gpt-a-1", messages=(Message(role="user", content="Hi"),), params=params or {})

    async def run() -> Response:
        async with open_http(concurrency=2, timeout_s=30) as http:
            return await open_provider(spec, http=http, root=Path()).complete(asked)

    return asyncio.run(run())


def failure(answer: Answer | Handler, **fields: Any) -> ProviderError:
    with serving(answer) as server, pytest.raises(ProviderError) as caught:
        ask(server.url, **fields)
    assert caught.value.__cause__ is None
    assert KEY not in str(caught.value)
    return caught.value


def error_body(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", **fields}}


def test_401_that_echoes_the_key_names_the_variable_and_not_the_key() -> None:
    error = failure(Answer(error_body(f"Incorrect API key provided: {KEY}"), status=401))
    assert (error.kind, error.status) == (ErrorKind.AUTH, 401)
    assert "OPENAI_API_KEY" in str(error)
    assert "[redacted]" in str(error)


@pytest.mark.parametrize("status", [200, 500])
def test_a_key_that_an_error_echoes_with_escapes_is_not_shown(status: int) -> None:
    body = json.dumps(error_body(f"no access for {KEY}")).replace("sk-live", "\\u0073k-live").encode()
    error = failure(Answer(body, status=status))
    assert "no access for [redacted]" in str(error)


def test_a_masked_key_is_not_shown_either() -> None:
    error = failure(Answer(error_body("Incorrect API key provided: sk-li*****cret."), status=401))
    assert "sk-li" not in str(error)


def test_an_answer_that_echoes_the_key_is_scrubbed_also_when_escaped() -> None:
    escaped = json.dumps(openai_completion(KEY)).replace("sk-live", "\\u0073k-live").encode()
    with serving(Answer(escaped, headers={"x-request-id": KEY})) as server:
        response = ask(server.url)
    assert (response.text, response.request_id) == ("[redacted]", "[redacted]")


@pytest.mark.parametrize("form", [KEY, json.dumps(KEY)[1:-1], json.dumps(KEY)[1:-1].replace("/", "\\/")])
def test_every_written_form_of_a_secret_is_scrubbed(form: str) -> None:
    assert scrub(f"a {form} b", [KEY]) == "a [redacted] b"


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_key_is_not_shown_where_json_holds_json_that_escapes_it(layers: int) -> None:
    """A gateway wraps the error of another one, whose encoder writes `+` and `/` as escapes."""
    key = "sk-a+b/c=0123456789"
    said = (
        json.dumps(f"no access for {key}!")
        .replace("+", "\\u002B")
        .replace("/", "\\/")
        .replace("=", "\\u003d")
    )
    for _ in range(layers):
        said = json.dumps(said)
    assert scrub(said, [key]).strip('\\"') == "no access for [redacted]!"


@pytest.mark.parametrize("around", [("", ""), ("Bearer ", ""), ("user:", ":x"), ("ab", "\n")])
@pytest.mark.parametrize("key", [KEY, "sk-+/=&?~>>>0123", "0123456789"])
def test_nothing_of_a_secret_is_left_in_base64_or_a_url(key: str, around: tuple[str, str]) -> None:
    whole = key.join(around)
    for encode in (b64encode, urlsafe_b64encode):
        left = scrub(encode(whole.encode()).decode(), [key]).split("[redacted]")
        assert len(left) == 2
        assert len(left[0]) <= len(around[0]) * 4 / 3 + 1
        assert len(left[1]) <= len(around[1]) * 4 / 3 + 4
    in_url = re.sub("%..", lambda sign: sign[0].lower(), quote(key, safe=""))
    assert scrub(in_url, [key]) == "[redacted]"


def test_a_short_key_does_not_change_answers() -> None:
    assert scrub("an example", ["e"], is_answer=True) == "an example"
    assert scrub("an example", ["exam"]) == "an [redacted]ple"


def test_a_key_that_is_not_set_is_named_without_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with (
        serving(Answer(openai_completion())) as server,
        pytest.raises(ProviderError, match="OPENAI_API_KEY is not set"),
    ):
        ask(server.url)
    assert server.requests == []


def test_a_key_with_a_line_break_inside_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-live\nsecond-line")
    with pytest.raises(ProviderError, match="OPENAI_API_KEY holds a character") as caught:
        ask("http://127.0.0.1:1")
    assert "second-line" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, error_body("Your project has no access"), ErrorKind.AUTH),
        (402, error_body("Insufficient Balance"), ErrorKind.AUTH),
        (400, error_body("Your credit balance is too low to access the API"), ErrorKind.AUTH),
        (
            400,
            {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}},
            ErrorKind.AUTH,
        ),
        (408, {}, ErrorKind.TIMEOUT),
        (504, b"<html>Gateway Time-out</html>", ErrorKind.TIMEOUT),
        (500, b"", ErrorKind.SERVER),
        (502, b"<html>Bad Gateway</html>", ErrorKind.SERVER),
        (
            529,
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            ErrorKind.SERVER,
        ),
        (400, error_body("x", code="context_length_exceeded"), ErrorKind.CONTEXT_LENGTH),
        (400, error_body("prompt is too long: 210000 tokens > 200000 maximum"), ErrorKind.CONTEXT_LENGTH),
        (
            400,
            error_body("The input token count (9) exceeds the maximum number of tokens allowed (8)."),
            ErrorKind.CONTEXT_LENGTH,
        ),
        (400, error_body("The response was filtered", code="content_filter"), ErrorKind.CONTENT_FILTER),
        (400, error_body("Content Exists Risk"), ErrorKind.CONTENT_FILTER),
        (400, error_body("messages: at least one is required"), ErrorKind.BAD_REQUEST),
        (
            400,
            error_body("max_tokens: 9000 > 8192, the maximum allowed number of output tokens"),
            ErrorKind.BAD_REQUEST,
        ),
        (422, [1], ErrorKind.BAD_REQUEST),
    ],
)
def test_statuses_are_classified(status: int, body: Any, kind: ErrorKind) -> None:
    error = failure(Answer(body, status=status))
    assert (error.kind, error.status) == (kind, status)
    assert f"HTTP {status}" in str(error)


def test_404_names_the_model() -> None:
    error = failure(Answer(error_body("no such model"), status=404))
    assert error.kind is ErrorKind.BAD_REQUEST
    assert "'gpt-a-1'" in str(error)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "-1", "retry-after": "3"}, 3.0),
        ({}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_429_is_a_rate_limit_with_the_wait_that_it_asks_for(
    headers: dict[str, str], wait_s: float | None
) -> None:
    error = failure(Answer(error_body("slow down"), status=429, headers=headers))
    assert (error.kind, error.retry_after_s, error.is_transient) == (ErrorKind.RATE_LIMIT, wait_s, True)


def test_retry_after_reads_an_http_date() -> None:
    now = datetime.datetime(2026, 10, 21, 7, 28, tzinfo=datetime.UTC)
    assert retry_after_s({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, now=now) == 30
    assert retry_after_s({"retry-after": "Wed, 21 Oct 2026 07:00:00 GMT"}, now=now) == 0


@pytest.mark.parametrize("clock_is_off", [datetime.timedelta(hours=1), datetime.timedelta(hours=-1)])
def test_a_date_to_wait_until_is_held_against_the_servers_own_clock(clock_is_off: datetime.timedelta) -> None:
    there = datetime.datetime.now(datetime.UTC) + clock_is_off
    headers = {
        "date": email.utils.format_datetime(there, usegmt=True),
        "retry-after": email.utils.format_datetime(there + datetime.timedelta(seconds=5), usegmt=True),
    }
    assert failure(Answer(error_body("slow down"), status=429, headers=headers)).retry_after_s == 5


@pytest.mark.parametrize("date", ["", "yesterday", "Wed, 99 Oct 2026 07:28:00 GMT"])
def test_a_date_to_wait_until_is_held_against_this_clock_where_the_server_tells_no_time(date: str) -> None:
    now = datetime.datetime(2026, 10, 21, 7, 28, tzinfo=datetime.UTC)
    assert retry_after_s({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": date}, now=now) == 30


@given(st.text(), st.text())
def test_retry_after_never_raises(written: str, date: str) -> None:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    wait_s = retry_after_s({"retry-after": written, "date": date}, now=now)
    assert wait_s is None or wait_s >= 0


def test_gemini_says_in_the_body_how_long_to_wait() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}]
    error = failure(Answer({"error": {"code": 429, "message": "quota", "details": details}}, status=429))
    assert error.retry_after_s == 12.5


def test_an_empty_account_is_not_retried() -> None:
    error = failure(Answer(error_body("You exceeded your quota", code="insufficient_quota"), status=429))
    assert (error.kind, error.is_transient) == (ErrorKind.AUTH, False)
    assert "no credit" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        error_body(
            "Unsupported parameter: 'temperature' is not supported with this model.", param="temperature"
        ),
        error_body(
            "Unsupported value: 'temperature' does not support 0.1 with this model.", param="temperature"
        ),
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "temperature: Extra inputs are not permitted",
            },
        },
        {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "temperature"],
                    "msg": "Extra inputs are not permitted",
                }
            ]
        },
        {
            "error": {
                "code": 400,
                "message": "Unknown name \"temperature\" at 'generation_config': Cannot find field.",
            }
        },
    ],
)
def test_a_refused_parameter_is_named_with_the_setting_that_removes_it(body: Any) -> None:
    error = failure(Answer(body, status=400), params={"temperature": 0.1, "seed": 1})
    assert error.kind is ErrorKind.REFUSED_PARAMETER
    assert "`unset: [temperature]`" in str(error)


def test_a_refused_parameter_is_named_as_it_is_written_in_the_catalogue() -> None:
    body = error_body("Unsupported parameter: 'max_completion_tokens'", param="max_completion_tokens")
    assert "`unset: [max_tokens]`" in str(failure(Answer(body, status=400), params={"max_tokens": 5}))


def test_a_refused_schema_points_to_structured_output() -> None:
    body = error_body("Invalid parameter: 'response_format' is not supported", param="response_format")
    assert "structured_output: false" in str(failure(Answer(body, status=400)))


def test_a_redirect_is_not_followed_and_the_key_stays() -> None:
    with serving(Answer(openai_completion())) as other:
        error = failure(Answer(b"", status=307, headers={"location": f"{other.url}/v1"}))
    assert error.kind is ErrorKind.BAD_REQUEST
    assert "redirect" in str(error)
    assert other.requests == []


def test_a_304_is_no_redirect() -> None:
    error = failure(Answer(b"", status=304))
    assert error.kind is ErrorKind.BAD_REQUEST
    assert "HTTP 304. That is neither an answer nor a redirect. Is base_url the right address?" in str(error)


@pytest.mark.parametrize("kept", [0, 1, 20, 60])
@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_an_answer_that_ends_with_its_connection_before_it_is_whole_is_asked_for_again(
    version: bytes, kept: int
) -> None:
    body = json.dumps(openai_completion()).encode()[:kept]
    error = failure(Answer(wire=version + b" 200 OK\r\ncontent-type: application/json\r\n\r\n" + body))
    assert (error.kind, error.is_transient, error.may_be_billed) == (ErrorKind.CONNECTION, True, True)
    assert "the connection ended before the answer did" in str(error)


def test_json_that_ends_too_early_in_an_answer_that_is_whole_is_the_server_s_fault() -> None:
    assert failure(Answer(b'{"id": "a"')).kind is ErrorKind.BAD_RESPONSE


def test_a_byte_order_mark_before_json_is_no_part_of_it() -> None:
    with serving(Answer(b"\xef\xbb\xbf" + json.dumps(openai_completion("Hello")).encode())) as server:
        assert ask(server.url).text == "Hello"


@pytest.mark.parametrize("status", [200, 500])
def test_20_mb_are_not_read(status: int) -> None:
    error = failure(Answer(b" " * 20_000_000, status=status))
    assert error.kind is ErrorKind.BAD_RESPONSE
    assert "larger than 10 MiB" in str(error)


def test_a_compressed_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    error = failure(Answer(bomb, headers={"content-encoding": "gzip"}))
    assert "larger than 10 MiB" in str(error)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd"])
@pytest.mark.parametrize("status", [200, 500])
def test_a_compression_that_was_not_asked_for_is_not_unpacked(encoding: str, status: int) -> None:
    bomb = gzip.compress(gzip.compress(b" " * 50_000_000))
    error = failure(Answer(bomb, status=status, headers={"content-encoding": encoding}))
    assert error.kind is ErrorKind.BAD_RESPONSE
    assert f"compressed as '{encoding}', which was not asked for" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(bytes(range(256))),
        Answer(b'{"choices": [{"mess'),
        Answer({"choices": []}),
        Answer({"choices": [{"message": {"content": 3}}]}),
        Answer([]),
        Answer(b""),
        Answer(b'"\\ud800"'),
        Answer(b"[" * 5000),
        Answer(b"not gzip", headers={"content-encoding": "gzip"}),
        Answer(b"\x1b[31mred\x07\r\nnext"),
    ],
)
def test_garbage_is_a_bad_response_with_a_short_and_safe_excerpt(answer: Answer) -> None:
    error = failure(answer)
    assert error.kind is ErrorKind.BAD_RESPONSE
    assert str(error).isprintable()
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("provider", "body"),
    [("anthropic", anthropic_message(content=3)), ("gemini", gemini_content(candidates=[]))],
)
def test_other_formats_refuse_a_wrong_shape_too(provider: str, body: Any) -> None:
    error = failure(Answer(body), provider=provider, api_key_env="OPENAI_API_KEY")
    assert error.kind is ErrorKind.BAD_RESPONSE


@given(st.text(max_size=500))
def test_an_excerpt_is_one_short_printable_line(text: str) -> None:
    shown = excerpt(text)
    assert shown == "" or shown.isprintable()
    assert len(shown) <= 200


def test_an_error_inside_a_success_is_told_as_an_error() -> None:
    error = failure(Answer({"error": {"code": 502, "message": "upstream is down"}}))
    assert (error.kind, error.status) == (ErrorKind.SERVER, 502)


def test_a_long_header_of_a_gateway_is_no_failure() -> None:
    with serving(Answer(openai_completion(), headers={"x-trace": "a" * 40_000})) as server:
        assert ask(server.url).text == "hello"


def test_a_hanging_server_is_a_timeout_that_says_how_long() -> None:
    started = time.perf_counter()
    error = failure(Answer(openai_completion(), delay_s=600), timeout_s=0.2)
    assert error.kind is ErrorKind.TIMEOUT
    assert "within 0.2 s" in str(error)
    assert time.perf_counter() - started < PATIENCE_S


def test_the_time_limit_holds_for_the_whole_answer() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"
    assert failure(Answer(wire=head, delay_s=0.1), timeout_s=0.3).kind in {
        ErrorKind.TIMEOUT,
        ErrorKind.CONNECTION,
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_refused_connection_names_the_host(host: str) -> None:
    with (
        unused_port() as port,
        pytest.raises(ProviderError, match=rf"{host}:{port}\): connection refused") as caught,
    ):
        ask(f"http://{host}:{port}")
    assert caught.value.kind is ErrorKind.CONNECTION


def test_a_host_that_lets_nobody_in_is_told_as_such() -> None:
    with letting_nobody_in() as port, pytest.raises(ProviderError) as caught:
        ask(f"http://127.0.0.1:{port}", timeout_s=0.3)
    assert f"127.0.0.1:{port}): no connection within 0.3 s: does a firewall let you through?" in str(
        caught.value
    )
    assert caught.value.never_arrived


def test_an_unknown_host_is_told_as_such() -> None:
    with pytest.raises(
        ProviderError, match=r"nowhere\.invalid\): the host's name cannot be resolved"
    ) as caught:
        ask("http://nowhere.invalid")
    assert caught.value.kind is ErrorKind.CONNECTION


def test_plain_text_on_a_tls_port_is_told_as_tls() -> None:
    with talking(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port, pytest.raises(ProviderError) as caught:
        ask(f"https://127.0.0.1:{port}")
    assert "no TLS connection" in str(caught.value)
    assert caught.value.kind is ErrorKind.CONNECTION


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_connection_that_breaks_is_a_connection_failure(wire: bytes) -> None:
    error = failure(Answer(wire=wire))
    assert (error.kind, error.is_transient) == (ErrorKind.CONNECTION, True)


def test_a_value_that_json_cannot_hold_is_a_bad_request() -> None:
    assert (
        failure(Answer(openai_completion()), params={"temperature": float("nan")}).kind
        is ErrorKind.BAD_REQUEST
    )


def test_latency_is_that_of_the_exchange() -> None:
    with serving(Answer(openai_completion(), delay_s=0.2)) as server:
        latency_s = ask(server.url).latency_s
    assert latency_s is not None
    assert 0.2 <= latency_s < 2


def many(server: Server, *, concurrency: int, calls: int) -> list[Response]:
    spec = ModelSpec(name="m", provider="vllm", model="m", base_url=server.url)
    asked = Request(model="m", messages=(Message(role="user", content="Hi"),))

    async def run() -> list[Response]:
        async with open_http(concurrency=concurrency, timeout_s=10) as http:
            provider = open_provider(spec, http=http, root=Path())
            return await asyncio.gather(*(provider.complete(asked) for _ in range(calls)))

    return asyncio.run(run())


def test_the_client_holds_as_many_connections_as_asked_for() -> None:
    # Long enough for a busy machine to open the last connection before the first is answered.
    with serving(Answer(openai_completion(), delay_s=1.5)) as server:
        assert len(many(server, concurrency=150, calls=150)) == 150
        assert server.most_at_once == 150


def test_a_proxy_of_the_environment_is_used_but_never_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serving(Answer(openai_completion("by proxy"))) as proxy,
        serving(Answer(openai_completion())) as server,
    ):
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert ask("http://model.invalid").text == "by proxy"
        assert ask(server.url).text == "hello"
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_let_us_through_is_what_is_told(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(Answer({}, status=407)) as proxy:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy.url.replace("://", "://m%40:planted-password@"))
        with pytest.raises(ProviderError, match=r"HTTP 407.*USER:PASSWORD@HOST") as refused:
            ask(f"{scheme}://model.invalid")
    assert refused.value.kind is ErrorKind.AUTH
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic bUA6cGxhbnRlZC1wYXNzd29yZA=="
    with pytest.raises(ProviderError, match=r"no connection to the proxy 127\.0\.0\.1: check") as dead:
        ask(f"{scheme}://model.invalid")
    assert dead.value.kind is ErrorKind.CONNECTION
    assert "planted" not in f"{refused.value}{dead.value}"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://[bad", "http://", "http://host:port"])
def test_a_proxy_that_cannot_be_asked_is_refused_before_any_call(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(UsageError, match="HTTPS_PROXY names no proxy"):
        open_http(concurrency=1, timeout_s=1)


def test_a_cancelled_call_leaves_a_client_that_closes_cleanly() -> None:
    async def run(url: str) -> None:
        async with open_http(concurrency=2, timeout_s=10) as http:
            spec = ModelSpec(name="m", provider="vllm", model="m", base_url=url)
            provider = open_provider(spec, http=http, root=Path())
            asked = Request(model="m", messages=(Message(role="user", content="Hi"),))
            call = asyncio.create_task(provider.complete(asked))
            await asyncio.sleep(0.2)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    with serving(Answer(openai_completion(), delay_s=10)) as server:
        asyncio.run(run(server.url))
        assert len(server.requests) == 1


def test_an_ordinary_httpx_client_works_as_well() -> None:
    async def run(url: str) -> Response:
        async with httpx.AsyncClient(timeout=5) as http:
            spec = ModelSpec(name="m", provider="vllm", model="m", base_url=url)
            asked = Request(model="m", messages=(Message(role="user", content="Hi"),))
            return await open_provider(spec, http=http, root=Path()).complete(asked)

    with serving(Answer(openai_completion())) as server:
        assert asyncio.run(run(server.url)).text == "hello"
