"""Outputs that were made elsewhere."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from swapgate.errors import ErrorKind, ProviderError, SpecError, UsageError
from swapgate.providers.http_client import open_http
from swapgate.providers.open import file_sha256, open_provider
from swapgate.records import Request, Response, ToolCall, Usage
from swapgate.spec.models import ModelSpec

SPEC = ModelSpec(name="recorded-a", provider="recorded", model="recorded-a", path="outputs/a.jsonl")


def ask(root: Path, *asked: tuple[str, str, int]) -> list[Response]:
    async def run() -> list[Response]:
        async with open_http(concurrency=1, timeout_s=5) as http:
            provider = open_provider(SPEC, http=http, root=root)
            assert not provider.is_recordable
            requests = [Request(model="m", messages=(), suite=s, case=c, repeat=r) for s, c, r in asked]
            try:
                return await asyncio.gather(*(provider.complete(request) for request in requests))
            finally:
                await provider.close()

    return asyncio.run(run())


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file that opens and cannot be read")
def test_a_file_that_cannot_be_read_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "a.jsonl").symlink_to("/proc/self/mem")
    with pytest.raises(UsageError, match=r"outputs/a\.jsonl: cannot be read: Input/output error"):
        file_sha256(SPEC, tmp_path)
    with pytest.raises(UsageError, match=r"^outputs/a\.jsonl: cannot be read: Input/output error"):
        ask(tmp_path, ("s", "one", 1))


def write(root: Path, *lines: Any) -> Path:
    (root / "outputs").mkdir()
    file = root / "outputs" / "a.jsonl"
    file.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    return root


def test_a_full_line_is_read(tmp_path: Path) -> None:
    line = {
        "case": "sql-injection",
        "suite": "code_review",
        "repeat": 2,
        "output": "approve",
        "finish_reason": "length",
        "model": "m-1",
        "usage": {"tokens_in": 812, "tokens_out": 96, "other": 1},
        "latency_s": 1.9,
        "tool_calls": [{"name": "f", "arguments": {"a": 1}}],
        "exported_by": "another tool",
    }
    [response] = ask(write(tmp_path, line), ("code_review", "sql-injection", 2))
    assert response == Response(
        text="approve",
        tool_calls=(ToolCall(name="f", arguments='{"a": 1}'),),
        finish_reason="length",
        usage=Usage(tokens_in=812, tokens_out=96),
        model_served="m-1",
        latency_s=1.9,
    )


def test_case_and_output_are_enough_and_other_values_are_dumped(tmp_path: Path) -> None:
    root = write(tmp_path, {"case": "a", "output": {"é": [1]}}, "", {"case": 7, "output": None})
    first, second = ask(root, ("any", "a", 1), ("any", "7", 1))
    assert (first.text, first.usage, first.latency_s) == ('{"é": [1]}', Usage(), None)
    assert second.text == "null"


def test_a_line_of_the_suite_goes_before_one_without(tmp_path: Path) -> None:
    root = write(tmp_path, {"case": "a", "output": "any"}, {"case": "a", "suite": "s", "output": "own"})
    assert [r.text for r in ask(root, ("s", "a", 1), ("t", "a", 1))] == ["own", "any"]


def test_a_missing_case_names_itself_and_the_nearest(tmp_path: Path) -> None:
    root = write(tmp_path, {"case": "sql-injection", "output": ""})
    with pytest.raises(
        ProviderError, match=r"no output for case 'sql-injektion'.*Did you mean 'sql-injection'"
    ) as caught:
        ask(root, ("s", "sql-injektion", 1))
    assert caught.value.kind is ErrorKind.MISSING_RECORDING


def test_a_line_without_repeat_serves_the_first_one_only(tmp_path: Path) -> None:
    root = write(tmp_path, {"case": "a", "output": ""})
    with pytest.raises(ProviderError, match=r"outputs/a\.jsonl: .*repeat 2\): it has repeat 1 only"):
        ask(root, ("s", "a", 2))


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ['{"case": "a", "output": "x"}', '{"case": "b"'],
            r"outputs/a\.jsonl:2: not a recorded output: Invalid JSON",
        ),
        (['{"case": "a"}'], r"a\.jsonl:1: not a recorded output: output: Field required"),
        (['{"case": "a", "output": "", "repeat": 0}'], r"a\.jsonl:1: .*repeat: .*greater than or equal to 1"),
        (
            ['{"case": "a", "output": "", "finish_reason": "eos"}'],
            r"a\.jsonl:1: .*finish_reason: Input should be 'stop'",
        ),
        (
            ['{"case": "a", "output": "", "usage": {"tokens_in": 8, "tokens_out": -1}}'],
            r"a\.jsonl:1: .*usage: tokens_out must be 0 or more",
        ),
        (
            ['{"case": "a", "output": "1"}', "", '{"case": "a", "output": "2", "repeat": 1}'],
            r"a\.jsonl:3: a second output for case 'a', repeat 1: the first is in line 1",
        ),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path: Path, lines: list[str], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        ask(write(tmp_path, *lines), ("s", "a", 1))


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "outputs" / "a.jsonl").write_bytes(
        b'\xef\xbb\xbf{"case": "a", "output": ""}\n{"case": "b", "output": "\xff"}\n'
    )
    with pytest.raises(SpecError, match=r"a\.jsonl:2: "):
        ask(root, ("s", "a", 1))


def test_a_file_that_is_not_there_is_told_before_any_call(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"path 'outputs/a\.jsonl' is not a file"):
        ask(tmp_path, ("s", "a", 1))


def test_a_hundred_thousand_lines_load_quickly(tmp_path: Path) -> None:
    root = write(
        tmp_path, *(f'{{"case": "case-{i}", "suite": "s", "output": "{"x" * 200}"}}' for i in range(100_000))
    )
    started = time.process_time()
    [response] = ask(root, ("s", "case-99999", 1))
    assert len(response.text) == 200
    assert time.process_time() - started < 5


def test_the_files_hash_is_told(tmp_path: Path) -> None:
    before = file_sha256(SPEC, write(tmp_path, "{}"))
    (tmp_path / "outputs" / "a.jsonl").write_text("other")
    assert before is not None
    assert file_sha256(SPEC, tmp_path) not in {None, before}
    assert file_sha256(SPEC.model_copy(update={"provider": "openai"}), tmp_path) is None
