"""`swapgate index answers`: models behind real HTTP that behave in known ways, on real indexes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from answering import ANSWERS, Asked, Model, answering, careful, ignoring, shy_of_summaries
from browsers import driven, window
from processes import wait_for
from servers import Answer, Received, Server, serving
from swapgate.cli import main
from swapgate.errors import UsageError
from swapgate.retrieval.opening import read_index_workspace
from swapgate.runs.both_swaps import Planned, plan
from swapgate.spec.settings import resolve_settings

FAITHFUL = "  faithfulness: faithful\n"
LABELS = "  qrels: qrels.txt\n"
JUDGED = "  retrieval: found\n"
QUESTIONS = 64


@contextmanager
def place_at(root: Path, server: Server, **given: Any) -> Iterator[Asked]:
    """Lay a workspace; what it imported is forgotten at the end."""
    place = Asked(
        root, server.url, **{"questions": QUESTIONS, "answers": ANSWERS + FAITHFUL + LABELS, **given}
    )
    try:
        yield place
    finally:
        place.close()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-secret")
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> int:
    return main(["index", "answers", *arguments])


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(*arguments, "--json")
    return code, json.loads(capsys.readouterr().out)


def by_model(server: Server) -> Counter[str]:
    return Counter(one.json["model"] for one in server.requests)


def planned(root: Path) -> Planned:
    """Read the workspace, and ask both indexes."""
    found = read_index_workspace(resolve_settings(root, {}, {}), None)
    assert found.file.answers is not None
    with closing(found.index("old")) as old, closing(found.index("new")) as new:
        return plan(found, lambda side: old if side == "old" else new, found.file.answers)


@pytest.mark.parametrize(
    ("new", "model", "answers", "cause", "code"),
    [
        ("blind", careful, LABELS, "embedding", 1),
        ("second", ignoring(0.3), FAITHFUL + JUDGED, "model", 1),
        ("summaries", shy_of_summaries, LABELS, "together", 1),
        ("second", careful, LABELS, "neither", 0),
    ],
)
def test_who_broke_it_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    new: str,
    model: Model,
    answers: str,
    cause: str,
    code: int,
) -> None:
    models = {"old-model": careful, "new-model": model}
    with (
        answering(models) as server,
        place_at(
            tmp_path, server, new=new.replace("summaries", "second"), answers=ANSWERS + answers
        ) as place,
    ):
        if new == "summaries":
            place.summarise_new()
        found_code, found = told(capsys)
        asked = by_model(server)
    assert (found_code, found["cause"], found["slice"], found["measure"]) == (code, cause, None, "answer")
    assert found["verdict"] == ("pass" if code == 0 else "fail")
    assert found["questions"] == QUESTIONS
    measures = {one["measure"] for one in found["rates"]}
    assert measures == {
        "retrieval",
        "structure",
        "answer",
        *(["faithfulness"] if FAITHFUL in answers else []),
    }
    # Where both indexes find the same texts, one call serves both.
    expected = 2 * QUESTIONS - found["same_texts"]
    assert (asked["old-model"], asked["new-model"]) == (expected, expected)
    if cause == "embedding":
        assert found["same_texts"] > 0
        assert found["steps"][0].startswith("the embedding broke it at the retrieval")
        assert any("most of it on medical" in one for one in found["steps"])
        lost = next(one for one in found["by_retrieval"] if one["fate"] == "lost")
        assert lost["questions"] > 0


def test_the_report_is_written_in_every_format_and_the_run_is_in_the_history(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = {"old-model": careful, "new-model": ignoring(0.5)}
    with answering(models) as server, place_at(tmp_path, server, new="blind", questions=40):
        assert run() == 1
        shown = capsys.readouterr().out
        before = len(server.requests)
        assert run("-v", "--worst", "2", "--report", "md") == 1
        assert len(server.requests) == before
        verbose = capsys.readouterr().out
    assert shown.splitlines()[0].startswith(
        "docs: embedding toys:first (48) -> toys:blind (48), model old-model"
    )
    assert shown.splitlines()[1].startswith("FAIL: the model broke it: on the old index too")
    assert "paid this time: $0\n" in verbose and "interaction" in verbose
    assert verbose.count("lost: ") == 2
    folder = tmp_path / "reports" / "answers"
    markdown = (folder / "report.md").read_text()
    assert markdown.startswith("## FAIL: docs, both swaps") and "| new index lost it |" in markdown
    written = json.loads((folder / "report.json").read_text())
    worst = written["worst"][0]
    assert {one["name"] for one in worst["answers"]} == {
        f"{side} index, {model} model" for side in ("old", "new") for model in ("old", "new")
    }
    assert worst["texts"]["old"]["passages"] and worst["texts"]["old"]["is_right"]
    assert main(["history", "show", written["run"]]) == 0
    stored = capsys.readouterr().out
    assert "docs_qa.new-index" in stored and "docs_qa.old-index" in stored and "partial" in stored
    _look_at(folder / "report.html")


def _look_at(page: Path) -> None:
    """Open the page on a phone and in the dark: it must not be wider than either."""
    with driven() as browser:
        for width, scheme in ((1280, "light"), (390, "dark")):
            with window(browser, width=width, scheme=scheme) as opened:  # type: ignore[arg-type]
                opened.goto(page.as_uri())
                assert opened.evaluate("document.documentElement.scrollWidth") == width
                assert opened.locator(".verdict.fail h1").inner_text().startswith("FAIL")
                assert opened.locator(".worst > li").count() == 10
                assert opened.locator(".worst > li").first.locator(".beside").count() == 2
                if width < 400:
                    found = Axe().run(opened, options={"resultTypes": ["violations"]})
                    assert found.violations_count == 0, found.generate_report()


def test_a_dry_run_asks_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering({"old-model": careful, "new-model": careful}) as server, place_at(tmp_path, server):
        code, found = told(capsys, "--dry-run")
        assert (code, server.requests) == (0, [])
    assert found["trials"] == 4 * QUESTIONS
    assert {row["role"] for row in found["rows"]} == {"candidate", "baseline", "judge"}
    assert found["total"]["cost_usd"] > 0
    assert not (tmp_path / ".swapgate" / "history.db").exists()


def test_errors_of_a_model_are_missing_and_too_many_decide_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service refuses every question about medicine that the new model is asked."""

    def failing(question: str, texts: str) -> str:
        if "medical" in question:
            raise ValueError
        return careful(question, texts)

    models = {"old-model": careful, "new-model": failing}
    with answering(models) as server, place_at(tmp_path, server, questions=32):
        code, found = told(capsys)
    assert (code, found["verdict"]) == (11, "inconclusive")
    missing = {one["name"]: one["missing"] for one in found["errors"]}
    assert missing["old index, old model"] == 0 and missing["new index, new model"] == 8
    assert found["reason"].startswith("too many answers are missing: of the new model on the")


