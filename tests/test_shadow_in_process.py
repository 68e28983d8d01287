"""In the application's own process: around a callable, and below a client of httpx."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from processes import PATIENCE_S, wait_for
from servers import Answer, Server, openai_completion, serving
from shadowing import KEYS, read_counts, read_exchanges, write_workspace
from streams import openai_stream, streamed
from swapgate.errors import ErrorKind, UsageError
from swapgate.records import Response
from swapgate.shadow import AsyncShadowTransport, ShadowDeployment, ShadowTransport
from swapgate.shadow.records import Exchange

TRACE: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="none")


async def old(question: str, *, user: str = "ada") -> str:
    return f"old says {question} to {user}"


def run(
    path: Path, control: Any, candidate: Any, *calls: Any, **options: Any
) -> tuple[list[Any], list[Exchange]]:
    """Call a deployment with each of the arguments, and return what came back and what is recorded."""

    async def main() -> list[Any]:
        async with ShadowDeployment(control, candidate, store=path, content=True, **options) as shadow:
            return await asyncio.gather(*(shadow(call) for call in calls), return_exceptions=True)

    return asyncio.run(main()), read_exchanges(path)


def test_the_control_answers_and_both_are_recorded(tmp_path: Path) -> None:
    async def new(question: str) -> dict[str, Any]:
        return openai_completion(f"new says {question}")

    answers, [exchange] = run(tmp_path / "s.db", old, new, "hi me@example.org", again_share=1.0)
    assert answers == ["old says hi me@example.org to ada"]
    assert exchange.control is not None and exchange.candidate is not None and exchange.again is not None
    assert exchange.control.text == "old says hi [email] to ada"
    assert exchange.candidate.text == "new says hi [email]"
    assert exchange.candidate.usage.tokens_out and exchange.again.has_answer
    assert exchange.request == {"args": ["hi [email]"]} and exchange.source == "process"


@pytest.mark.parametrize(
    "returned",
    ["plain", Response(text="plain"), openai_completion("plain")],
    ids=["text", "response", "wire format"],
)
def test_what_a_callable_returns_is_read(tmp_path: Path, returned: Any) -> None:
    async def new(_question: str) -> Any:
        return returned

    _answers, [exchange] = run(tmp_path / "s.db", old, new, "hi")
    assert exchange.candidate is not None and exchange.candidate.text == "plain"


def test_a_candidate_that_fails_or_hangs_is_a_record_and_nothing_else(tmp_path: Path) -> None:
    async def bad(question: str) -> str:
        if question == "hang":
            await asyncio.sleep(600)
        raise ValueError(f"cannot {question}")

    started = time.perf_counter()
    answers, found = run(tmp_path / "s.db", old, bad, "hang", "fail", timeout_s=0.3)
    assert time.perf_counter() - started < PATIENCE_S
    assert answers == ["old says hang to ada", "old says fail to ada"]
    kinds = {e.candidate.error_kind: e.candidate.error for e in found if e.candidate}
    assert kinds[ErrorKind.USER_CODE] == "ValueError: cannot fail"
    assert "no answer within 0.3 s" in (kinds[ErrorKind.TIMEOUT] or "")


def test_the_control_s_own_error_is_raised_as_it_is(tmp_path: Path) -> None:
    error = LookupError("no such user")

    async def failing(_question: str) -> str:
        raise error

    async def new(_question: str) -> str:
        raise AssertionError("the candidate is not asked then")

    [raised], [exchange] = run(tmp_path / "s.db", failing, new, "hi")
    assert raised is error
    assert exchange.control is not None and exchange.control.error_kind is ErrorKind.USER_CODE
    assert exchange.candidate is None and read_counts(tmp_path / "s.db")["control_failed"] == 1


def test_the_application_does_not_wait_and_its_context_stays_its_own(tmp_path: Path) -> None:
    seen: list[str] = []
    is_answered = threading.Event()

    async def slow(_question: str) -> str:
        seen.append(TRACE.get())
        assert await asyncio.to_thread(is_answered.wait, PATIENCE_S)
        return "late"

    async def main() -> None:
        async with ShadowDeployment(old, slow, store=tmp_path / "s.db") as shadow:
            TRACE.set("request-7")
            await shadow("hi")
            is_answered.set()

    asyncio.run(main())
    assert seen == ["none"]
    [exchange] = read_exchanges(tmp_path / "s.db")
    assert exchange.candidate is not None and not exchange.has_content


def test_more_than_the_queue_takes_is_shed_and_counted(tmp_path: Path) -> None:
    async def slow(_question: str) -> str:
        await asyncio.sleep(0.1)
        return "late"

    _answers, found = run(tmp_path / "s.db", old, slow, *"abcdefghij", concurrency=1, queue=2)
    assert len(found) == 3
    counts = read_counts(tmp_path / "s.db")
    assert (counts["seen"], counts["shed"], counts["mirrored"]) == (10, 7, 3)


def test_units_are_drawn_as_a_whole_and_tags_are_kept(tmp_path: Path) -> None:
    async def new(question: str) -> str:
        return question

    calls = [f"user-{n}" for n in range(10)] * 2
    _answers, found = run(
        tmp_path / "s.db",
        old,
        new,
        *calls,
        share=0.5,
        unit=lambda question: question,
        tags=lambda question: [f"last:{question[-1]}"],
    )
    units = [e.unit for e in found]
    assert 0 < len(found) < 20 and all(units.count(unit) == 2 for unit in units)
    assert all(e.tags[0].startswith("last:") for e in found)


def test_a_store_that_cannot_be_written_is_not_the_application_s_problem(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")

    async def new(question: str) -> str:
        return question

    async def main() -> str:
        async with ShadowDeployment(old, new, store=tmp_path / "file" / "s.db") as shadow:
            return await shadow("hi")

    assert asyncio.run(main()) == "old says hi to ada"
    assert "nothing is recorded any more" in caplog.text


def test_a_comparison_sees_the_content_that_is_not_stored(tmp_path: Path) -> None:
    async def new(question: str) -> str:
        return f"old says {question} to ada"

    def compare(exchange: Exchange) -> dict[str, Any]:
        assert exchange.control is not None and exchange.candidate is not None
        return {"same": exchange.control.text == exchange.candidate.text, "said": exchange.control.text}

    async def main() -> None:
        path = tmp_path / "s.db"
        async with ShadowDeployment(old, new, store=path, compare=compare) as shadow:
            await shadow("me@example.org")

    asyncio.run(main())
    from swapgate.shadow.store import ShadowStore

    store = ShadowStore(tmp_path / "s.db")
    [stored] = store.exchanges()
    store.close()
    assert stored.comparison == {"same": True, "said": "old says [email] to ada"}
    assert not stored.exchange.has_content


def test_what_is_not_a_callable_or_not_async_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="candidate must be an async function, got 'gpt'"):
        ShadowDeployment(old, "gpt")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="share must be from 0 to 1, got 5"):
        ShadowDeployment(old, old, share=5)
    [raised], _found = run(tmp_path / "s.db", lambda question: question, old, "hi")
    assert isinstance(raised, UsageError) and "is not async" in str(raised)


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Server]]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)

    def answer(request: Any) -> Answer:
        return (
            streamed(openai_stream("hel", "lo"))
            if request.json.get("stream")
            else Answer(openai_completion())
        )

    with serving(answer) as control, serving(answer) as candidate:
        write_workspace(tmp_path, control=control.url, candidate=candidate.url, content=True)
        yield control, candidate


@pytest.mark.usefixtures("servers")
def test_a_mirror_that_cannot_be_opened_is_told_where_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application that waited for it would never begin."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    told: list[str] = []

    def make() -> None:
        with pytest.raises(UsageError, match="there are no certificates there") as raised:
            ShadowTransport(root=tmp_path)
        told.append(str(raised.value))

    making = threading.Thread(target=make, daemon=True)
    making.start()
    making.join(PATIENCE_S)
    assert len(told) == 1


def test_what_cannot_be_dropped_keeps_nothing_from_being_mirrored(
    tmp_path: Path, servers: tuple[Server, Server], caplog: pytest.LogCaptureFixture
) -> None:
    control, candidate = servers
    write_workspace(
        tmp_path, control=control.url, candidate=candidate.url, route={"mode": "spool"}, spool="spooled"
    )
    (tmp_path / "spooled" / "2020-01-01-old.jsonl").mkdir(parents=True)
    with httpx.Client(transport=ShadowTransport(root=tmp_path)) as client:
        wait_for(lambda: "older than it may be was not dropped" in caplog.text)
        body = {"model": "old-1", "messages": [{"role": "user", "content": "hi"}]}
        client.post(f"{control.url}/v1/chat/completions", json=body).raise_for_status()
    written = [file for file in (tmp_path / "spooled").glob("*.jsonl") if file.is_file()]
    assert len(written) == 1 and '"hi"' in written[0].read_text()


def test_an_official_client_over_the_transport_is_mirrored(
    tmp_path: Path, servers: tuple[Server, Server]
) -> None:
    control, candidate = servers
    transport = ShadowTransport(root=tmp_path)
    with openai.OpenAI(
        base_url=f"{control.url}/v1", api_key="sk-app", http_client=httpx.Client(transport=transport)
    ) as client:
        for stream in (False, True):
            made = client.chat.completions.create(
                model="old-1", messages=[{"role": "user", "content": "hi"}], stream=stream
            )
            if stream:
                assert "".join(c.choices[0].delta.content or "" for c in made if c.choices) == "hello"
    found = read_exchanges(tmp_path / ".swapgate" / "shadow.db")
    assert [e.candidate.text for e in found if e.candidate] == ["hello", "hello"]
    streamed_one = next(e for e in found if e.is_streamed)
    assert streamed_one.control is not None and streamed_one.control.ttft_s is not None
    assert {r.headers["authorization"] for r in candidate.requests} == {f"Bearer {KEYS['CANDIDATE_KEY']}"}


class _Broken(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield b"data: "
        raise httpx.ReadError("reset")


def test_a_control_that_breaks_off_is_a_record_too(tmp_path: Path, servers: tuple[Server, Server]) -> None:
    def send(request: httpx.Request) -> httpx.Response:
        if b'"late"' in request.content:
            raise httpx.ReadTimeout("late", request=request)
        return httpx.Response(200, stream=_Broken())

    transport = ShadowTransport(root=tmp_path, transport=httpx.MockTransport(send))
    with httpx.Client(transport=transport) as client:
        for text, error in (("late", httpx.ReadTimeout), ("broken", httpx.ReadError)):
            body = {"model": "old-1", "messages": [{"role": "user", "content": text}]}
            with pytest.raises(error):
                client.post("http://control/v1/chat/completions", json=body)
    found = read_exchanges(tmp_path / ".swapgate" / "shadow.db")
    assert {(e.control.error_kind, e.control.status) for e in found if e.control} == {
        (ErrorKind.TIMEOUT, None),
        (ErrorKind.CONNECTION, 200),
    }
    assert [e.candidate for e in found] == [None, None] and not servers[1].requests
    assert read_counts(tmp_path / ".swapgate" / "shadow.db")["control_failed"] == 2


def test_an_async_client_over_the_transport_is_mirrored(
    tmp_path: Path, servers: tuple[Server, Server]
) -> None:
    control, candidate = servers

    async def main() -> None:
        transport = AsyncShadowTransport(root=tmp_path)
        async with openai.AsyncOpenAI(
            base_url=f"{control.url}/v1", api_key="sk-app", http_client=httpx.AsyncClient(transport=transport)
        ) as client:
            made = await client.chat.completions.create(
                model="old-1", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            async for _event in made:
                pass
            await client.chat.completions.create(
                model="old-1",
                messages=[{"role": "user", "content": "not me"}],
                extra_headers={"x-swapgate-shadow": "off"},
            )
            wait_for(lambda: len(candidate.requests) == 1)

    asyncio.run(main())
    counts = read_counts(tmp_path / ".swapgate" / "shadow.db")
    assert (counts["seen"], counts["mirrored"], counts["opted_out"]) == (2, 1, 1)
    assert "x-swapgate-shadow" not in control.requests[-1].headers
