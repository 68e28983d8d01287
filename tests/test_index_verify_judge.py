"""Results graded by a judge: blind, cached, held against people, and what becomes of one that is no good."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from processes import wait_for
from servers import Answer, Received, Server, openai_completion, serving
from swapgate.cli import main
from swapgate.engine.workspace import Workspace
from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.retrieval.verifying.grading import find_grader
from swapgate.spec.settings import resolve_settings
from verifying import WIDTH, Place, details

JUDGE = """
judge: relevance
model: grader
evidence: false
reasoning: false
criteria:
  relevance: {ask: "How well does the answer, a passage, serve the query?", scale: [0, 3]}
pass: relevance >= 2
"""
MODELS = """
models:
  grader: {provider: openai-compatible, base_url: "%s/v1", model: grader-1, price: {input: 1.0, output: 1.0}}
"""
SOURCE = Path(__file__).parents[1] / "evals"
Grade = Callable[[str, str], int]


def asked(request: Received) -> tuple[str, str]:
    """Return the query and the passage of a judge's call: what stands between markers."""
    prompt: str = request.json["messages"][-1]["content"]
    query, passage = re.findall(r"<<<BEGIN \w+>>>\n(.*?)\n<<<END", prompt, re.DOTALL)[:2]
    return query, passage


def right(query: str, passage: str) -> int:
    """3 for the very detail, 1 for its subject: adjacent, and wrong."""
    subject, detail = query.split()
    return 3 if detail in passage.split() else int(subject in passage.split())


def grading(grade: Grade) -> Callable[[Received], Answer]:
    def handle(request: Received) -> Answer:
        return Answer(openai_completion(json.dumps({"relevance": grade(*asked(request))})))

    return handle


class Graded:
    """A workspace with a judge behind a server, whose new index is blind to medical details."""

    def __init__(self, root: Path) -> None:
        self.place = Place(root, new="blind")
        (root / "judges").mkdir()
        (root / "judges" / "relevance.yml").write_text(JUDGE)
        (root / "qrels.txt").rename(root / "people.txt")
        text = (root / "config" / "index.yml").read_text().replace("  qrels: qrels.txt\n", "")
        (root / "config" / "index.yml").write_text(text)
        prints = {
            side: Fingerprint(provider="python", model=f"toys:{name}", dimensions=WIDTH)
            for side, name in (("old", "first"), ("new", "blind"))
        }
        with closing(self.place.store()) as state:
            state.create("docs", **prints, who="me", why="a test")

    def verify(self, server: Server, *more: str, config: str = "") -> int:
        root = self.place.root
        (root / "config" / "models.yml").write_text(MODELS % server.url)
        path = root / "config" / "graded.yml"
        path.write_text((root / "config" / "index.yml").read_text() + config)
        return main(
            ["index", "verify", "--root", str(root), "--config", str(path), "--judge", "relevance", *more]
        )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graded]:
    graded = Graded(tmp_path_factory.mktemp("graded"))
    yield graded
    graded.place.close()


def told(
    capsys: pytest.CaptureFixture[str], graded: Graded, server: Server, *more: str, config: str = ""
) -> Any:
    capsys.readouterr()
    code = graded.verify(server, "--json", *more, config=config)
    captured = capsys.readouterr()
    assert captured.out, captured.err
    found = json.loads(captured.out)
    assert found["exit_code"] == code
    return found


# Few queries and results: each is a call.
FEW = "  k: 3\n  metrics: {nDCG@3: 0.1}\n  min_queries: 10\n  slices: {min_queries: 5}\n"