def test_an_index_that_is_down_ends_it_before_a_model_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"old-model": careful, "new-model": careful}
    with answering(models) as server, place_at(tmp_path, server, new="failing", answers=ANSWERS + LABELS):
        monkeypatch.setenv("FAILS_ON", "detail")
        assert run() == 3
        said = capsys.readouterr().err
        assert "the new index did not answer" in said and "no model was asked" in said
        assert server.requests == []
        # A few may be missing: their questions count for neither side, and are told.
        monkeypatch.setenv("FAILS_ON", "medicalsubject3")
        (tmp_path / "config" / "index.yml").write_text(
            (tmp_path / "config" / "index.yml").read_text() + "  max_errors: 0.1\n"
        )
        code, found = told(capsys)
    assert code == 0
    missing = {one["name"]: one["missing"] for one in found["errors"]}
    assert missing["old index, new model"] == 0 and 0 < missing["new index, old model"] <= 3
    assert any("the new index did not answer" in one for one in found["notes"])


def test_a_budget_ends_it_and_more_money_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = {"old-model": careful, "new-model": careful}
    with answering(models) as server, place_at(tmp_path, server, questions=16) as place:
        place.lay_models(server.url, params={"max_tokens": 20})
        code, found = told(capsys, "--max-cost", "0.001")
        assert (code, found["verdict"]) == (11, "inconclusive")
        assert 0 < found["paid_usd"] <= 0.001
        first = len(server.requests)
        code, found = told(capsys, "--max-cost", "1")
        assert (code, sum(one["missing"] for one in found["errors"])) == (10, 0)
        again = [one.body for one in server.requests[first:]]
        assert not set(again) & {one.body for one in server.requests[:first]}


