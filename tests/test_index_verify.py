"""`swapgate index verify` on real stores: what passes, what fails and by which slice, and every bad input."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval_here import postgres
from servers import Answer, Received, serving
from swapgate.cli import main
from swapgate.errors import UsageError
from swapgate.records import adapter, to_json
from swapgate.retrieval.adapters.pgvector import PgvectorIndex
from swapgate.retrieval.adapters.qdrant import QdrantIndex, open_client
from swapgate.retrieval.adapters.sqlite import SqliteIndex
from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.retrieval.opening import read_index_workspace
from swapgate.retrieval.records import ShadowRead
from swapgate.retrieval.verifying import Verification, verify
from swapgate.spec.settings import resolve_settings
from verifying import WIDTH, Place, details, store


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A workspace whose files no test changes; the new index sees as much as the old one."""
    place = Place(tmp_path_factory.mktemp("as-good"))
    with closing(place.store()) as state:
        state.create("docs", old=print_of("first"), new=print_of("second"), who="me", why="a test")
    yield place
    place.close()


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory, shared: Place) -> Place:
    """The same, and the new embedding is blind to medical details."""
    root = tmp_path_factory.mktemp("blind")
    place = Place(root, new="blind")
    with closing(place.store()) as state:
        state.create("docs", old=print_of("first"), new=print_of("blind"), who="me", why="a test")
    place.close()
    return place


def print_of(function: str) -> Fingerprint:
    return Fingerprint(provider="python", model=f"toys:{function}", dimensions=WIDTH)


def cli(place: Place, *more: str) -> int:
    """Run the command as it is typed."""
    return main(["index", "verify", "--root", str(place.root), *more])


def found_by(place: Place, *, config: str | None = None, file: str = "index.yml", **given: Any) -> Any:
    """Verify as the command does, without the time that it takes to build a command line; return its JSON.

    `config` are more lines of the file, `given` what options would take the place of.
    """
    path = place.root / "config" / file
    if config is not None:
        text = path.read_text()
        path = place.root / "config" / "other.yml"
        path.write_text(text + config)
    options = {name: given.pop(name) for name in ("max_cost",) if name in given}
    workspace = read_index_workspace(resolve_settings(place.root, options, {}), path)
    with closing(workspace.state()) as state:
        settings = workspace.file.verify.with_given(**given)
        found = verify(workspace, state, state.get("docs"), settings)
    return {**to_json(found), "exit_code": int(found.exit_code)}


def refused(place: Place, message: str, **given: Any) -> None:
    """Check that a verification ends with this message, and that nothing was stored of it."""
    with pytest.raises(UsageError) as caught:
        found_by(place, **given)
    assert message in str(caught.value)


def slices(found: Any) -> dict[str, Any]:
    return {one["name"]: one for one in found["slices"]}


def test_an_index_that_is_as_good_passes(shared: Place) -> None:
    found = found_by(shared)
    assert (found["verdict"], found["exit_code"], found["asked"]) == ("passed", 0, 160)
    assert found["labels"] == "qrels"
    assert set(slices(found)) == {"code", "legal", "medical", "travel"}
    overall = found["overall"]
    by_name = {one["metric"]: one for one in overall["compared"]}
    assert by_name["nDCG@10"]["new"] > 0.99
    assert by_name["nDCG@10"]["margin"] == 0.05
    assert by_name["RR@10"]["answer"] is None
    # Another embedding finds other neighbours: changed, and not worse.
    assert 0.2 < overall["changed"]["overlap"]["estimate"] < 0.8
    assert overall["old"]["first_percentile"] > 0.99
    assert found["old"]["p95_s"]["estimate"] > 0
    with closing(shared.store()) as state:
        [kept] = state.evidence("docs", "verification")
        assert kept.passed
        assert kept.record["verdict"] == "passed"