def test_a_judge_finds_what_is_adjacent_but_wrong(shared: Graded, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(grading(right)) as server:
        found = told(capsys, shared, server, "--limit", "90", config=FEW)
        assert found["verdict"] == "failed", [found["reasons"], found["slices"]]
        assert [one["name"] for one in found["slices"] if one["answer"] == "fail"] == ["medical"]
        assert (found["labels"], found["relevant_from"]) == ("judge", 2)
        assert found["graded"]["failed"] == 0
        assert found["graded"]["graded"] == len(server.requests)
        pairs = [asked(request) for request in server.requests]
        assert len(set(pairs)) == len(pairs)
        assert any("held against nobody's" in note for note in found["notes"])
        # Nothing of a request tells which index a passage is from, or how it was ranked.
        sent = " ".join(request.body.decode() for request in server.requests)
        assert not re.search(r"\b(old|new)\b|rank|toys|code-0x0", sent)

        # Once graded, never paid for again; another verification reads the file of grades.
        before = len(server.requests)
        again = told(capsys, shared, server, "--limit", "90", config=FEW)
        assert len(server.requests) == before
        assert again["graded"]["paid_usd"] == 0
        assert again["overall"]["compared"] == found["overall"]["compared"]
        assert found["graded"]["paid_usd"] > 0

    grades = shared.place.root / "reports" / "index" / "grades.qrels"
    query, who, _entry, grade = grades.read_text().splitlines()[0].split("\t")
    assert (query, who, int(grade) <= 3) == ("q-code-0x0", "judge:relevance", True) or query.startswith("q-")
    kept = json.loads(grades.with_suffix(".jsonl").read_text().splitlines()[0])
    assert set(kept) == {"query_id", "doc_id", "grade", "by", "query", "text"}
    for path in (grades, grades.with_suffix(".jsonl")):
        root = shared.place.root
        config = root / "config" / "reread.yml"
        config.write_text((root / "config" / "index.yml").read_text() + FEW + "  relevant_from: 2\n")
        capsys.readouterr()
        main(
            ["index", "verify", "--root", str(root), "--config", str(config), "--qrels", str(path), "--json"]
        )
        reread = json.loads(capsys.readouterr().out)
        assert reread["overall"]["compared"][0]["new"] == found["overall"]["compared"][0]["new"]


def test_people_say_yes_or_no_and_the_judge_fills_the_holes(
    shared: Graded, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(grading(right)) as server:
        found = told(capsys, shared, server, "--limit", "40", "--qrels", "people.txt", config=FEW)
        assert (found["labels"], found["relevant_from"]) == ("qrels and judge", 1)
        graded = found["graded"]
        # Adjacent ones have the grade 1 of the judge, which its rule does not pass: people say 0.
        assert (graded["exact"], graded["kappa"]["estimate"]) == (1.0, 1.0)
        assert graded["checked"] > 30
        assert found["overall"]["new"]["unjudged"] == 0


def test_a_judge_that_agrees_with_nobody_decides_nothing(
    shared: Graded, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(grading(lambda query, passage: 3 - right(query, passage))) as server:
        found = told(capsys, shared, server, "--live", "--limit", "30", "--qrels", "people.txt", config=FEW)
    assert (found["verdict"], found["exit_code"]) == ("inconclusive", 10)
    assert "is not shown to agree with people beyond chance" in found["reasons"][0]


def test_a_judge_that_fails_too_often_decides_nothing(
    shared: Graded, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda _request: Answer({"error": {"message": "no such model"}}, status=404)) as server:
        found = told(capsys, shared, server, "--live", "--limit", "20", config=FEW)
    assert found["exit_code"] == 11
    assert re.match(r"the judge relevance gave no grade to \d+ of \d+ results: ", found["reasons"][0])


def test_a_budget_bounds_what_is_paid(shared: Graded, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(grading(right)) as server:
        found = told(capsys, shared, server, "--live", "--limit", "20", "--max-cost", "0.0000001", config=FEW)
        assert server.requests == []
    assert found["exit_code"] == 11
    assert "cost" in found["reasons"][0]


def test_what_was_graded_before_a_kill_is_not_paid_again(
    shared: Graded, capsys: pytest.CaptureFixture[str]
) -> None:
    def slow(request: Received) -> Answer:
        answer = grading(right)(request)
        return Answer(answer.body, delay_s=0.1)

    root = shared.place.root
    # Another judge than that of the other tests: nothing of it is in the cache.
    mine = JUDGE.replace("judge: relevance", "judge: slow") + "system: You grade passages.\n"
    (root / "judges" / "slow.yml").write_text(mine)
    with serving(slow) as server:
        (root / "config" / "models.yml").write_text(MODELS % server.url)
        path = root / "config" / "killed.yml"
        path.write_text((root / "config" / "index.yml").read_text() + FEW + "  judge: slow\n  limit: 40\n")
        command = ["index", "verify", "--config", str(path), "--json"]
        running = subprocess.Popen(
            [sys.executable, "-m", "swapgate", *command],
            cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), str(root)])},
        )  # fmt: skip
        wait_for(lambda: len(server.requests) >= 80)
        running.kill()
        running.wait()
        before = len(server.requests)
        capsys.readouterr()
        main([*command, "--root", str(root)])
        found = json.loads(capsys.readouterr().out)
    pairs = [asked(request) for request in server.requests]
    assert found["graded"]["graded"] == len(set(pairs)) > before
    # Twice only what was in flight at the kill, and what had been answered in the same instant.
    assert len(pairs) - len(set(pairs)) <= 2 * 16 < before


