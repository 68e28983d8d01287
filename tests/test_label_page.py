"""The labelling as a page: in a browser, by keys and clicks, blind, resumable; its answers read back."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from browsers import find_browser, opened
from swapgate.cli import main
from swapgate.reporting.text import visible
from workspaces import BLIND, RIGHT, judged_workspace, lay

CASES = [f"case-{n:02}" for n in range(12)]
HOSTILE = "</script><img src=x onerror=\"document.title='OWNED'\"><!--<script>\x1b[2J @STYLE@ @DATA@ & done"
Said = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def browser() -> str:
    return find_browser()


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    answers = {name: (RIGHT, BLIND, HOSTILE)[n % 3] for n, name in enumerate(CASES)}
    judged_workspace(pytester.path, {"zebra": answers}, {name: n % 2 > 0 for n, name in enumerate(CASES)})
    suite = (pytester.path / "cases/triage.yml").read_text()
    lay(pytester.path, {"cases/triage.yml": suite.replace("checks: [{json: strict}]\n", "")})
    pytester.runpytest("--model=zebra", "--report=none")
    return pytester.path


def write_page(*options: str) -> Path:
    assert main(["judge", "label", "latest", "--count", "8", "--html", "page.html", *options]) == 0
    return Path("page.html").absolute()


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL
    )
    assert found
    return json.loads(found[1])


def driven(browser: str, page: Path, folder: Path, script: str) -> str:
    """Open a copy of the page in which a script of the test's own may act like a person."""
    text = page.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = text.replace("script-src 'sha256-", f"script-src 'sha256-{digest}' 'sha256-", 1)
    # The same name: what the browser remembers belongs to the page's address.
    copy = folder / "driven.html"
    copy.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    dom, complaints = opened(browser, copy, folder)
    assert complaints == []
    return dom


PRESS = """
const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const saved = [];
const made = URL.createObjectURL;
// A browser without a window waits for ever for what it downloads.
HTMLAnchorElement.prototype.click = () => {};
URL.createObjectURL = (blob) => {
  blob.text().then((text) => {
    const shown = document.createElement("output");
    shown.id = "saved";
    shown.textContent = text;
    document.body.append(shown);
  });
  return made(blob);
};
const save = (name) => {
  const field = document.getElementById("annotator");
  field.value = name;
  field.dispatchEvent(new Event("change"));
  document.getElementById("download").click();
};
"""


def saved(dom: str) -> str:
    found = re.search(r'<output id="saved">(.*?)</output>', dom, re.DOTALL)
    assert found
    return unescape(found[1])


def rows(root: Path) -> list[dict[str, Any]]:
    lines = (root / "judges/meaning.labels.jsonl").read_text().splitlines()
    return [row for line in lines if "draw" not in (row := json.loads(line))]


def test_the_page_says_nothing_of_model_verdict_or_case(root, capsys):
    page = write_page()
    text = page.read_text(encoding="utf-8")
    for word in ("zebra", "So it is", "by_verdict", "triage", "definition"):
        assert word not in text
    run_free = {"judge", "key", "items", "question"}
    assert set(data_of(page)) == run_free
    assert all(set(item) == {"id", "inputs", "reference", "answer"} for item in data_of(page)["items"])
    known = {row["response"] for row in rows(root)}
    assert not known & {item["id"] for item in data_of(page)["items"]}
    assert "src=" not in text.replace("img src=x", "")
    assert "http" not in text.replace("http-equiv", "")
    assert "page: page.html, 8 responses" in capsys.readouterr().out


def test_what_a_model_wrote_is_shown_as_text_and_does_nothing(root, browser, tmp_path):
    page = write_page()
    items = data_of(page)["items"]
    hostile = next(place for place, item in enumerate(items) if item["answer"] == visible(HOSTILE))
    dom = driven(browser, page, tmp_path, PRESS + 'press("ArrowRight");' * hostile)
    assert "<title>Label responses (swapgate)</title>" in dom
    assert "<img" not in dom
    assert visible(HOSTILE) in [
        unescape(text) for text in re.findall(r"<pre[^>]*>(.*?)</pre>", dom, re.DOTALL)
    ]


