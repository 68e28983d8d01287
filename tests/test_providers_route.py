"""How requests go to a server and answers come back, on real connections."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import aiohttp
import httpx
import pytest
from multidict import CIMultiDict

from servers import Answer, Server, letting_nobody_in, openai_completion, serving
from swapgate.errors import ErrorKind, ProviderError
from swapgate.providers._route import _Pooled, open_route
from swapgate.providers.http_client import open_http
from swapgate.providers.open import open_provider
from swapgate.records import Message, Request, Response
from swapgate.spec.models import ModelSpec


@pytest.fixture(autouse=True, params=["straight", "through httpx"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have requests go both ways: an aiohttp that nobody has tried is left to httpx's transport."""
    if request.param != "straight":
        monkeypatch.setattr(aiohttp, "__version__", "3.99.0")
    assert asyncio.run(goes_straight()) == (request.param == "straight")


async def goes_straight() -> bool:
    """Return whether requests pass by aiohttp's session."""
    async with open_http(concurrency=1, timeout_s=5) as http:
        url = httpx.URL("http://127.0.0.1:9/")
        return isinstance(open_route(http, "POST", url, CIMultiDict()), _Pooled)


def ask(server: Server, *prompts: str, **headers: str) -> list[Response]:
    """Ask the same model one prompt after the other."""
    spec = ModelSpec(name="m", provider="vllm", model="m", base_url=server.url, headers=headers)

    async def run() -> list[Response]:
        async with open_http(concurrency=1, timeout_s=5) as http:
            provider = open_provider(spec, http=http, root=Path())
            messages = [(Message(role="user", content=prompt),) for prompt in prompts]
            return [await provider.complete(Request(model="m", messages=turns)) for turns in messages]

    return asyncio.run(run())


def sent(method: str, content: bytes | None) -> httpx.Headers:
    """Return the headers of a request as the server had them."""

    async def run(url: str) -> None:
        async with open_http(concurrency=1, timeout_s=5) as http:
            route = open_route(http, method, httpx.URL(url), CIMultiDict({"x-a": "1"}))
            async with aclosing(await route.send(content, step_s=5)) as response:
                assert response.status_code == 200

    with serving(Answer({})) as server:
        asyncio.run(run(f"{server.url}/a?b=c"))
    [received] = server.requests
    assert (received.method, received.path, received.headers["x-a"]) == (method, "/a?b=c", "1")
    assert received.headers["host"] == server.url.removeprefix("http://")
    return httpx.Headers(dict(received.headers))


def test_a_connection_has_a_time_limit_of_its_own() -> None:
    async def run(port: int) -> None:
        async with open_http(concurrency=1, timeout_s=5) as http:
            route = open_route(http, "GET", httpx.URL(f"http://127.0.0.1:{port}"), CIMultiDict())
            await route.send(None, step_s=0.2)

    with letting_nobody_in() as port, pytest.raises((aiohttp.ConnectionTimeoutError, httpx.TimeoutException)):
        asyncio.run(run(port))


@pytest.mark.parametrize(
    "prompt", ["Hi", "", "Grüße, 你好, \U0001f600", 'a "b" \\ \t\n\x7f\x00', "half \ud83d", "long " * 100_000]
)
def test_a_prompt_arrives_as_it_is(prompt: str) -> None:
    with serving(Answer(openai_completion("Hello"))) as server:
        [response] = ask(server, prompt)
    assert response.text == "Hello"
    assert server.requests[0].json == {"model": "m", "messages": [{"role": "user", "content": prompt}]}


def test_calls_one_after_the_other_share_a_connection() -> None:
    with serving(Answer(openai_completion("Hello"))) as server:
        assert [one.text for one in ask(server, "a", "b", "c")] == ["Hello"] * 3
        assert server.connections == 1


def test_what_announces_an_answer_is_none() -> None:
    whole = Answer(openai_completion("Hello")).encoded()
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    with serving(Answer(wire=hints + whole)) as server:
        assert ask(server, "Hi")[0].text == "Hello"


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    head, _end, body = Answer(openai_completion("Hello")).encoded().partition(b"\r\n\r\n")
    without = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"content-length"))
    with serving(Answer(wire=without + b"\r\n\r\n" + body)) as server:
        assert ask(server, "Hi")[0].text == "Hello"


def test_a_header_cannot_hold_a_second_one() -> None:
    with serving(Answer(openai_completion("Hello"))) as server, pytest.raises(ProviderError) as caught:
        ask(server, "Hi", **{"x-note": "a\r\nx-other: b"})
    assert caught.value.kind is ErrorKind.CONNECTION
    assert not server.requests


def test_a_post_without_a_body_says_so_and_a_get_does_not() -> None:
    assert sent("POST", None)["content-length"] == "0"
    assert sent("POST", b"{}")["content-length"] == "2"
    assert "content-length" not in sent("GET", None)
