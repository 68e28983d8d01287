"""An audit as a page, as Markdown and as JSON, whatever a model is called; and what it may cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from browsers import driven, window
from servers import Server, serving
from swapgate.cli import main
from swapgate.prompting.auditing.audit import Audit, of_stored
from swapgate.prompting.auditing.plan import OverrideUse
from swapgate.prompting.auditing.shifts import Floors
from swapgate.records import Answer, CheckResult, Finding, Message, Response, Trial
from swapgate.reporting.prompt_audit import write_audit
from swapgate.reporting.words.prompt_audit import audit_lines
from test_dry_run import answering, lay_priced

HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m|*`$[x](y)"
BASE, OTHER = f"old {HOSTILE}", f"new {HOSTILE}"


def trials(model: str, prompt: str, *, broken: bool, cases: int = 14) -> Iterator[Trial]:
    """Yield trials of one prompt, every one of them broken or none."""
    for number in range(cases):
        finding = Finding(message=f"The JSON stands in a fence: {HOSTILE}.", got="fenced")
        yield Trial(
            suite=f"suite of {prompt}",
            case=f"c{number}",
            model=model,
            prompt=prompt,
            messages=(Message(role="system", content=f"No markdown. {HOSTILE}"),),
            answer=Answer(response=Response(text="x" * (20 + number)), model=model),
            checks=(
                CheckResult(
                    check="json",
                    kind="structural",
                    passed=not broken,
                    findings=(finding,) if broken else (),
                    facts={"json_kind": "fenced" if broken else "bare"},
                ),
            ),
        )


@pytest.fixture(scope="module")
def audit() -> Audit:
    """Return an audit of two models and two prompts, one of which differs, with hostile names."""
    prompts = {f"broken {HOSTILE}": True, "sound": False}
    found = [
        trial
        for prompt, breaks in prompts.items()
        for model in (BASE, OTHER)
        for trial in trials(model, prompt, broken=breaks and model == OTHER)
    ]
    uses = [OverrideUse(prompt="sound", override=HOSTILE, model=OTHER, changes=True)]
    floors = Floors(rate=0.05, length=1.5)
    return of_stored(found, models=[BASE, OTHER], suites=(), uses=uses, runs=["r1"], floors=floors)


def test_page_is_accessible_and_as_wide_as_the_screen(audit: Audit, tmp_path: Path) -> None:
    path = write_audit(audit, tmp_path, "html")
    text = path.read_text(encoding="utf-8")
    assert not any(piece in text for piece in ("<img", "<script", "\x1b", "\u202e"))
    sizes: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1280, "light"), (390, "dark"))
    with driven() as browser:
        for width, scheme in sizes:
            with window(browser, width=width, scheme=scheme) as page:
                page.goto(path.as_uri())
                result = Axe().run(page, options={"resultTypes": ["violations"]})
                assert result.violations_count == 0, result.generate_report()
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
                assert page.locator(".map tbody tr").count() == 2
                cell = page.get_by_role("cell").filter(has_text="differs").first
                assert "structure 0.0%" in " ".join((cell.text_content() or "").split())


def test_every_format_says_the_same_and_no_name_steers_a_reader(audit: Audit, tmp_path: Path) -> None:
    text = write_audit(audit, tmp_path, "md").read_text(encoding="utf-8")
    assert "<img" not in text
    assert "\x1b" not in text
    assert "1 of 2 prompts differ materially" in text
    assert "format (14 of 14 answers, 0 on the base)" in text.lower()
    assert "stored runs hold no trial without it" in text
    lines = list(audit_lines(audit, verbose=1))
    assert not any("\x1b" in line or "\u202e" in line for line in lines)
    assert "1 of 2 prompts differ materially" in lines[-1]
    assert any("(the instruction: No markdown.)" in line for line in lines)
    found = json.loads(write_audit(audit, tmp_path, "json").read_text(encoding="utf-8"))
    assert found["version"] == 1
    assert found["differing"] == [f"broken {HOSTILE}"]
    assert found["base"] == BASE


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789abcdef")
    with serving(answering) as started:
        yield started


def test_budget_ends_an_audit_and_the_next_one_pays_for_the_rest_alone(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """A call may cost 2 cents and costs 0.2: 4 cents are enough for some ten of twenty cases."""
    lay_priced(tmp_path, server.url, cases=20)
    options = ["prompt", "audit", "--models", "candidate", "--root", str(tmp_path)]
    assert main([*options, "--max-cost", "0.04"]) == 11
    told = capsys.readouterr().out
    assert "note: --max-cost ended it: " in told
    assert "in the cache and costs nothing" in told
    first = len(server.requests)
    assert 0 < first < 40
    assert main([*options, "--report", "none", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(server.requests) == 40
    assert found["paid_usd"] > 0
    assert "no calibration corrects them here" in found["notes"][0]
    assert main([*options, "--replay", "--report", "none"]) == 0
    assert len(server.requests) == 40
    capsys.readouterr()


def test_folder_that_cannot_be_written_keeps_nobody_from_the_result(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_priced(tmp_path, server.url, cases=2)
    (tmp_path / "reports").write_text("a file", encoding="utf-8")
    assert main(["prompt", "audit", "--models", "candidate", "--root", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "name a second model" in said.out.splitlines()[-1]
    assert said.err.count("cannot be written") == 3


def test_suggestion_is_judged_by_the_suites_judge_over_http(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_priced(tmp_path, server.url, cases=12)
    told = ["prompt", "suggest", "triage", "--model", "candidate", "--root", str(tmp_path), "--json"]
    assert main(told) == 10
    found = json.loads(capsys.readouterr().out)
    assert "nothing to learn from" in found["problem"]
    asked = [request.json["model"] for request in server.requests]
    assert asked.count("m-1") == found["training_cases"] == found["before"]["passed"]
    assert asked.count("judge-1") >= found["training_cases"]
    assert found["paid_usd"] > 0
