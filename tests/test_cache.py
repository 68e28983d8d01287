"""Responses by content: what makes a key, what survives, what is said when the file is broken."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes import wait_for
from swapgate.errors import SpecError, StoreError
from swapgate.memory.cache import Recording, ResponseCache, read_recordings, request_key, write_recordings
from swapgate.records import (
    Json,
    Message,
    Request,
    Response,
    ToolCall,
    Usage,
    canonical_text,
    content_hash,
    to_json,
)

REQUEST = Request(model="m", messages=(Message(role="user", content="hello"),), params={"temperature": 0})
RESPONSE = Response(
    text='{"a": "ü\x00\u202e"}',
    tool_calls=(ToolCall(name="f", arguments="{}"),),
    usage=Usage(tokens_in=3, tokens_out=4),
    model_served="m-1",
    latency_s=0.25,
)
ABOUT: dict[str, Json] = {"model": "m", "suite": "s", "case": "c", "repeat": 1}


class Wire:
    """What request_key reads of a provider."""

    def __init__(self, *, needs_variables: bool = False, **identity: Json) -> None:
        self.identity: Mapping[str, Json] = identity
        self.needs_variables = needs_variables
        self.is_recordable = self.reads_cache = True

    async def complete(self, request: Request) -> Response:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    opened = ResponseCache(tmp_path / "state" / "cache.db")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, model="n"),
        replace(REQUEST, messages=(Message(role="user", content="hello "),)),
        replace(REQUEST, messages=(Message(role="system", content="hello"),)),
        replace(REQUEST, params={"temperature": 0.1}),
        replace(REQUEST, output_schema={"type": "object"}),
        replace(REQUEST, json_mode=True),
        replace(REQUEST, tools=({"name": "f"},)),
        replace(REQUEST, repeat=2),
    ],
)
def test_whatever_determines_the_answer_makes_another_key(other: Request) -> None:
    assert request_key(other, Wire(provider="p")) != request_key(REQUEST, Wire(provider="p"))


def test_provider_identity_makes_another_key() -> None:
    keys = {request_key(REQUEST, Wire(provider="p", base_url=url)) for url in ("http://a", "http://b")}
    assert len(keys) == 2


def test_names_of_case_and_suite_and_unread_variables_are_no_content() -> None:
    renamed = replace(REQUEST, case="other", suite="other", variables={"diff": "x"})
    assert request_key(renamed, Wire(provider="p")) == request_key(REQUEST, Wire(provider="p"))


def test_variables_count_for_a_provider_that_reads_them() -> None:
    asked = replace(REQUEST, variables={"diff": "x"})
    wire = Wire(provider="http", needs_variables=True)
    assert request_key(asked, wire) != request_key(REQUEST, wire)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=st.text(),
    tool_calls=st.lists(
        st.builds(ToolCall, name=st.text(), arguments=st.text(), id=st.none() | st.text()), max_size=2
    ).map(tuple),
    tool_call_id=st.none() | st.text(),
)
REQUESTS = st.builds(
    Request,
    model=st.text(),
    messages=st.lists(MESSAGES, max_size=3).map(tuple),
    params=OBJECTS,
    output_schema=st.none() | OBJECTS,
    json_mode=st.booleans(),
    tools=st.lists(JSON, max_size=2).map(tuple),
    variables=OBJECTS,
    repeat=st.integers(1, 9),
    top_logprobs=st.integers(0, 5),
)


@given(request=REQUESTS, needs_variables=st.booleans())
def test_the_key_is_the_hash_of_one_canonical_object(request: Request, needs_variables: bool) -> None:
    wire = Wire(provider="ü", needs_variables=needs_variables)
    content = {
        "format": 1,
        "identity": wire.identity,
        "model": request.model,
        "messages": [
            {name: value for name, value in to_json(message).items() if value not in (None, [])}
            for message in request.messages
        ],
        "params": request.params,
        "output_schema": request.output_schema,
        "json_mode": request.json_mode,
        "tools": list(request.tools),
        "variables": request.variables if needs_variables else None,
        "repeat": request.repeat,
        **({"top_logprobs": request.top_logprobs} if request.top_logprobs else {}),
    }
    assert request_key(request, wire) == content_hash(content)


@given(st.text(st.characters(exclude_categories=())))
def test_a_text_is_written_as_python_writes_it_half_characters_too(text: str) -> None:
    assert canonical_text(text) == json.dumps(text, ensure_ascii=False)


def test_stored_response_is_read_back_whole_by_another_process_later(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    first = ResponseCache(path)
    first.put("k", RESPONSE, ABOUT)
    assert first.get("k") == RESPONSE
    first.close()
    second = ResponseCache(path)
    assert second.get("k") == RESPONSE
    assert second.get("absent") is None
    second.close()


def write(recordings: Iterable[Recording], file: Path) -> int:
    with file.open("wb") as stream:
        return write_recordings(recordings, stream)


def test_recordings_come_before_the_database(tmp_path: Path) -> None:
    file = tmp_path / "recorded.jsonl"
    write([Recording(key="k", about=ABOUT, response=RESPONSE)], file)
    cache = ResponseCache(tmp_path / "cache.db", recordings=[file])
    cache.put("k", Response(text="newer"), ABOUT)
    cache.flush()
    assert cache.get("k") == RESPONSE
    cache.close()


def test_export_and_import_give_the_same_bytes_again(cache: ResponseCache, tmp_path: Path) -> None:
    for number in (3, 1, 2):
        cache.put(f"k{number}", RESPONSE, {**ABOUT, "case": f"c{number}"})
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    assert write(cache.export(), first) == 3
    write(read_recordings(first), second)
    assert first.read_bytes() == second.read_bytes()
    assert [r.about["case"] for r in read_recordings(first)] == ["c1", "c2", "c3"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.text())
def test_any_text_survives_a_recording(text: str, name: str) -> None:
    recording = Recording(key="k", about={"case": name}, response=Response(text=text))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "r.jsonl"
        write([recording], file)
        (again,) = read_recordings(file)
    assert again.response == recording.response


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"key": "k"}', '{"key": "k", "about": {}, "response": {"text": 1}}']
)
def test_broken_recording_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "r.jsonl"
    good = json.dumps({"key": "k", "about": {}, "response": {"text": "x"}})
    file.write_text(f"{good}\n\n{line}\n", encoding="utf-8")
    with pytest.raises((SpecError, StoreError), match=r"r\.jsonl:3: |stored response"):
        list(read_recordings(file))


def test_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    path.write_text("this is not a database, it is a text that is long enough to be looked at" * 20)
    with pytest.raises(StoreError, match=r"cache\.db.*cannot be used.*Move the file away"):
        ResponseCache(path)


def test_many_processes_and_threads_write_at_once_without_a_lock_error(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    code = (
        "import sys; from pathlib import Path\n"
        "from swapgate.memory.cache import ResponseCache; from swapgate.records import Response\n"
        "cache = ResponseCache(Path(sys.argv[1]))\n"
        "for n in range(100): cache.put(f'{sys.argv[2]}-{n}', Response(text='x'), {})\n"
        "cache.close()\n"
    )
    source = Path(__file__).parents[1] / "evals"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(n)], env=environment) for n in range(4)
    ]
    assert [worker.wait(120) for worker in workers] == [0, 0, 0, 0]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM responses").fetchone() == (400,)


def test_killed_process_keeps_what_it_had_put_a_moment_before(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    code = (
        "import sys, time; from pathlib import Path\n"
        "from swapgate.memory.cache import ResponseCache; from swapgate.records import Response\n"
        "cache = ResponseCache(Path(sys.argv[1]))\n"
        "for n in range(50): cache.put(str(n), Response(text='x'), {})\n"
        "print('ready', flush=True); time.sleep(60)\n"
    )
    source = Path(__file__).parents[1] / "evals"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        with closing(sqlite3.connect(path)) as reader:
            stored = "SELECT count(*) FROM responses"
            wait_for(lambda: reader.execute(stored).fetchone() == (50,))
        worker.send_signal(signal.SIGKILL)
    cache = ResponseCache(path)
    assert all(cache.get(str(n)) == Response(text="x") for n in range(50))
    cache.close()


def test_reading_and_writing_from_two_threads_agree(cache: ResponseCache) -> None:
    def write() -> None:
        for number in range(300):
            cache.put(str(number), Response(text=str(number)), {})

    writer = threading.Thread(target=write)
    writer.start()
    writer.join()
    assert [cache.get(str(n)) for n in range(300)] == [Response(text=str(n)) for n in range(300)]


class Watched(str):
    """A key that tells the thread that writes how often it has looked it up."""

    __slots__ = ("looked_up",)
    looked_up: Callable[[], None]

    def __hash__(self) -> int:
        if threading.current_thread().name == "swapgate-cache":
            self.looked_up()
        return super().__hash__()


def test_newer_answer_that_comes_while_the_older_one_is_forgotten_is_read(cache: ResponseCache) -> None:
    newer, looks, is_held = replace(RESPONSE, text="newer"), count(1), threading.Event()
    second = threading.Thread(target=cache.put, args=("k", newer, {}))

    def between() -> None:
        if next(looks) == 2:  # what waits under the key is known to be the older one, and goes now
            second.start()
            second.join(0.3)
            holding.execute("BEGIN IMMEDIATE")
            is_held.set()

    key = Watched("k")
    key.looked_up = between
    with closing(sqlite3.connect(cache.path, isolation_level=None, check_same_thread=False)) as holding:
        cache.put(key, RESPONSE, {})
        assert is_held.wait(60)
        second.join()
        assert cache.get("k") == newer
        holding.execute("ROLLBACK")
    cache.flush()
    assert cache.get("k") == newer