def test_answers_by_keys_and_clicks_are_downloaded_and_imported(root, browser, tmp_path, capsys):
    page = write_page()
    click = 'document.querySelector("button.fail").click();'
    note = 'document.getElementById("note").value = " looks odd ";'
    script = PRESS + f'press("p"); {note} {click} press("s"); press("x"); save("ann");'
    dom = driven(browser, page, tmp_path, script)
    assert "4 of 8, 5 left" in dom
    answers = tmp_path / "answers.jsonl"
    answers.write_text(saved(dom), encoding="utf-8")
    assert main(["judge", "label", "latest", "--import", str(answers)]) == 0
    assert "3 new answers of ann" in capsys.readouterr().out
    found = rows(root)
    assert [(row["truth"], row.get("note")) for row in found] == [
        ("pass", None),
        ("fail", "looks odd"),
        ("skip", None),
    ]
    verdicts = {name: "pass" if n % 2 else "fail" for n, name in enumerate(CASES)}
    assert all((row["verdict"], row["model"]) == (verdicts[row["case"]], "zebra") for row in found)
    assert main(["judge", "label", "latest", "--import", str(answers)]) == 0
    assert "0 new answers" in capsys.readouterr().out
    assert rows(root) == found


def test_the_browser_remembers_what_was_answered(root, browser, tmp_path):
    page = write_page()
    driven(browser, page, tmp_path, PRESS + 'press("p"); press("f"); save("ann");')
    dom = driven(browser, page, tmp_path, PRESS + 'press("b"); press("p"); save("ann");')
    answers = [json.loads(line) for line in saved(dom).splitlines()]
    assert [answer["truth"] for answer in answers] == ["pass", "pass"]
    assert "3 of 8, 6 left" in dom


def test_nothing_is_downloaded_without_a_name(root, browser, tmp_path):
    dom = driven(browser, write_page(), tmp_path, PRESS + 'press("p"); save("");')
    assert "Write your name first" in dom
    assert 'id="saved"' not in dom


def test_scores_are_given_by_digits_and_the_rule_makes_the_truth(root, browser, tmp_path):
    judge = (root / "judges/meaning.yml").read_text()
    scaled = judge.replace("message?}", "message?, scale: [1, 5]}\n  clear: {ask: Is it clear?}")
    lay(root, {"judges/meaning.yml": scaled.replace("pass: agrees", "pass: agrees >= 4 and clear")})
    page = write_page("--ask", "scores")
    dom = driven(
        browser, page, tmp_path, PRESS + 'press("4"); press("p"); press("5"); press("f"); save("ann");'
    )
    answers = tmp_path / "answers.jsonl"
    answers.write_text(saved(dom), encoding="utf-8")
    assert main(["judge", "label", "latest", "--import", str(answers)]) == 0
    assert [(row["truth"], row["truth_scores"]) for row in rows(root)] == [
        ("pass", {"agrees": 4, "clear": 1}),
        ("fail", {"agrees": 5, "clear": 0}),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item": "0" * 12}, "answers.jsonl:2: the item '000000000000' was not drawn from run"),
        ({"truth": "maybe"}, "answers.jsonl:2: 'truth' must be 'pass', 'fail' or 'skip', got 'maybe'"),
        ({"truth": None}, "answers.jsonl:2: the answer has no 'truth'"),
        ({"annotator": ""}, "answers.jsonl:2: 'annotator'"),
        ({"truth_scores": {"agrees": 7}}, "answers.jsonl:2: the score of 'agrees' must be a whole number"),
        ({"verdict": "pass"}, "answers.jsonl:2: unknown key 'verdict' in an answer"),
    ],
)
def test_a_wrong_answer_is_named_with_its_line_and_none_is_taken(root, capsys, change, message):
    items = data_of(write_page())["items"]
    good = {"item": items[0]["id"], "annotator": "ann", "truth": "pass"}
    lines = [good, {**good, "item": items[1]["id"], **change}]
    (root / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["judge", "label", "latest", "--import", "answers.jsonl"]) == 4
    assert message in capsys.readouterr().err
    assert rows(root) == []
