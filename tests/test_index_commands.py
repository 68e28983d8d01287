"""`swapgate index`: the commands as they are typed, on real stores; processes that die, and two at once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processes import wait_for
from retrieval_here import postgres
from servers import Answer, Received, Server, serving
from swapgate.cli import main
from swapgate.errors import UsageError
from swapgate.retrieval import StateStore, open_async_router, open_router
from swapgate.retrieval.adapters.pgvector import PgvectorIndex
from swapgate.retrieval.adapters.qdrant import QdrantIndex, open_client
from swapgate.retrieval.adapters.sqlite import SqliteIndex
from swapgate.retrieval.records import CONTENTS, VERIFICATION, Reader
from swapgate.retrieval.turn import only_one

# The embedding of the tests: it notes what it is asked, so that nothing is embedded twice in secret.
CODE = """
import hashlib, os, time
import numpy as np

def embed(texts):
    time.sleep(float(os.environ.get("SLOW_S", "0")))
    with open(os.environ["EMBED_LOG"], "a") as log:
        log.write("".join(text + "\\n" for text in texts))
    rows = [hashlib.blake2b(text.encode(), digest_size=32).digest() for text in texts]
    return np.array([np.frombuffer(row, dtype=np.uint8) for row in rows], dtype=np.float32)
"""
CONFIG = """
migration: docs
old:
  sqlite: {path: old.db}
  embed: {model: wordllama, dimensions: 64}
new:
  sqlite: {path: new.db}
  embed: {call: "toyembed:embed", dimensions: 32}