def test_a_killed_run_is_paid_for_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command asks for the rest: at most what was in flight is asked twice."""
    at_once = 4
    models = {"old-model": careful, "new-model": careful}
    with answering(models, delay_s=0.02) as server, place_at(tmp_path, server, questions=24):
        (tmp_path / "pyproject.toml").write_text(f"[tool.swapgate]\nconcurrency = {at_once}\n")
        running = subprocess.Popen(
            [sys.executable, "-m", "swapgate", "index", "answers"],
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "evals")},
        )  # fmt: skip
        wait_for(lambda: len(server.requests) >= 40)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert len(server.requests) < 100
        code, found = told(capsys)
        assert (code, sum(one["missing"] for one in found["errors"])) == (10, 0)
        bodies = Counter(one.body for one in server.requests)
        assert sum(number - 1 for number in bodies.values()) <= 2 * at_once


def test_vectors_of_a_service_are_paid_for_once_and_a_replay_asks_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def embed(request: Received) -> Answer:
        import toys

        rows = toys.second(request.json["input"])
        data = [{"index": n, "embedding": row.tolist()} for n, row in enumerate(rows)]
        return Answer({"data": data, "model": "v2", "usage": {"prompt_tokens": 5, "total_tokens": 5}})

    models = {"old-model": careful, "new-model": careful}
    with (
        answering(models) as server,
        serving(embed) as embedding,
        place_at(tmp_path, server, questions=16) as place,
    ):
        place.serve_embedding(embedding.url)
        code, estimated = told(capsys, "--dry-run")
        assert (code, embedding.requests) == (0, [])
        assert any("stand in for their length" in one for one in estimated["notes"])
        assert run("--replay") == 4
        assert "no recorded vector" in capsys.readouterr().err
        assert run("--max-cost", "0.00001") == 4
        assert "the embeddings of the questions would cost more" in capsys.readouterr().err
        code, found = told(capsys)
        assert (code, found["cause"]) == (10, "unknown")
        asked = len(embedding.requests), len(server.requests)
        # The first one is asked twice: to open the connection, and in its turn.
        assert 16 <= asked[0] <= 18
        code, found = told(capsys, "--replay")
        assert (code, found["paid_usd"]) == (10, 0.0)
        assert (len(embedding.requests), len(server.requests)) == asked


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"config": ("answers:", "other:")}, "unknown key 'other'"),
        ({"config": ("candidate: new-model", "candidate: old-model")}, "are the same model"),
        ({"config": ("candidate: new-model", "candidate: new-modle")}, "Did you mean 'new-model'"),
        ({"config": ("faithfulness: faithful", "faithfulness: faithfull")}, "unknown judge 'faithfull'"),
        ({"config": ("rag/docs_qa.yml", "rag/qa.yml")}, "suite: rag/qa.yml: there is no such file"),
        ({"config": ("qrels: qrels.txt", "qrels: labels.txt")}, "qrels: labels.txt: there is no such file"),
        ({"config": ("k: 2", "k: 0")}, "config/index.yml:"),
        ({"config": ("k: 2", "question: query")}, "its input has no text under 'query'"),
        ({"suite": ("{{ context }}", "nothing")}, "does not show old-model what was found"),
        ({"suite": ("{{ question }}", "{{ quest }}")}, "the prompt cannot be filled for old-model"),
        ({"suite": ("checks: [{expected: text}]", "checks: []")}, "nothing says whether an answer is right"),
        ({"questions": ('"question":', '"context": "x", "question":')}, "its input holds 'context' already"),
        ({"qrels": ("q-", "other-")}, "no label is about one of the"),
    ],
)  # fmt: skip
def test_what_is_written_wrong_is_told_before_anything_is_asked(
    shared: tuple[Asked, Server], change: dict[str, tuple[str, str]], says: str
) -> None:
    """What the command does first, without the time that it takes to build a command line."""
    place, server = shared
    files = {
        "config": "config/index.yml",
        "suite": "rag/docs_qa.yml",
        "questions": "rag/questions.jsonl",
        "qrels": "qrels.txt",
    }
    ((name, (before, after)),) = change.items()
    path = place.root / files[name]
    written = path.read_text()
    assert before in written
    path.write_text(written.replace(before, after))
    try:
        with pytest.raises(UsageError) as caught:
            planned(place.root)
    finally:
        path.write_text(written)
    assert says in str(caught.value)
    assert server.requests == []


def test_a_migration_without_answers_or_with_one_model_is_told_what_to_write(
    shared: tuple[Asked, Server], capsys: pytest.CaptureFixture[str]
) -> None:
    place, _server = shared
    path = place.root / "config" / "index.yml"
    written = path.read_text()
    path.write_text(written.partition("answers:")[0])
    try:
        assert run("--root", str(place.root)) == 4
        assert "has no `answers`" in capsys.readouterr().err
    finally:
        path.write_text(written)
    assert run("--root", str(place.root), "--candidate", "old-model") == 4
    assert "are both 'old-model'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asked, Server]]:
    root = tmp_path_factory.mktemp("shared")
    with (
        answering({"old-model": careful, "new-model": careful}) as server,
        place_at(root, server, questions=8) as place,
    ):
        yield place, server


def test_no_text_of_a_candidate_steers_the_terminal_or_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def hostile(_question: str, _texts: str) -> str:
        return "\x1b[2J<script>alert(1)</script> **bold** @someone"

    models = {"old-model": careful, "new-model": hostile}
    with answering(models) as server, place_at(tmp_path, server, questions=12):
        run()
        shown = capsys.readouterr().out
    folder = tmp_path / "reports" / "answers"
    page, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert "\x1b" not in shown + page + markdown
    assert "<script>" not in page and not re.search(r"(?<!&lt;)<script", markdown)
    assert "@someone" not in markdown
