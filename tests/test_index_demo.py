"""`swapgate index demo`: the whole story of two migrations, and the pages that it leaves."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from browsers import driven, window
from swapgate.cli import main
from swapgate.retrieval.demo import documents, questions

Steps = list[dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "here"


@pytest.fixture(scope="module")
def steps(folder: Path) -> Iterator[Steps]:
    path, capture = list(sys.path), folder.parent / "steps.json"
    with capture.open("w") as file:
        before, sys.stdout = sys.stdout, file
        try:
            code = main(["index", "demo", "--to", str(folder), "--json"])
        finally:
            sys.stdout = before
    assert code == 0
    yield json.loads(capture.read_text())
    # Another test's module of the same name lies in another folder.
    sys.modules.pop("names", None)
    sys.path[:] = path


def ramps(steps: Steps, config: str) -> list[str]:
    return [
        one["output"]
        for one in steps
        if one["command"].startswith("swapgate index ramp") and config in one["command"]
    ]


def test_the_corpus_is_whole_and_every_question_has_its_document() -> None:
    texts = {one.id: one.text for one in documents()}
    asked = questions()
    assert len(texts) == len(documents()) == 48 + 72 and len(set(texts.values())) == len(texts)
    assert len({one.id for one in asked}) == len({one.text for one in asked}) == len(asked) == 2 * 48 + 72
    assert {one.document for one in asked} == set(texts)


def test_an_embedding_that_confuses_drugs_is_caught_at_5_percent_by_its_slice(
    steps: Steps, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dry, first, last = ramps(steps, "masked")
    assert "masked: WAITS: shadow_read" in dry
    assert "masked: ADVANCED: shadow_read -> canary 5% (version 6)" in first
    assert re.search(r"on medical, .*4 queries with labels", first), "too few, so no more than `unproven`"
    assert "masked: ROLLED BACK: canary 5% -> rolled_back (version 7)" in last
    assert re.search(r"on medical, nDCG@10 -0\.[3-9]\d+ \[95%: .*\]: worse by more than 0.1", last)
    [verified] = [one for one in steps if "index verify" in one["command"]]
    assert verified["exit_code"] == 1
    config = str(folder / "config/masked.yml")
    capsys.readouterr()
    assert main(["index", "status", "--json", "--root", str(folder), "--config", config]) == 0
    found = json.loads(capsys.readouterr().out)["verification"]
    gains = [
        (one["name"], one["compared"][0]["difference"]["low"], one["compared"][0]["difference"]["high"])
        for one in (found["overall"], *found["slices"])
    ]
    (_, mean, _), (general, better, _), (medical, _, worse) = gains
    assert (general, medical) == ("general", "medical")
    assert mean > 0 and better > 0 and worse < -0.3, "the mean alone would have passed"


def test_its_wrong_answers_are_as_near_as_right_ones(steps: Steps, folder: Path) -> None:
    """Adjacent but wrong: no threshold on the cosine would have kept them out."""
    from swapgate.retrieval.embedding.local import open_local
    from swapgate.retrieval.opening import read_index_workspace
    from swapgate.spec.settings import resolve_settings

    workspace = read_index_workspace(resolve_settings(folder, {}, {}), folder / "config/masked.yml")
    embedder = open_local(workspace.file.new.embed, root=folder, chunker="")
    pages, asked = documents(), questions()
    unit = [
        found / ((found**2).sum(axis=1, keepdims=True) ** 0.5)
        for found in (
            embedder.embed([one.text for one in asked], is_query=True),
            embedder.embed([one.text for one in pages], is_query=False),
        )
    ]
    scores = unit[0] @ unit[1].T
    first = scores.argmax(axis=1)
    wrong = [
        scores[n].max() for n, one in enumerate(asked)
        if one.slice == "medical" and pages[first[n]].id != one.document
    ]  # fmt: skip
    right = [scores[n].max() for n, one in enumerate(asked) if pages[first[n]].id == one.document]
    assert len(wrong) > 60
    assert sum(wrong) / len(wrong) > sum(right) / len(right)


def test_a_good_embedding_goes_through_every_stage(steps: Steps) -> None:
    found = [output.splitlines()[0] for output in ramps(steps, "whole")]
    assert found == [
        "whole: ADVANCED: shadow_read -> canary 5% (version 6)",
        "whole: ADVANCED: canary 5% -> canary 25% (version 7)",
        "whole: ADVANCED: canary 25% -> canary 50% (version 8)",
        "whole: ADVANCED: canary 50% -> promoted (version 9)",
        "whole: DONE: promoted",
    ]
    served = [one["output"] for one in steps if one["command"].startswith("python traffic.py config/masked")]
    assert "200 served by the old index, 0 by the new one" in served[-1], "after the rollback"


def test_the_folder_stays_and_is_not_overwritten(
    steps: Steps, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", "status", "--root", str(folder), "--config", str(folder / "config/whole.yml")]) == 0
    assert "whole: promoted, the new index serves 100.0%" in capsys.readouterr().out
    assert main(["index", "demo", "--to", str(folder)]) == 4
    assert "something is there already. Name another folder with --to" in capsys.readouterr().err


def test_the_pages_read_on_a_telephone_and_in_the_dark(steps: Steps, folder: Path) -> None:
    with driven() as browser:
        for name, width, scheme in (("masked", 390, "dark"), ("whole", 1280, "light")):
            with window(browser, width=width, scheme=scheme) as page:  # type: ignore[arg-type]
                page.goto((folder / f"{name}.html").as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert Axe().run(page).response["violations"] == []
                shown = page.locator("main").inner_text()
                assert ("ROLLED BACK" if name == "masked" else "PROMOTED") in shown
                assert "nDCG@10, new minus old" in shown and "medical" in shown