source: {jsonl: docs.jsonl}
reindex: {batch: 10, concurrency: 2}
"""


class Place:
    """A workspace with a migration."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "embedded.txt"
        (root / "config").mkdir()
        self.write(CONFIG)
        (root / "toyembed.py").write_text(CODE)
        self.documents(200)

    def write(self, config: str) -> None:
        (self.root / "config" / "index.yml").write_text(config)

    def documents(self, count: int) -> None:
        rows = [json.dumps({"id": f"doc-{n}", "text": f"text {n}"}) for n in range(count)]
        (self.root / "docs.jsonl").write_text("\n".join(rows) + "\n")

    def embedded(self) -> Counter[str]:
        return Counter(self.log.read_text().splitlines()) if self.log.exists() else Counter()

    def new(self) -> SqliteIndex:
        return SqliteIndex("new", self.root / "new.db")

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "swapgate", "index", *arguments],
            cwd=self.root, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "evals"), **environ},
        )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    place = Place(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBED_LOG", str(place.log))
    yield place
    # Another test's module of the same name lies in another folder.
    sys.modules.pop("toyembed", None)
    if str(tmp_path) in sys.path:
        sys.path.remove(str(tmp_path))


def run(*arguments: str) -> int:
    return main(["index", *arguments])


def test_the_whole_way_from_the_plan_to_retirement(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("begin", "--why", "the old model is retired") == 0
    assert run("move", "dual_write", "--why", "both from now on") == 0
    assert run("move", "backfill", "--why", "every router knows") == 0
    assert run("reindex") == 0
    said = capsys.readouterr().out
    assert "pass 1: 200 documents, 200 chunks written, 0 as before, 0 removed, 0 dead" in said
    assert "the new index holds 200 vectors; the ledger 200, and 0 dead" in said and "all well" in said
    assert run("move", "verify", "--why", "filled") == 0
    assert run("move", "shadow_read", "--why", "examined") == 0
    assert run("move", "canary", "--share", "0.05", "--why", "first") == 0
    assert run("promote", "--why", "as good", "--who", "ann") == 0
    assert run("move", "bake", "--why", "a week") == 0
    assert run("move", "retired", "--why", "baked") == 0
    capsys.readouterr()
    assert run("status", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["phase"], told["share"], told["ledger"]) == ("retired", 1.0, {"written": 200, "dead": 0})
    assert told["contents"]["passed"] and told["indexes"]["new"]["entries"] == 200
    assert [c["phase"] for c in told["changes"]][-3:] == ["promoted", "bake", "retired"]
    assert told["changes"][-3]["who"] == "ann" and told["changes"][0]["why"] == "the old model is retired"
    assert run("status") == 0
    assert "docs: retired, the new index serves 100.0%" in capsys.readouterr().out


def test_the_new_index_is_not_asked_before_it_was_examined(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    run("begin", "--why", "x")
    for phase in ("dual_write", "backfill", "verify"):
        run("move", phase, "--why", "x")
    assert run("move", "shadow_read", "--why", "in a hurry") == 4
    assert (
        "the new index was not examined since it was filled: `swapgate index check`"
        in capsys.readouterr().err
    )
    assert run("move", "shadow_read", "--why", "in a hurry", "--force") == 0
    assert "warning: the new index was not examined" in capsys.readouterr().err
    assert run("rollback", "--why", "calm down") == 0


def test_no_user_is_given_an_index_that_failed_its_verification(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    run("begin", "--why", "x")
    for phase in ("dual_write", "backfill", "verify"):
        run("move", phase, "--why", "x")
    with closing(StateStore(place.root / ".swapgate" / "indexes.db")) as store:
        now = store.get("docs")
        store.add_evidence("docs", CONTENTS, version=now.version, passed=True, record={})
        failed = {"verdict": "failed"}
        store.add_evidence("docs", VERIFICATION, version=now.version, passed=False, record=failed)
        assert run("move", "shadow_read", "--why", "to see it") == 0
        assert run("move", "canary", "--share", "0.05", "--why", "in a hurry") == 4
        assert "failed its verification: `swapgate index verify` says on what" in capsys.readouterr().err
        passed = {"verdict": "passed"}
        store.add_evidence("docs", VERIFICATION, version=now.version + 1, passed=True, record=passed)
        assert run("move", "canary", "--share", "0.05", "--why", "mended") == 0


def test_a_router_that_died_is_named_before_the_backfill(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("begin", "--why", "x")
    run("move", "dual_write", "--why", "x")
    with closing(StateStore(place.root / ".swapgate" / "indexes.db")) as store:
        store.beat("docs", Reader(reader="host-7 4711", version=1, beat=3))
        wait = store.wait_until_seen
    monkeypatch.setattr(
        StateStore, "wait_until_seen", lambda self, name, version: wait(name, version, silence_s=0.3)
    )
    capsys.readouterr()
    assert run("move", "backfill", "--why", "x") == 0
    assert "the router host-7 4711 has not been heard of" in capsys.readouterr().err
    run("status", "--json")
    assert json.loads(capsys.readouterr().out)["routers"] == []


def test_mistakes_are_told_with_a_remedy(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    def error(*arguments: str) -> str:
        capsys.readouterr()
        assert run(*arguments) == 4
        return capsys.readouterr().err

    assert "no migration 'docs'" in error("status")
    run("begin", "--why", "x")
    assert "Did you mean 'promoted'?" in error("move", "promotd", "--why", "x")
    assert "a change needs a reason" in error("move", "dual_write", "--why", " ")
    assert "config/none.yml: there is no such file" in error("status", "--config", "config/none.yml")
    assert "config: it is a folder, not a file" in error("status", "--config", "config")
    assert "was not filled from here yet" in error("check")
    place.write(CONFIG.replace("dimensions: 32", "dimension: 32"))
    assert "config/index.yml:8: unknown key 'dimension'" in error("status")
    place.write(CONFIG.replace("sqlite: {path: new.db}", "pgvector: {table: t, url_env: NOT_SET}"))
    assert "the environment variable NOT_SET is not set" in error("reindex")
    place.write(CONFIG.replace("docs.jsonl", "absent.jsonl"))
    assert "absent.jsonl: there is no such file" in error("reindex")
    unbegun = CONFIG.replace("migration: docs", "migration: other")
    place.write(unbegun.replace("toyembed:embed", "toyembed:embeds"))
    assert "embed: call: 'toyembed' has no 'embeds'. Did you mean 'embed'?" in error("reindex")
    place.write(CONFIG.replace("dimensions: 64", "dimensions: 640"))
    assert "vectors of at most 256 dimensions, got 640" in error("reindex")


def test_a_width_that_is_written_wrong_is_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.write(CONFIG.replace("dimensions: 32", "dimensions: 33"))
    assert run("reindex") == 4
    assert "toyembed:embed gave vectors of shape (10, 32) for 10 texts" in capsys.readouterr().err


def test_another_embedding_cannot_go_on_with_what_one_has_begun(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reindex") == 0
    place.write(CONFIG.replace("dimensions: 32", "dimensions: 32, passage_prefix: 'passage: '"))
    capsys.readouterr()
    assert run("reindex") == 4
    told = capsys.readouterr().err
    assert "not the one that the migration 'docs' was begun with: passage_prefix '', not 'passage: '" in told
    assert len(place.embedded()) == 200


def test_a_dry_run_gives_the_articles_hours_and_embeds_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    price = "embed: {model: 'openai:text-embedding-3-large', dimensions: 3072}"
    place.write(CONFIG.replace('embed: {call: "toyembed:embed", dimensions: 32}', price))
    assert run("reindex", "--dry-run", "--chunks", "2100000", "--rate", "500", "--tokens", "400") == 0
    said = capsys.readouterr().out
    assert "2,100,000 chunks to embed, 500 a second" in said
    assert "  embedding       1.17 h\n" in said and "  together         6.0 h\n" in said
    assert "cost: $109.20 for 840,000,000 tokens" in said  # 0.13 dollars for a million
    assert run("reindex", "--dry-run", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["amount"]["chunks"] == 200 and told["rate_from"] == "assumed"
    assert not (place.root / "new.db").exists() and place.embedded() == {}


def test_killed_at_any_moment_and_resumed_every_chunk_is_there_once(place: Place) -> None:
    """The batches in flight are all that is embedded twice: two of ten texts for each kill."""
    place.documents(400)
    drawn = random.Random(7)
    kills = 0
    while kills < 2:
        before = sum(place.embedded().values())
        child = place.start("reindex", SLOW_S="0.2")
        wait_for(lambda: child.poll() is not None or sum(place.embedded().values()) > before)  # noqa: B023
        time.sleep(drawn.uniform(0.0, 0.25))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        kills += child.returncode == -signal.SIGKILL
        if child.returncode != -signal.SIGKILL:
            break
    with closing(place.new()) as index:
        assert index.count() > 0
    last = place.start("reindex")
    _out, err = last.communicate(timeout=120)
    assert last.returncode == 0, err
    with closing(place.new()) as index:
        held = {one.id: one.payload["text"] for one in index.scan(None, 10_000)[0]}
    assert held == {f"doc-{n}": f"text {n}" for n in range(400)}
    embedded = place.embedded()
    assert len(embedded) == 400
    assert kills == 2 and sum(embedded.values()) - 400 <= kills * 20


def test_of_two_reindexings_one_is_refused_until_the_other_is_dead(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.start("reindex", SLOW_S="60") as first:
        wait_for((place.root / ".swapgate" / "reindex" / "docs.holder").exists)
        assert run("reindex") == 4
        told = capsys.readouterr().err
        assert f"process {first.pid} on " in told and "is reindexing already. Wait for it with --wait" in told
        waiting: list[int] = []
        thread = threading.Thread(target=lambda: waiting.append(run("reindex", "--wait")))
        thread.start()
        time.sleep(0.5)
        assert waiting == []
        first.kill()
        thread.join(timeout=60)
    assert waiting == [0]
    assert set(place.embedded().values()) == {1} and len(place.embedded()) == 200


def test_ctrl_c_keeps_what_was_embedded(place: Place) -> None:
    child = place.start("reindex", SLOW_S="0.2")
    wait_for(lambda: len(place.embedded()) > 20)
    child.send_signal(signal.SIGINT)
    _out, err = child.communicate(timeout=120)
    assert child.returncode == 2 and "Traceback" not in err
    with closing(place.new()) as index:
        assert index.count() == len(place.embedded())


def test_what_cannot_be_embedded_is_listed_and_a_changed_index_fails(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    with (place.root / "docs.jsonl").open("a") as file:
        file.write(json.dumps({"id": "blank", "text": " "}) + "\n")
    assert run("reindex", "--json") == 0
    assert json.loads(capsys.readouterr().out)["contents"]["dead"] == 1
    assert run("dead") == 0
    assert "blank  empty" in capsys.readouterr().out
    with closing(place.new()) as index:
        index.delete(["doc-1"])
    assert run("check") == 1
    assert "FAILED: 1 chunk of the ledger are not in the index" in capsys.readouterr().out
    # It is in the ledger: only a fresh beginning looks at what the index lacks.
    assert run("reindex", "--fresh") == 0


def test_an_index_that_was_there_before_is_stamped_once(
    place: Place, capsys: pytest.CaptureFixture[str], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("CREATE TABLE old_docs (id text PRIMARY KEY, embedding vector(32), payload jsonb)")
        row = "[" + ",".join(["1"] * 32) + "]"
        connection.execute("INSERT INTO old_docs VALUES ('a', %s, '{\"text\": \"one\"}')", (row,))
    monkeypatch.setenv("OLD_DSN", postgres_url)
    config = CONFIG.replace("sqlite: {path: old.db}", "pgvector: {table: old_docs, url_env: OLD_DSN}")
    place.write(config)
    assert run("stamp", "old") == 4
    assert "its vectors have 32 dimensions, and `dimensions: 64` is written" in capsys.readouterr().err
    place.write(config.replace("dimensions: 64", "dimensions: 32"))
    assert run("stamp", "old") == 0
    assert run("stamp", "old") == 0
    place.write(config.replace("dimensions: 64", "dimensions: 32, normalise: true"))
    assert run("stamp", "old") == 4
    assert "made with another embedding" in capsys.readouterr().err
    assert run("stamp", "old", "--replace") == 0


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url


def test_from_an_old_index_in_postgres_to_qdrant_with_the_state_in_postgres(
    place: Place, postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DSN", postgres_url)
    first = CONFIG.replace("sqlite: {path: new.db}", "pgvector: {table: chunks, url_env: DSN}")
    place.write(first.replace("migration: docs", "migration: first\nstate_url_env: DSN"))
    assert run("reindex") == 0
    place.write("""
migration: second
state_url_env: DSN
old:
  pgvector: {table: chunks, url_env: DSN}
  embed: {call: "toyembed:embed", dimensions: 32}
new:
  qdrant: {path: qdrant, collection: chunks}
  embed: {model: wordllama, dimensions: 128, normalise: true}
source: {index: old}
reindex: {max_alike: 1}
""")
    capsys.readouterr()
    assert run("reindex") == 0
    with closing(QdrantIndex("new", open_client(path=place.root / "qdrant"), "chunks")) as index:
        assert index.count() == 200
        stamped = index.stamp()
        assert stamped is not None and (stamped.model, stamped.dimensions) == ("l2_supercat_256", 128)
        assert index.fetch(["doc-7"])[0].payload == {"text": "text 7"}
    with closing(PgvectorIndex("old", postgres_url, "chunks")) as index:
        assert index.search(np.ones(32, dtype=np.float32), 1)[0].payload["text"].startswith("text ")
    with closing(StateStore(postgres_url)) as store:
        assert store.names() == ["first", "second"]


@pytest.mark.parametrize("kind", ["parquet", "sql"])
def test_other_sources(place: Place, kind: str) -> None:
    rows = [{"key": n, "title": f"title {n}", "body": f"body {n}", "lang": "en"} for n in range(30)]
    if kind == "parquet":
        arrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(arrow.Table.from_pylist(rows), place.root / "docs.parquet")
        source = "parquet: docs.parquet"
    else:
        import sqlite3

        with closing(sqlite3.connect(place.root / "docs.db")) as connection, connection:
            connection.execute("CREATE TABLE docs (key, title, body, lang)")
            connection.executemany("INSERT INTO docs VALUES (:key, :title, :body, :lang)", rows)
        source = f"sql: SELECT * FROM docs, url: 'sqlite:///{place.root}/docs.db'"
    fields = "id: key, text: [title, body], payload: [lang]"
    place.write(CONFIG.replace("jsonl: docs.jsonl", f"{source}, {fields}") + "chunk: {words: 3}\n")
    assert run("reindex") == 0
    with closing(place.new()) as index:
        assert index.count() == 60
        found = {one.id: one.payload for one in index.fetch(["7#0", "7#1"])}
        assert found == {"7#0": {"text": "title 7\nbody", "lang": "en"}, "7#1": {"text": "7", "lang": "en"}}
        stamped = index.stamp()
        assert stamped is not None and stamped.chunker == "words 3"


class Service:
    """An OpenAI-compatible service of embeddings, with troubles."""

    def __init__(self) -> None:
        self.calls = 0
        self.texts: Counter[str] = Counter()
        self.troubles: list[Answer] = []
        self.poison = ""
        self.width = 8

    def __call__(self, request: Received) -> Answer:
        self.calls += 1
        assert (
            request.path == "/v1/embeddings" and request.headers["authorization"] == "Bearer k-secret-123456"
        )
        if self.troubles:
            return self.troubles.pop()
        given = request.json["input"]
        if self.poison and any(self.poison in text for text in given):
            return Answer(status=400, body={"error": {"message": "input too long for k-secret-123456"}})
        self.texts.update(given)
        rows = [{"index": n, "embedding": self.row(text)} for n, text in enumerate(given)]
        usage = {"prompt_tokens": 10 * len(given), "total_tokens": 10 * len(given)}
        return Answer(body={"data": rows[::-1], "model": "served-1", "usage": usage})

    def row(self, text: str) -> list[Any]:
        if "sick" in text:
            return [None] * self.width
        drawn = random.Random(text)
        return [drawn.uniform(-1, 1) for _ in range(self.width)]


@pytest.fixture
def service(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Service, Server]]:
    made = Service()
    monkeypatch.setenv("EMBED_KEY", "k-secret-123456")
    with serving(made) as server:
        (place.root / "config" / "models.yml").write_text(f"""
models:
  embedder: {{provider: openai-compatible, model: embed-1, base_url: '{server.url}/v1',
             api_key_env: EMBED_KEY, price: {{input: 1000, output: 0}}}}
""")
        place.write(
            CONFIG.replace('{call: "toyembed:embed", dimensions: 32}', "{model: embedder, dimensions: 8}")
        )
        yield made, server


def test_a_service_that_refuses_and_fails_is_asked_again(
    place: Place, service: tuple[Service, Server], capsys: pytest.CaptureFixture[str]
) -> None:
    made, _server = service
    limited = Answer(status=429, body={"error": {"message": "slow down"}}, headers={"retry-after": "0.05"})
    made.troubles = [limited, Answer(status=500, body={}), limited]
    assert run("reindex") == 0
    assert set(made.texts.values()) == {1} and len(made.texts) == 200
    assert made.calls == 20 + 3
    assert "cost: $2.00" in capsys.readouterr().out  # 200 texts of 10 tokens at 1,000 dollars a million
    assert run("status", "--json") == 0
    assert json.loads(capsys.readouterr().out)["filled_usd"] == pytest.approx(2.0)


def test_one_text_that_a_service_refuses_is_found_and_no_key_is_shown(
    place: Place, service: tuple[Service, Server], capsys: pytest.CaptureFixture[str]
) -> None:
    made, _server = service
    made.poison = "text 57"
    assert run("reindex") == 0
    assert run("dead", "--json") == 0
    told = capsys.readouterr()
    assert "doc-57" in told.out and "input too long" in told.out
    assert "k-secret" not in told.out + told.err
    assert "k-secret" not in "".join(
        path.read_bytes().decode("latin-1") for path in place.root.rglob("*") if path.is_file()
    )


def test_a_vector_of_nothing_of_a_service_is_a_dead_letter(
    place: Place, service: tuple[Service, Server], capsys: pytest.CaptureFixture[str]
) -> None:
    with (place.root / "docs.jsonl").open("a") as file:
        file.write(json.dumps({"id": "s", "text": "a sick one"}) + "\n")
    assert run("reindex") == 0
    run("dead", "--json")
    assert json.loads(capsys.readouterr().out.rpartition("[\n")[2].join(["[\n", ""]))[0]["kind"] == "vector"


def test_a_service_that_is_gone_ends_the_run_and_the_next_goes_on(
    place: Place, service: tuple[Service, Server], capsys: pytest.CaptureFixture[str]
) -> None:
    made, _server = service
    place.write(
        (place.root / "config" / "index.yml").read_text().replace("{batch: 10", "{retries: 0, batch: 10")
    )
    made.troubles = [Answer(status=401, body={"error": {"message": "bad key"}}) for _ in range(9)]
    assert run("reindex") == 3
    assert "swapgate: error: " in capsys.readouterr().err
    made.troubles = []
    assert run("reindex") == 0
    assert set(made.texts.values()) == {1} and len(made.texts) == 200


def test_a_limit_on_the_cost_is_kept_and_the_rest_done_later(
    place: Place, service: tuple[Service, Server], capsys: pytest.CaptureFixture[str]
) -> None:
    made, _server = service
    assert run("reindex", "--max-cost", "1") != 0
    told = capsys.readouterr().err
    assert "--max-cost=1" in told and "Traceback" not in told
    spent = sum(made.texts.values()) * 10 * 1000 / 1e6
    assert 0 < spent <= 1
    with closing(place.new()) as index:
        assert index.count() == len(made.texts)
    assert run("reindex") == 0
    assert set(made.texts.values()) == {1}


def test_a_service_with_vectors_of_another_width_is_told(
    place: Place, service: tuple[Service, Server], capsys: pytest.CaptureFixture[str]
) -> None:
    service[0].width = 9
    assert run("reindex") == 4
    assert "embedder gave vectors of 9 dimensions, and `dimensions: 8` is written" in capsys.readouterr().err
    with closing(place.new()) as index:
        assert index.count() == 0


def test_summaries_of_a_model_are_embedded_and_paid_for_once(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    nine = "    if text == 'text 9':\n        raise ValueError('nine')\n"
    code = f"def answer(text):\n{nine}    return 'short: ' + text\n"
    (place.root / "summary.py").write_text(code)
    (place.root / "config" / "models.yml").write_text(
        "models:\n  short: {provider: python, model: 'summary:answer'}\n"
    )
    place.write(CONFIG + "summarise: {model: short, prompt: 'Summarise: {{text}}'}\n")
    assert run("reindex") == 0
    with closing(place.new()) as index:
        payload = index.fetch(["doc-7"])[0].payload
        assert payload["text"] == "text 7" and str(payload["summary"]).startswith("short: ")
        stamped = index.stamp()
        assert stamped is not None and stamped.chunker.startswith("summary by short ")
    assert all(text.startswith("short: ") for text in place.embedded()) and len(place.embedded()) == 199
    capsys.readouterr()
    assert run("dead", "--json") == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == ["doc-9"]
    sys.modules.pop("summary", None)


def test_routers_of_the_file_serve_what_was_filled(
    place: Place, service: tuple[Service, Server], capsys: pytest.CaptureFixture[str]
) -> None:
    """The old embedding is of this process, the new one of a service that is asked over HTTP."""
    written = (place.root / "config" / "index.yml").read_text()
    before = written.replace("migration: docs", "migration: before").replace("new.db", "old.db")
    place.write(before.replace("{model: embedder, dimensions: 8}", "{model: wordllama, dimensions: 64}"))
    assert run("reindex") in {0, 1}  # the old index; wordllama cannot tell some of the numbers apart
    place.write(written)
    assert run("begin", "--why", "x") == 0
    assert run("move", "dual_write", "--why", "x") == run("move", "backfill", "--why", "x") == 0
    assert run("reindex") == 0
    assert run("move", "verify", "--why", "x") == run("move", "shadow_read", "--why", "x") == 0
    assert run("move", "canary", "--share", "0.5", "--why", "x") == 0
    with open_router() as router:
        sides = {router.search("text 7", 1, key=str(n)).served_by for n in range(20)}
        assert sides == {"old", "new"}
        router.promote(why="as good")
        assert router.search("text 7", 1).hits[0].id == "doc-7"
        assert router.upsert(["late"], ["a late text"]).sides == ("new", "old")

    async def awaited() -> str:
        async with open_async_router() as router:
            return (await router.search("a late text", 1)).hits[0].id

    assert asyncio.run(awaited()) == "late"
    assert service[0].texts["a late text"] == 2  # once stored, once asked for


def test_a_lock_in_postgres_holds_for_other_machines(postgres_url: str, tmp_path: Path) -> None:
    with closing(StateStore(postgres_url)) as one, closing(StateStore(postgres_url)) as other:
        with only_one(one, "docs", tmp_path / "here.lock", waits=False):
            with (
                pytest.raises(UsageError, match="a process of another machine is reindexing already"),
                only_one(other, "docs", tmp_path / "there.lock", waits=False),
            ):
                raise AssertionError("both have it")
            with only_one(other, "another", tmp_path / "there.lock", waits=False):
                pass
        for store in (other, one) * 40:  # given back at once, not when the server notices a closed connection
            with only_one(store, "docs", tmp_path / "there.lock", waits=False):
                pass