def test_a_bad_slice_fails_the_stage_although_the_mean_is_fine(blind: Place) -> None:
    found = found_by(blind, config="  metrics: {nDCG@10: 0.2}\n")
    assert (found["verdict"], found["exit_code"]) == ("failed", 1)
    assert found["overall"]["answer"] == "pass"
    assert {name for name, one in slices(found).items() if one["answer"] == "fail"} == {"medical"}
    [reason] = found["reasons"]
    assert reason.startswith("on medical, nDCG@10 -0.")
    # As alike as ever by cosine, and wrong.
    medical = slices(found)["medical"]
    assert medical["new"]["first_percentile"] > 0.99
    assert medical["compared"][0]["p_adjusted"] < 0.01
    assert {one["slices"][0] for one in found["worst"]} == {"medical"}
    assert found["worst"][0]["new"][0]["grade"] == 0
    assert found["worst"][0]["old"][0]["grade"] == 1


def test_people_are_shown_the_decision_and_the_worst_queries(
    blind: Place, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli(blind, "--json", "--limit", "50") == 1
    assert json.loads(capsys.readouterr().out)["exit_code"] == 1
    assert cli(blind, "--markdown", str(tmp_path / "out.md")) == 1
    said = capsys.readouterr().out
    assert "FAILED: nDCG@10 -0.1" in said
    assert "on medical, nDCG@10 -0.4" in said
    assert "medical  FAILS  40" in said
    assert "worst: q-medical-0x0 (medical), nDCG@10 1.00 to 0.39: medicalsubject0 medicaldetail0x0" in said
    document = (tmp_path / "out.md").read_text()
    assert document.startswith("## FAILED: index of docs\n")
    assert "| medical | FAILS | 40 |" in document
    assert "<summary>The worst queries</summary>" in document


def test_too_few_queries_never_pass(shared: Place) -> None:
    found = found_by(shared, limit=80)
    assert (found["verdict"], found["exit_code"], found["asked"]) == ("inconclusive", 10, 80)
    assert found["overall"]["answer"] == "pass"
    assert all("queries with labels, 30 wanted" in reason for reason in found["reasons"])


def test_too_few_queries_can_fail(blind: Place) -> None:
    found = found_by(blind, limit=100, config="  slices: {min_queries: 200}\n")
    assert found["verdict"] == "failed"
    assert slices(found)["medical"]["answer"] == "fail"
    assert slices(found)["code"]["answer"] == "inconclusive"


def test_the_file_can_let_slices_pass_that_are_not_shown_to_be_worse(shared: Place) -> None:
    config = "  slices: {margin: null, min_queries: 10}\n  metrics: {nDCG@10: 0.01}\n  min_queries: 10\n"
    found = found_by(shared, config=config)
    assert all(one["answer"] == "pass" for one in slices(found).values())
    assert "not shown to be worse by 0.01" in slices(found)["code"]["reason"]


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Place) -> Iterator[Place]:
    place = Place(tmp_path, new="failing")
    monkeypatch.delitem(sys.modules, "toys")
    with closing(place.store()) as state:
        state.create("docs", old=print_of("first"), new=print_of("failing"), who="me", why="a test")
    yield place
    place.close()


