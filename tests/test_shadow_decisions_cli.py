"""The commands about stored exchanges as a person runs them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from browsers import find_browser, opened
from servers import Answer, Received, openai_completion, serving
from shadow_traffic import Quality, World, traffic
from swapgate.cli import main
from swapgate.errors import ErrorKind, ExitCode
from swapgate.shadow.ramp.ramp import Ramp
from swapgate.shadow.records import Exchange, Leg, without_content
from swapgate.shadow.store import ShadowStore
from workspaces import lay

SUITE = """\
suite: code_review
prompt: {user: "{{ diff }}"}
checks:
  - json: strict
  - enum: {pointer: /recommendation, values: [approve, request_changes, comment]}
cases:
  - {id: one, input: {diff: "+ x"}}
"""
CRITERIA = """\
compare:
  code_review: {suite: code_review, similarity: none}
criteria:
  requests: 100
  cost_usd: {ratio: 0.5}
"""
WORLD = World(per_day=120, users=10_000, again_share=0.5)
BAD_SLICE = Quality(in_slice={"rust": 0.5})
EXIT = Callable[..., tuple[int, str, str]]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lay(tmp_path, {"cases/review.yml": SUITE, "config/promote.yml": CRITERIA})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> EXIT:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["shadow", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def fill(root: Path, quality: Quality, *, world: World = WORLD, **changes: Any) -> list[Exchange]:
    found = [replace(one, **changes) for one in traffic(quality, world=world)]
    with closing(ShadowStore(root / ".swapgate" / "shadow.db")) as store:
        store.add_new(found)
    return found


def parsed(out: str) -> Any:
    return json.loads(out)


def test_promote_says_promote_and_ends_with_0(root: Path, run: EXIT) -> None:
    fill(root, Quality())
    code, out, _ = run("promote")
    assert code == 0
    assert "PROMOTE: every criterion is shown to hold on 840 requests and on 3 slices" in out


def test_a_bad_slice_is_named_and_ends_with_1(root: Path, run: EXIT) -> None:
    fill(root, BAD_SLICE)
    code, out, _ = run("promote", "--json")
    found = parsed(out)
    assert (code, found["verdict"]) == (1, "hold")
    failed = {one["slice"] for one in found["routes"][0]["rulings"] if one["answer"] == "fail"}
    assert "language:rust" in failed


def test_three_days_are_inconclusive_and_end_with_10(root: Path, run: EXIT) -> None:
    fill(root, Quality(), world=replace(WORLD, days=3))
    code, out, _ = run("promote")
    assert code == ExitCode.INCONCLUSIVE
    assert "traffic of 3 days, 7 wanted" in out


def test_a_file_of_criteria_can_be_named(root: Path, run: EXIT) -> None:
    fill(root, Quality(), world=replace(WORLD, days=3))
    lay(root, {"mine.yml": f"{CRITERIA}  days: 3\n"})
    assert run("promote", "--criteria", "mine.yml")[0] == 0
    code, _, err = run("promote", "--criteria", "none.yml")
    assert code == ExitCode.USAGE_ERROR
    assert "none.yml: cannot be read" in err


def test_asking_more_often_than_planned_is_said(root: Path, run: EXIT) -> None:
    fill(root, Quality())
    assert "asked for" not in run("promote")[1]
    assert "asked for the 2. time, and `looks` is 1" in run("promote")[1]


@pytest.mark.parametrize("command", ["report", "promote", "watch", "harvest"])
def test_nothing_stored_is_a_mistake_with_a_remedy(run: EXIT, command: str) -> None:
    code, _, err = run(command)
    assert code == ExitCode.USAGE_ERROR
    assert "no exchanges are stored yet. `swapgate shadow serve`" in err


def test_mistakes_on_the_command_line_are_said(root: Path, run: EXIT) -> None:
    fill(root, Quality(), world=World(per_day=2))
    for arguments, message in {
        ("report", "--route", "code_revew"): "Did you mean 'code_review'?",
        ("report", "--since", "yesterday"): "must be a date such as 2026-11-26, got 'yesterday'",
        ("report", "--report", "pdf"): "--report 'pdf': wanted one of json, md, html, none",
        ("watch", "--swapped", "noon"): "--swapped 'noon' is no time",
        ("judge",): "no route has a judge",
        ("ramp", "rollback", "code_review", "--why", "x"): "has no ramp yet",
    }.items():
        code, _, err = run(*arguments)
        assert code == ExitCode.USAGE_ERROR, arguments
        assert message in err


def test_the_report_is_written_in_three_formats_and_printed(root: Path, run: EXIT) -> None:
    fill(root, replace(BAD_SLICE, fails=0.02))
    code, out, _ = run("report")
    assert code == 0
    assert "route code_review: deepseek-v4-pro in the shadow of gpt-5.5, 840 requests on 7 days" in out
    assert "HOLD: " in out
    assert "FAILS  disagreement on language:rust: " in out
    for scope in ("overall", "language:rust", "2026-11-22"):
        assert re.search(rf"^{scope} +\d", out, re.MULTILINE)
    assert "no answer of the candidate: rate_limit" in out
    written = json.loads((root / "reports/shadow/report.json").read_text())
    assert (written["version"], written["routes"][0]["promotion"]["verdict"]) == (1, "hold")
    markdown = (root / "reports/shadow/report.md").read_text()
    assert "### HOLD: code\\_review" in markdown
    assert "| language:rust |" in markdown


def test_the_report_as_json_is_valid_without_infinite_numbers(root: Path, run: EXIT) -> None:
    fill(root, Quality(fails=0.3))
    code, out, _ = run("report", "--json", "--report", "none")
    assert code == 0
    assert not (root / "reports").exists()
    assert json.loads(out, parse_constant=pytest.fail)["routes"]


def test_words_that_are_not_kept_are_not_shown(root: Path, run: EXIT) -> None:
    with closing(ShadowStore(root / ".swapgate" / "shadow.db")) as store:
        store.add_new(without_content(one) for one in traffic(Quality(refuses=0.2), world=WORLD))
    code, out, _ = run("report")
    assert code == 0
    assert "a refusal by one alone" in out
    page = (root / "reports/shadow/report.html").read_text()
    assert "Their words are not kept" in page
    assert "Review this" not in page
    assert "their words are not kept (`content: true`)" in run("harvest")[1]


def test_no_chart_is_drawn_of_what_is_not_known(root: Path, run: EXIT) -> None:
    fill(root, Quality())
    run("report")
    page = root / "reports/shadow/report.html"
    assert page.read_text().count('class="chart"') == 2
    with closing(ShadowStore(root / ".swapgate" / "shadow.db")) as store:
        store.purge(before="9999-01-01")
        store.add_new(replace(one, again=None) for one in traffic(Quality(), world=WORLD))
    run("report")
    assert 'class="chart"' not in page.read_text()
    assert "it takes second answers of the control" in page.read_text()


def test_the_page_opens_in_a_browser_without_a_word_in_its_console(root: Path, run: EXIT) -> None:
    browser = find_browser()
    fill(root, BAD_SLICE)
    hostile = "<script>alert(1)</script>\u202e"
    fill(root, Quality(refuses=1.0), world=World(days=1, per_day=1), key=hostile, tags=(f"who:{hostile}",))
    run("report")
    page = root / "reports/shadow/report.html"
    seen, console = opened(browser, page, root / "browser")
    assert console == []
    assert "HOLD" in seen
    assert "language:rust" in seen
    assert "<script>alert" not in seen
    assert "\u202e" not in seen


JUDGE = "judge: better\nkind: pairwise\nmodel: judge-model\n"


def judging(prefers: Callable[[str], bool]) -> Callable[[Received], Answer]:
    """Return a judge that prefers the first answer that it is asked to, by its text."""

    def handle(request: Received) -> Answer:
        asked = request.json["messages"][-1]["content"]
        first = asked.partition("The first answer:\n")[2].partition("The second answer:")[0]
        second = asked.partition("The second answer:\n")[2]
        word = "first" if prefers(first) else "second" if prefers(second) else "tie"
        return Answer(openai_completion(json.dumps({"verdict": word})))

    return handle


def with_judge(root: Path, url: str) -> None:
    models = {"judge-model": {"provider": "openai-compatible", "base_url": f"{url}/v1", "model": "j"}}
    lay(
        root,
        {
            "judges/better.yml": JUDGE,
            "config/models.yml": json.dumps({"models": models}),
            "config/promote.yml": CRITERIA.replace(
                "similarity: none", "similarity: none, judge: better, judged: 40"
            )
            + "  preference: {margin: 0.1, requests: 30}\n",
        },
    )


def test_a_blind_judge_sees_both_orders_of_a_sample_and_is_paid_once(root: Path, run: EXIT) -> None:
    fill(root, Quality(refuses=1.0))
    with serving(judging(lambda text: "recommendation" in text)) as server:
        with_judge(root, server.url)
        code, out, err = run("judge")
        assert code == 0, err
        assert "route code_review: 40 drawn, 40 judged now: better 0, even 0, worse 40" in out
        assert len(server.requests) == 80
        shown = " ".join(json.dumps(request.json) for request in server.requests)
        assert "deepseek" not in shown
        assert "gpt-5.5" not in shown
        again = run("judge", "--json")
        assert parsed(again[1])["routes"][0]["judged_now"] == 0
        assert len(server.requests) == 80
    rulings = parsed(run("promote", "--json")[1])["routes"][0]["rulings"]
    preference = next(one for one in rulings if one["criterion"] == "preference")
    assert (preference["answer"], preference["value"], preference["n"]) == ("fail", 0.0, 40)


def test_a_judge_that_always_says_first_finds_nothing(root: Path, run: EXIT) -> None:
    fill(root, Quality(refuses=1.0))
    with serving(judging(bool)) as server:
        with_judge(root, server.url)
        assert "even 40" in run("judge")[1]


def test_a_judge_that_breaks_is_no_verdict(root: Path, run: EXIT) -> None:
    fill(root, Quality(refuses=1.0))
    with serving(Answer({"error": {"message": "no"}}, status=400)) as server:
        with_judge(root, server.url)
        code, out, err = run("judge")
    assert code == ExitCode.TOO_MANY_ERRORS
    assert "0 judged now" in out
    assert "no verdict" in err


def test_a_judge_of_another_kind_is_refused(root: Path, run: EXIT) -> None:
    fill(root, Quality(), world=World(per_day=2))
    with_judge(root, "http://127.0.0.1:9")
    lay(
        root,
        {"judges/better.yml": "judge: better\nmodel: judge-model\ncriteria: {a: {ask: Good?}}\npass: a\n"},
    )
    code, _, err = run("judge")
    assert code == ExitCode.USAGE_ERROR
    assert "two answers are compared by one of kind pairwise" in err
    # A report does without it, and says so.
    code, _, err = run("report", "--report=none")
    assert code == 0
    assert "warning: judge 'better' is of kind rubric" in err
    (root / "judges/better.yml").unlink()
    assert "warning: unknown judge 'better'" in run("report", "--report=none")[2]


def test_a_ramp_goes_from_a_promotion_step_by_step_and_back(root: Path, run: EXIT) -> None:
    fill(root, Quality())
    code, _, err = run("ramp", "advance", "code_review", "--why", "go")
    assert code == ExitCode.INCONCLUSIVE
    assert "nobody decided about it yet" in err
    assert run("promote")[0] == 0
    assert "0% -> 1% for deepseek-v4-pro" in run("ramp", "advance", "code_review", "--why", "promoted")[1]
    code, out, err = run("ramp", "advance", "code_review", "--why", "more")
    assert code == ExitCode.INCONCLUSIVE
    assert "24 hours wanted (`ramp: hours`)" in err
    forced = run("ramp", "advance", "code_review", "--why", "more", "--force", "--to", "0.5", "--who", "ada")
    assert "1% -> 50%" in forced[1]
    told = parsed(run("ramp", "status", "--json")[1])
    assert told["changes"][-1]["who"] == "ada"
    assert "forced although" in told["changes"][-1]["why"]
    assert "50% -> 0%" in run("ramp", "rollback", "code_review", "--why", "enough")[1]
    code, out, _ = run("ramp", "status")
    assert "rollback 50% -> 0%" in out


def live(root: Path, *, errors: float, days: float) -> None:
    """Store what the candidate served after the shadow's seven days: a request every five minutes."""
    found = list(traffic(Quality(), seed=9, world=World(days=1, per_day=int(288 * days))))
    start = datetime.fromisoformat("2026-11-23T00:00:00+00:00")
    exchanges = []
    for number, one in enumerate(found):
        at = start + timedelta(minutes=5 * number)
        broken = Leg(model="deepseek-v4-pro", error_kind=ErrorKind.SERVER, error="500", status=500)
        leg = broken if number % round(1 / errors) == 0 else one.candidate
        exchanges.append(
            replace(
                one,
                key=f"live-{number}",
                at=at.isoformat(timespec="milliseconds"),
                again=None,
                control=None,
                candidate=leg,
                served="candidate",
            )
        )
    with closing(ShadowStore(root / ".swapgate" / "shadow.db")) as store:
        store.add_new(exchanges)


