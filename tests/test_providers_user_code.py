"""The user's own function as a model."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from processes import PATIENCE_S
from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.providers.http_client import open_http
from swapgate.providers.open import open_provider
from swapgate.records import Message, Request, Response
from swapgate.spec.models import ModelSpec

NUMBERS = count()
Ask = Callable[..., Response]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Write a module with a function `answer` into a workspace and ask it."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def asked(
        code: str, function: str = "answer", timeout_s: float | None = None, **variables: Any
    ) -> Response:
        name = f"user_model_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text("from swapgate.records import Request, Response\n" + code)
        spec = ModelSpec(name="mine", provider="python", model=f"{name}:{function}", timeout_s=timeout_s)
        request = Request(
            model=spec.model, messages=(Message(role="user", content="Hi"),), variables=variables
        )
        return asyncio.run(complete(spec, request, tmp_path))

    return asked


async def complete(spec: ModelSpec, request: Request, root: Path) -> Response:
    async with open_http(concurrency=1, timeout_s=5) as http:
        provider = open_provider(spec, http=http, root=root)
        assert not provider.reads_cache
        try:
            return await provider.complete(request)
        finally:
            await provider.close()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("def answer(a, b): return f'{a}-{b}'", "1-2"),
        ("async def answer(*, b, a=0): return f'{a}-{b}'", "1-2"),
        ("def answer(a): return str(a)", "1"),
        ("def answer(**v): return str(sorted(v))", "['a', 'b']"),
        ("def answer(inputs): return str(sorted(inputs))", "['a', 'b']"),
        ("def answer(inputs, /): return str(sorted(inputs))", "['a', 'b']"),
        ("def answer(request): return request.messages[-1].content", "Hi"),
        ("def answer(r: Request, scale=1): return r.messages[-1].content", "Hi"),
        ("def answer(): return 'nothing'", "nothing"),
        ("def answer(a): return {'é': [a]}", '{"é": [1]}'),
        ("def answer(a): return Response(text='x', latency_s=9.0)", "x"),
        ("class Model:\n    async def __call__(self, a): return str(a)\nanswer = Model()", "1"),
    ],
)
def test_the_function_gets_what_its_signature_asks_for(ask: Ask, code: str, text: str) -> None:
    response = ask(code, a=1, b=2)
    assert response.text == text
    assert response.latency_s is not None


def test_an_exception_tells_its_type_and_the_users_own_line(ask: Ask) -> None:
    code = "import json\ndef answer(a):\n    return helper(a)\ndef helper(a):\n    return json.loads(a)\n"
    with pytest.raises(
        ProviderError, match=r"mine: JSONDecodeError: Expecting.*\(user_model_\d+\.py:6\)"
    ) as caught:
        ask(code, a="{")
    assert caught.value.kind is ErrorKind.USER_CODE
    assert not caught.value.is_transient


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def answer(a): raise SystemExit(3)", "SystemExit"),
        ("async def answer(a): raise TimeoutError('own')", "TimeoutError: own"),
        ("def answer(a): raise StopIteration", "StopIteration"),
        ("def answer(a): return 3", "must return str, dict or Response, got int"),
        ("def answer(a): return {'x': object()}", "cannot be written as JSON"),
        ("def answer(a, other): return ''", "takes other, which the case's input does not have"),
    ],
)
def test_whatever_goes_wrong_in_it_is_user_code(ask: Ask, code: str, told: str) -> None:
    with pytest.raises(ProviderError, match=told) as caught:
        ask(code, a=1)
    assert caught.value.kind is ErrorKind.USER_CODE


@pytest.mark.parametrize(
    "code",
    [
        "import asyncio\nasync def answer(): await asyncio.sleep(600)",
        "import time\ndef answer(): time.sleep(600)",
    ],
)
def test_a_function_that_hangs_is_a_timeout(ask: Ask, code: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ProviderError, match=r"within 0\.1 s") as caught:
        ask(code, timeout_s=0.1)
    assert caught.value.kind is ErrorKind.TIMEOUT
    assert time.perf_counter() - started < PATIENCE_S


@pytest.mark.parametrize(
    ("code", "function", "told"),
    [
        ("def answer(): return ''", "anser", r"has no function 'anser'\. Did you mean 'answer'\?"),
        ("import nowhere_at_all", "answer", r"ModuleNotFoundError: .*user_model_\d+\.py:2"),
        ("x = (", "answer", "SyntaxError"),
        ("", "", r"wants package\.module:function"),
    ],
)
def test_a_function_that_cannot_be_found_is_told_before_any_call(
    ask: Ask, code: str, function: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        ask(code, function)


def test_sync_functions_run_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_model.py").write_text(
        "import threading\n"
        "all_of_them = threading.Barrier(40, timeout=60)\n"
        "def answer():\n    all_of_them.wait()\n    return 'x'\n"
    )
    spec = ModelSpec(name="mine", provider="python", model="slow_model:answer")
    request = Request(model=spec.model, messages=())

    async def run() -> None:
        async with open_http(concurrency=1, timeout_s=90) as http:
            provider = open_provider(spec, http=http, root=tmp_path)
            answers = await asyncio.gather(*(provider.complete(request) for _ in range(40)))
            await provider.close()
        assert [answer.text for answer in answers] == ["x"] * 40

    asyncio.run(run())