def test_a_query_that_the_new_index_fails_counts_as_nothing_found(
    failing: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS_ON", "codedetail0x0")
    found = found_by(failing)
    assert found["new"]["failed"] == 1
    assert "the embedding is down" in found["new"]["errors"][0]
    code = slices(found)["code"]
    assert code["queries"] == 40
    assert code["compared"][0]["new"] == pytest.approx(code["compared"][0]["old"] - 1 / 40)
    assert found["worst"][0]["failed"] is not None
    assert not found["too_many_errors"]


def test_too_many_failures_decide_nothing(failing: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS_ON", "subject")
    found = found_by(failing)
    assert (found["verdict"], found["exit_code"]) == ("inconclusive", 11)
    assert found["reasons"][0].startswith("the new index failed ")
    assert found["asked"] < 60
    assert any("were not asked any more" in note for note in found["notes"])


def test_what_the_old_index_fails_says_nothing_of_the_new_one(
    failing: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS_ON", "legaldetail0x0")
    text = (failing.root / "config" / "index.yml").read_text()
    swapped = text.replace("toys:first", "toys:x").replace("toys:failing", "toys:first")
    (failing.root / "config" / "index.yml").write_text(swapped.replace("toys:x", "toys:failing"))
    failing.fill("old", "failing")
    with closing(SqliteIndex("old", failing.root / "old.db")) as old:
        old.put_stamp(print_of("failing"))
    with closing(SqliteIndex("new", failing.root / "new.db")) as new:
        new.put_stamp(print_of("first"))
    found = found_by(failing)
    assert found["left_out"]["old_failed"] == 1
    assert slices(found)["legal"]["queries"] == 39


def test_vectors_with_nan_are_failures(failing: Place) -> None:
    failing.configure("nan")
    with closing(SqliteIndex("new", failing.root / "new.db")) as new:
        new.put_stamp(print_of("nan"))
    found = found_by(failing)
    assert found["exit_code"] == 11
    assert "the query's vector has NaN" in found["reasons"][0]


def test_a_threshold_that_lets_nothing_through_is_seen(shared: Place) -> None:
    digest = print_of("second").digest
    path = shared.root / "config" / "strict.yml"
    written = (shared.root / "config" / "index.yml").read_text()
    floor = f"  min_score: {{value: 0.99, fingerprint: {digest}}}\nsource:"
    path.write_text(written.replace("source:", floor, 1))
    found = found_by(shared, file="strict.yml")
    assert (found["verdict"], found["overall"]["new"]["empty"]) == ("failed", 160)
    path.write_text(written.replace("source:", floor.replace(digest, "0123456789ab"), 1))
    refused(shared, "the threshold 0.99 was tuned for the embedding '0123456789ab'", file="strict.yml")


def test_an_index_of_another_embedding_is_refused(failing: Place) -> None:
    failing.configure("second")
    refused(failing, "made with another embedding than the configured one")


QUERY = '{"id": "q-code-0x0", "text": "codesubject0"}\n'
BAD_QUERIES = [
    ("q.jsonl", "", "there is no query in it"),
    ("q.jsonl", QUERY * 2, "q.jsonl:2: the query 'q-code-0x0' is here twice: first in line 1"),
    ("q.jsonl", '{"id": "a"}\n', "q.jsonl:1: the query's text is missing"),
    ("q.jsonl", '{"id": "a", "text": " "}\n', "q.jsonl:1: the query's text is empty"),
    ("q.jsonl", '{"ident": "a", "text": "b"}\n', "q.jsonl:1: the query's id is missing"),
    ("q.jsonl", "[1]\n", "q.jsonl:1: a line must be a JSON object"),
    ("q.jsonl", '{"id": NaN, "text": "b"}\n', "q.jsonl:1: not valid JSON"),
    ("q.jsonl", '{"id": "a", "text": "b", "slice": {"x": 1}}\n', "a slice is a word or a list of words"),
    ("q.tsv", "a\tb\tc\n", "q.tsv:1: 3 cells, and wanted 2 (_id, text)"),
    ("q.csv", 'id,text\n"a', "q.csv:1: not valid CSV"),
]
BAD_LABELS = [
    ("r.txt", "", "no label is about one of the 160 queries (the file is empty)"),
    ("r.txt", "q-unknown 0 code-0x0 1\n", "no label is about one of the 160 queries (such as 'q-unknown')"),
    ("r.txt", "q-code-0x0 0 code-0x0 one\n", "r.txt:1: a grade is a whole number up to 100, got 'one'"),
    ("r.txt", "q-code-0x0 0 code-0x0 nan\n", "a grade is a whole number up to 100, got 'nan'"),
    ("r.txt", "q-code-0x0 0 code-0x0 0.5\n", "a grade is a whole number up to 100, got '0.5'"),
    ("r.txt", "q-code-0x0 0 code-0x0 500\n", "a grade is a whole number up to 100, got '500'"),
    ("r.txt", "q-code-0x0 1\n", "r.txt:1: 2 cells, and wanted 3 (query-id, corpus-id, score) or 4"),
    ("r.txt", "q-code-0x0 0 a 1\nq-code-0x0 0 a 0\n", "r.txt:2: the document 'a' has another grade"),
    ("r.txt", "q-code-0x0 0 other-doc 1\n", "neither index holds any of the 1 relevant documents"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_QUERIES)
def test_bad_queries_are_refused_at_their_line(shared: Place, name: str, content: str, message: str) -> None:
    (shared.root / name).write_text(content)
    refused(shared, message, queries=name, qrels="qrels.txt")


@pytest.mark.parametrize(("name", "content", "message"), BAD_LABELS)
def test_bad_labels_are_refused_at_their_line(shared: Place, name: str, content: str, message: str) -> None:
    (shared.root / name).write_text(content)
    refused(shared, message, qrels=name)


BAD_CONFIG = [
    (
        "  metrics: {nDCG: 0.05}\n",
        "must be measures of ir-measures with a cutoff, as nDCG@10 or R@100, got 'nDCG'",
    ),
    ("  metrics: {Elegance@10: 0.05}\n", "'Elegance@10' is no measure of ir-measures"),
    ("  metrics: {nDCG@10: 1.5}\n", "less than 1"),
    ("  metrics: {}\n", "must name at least one measure"),
    ("  metrics: {R@90: 0.05}\n", "must ask for as many results as are measured: `depth: 90`"),
    ("  metrics: {R@10: 0.05, R(rel=1)@10: 0.05}\n", "'R(rel=1)@10' is another one of them"),
    ("  slices: {by: language}\n", "no query has a field 'language'"),
    ("  cluster: user\n", "no query has a field 'user'"),
    ("  judge: nobody\n", "unknown judge 'nobody'"),
    ("  qrel: x\n", "unknown key 'qrel'"),
]


@pytest.mark.parametrize(("config", "message"), BAD_CONFIG)
def test_a_mistake_in_the_file_is_found_by(shared: Place, config: str, message: str) -> None:
    refused(shared, message, config=config)


def test_files_that_are_missing_are_named(shared: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(shared, "--queries", "gone.jsonl") == 4
    assert "verify: queries: gone.jsonl: there is no such file" in capsys.readouterr().err
    assert cli(shared, "--queries", "/dev/null") == 4
    assert "verify: queries: /dev/null: it is a device or a pipe, not a file" in capsys.readouterr().err
    assert cli(shared, "--qrels", "gone.txt") == 4
    assert "verify: qrels: gone.txt: there is no such file" in capsys.readouterr().err


def test_a_collection_laid_out_as_beir_reads_as_it_is(shared: Place) -> None:
    folder = shared.root / "collection"
    (folder / "qrels").mkdir(parents=True)
    rows = list(details())
    lines = [
        {"_id": f"q-{one}", "text": Place.query(name, one, text)["text"], "metadata": {"field": name}}
        for name, one, text in rows
    ]
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    labels = [f"q-{one}\t{one}\t1\n" for _name, one, _text in rows[:110]] + ["q-elsewhere\tx\t1\n"]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(labels))
    found = found_by(
        shared, queries="collection", qrels=None, config="  slices: {by: field, min_queries: 20}\n"
    )
    assert (found["asked"], found["left_out"]["without_labels"]) == (110, 50)
    assert set(slices(found)) == {"field:code", "field:legal", "field:medical"}
    assert (
        "the labels name relevant documents alone: every other one counts as not relevant" in found["notes"]
    )
    assert "1 labelled queries are not among the queries" in found["notes"]


def test_queries_and_labels_in_csv_and_tsv_say_the_same(shared: Place) -> None:
    rows = [(one, Place.query(name, one, text)["text"]) for name, one, text in details()]
    (shared.root / "q.csv").write_text("id,text\n" + "".join(f"q-{one},{text}\n" for one, text in rows))
    (shared.root / "q.tsv").write_text("".join(f"q-{one}\t{text}\n" for one, text in rows))
    (shared.root / "r.jsonl").write_text(
        "".join(
            json.dumps({"query_id": f"q-{one}", "doc_id": one, "relevance": 1}) + "\n" for one, _text in rows
        )
    )
    seen = [
        found_by(shared, queries=name, qrels="r.jsonl")["overall"]["compared"] for name in ("q.csv", "q.tsv")
    ]
    assert seen[0] == seen[1]


def test_without_labels_nothing_is_called_worse(shared: Place) -> None:
    found = found_by(shared, queries="queries.jsonl", qrels=None)
    assert (found["verdict"], found["exit_code"], found["labels"]) == ("inconclusive", 10, "none")
    assert found["reasons"] == [
        "there are no labels: overlap says that results changed, not whether they are worse"
    ]
    assert 0.2 < found["overall"]["changed"]["overlap"]["estimate"] < 0.8


def test_queries_without_a_relevant_document_are_left_out_and_counted(shared: Place) -> None:
    text = (shared.root / "qrels.txt").read_text().replace("code-0x0 1\n", "code-0x0 -1\n")
    (shared.root / "r.txt").write_text(text)
    found = found_by(shared, qrels="r.txt")
    assert found["left_out"]["without_relevant"] == 1
    assert slices(found)["code"]["queries"] == 39
    assert "1 grades below 0 count as 0: not relevant" in found["notes"]


def test_recorded_queries_are_asked_again(shared: Place) -> None:
    refused(shared, "0 shadow reads are recorded, and none with its text", queries="shadow")
    reads = [
        ShadowRead(
            at="", version=1, key_hash=f"user-{n % 9}", query=f"codesubject{n % 8}", served_by="old",
            served=(), served_scores=(), served_s=0.1, outcome="answered",
        )
        for n in range(30)
    ]  # fmt: skip
    with closing(shared.store()) as state:
        state.add_shadow_reads("docs", reads)
    found = found_by(shared, queries="shadow", qrels=None)
    assert (found["asked"], found["labels"]) == (8, "none")


def test_results_that_nobody_labelled_are_not_held_against_the_new_index_alone(failing: Place) -> None:
    """People labelled what the old index found; the new one finds other copies that are as good."""
    rows = list(details())
    copies = [(name, f"{one}-copy", text) for name, one, text in rows]
    import toys

    with closing(SqliteIndex("new", failing.root / "new.db")) as new:
        vectors = toys.first([text for _name, _one, text in rows])
        store(new, print_of("failing"), copies, vectors)
        # The originals are still there, a little further away.
        store(new, print_of("failing"), rows, vectors + 90 * np.sign(np.sin(np.arange(WIDTH))))
    found = found_by(failing, config="  k: 5\n")
    unjudged = [found["overall"][side]["unjudged"] for side in ("old", "new")]
    assert unjudged[1] > unjudged[0] + 0.1
    assert found["verdict"] == "inconclusive"
    assert "where results without a label are passed over" in found["reasons"][0]
    assert "Have them graded: `judge`" in found["reasons"][0]


def test_chunks_count_as_their_documents(failing: Place) -> None:
    import toys

    rows = list(details())
    parts = [(name, f"{one}#{part}", text) for name, one, text in rows for part in range(2)]
    with closing(SqliteIndex("new", failing.root / "new.db")) as new:
        new.delete([one for _name, one, _text in rows])
        store(new, print_of("failing"), parts, toys.first([text for _name, _one, text in parts]))
    alone = found_by(failing, config="  documents: false\n")
    assert alone["verdict"] == "failed"
    assert "160 relevant documents are not in the new index" in alone["notes"]
    assert found_by(failing, config="  documents: true\n")["verdict"] == "passed"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.mark.parametrize("kind", ["qdrant", "pgvector"])
def test_other_stores_are_verified_the_same(
    failing: Place,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    request: pytest.FixtureRequest,
) -> None:
    import toys

    rows = list(details())
    vectors = toys.second([text for _name, _one, text in rows])
    if kind == "qdrant":
        written = "qdrant: {collection: docs, path: qdrant}"
        index: Any = QdrantIndex(
            "new", open_client(url=None, path=failing.root / "qdrant", api_key=None), "docs"
        )
    else:
        url = request.getfixturevalue("address")
        monkeypatch.setenv("VECTORS_URL", url)
        written = "pgvector: {table: docs, url_env: VECTORS_URL}"
        index = PgvectorIndex("new", url, "docs")
    with closing(index):
        store(index, print_of("second"), rows, vectors)
    text = (failing.root / "config" / "index.yml").read_text()
    text = text.replace("sqlite: {path: new.db}", written).replace("toys:failing", "toys:second")
    (failing.root / "config" / "index.yml").write_text(text)
    found = found_by(failing)
    assert found["verdict"] == "passed"
    assert found["overall"]["new"]["first_percentile"] > 0.99


def embeddings(request: Received) -> Answer:
    """The vectors of a service, as the toy embedding makes them."""
    import toys

    texts = request.json["input"]
    rows = [{"index": number, "embedding": row.tolist()} for number, row in enumerate(toys.second(texts))]
    return Answer({"data": rows, "model": "embed-1", "usage": {"prompt_tokens": 3 * len(texts)}})


def test_what_a_service_takes_for_the_queries_is_found_by(failing: Place) -> None:
    text = (failing.root / "config" / "index.yml").read_text()
    (failing.root / "config" / "index.yml").write_text(
        text.replace('call: "toys:failing"', "model: embedder")
    )
    service = "provider: openai-compatible, model: embed-1, price: {input: 1.0, output: 0.0}"
    printed = Fingerprint(provider="openai-compatible", model="embed-1", dimensions=WIDTH)
    rows = list(details())
    import toys

    with closing(SqliteIndex("new", failing.root / "new.db")) as new:
        store(new, print_of("failing"), rows, toys.second([text for _name, _one, text in rows]))
        new.put_stamp(printed)
    answers: list[Received] = []

    def slowed(request: Received) -> Answer:
        answers.append(request)
        if len(answers) == 3:
            return Answer({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "0"})
        return embeddings(request)

    with serving(slowed) as server:
        (failing.root / "config" / "models.yml").write_text(
            f"models:\n  embedder: {{{service}, base_url: '{server.url}/v1'}}\n"
        )
        found = found_by(failing, limit=20)
        assert found["old"]["cost_usd"] is None
        # One query more is asked to open the connection; a limit of the service costs no query.
        assert found["new"]["cost_usd"] == pytest.approx(21 * 3 / 1e6)
        assert found["new"]["failed"] == 0
        refused(failing, "the embeddings of the queries would cost more", limit=20, max_cost=0.000001)


def test_the_library_for_measures_is_asked_for(shared: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    refused(shared, "measures need ir-measures. Run: pip install 'swapgate[retrieval]'")


def test_a_migration_that_was_not_begun_is_named(tmp_path: Path) -> None:
    place = Place(tmp_path)
    refused(place, "no migration 'docs'")
    place.close()


def test_what_is_stored_reads_as_what_was_returned(shared: Place) -> None:
    found_by(shared, limit=40)
    with closing(shared.store()) as state:
        *_others, kept = state.evidence("docs", "verification")
    record = kept.record
    read: Verification = adapter(Verification).validate_python(dict(record))
    assert to_json(read) == record
    assert read.asked == 40


def test_queries_of_one_user_count_as_one(shared: Place) -> None:
    rows = [json.loads(line) for line in (shared.root / "queries.jsonl").read_text().splitlines()]
    users = [{**row, "user": f"user-{number % 20}"} for number, row in enumerate(rows)]
    shared.write("users.jsonl", users)
    found = found_by(shared, queries="users.jsonl", qrels="qrels.txt", config="  cluster: user\n")
    assert found["verdict"] == "inconclusive"
    assert found["reasons"][0] == "160 queries with labels, of 20 who asked, 60 wanted"
