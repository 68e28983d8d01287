"""`swapgate index verify` on real stores: what passes, what fails and by which slice, and every bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval_here import postgres
from swapgate.cli import main
from swapgate.retrieval.adapters.pgvector import PgvectorIndex
from swapgate.retrieval.adapters.qdrant import QdrantIndex, open_client
from swapgate.retrieval.adapters.sqlite import SqliteIndex
from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.retrieval.records import ShadowRead
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


def verify(place: Place, *more: str, config: str | None = None) -> int:
    arguments = ["index", "verify", "--root", str(place.root), *more]
    if config is not None:
        path = place.root / "config" / "other.yml"
        path.write_text((place.root / "config" / "index.yml").read_text() + config)
        arguments += ["--config", str(path)]
    return main(arguments)


def told(place: Place, capsys: pytest.CaptureFixture[str], *more: str, config: str | None = None) -> Any:
    capsys.readouterr()
    code = verify(place, "--json", *more, config=config)
    found = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == code
    return found


def slices(found: Any) -> dict[str, Any]:
    return {one["name"]: one for one in found["slices"]}


def test_an_index_that_is_as_good_passes(shared: Place, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(shared, capsys)
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


def test_a_bad_slice_fails_the_stage_although_the_mean_is_fine(
    blind: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(blind, capsys, config="  metrics: {nDCG@10: 0.2}\n")
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
    capsys.readouterr()
    assert verify(blind, "--markdown", str(tmp_path / "out.md")) == 1
    said = capsys.readouterr().out
    assert "FAILED: nDCG@10 -0.1" in said
    assert "on medical, nDCG@10 -0.4" in said
    assert "medical  FAILS  40" in said
    assert "worst: q-medical-0x0 (medical), nDCG@10 1.00 to 0.39: medicalsubject0 medicaldetail0x0" in said
    document = (tmp_path / "out.md").read_text()
    assert document.startswith("## FAILED: index of docs\n")
    assert "| medical | FAILS | 40 |" in document
    assert "<summary>The worst queries</summary>" in document


def test_too_few_queries_never_pass(shared: Place, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(shared, capsys, "--limit", "80")
    assert (found["verdict"], found["exit_code"], found["asked"]) == ("inconclusive", 10, 80)
    assert found["overall"]["answer"] == "pass"
    assert all("queries with labels, 30 wanted" in reason for reason in found["reasons"])


def test_too_few_queries_can_fail(blind: Place, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(blind, capsys, "--limit", "100", config="  slices: {min_queries: 200}\n")
    assert found["verdict"] == "failed"
    assert slices(found)["medical"]["answer"] == "fail"
    assert slices(found)["code"]["answer"] == "inconclusive"


def test_the_file_can_let_slices_pass_that_are_not_shown_to_be_worse(
    shared: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    config = "  slices: {margin: null, min_queries: 10}\n  metrics: {nDCG@10: 0.01}\n  min_queries: 10\n"
    found = told(shared, capsys, config=config)
    assert all(one["answer"] == "pass" for one in slices(found).values())
    assert "not shown to be worse by 0.01" in slices(found)["code"]["reason"]


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Place) -> Iterator[Place]:
    place = Place(tmp_path, new="failing")
    monkeypatch.delitem(__import__("sys").modules, "toys")
    with closing(place.store()) as state:
        state.create("docs", old=print_of("first"), new=print_of("failing"), who="me", why="a test")
    yield place
    place.close()


def test_a_query_that_the_new_index_fails_counts_as_nothing_found(
    failing: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS_ON", "codedetail0x0")
    found = told(failing, capsys)
    assert found["new"]["failed"] == 1
    assert "the embedding is down" in found["new"]["errors"][0]
    code = slices(found)["code"]
    assert code["queries"] == 40
    assert code["compared"][0]["new"] == pytest.approx(code["compared"][0]["old"] - 1 / 40)
    assert found["worst"][0]["failed"] is not None
    assert not found["too_many_errors"]


def test_too_many_failures_decide_nothing(
    failing: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS_ON", "subject")
    found = told(failing, capsys)
    assert (found["verdict"], found["exit_code"]) == ("inconclusive", 11)
    assert found["reasons"][0].startswith("the new index failed ")
    assert found["asked"] < 60
    assert any("were not asked any more" in note for note in found["notes"])


def test_what_the_old_index_fails_says_nothing_of_the_new_one(
    failing: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
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
    found = told(failing, capsys)
    assert found["left_out"]["old_failed"] == 1
    assert slices(found)["legal"]["queries"] == 39


def test_vectors_with_nan_are_failures(failing: Place, capsys: pytest.CaptureFixture[str]) -> None:
    failing.configure("nan")
    with closing(SqliteIndex("new", failing.root / "new.db")) as new:
        new.put_stamp(print_of("nan"))
    found = told(failing, capsys)
    assert found["exit_code"] == 11
    assert "the query's vector has NaN" in found["reasons"][0]


def test_a_threshold_that_lets_nothing_through_is_seen(
    shared: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = print_of("second").digest
    path = shared.root / "config" / "strict.yml"
    written = (shared.root / "config" / "index.yml").read_text()
    floor = f"  min_score: {{value: 0.99, fingerprint: {digest}}}\nsource:"
    path.write_text(written.replace("source:", floor, 1))
    found = told(shared, capsys, "--config", str(path))
    assert (found["verdict"], found["overall"]["new"]["empty"]) == ("failed", 160)
    path.write_text(written.replace("source:", floor.replace(digest, "0123456789ab"), 1))
    assert verify(shared, "--config", str(path)) == 4
    assert "the threshold 0.99 was tuned for the embedding '0123456789ab'" in capsys.readouterr().err


def test_an_index_of_another_embedding_is_refused(failing: Place, capsys: pytest.CaptureFixture[str]) -> None:
    failing.configure("second")
    assert verify(failing) == 4
    assert "made with another embedding than the configured one" in capsys.readouterr().err


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
def test_bad_queries_are_refused_at_their_line(
    shared: Place, capsys: pytest.CaptureFixture[str], name: str, content: str, message: str
) -> None:
    (shared.root / name).write_text(content)
    assert verify(shared, "--queries", name, "--qrels", "qrels.txt") == 4
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("name", "content", "message"), BAD_LABELS)
def test_bad_labels_are_refused_at_their_line(
    shared: Place, capsys: pytest.CaptureFixture[str], name: str, content: str, message: str
) -> None:
    (shared.root / name).write_text(content)
    assert verify(shared, "--qrels", name) == 4
    assert message in capsys.readouterr().err


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
def test_a_mistake_in_the_file_is_told(
    shared: Place, capsys: pytest.CaptureFixture[str], config: str, message: str
) -> None:
    assert verify(shared, config=config) == 4
    assert message in capsys.readouterr().err


def test_files_that_are_missing_are_named(shared: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(shared, "--queries", "gone.jsonl") == 4
    assert "verify: queries: gone.jsonl: there is no such file" in capsys.readouterr().err
    assert verify(shared, "--qrels", "gone.txt") == 4
    assert "verify: qrels: gone.txt: there is no such file" in capsys.readouterr().err


def test_a_collection_laid_out_as_beir_reads_as_it_is(
    shared: Place, capsys: pytest.CaptureFixture[str]
) -> None:
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
    found = told(shared, capsys, "--queries", "collection", config="  slices: {by: field, min_queries: 20}\n")
    assert (found["asked"], found["left_out"]["without_labels"]) == (110, 50)
    assert set(slices(found)) == {"field:code", "field:legal", "field:medical"}
    assert (
        "the labels name relevant documents alone: every other one counts as not relevant" in found["notes"]
    )
    assert "1 labelled queries are not among the queries" in found["notes"]


def test_queries_and_labels_in_csv_and_tsv_say_the_same(
    shared: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(one, Place.query(name, one, text)["text"]) for name, one, text in details()]
    (shared.root / "q.csv").write_text("id,text\n" + "".join(f"q-{one},{text}\n" for one, text in rows))
    (shared.root / "q.tsv").write_text("".join(f"q-{one}\t{text}\n" for one, text in rows))
    (shared.root / "r.jsonl").write_text(
        "".join(
            json.dumps({"query_id": f"q-{one}", "doc_id": one, "relevance": 1}) + "\n" for one, _text in rows
        )
    )
    seen = [
        told(shared, capsys, "--queries", name, "--qrels", "r.jsonl")["overall"]["compared"]
        for name in ("q.csv", "q.tsv")
    ]
    assert seen[0] == seen[1]


def test_without_labels_nothing_is_called_worse(shared: Place, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(shared, capsys, "--queries", "queries.jsonl")
    assert (found["verdict"], found["exit_code"], found["labels"]) == ("inconclusive", 10, "none")
    assert found["reasons"] == [
        "there are no labels: overlap says that results changed, not whether they are worse"
    ]
    assert 0.2 < found["overall"]["changed"]["overlap"]["estimate"] < 0.8


def test_queries_without_a_relevant_document_are_left_out_and_counted(
    shared: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (shared.root / "qrels.txt").read_text().replace("code-0x0 1\n", "code-0x0 -1\n")
    (shared.root / "r.txt").write_text(text)
    found = told(shared, capsys, "--qrels", "r.txt")
    assert found["left_out"]["without_relevant"] == 1
    assert slices(found)["code"]["queries"] == 39
    assert "1 grades below 0 count as 0: not relevant" in found["notes"]


def test_recorded_queries_are_asked_again(shared: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(shared, "--queries", "shadow") == 4
    assert "0 shadow reads are recorded, and none with its text" in capsys.readouterr().err
    reads = [
        ShadowRead(
            at="", version=1, key_hash=f"user-{n % 9}", query=f"codesubject{n % 8}", served_by="old",
            served=(), served_scores=(), served_s=0.1, outcome="answered",
        )
        for n in range(30)
    ]  # fmt: skip
    with closing(shared.store()) as state:
        state.add_shadow_reads("docs", reads)
    found = told(shared, capsys, "--queries", "shadow")
    assert (found["asked"], found["labels"]) == (8, "none")


def test_results_that_nobody_labelled_are_not_held_against_the_new_index_alone(
    failing: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """People labelled what the old index found; the new one finds other copies that are as good."""
    rows = list(details())
    copies = [(name, f"{one}-copy", text) for name, one, text in rows]
    import toys

    with closing(SqliteIndex("new", failing.root / "new.db")) as new:
        vectors = toys.first([text for _name, _one, text in rows])
        store(new, print_of("failing"), copies, vectors)
        # The originals are still there, a little further away.
        store(new, print_of("failing"), rows, vectors + 90 * np.sign(np.sin(np.arange(WIDTH))))
    found = told(failing, capsys, config="  k: 5\n")
    unjudged = [found["overall"][side]["unjudged"] for side in ("old", "new")]
    assert unjudged[1] > unjudged[0] + 0.1
    assert found["verdict"] == "inconclusive"
    assert "where results without a label are passed over" in found["reasons"][0]
    assert "Have them graded: `judge`" in found["reasons"][0]


def test_chunks_count_as_their_documents(failing: Place, capsys: pytest.CaptureFixture[str]) -> None:
    import toys

    rows = list(details())
    parts = [(name, f"{one}#{part}", text) for name, one, text in rows for part in range(2)]
    with closing(SqliteIndex("new", failing.root / "new.db")) as new:
        new.delete([one for _name, one, _text in rows])
        store(new, print_of("failing"), parts, toys.first([text for _name, _one, text in parts]))
    alone = told(failing, capsys, config="  documents: false\n")
    assert alone["verdict"] == "failed"
    assert "160 relevant documents are not in the new index" in alone["notes"]
    assert told(failing, capsys, config="  documents: true\n")["verdict"] == "passed"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.mark.parametrize("kind", ["qdrant", "pgvector"])
def test_other_stores_are_verified_the_same(
    failing: Place,
    capsys: pytest.CaptureFixture[str],
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
    found = told(failing, capsys)
    assert found["verdict"] == "passed"
    assert found["overall"]["new"]["first_percentile"] > 0.99