def test_an_alarm_takes_the_ramp_back_by_itself_and_ends_with_12(root: Path, run: EXIT) -> None:
    fill(root, Quality())
    run("promote")
    run("ramp", "advance", "code_review", "--why", "promoted", "--to", "1")
    began(root, "2026-11-23T00:00:00.000+00:00")
    ramp = Ramp(root / ".swapgate" / "ramp.db", reread_s=0)
    assert ramp.leg_for("code_review", "anybody") == "candidate"
    live(root, errors=0.2, days=1)
    code, out, _ = run("watch")
    assert code == ExitCode.DRIFT
    assert "ALARM: route code_review: errors 0.0% -> 20" in out
    assert "rolled back, the control answers everybody" in out
    assert ramp.leg_for("code_review", "anybody") == "control"
    ramp.close()
    changes = parsed(run("ramp", "status", "--json")[1])["changes"]
    assert (changes[-1]["action"], changes[-1]["who"]) == ("rollback", "swapgate shadow watch")
    assert "errors 0.0% -> 20" in changes[-1]["why"]


def test_a_ramp_that_is_manual_is_told_and_left(root: Path, run: EXIT) -> None:
    fill(root, Quality())
    lay(root, {"config/promote.yml": f"{CRITERIA}ramp: {{rollback: manual}}\n"})
    run("promote")
    run("ramp", "advance", "code_review", "--why", "promoted", "--to", "1")
    began(root, "2026-11-23T00:00:00.000+00:00")
    live(root, errors=0.2, days=1)
    code, out, _ = run("watch", "--json")
    assert code == ExitCode.DRIFT
    assert parsed(out)["rolled_back"] == []