BAD_JUDGES = [
    (JUDGE.replace("[0, 3]", "[1, 5]"), "a judge of kind rubric with one criterion, `scale: [0, 3]`"),
    (JUDGE.replace(", scale: [0, 3]", "").replace(" >= 2", ""), "has other criteria"),
    (JUDGE.replace(">= 2", "<= 2"), "passes the grades [0, 1, 2]: wanted all from one on"),
    ("judge: relevance\nkind: pairwise\nmodel: grader\n", "is of kind pairwise"),
]


@pytest.mark.parametrize(("judge", "message"), BAD_JUDGES)
def test_another_judge_is_refused_before_anything_is_asked(
    shared: Graded, capsys: pytest.CaptureFixture[str], judge: str, message: str
) -> None:
    path = shared.place.root / "judges" / "relevance.yml"
    try:
        path.write_text(judge)
        with serving(grading(right)) as server:
            assert shared.verify(server) == 4
            assert server.requests == []
        assert message in capsys.readouterr().err
    finally:
        path.write_text(JUDGE)


def test_the_judge_of_the_library_is_ready_to_be_extended(shared: Graded) -> None:
    path = shared.place.root / "judges" / "ready.yml"
    path.write_text("judge: ready\nextends: swapgate/search_relevance\nmodel: grader\n")
    settings = resolve_settings(shared.place.root, {}, {})
    grader = find_grader(Workspace(settings), "ready")
    assert (grader.criterion, grader.highest, grader.passes_from) == ("relevance", 3, 2)


def test_people_may_not_grade_higher_than_the_judge(
    shared: Graded, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shared.place.root / "high.txt"
    path.write_text("q-code-0x0 0 code-0x0 5\n")
    with serving(grading(right)) as server:
        assert shared.verify(server, "--qrels", "high.txt") == 4
    assert "the labels go up to 5, and the judge 'relevance' up to 3" in capsys.readouterr().err


def test_grades_never_take_the_place_of_peoples_labels(
    shared: Graded, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(grading(right)) as server:
        config = "  grades: people.txt\n"
        assert shared.verify(server, "--qrels", "people.txt", "--limit", "5", config=config) == 4
    assert "would take the place of the labels" in capsys.readouterr().err


def test_there_is_nothing_to_grade_without_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shared: Graded
) -> None:
    from swapgate.retrieval.adapters.sqlite import SqliteIndex

    graded = Graded(tmp_path)
    for side in ("old", "new"):
        with closing(SqliteIndex(side, tmp_path / f"{side}.db")) as index:
            entries = index.fetch([one for _name, one, _text in details()])
            import numpy as np

            index.upsert(
                [one.id for one in entries], np.stack([one.vector for one in entries]), [{}] * len(entries)
            )
    with serving(grading(right)) as server:
        assert graded.verify(server) == 4
    assert "neither index keeps the text of" in capsys.readouterr().err
    graded.place.close()