def test_a_webhook_is_told_of_an_alarm_and_never_shown(
    root: Path, run: EXIT, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(root, Quality())
    live(root, errors=0.2, days=1)
    assert "set SWAPGATE_WEBHOOK" in run("watch", "--notify")[2]
    with serving(Answer({"ok": True})) as server:
        monkeypatch.setenv("SWAPGATE_WEBHOOK", f"{server.url}/hook/s3cret")
        code, out, err = run("watch", "--notify")
        assert code == ExitCode.DRIFT
        [told] = server.requests
        assert told.json["answer"] == "alarm"
        assert told.json["text"].startswith("swapgate shadow watch: alarm; code_review: errors 0.0% -> 20")
        assert "s3cret" not in out + err


def began(root: Path, at: str) -> None:
    """Put the beginning of the ramp into the time of the traffic."""
    with closing(sqlite3.connect(root / ".swapgate" / "ramp.db")) as db:
        db.execute("UPDATE changes SET at = ? WHERE action = 'start'", (at,))
        db.commit()


def test_live_traffic_like_before_is_well_and_none_is_not(root: Path, run: EXIT) -> None:
    fill(root, Quality())
    code, _, err = run("watch")
    assert code == ExitCode.NOT_FOUND_OUT
    assert "served from the first stored request on" in err
    live(root, errors=0.0005, days=2)
    code, out, err = run("watch")
    assert code == 0, out + err
    assert "deepseek-v4-pro since 2026-11-23T00:00, before it gpt-5.5" in out


def test_disagreements_become_cases_that_the_suite_takes(root: Path, run: EXIT) -> None:
    secret = "sk-proj-abcdefghijklmnop1234567890"
    call = {"id": "c1", "function": {"name": "open", "arguments": f'{{"login": "{secret} c@d.example"}}'}}
    turns = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "opened"},
        {"role": "user", "content": f"Review: my key is {secret}, mail a@b.example"},
    ]
    fill(root, Quality(differs=0.2), request={"messages": turns})
    assert run("harvest", "--most", "5")[0] == 0
    path = root / "cases/from_traffic/code_review.yml"
    text = path.read_text()
    assert secret not in text
    assert "a@b.example" not in text
    assert "c@d.example" not in text
    assert "name: open" in text
    assert "# candidate answered:" in text
    assert "expected" not in re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    # All requests are one text: it is one kind of disagreement, and one case.
    assert text.count("- id: shadow-") == 1
    lay(root, {"cases/review.yml": f"{SUITE}cases_from: from_traffic/code_review.yml\n"})
    assert main(["check"]) == 0
    labelled = text.replace("  messages:", "  expected: {recommendation: approve}\n  messages:")
    path.write_text(labelled)
    assert "0 new cases" in run("harvest")[1]
    assert path.read_text() == labelled


def test_the_cases_of_several_kinds_are_limited_and_the_worst_come_first(root: Path, run: EXIT) -> None:
    fill(root, Quality(differs=0.3, refuses=0.05))
    found = parsed(run("harvest", "--most", "2", "--to", "some.yml", "--json")[1])["routes"][0]
    assert (found["cases"], found["file"]) == (2, "some.yml")
    assert "differs:refusal" in (root / "some.yml").read_text()
