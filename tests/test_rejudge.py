"""Stored answers judged again over HTTP: whom that asks, what it stores, says and decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from servers import Answer, Received, Server, openai_completion, serving
from swapgate.cli import main
from swapgate.memory.history import History, HistoryWriter
from swapgate.records import Run, Trial
from workspaces import JUDGE, case, lay, newest_run, suite

Said = pytest.CaptureFixture[str]
HEAD = """\
suite: triage
prompt: {user: "{{ message }}"}
checks: [{json: strict}]
judges: [meaning]
"""
GATE = {"semantic": {"min": 0.5, "on": "point"}}
STRICT = JUDGE.replace("Does the label fit the message?", "Is the label exactly right?")
CASES = [case(f"case-{n}") for n in range(6)]


def says(verdict: str, reasoning: str = "So it is.") -> str:
    return json.dumps({"evidence": [], "reasoning": reasoning, "agrees": verdict})


def is_judge(request: Received) -> bool:
    return bool(request.json["model"].startswith("judge"))


def judged(request: Received) -> Answer:
    """Answer as a model, or as a judge that is lenient until it is asked for exactness."""
    text = request.body.decode()
    if not is_judge(request):
        return Answer(
            openai_completion(json.dumps({"label": "billing", "about": text.partition("case-")[2][:1]}))
        )
    is_strict = "exactly right" in text
    wrong = is_strict and ("about case-0" in text or "about case-1" in text)
    return Answer(openai_completion(says("fail" if wrong else "pass", "strict" if is_strict else "lenient")))


def lay_judged(
    root: Path, url: str, *, cases: list[Any] = CASES, judge: str = JUDGE, gate: object = GATE
) -> None:
    shared = {"provider": "openai-compatible", "base_url": f"{url}/v1", "price": {"input": 1, "output": 10}}
    models = {name: {**shared, "model": f"{name}-1"} for name in ("candidate", "other", "judge")}
    lay(
        root,
        {
            "cases/triage.yml": suite(cases, head=HEAD, gate=gate),
            "judges/meaning.yml": judge,
            "config/models.yml": json.dumps({"models": models}),
            "pyproject.toml": "[tool.swapgate]\nretries = 0\n",
        },
    )


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(judged) as started:
        yield started


@pytest.fixture
def root(pytester: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose candidate has been run once; the server has forgotten it."""
    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    lay_judged(pytester.path, server.url)
    assert pytester.runpytest("--model=candidate").ret == 0
    server.requests.clear()
    return pytester.path


def models_asked(server: Server) -> set[str]:
    return {request.json["model"] for request in server.requests}


def rejudge(capsys: Said, *arguments: str, run: str = "latest") -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["rejudge", run, *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def runs(root: Path) -> list[Run]:
    with closing(History(root / ".swapgate" / "history.db")) as history:
        return history.runs()


def test_unchanged_judge_costs_nothing_and_agrees_with_itself(
    root: Path, server: Server, capsys: Said
) -> None:
    code, said = rejudge(capsys)
    assert (code, server.requests, said["paid_usd"]) == (0, [], 0.0)
    (change,) = said["judges"]
    assert (change["answers"], change["changed"], change["agreement"]["estimate"]) == (6, [], 1.0)


def test_pairwise_judge_compares_with_the_stored_other_answer(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    def answers(request: Received) -> Answer:
        if is_judge(request):
            return Answer(openai_completion(says("pass").replace('"agrees": "pass"', '"verdict": "first"')))
        return Answer(openai_completion(json.dumps({"label": "billing", "by": request.json["model"]})))

    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    pairwise = "judge: meaning\nkind: pairwise\nmodel: judge\nagainst: other\nask: Which fits better?\n"
    with serving(answers) as server:
        lay_judged(pytester.path, server.url, judge=pairwise)
        pytester.runpytest("--model=candidate")
        assert models_asked(server) == {"candidate-1", "other-1", "judge-1"}
        before = rivals(pytester.path)
        server.requests.clear()
        lay(pytester.path, {"judges/meaning.yml": pairwise.replace("fits better", "is more helpful")})
        rejudge(capsys)
        assert models_asked(server) == {"judge-1"}
    assert len(before) == len(CASES)
    assert rivals(pytester.path) == before


def rivals(root: Path) -> list[str]:
    _run, trials = newest_run(root)
    return [v.rival.text for trial in trials for v in trial.verdicts if v.rival is not None]


def test_edited_judge_is_asked_and_no_candidate_ever(root: Path, server: Server, capsys: Said) -> None:
    before = runs(root)[0]
    lay(root, {"judges/meaning.yml": STRICT})
    code, said = rejudge(capsys)
    assert code == 0
    assert models_asked(server) == {"judge-1"}
    assert len(server.requests) == 6
    assert said["paid_usd"] == pytest.approx(6 * (20 * 1 + 9 * 10) / 1e6)
    (change,) = said["judges"]
    assert [(c["case"], c["before"], c["after"]) for c in change["changed"]] == [
        ("case-0", True, False),
        ("case-1", True, False),
    ]
    assert "lenient" in change["changed"][0]["reason_before"]
    assert "strict" in change["changed"][0]["reason_after"]
    run, trials = newest_run(root)
    assert (run.rejudges, run.id, said["run"]) == (before.id, said["run"], run.id)
    assert run.judge_hashes != before.judge_hashes
    assert [model.name for model in run.models] == ["candidate"]
    assert all(t.answer is not None and t.answer.from_cache for t in trials)
    assert Path(root, "reports", run.id, "report.json").is_file()
    assert "case-0" in Path(root, "reports", run.id, "judge-diff.md").read_text(encoding="utf-8")


def test_gate_decides_on_the_new_verdicts_with_its_exit_code(root: Path, capsys: Said) -> None:
    lay(root, {"judges/meaning.yml": STRICT})
    lay(root, {"cases/triage.yml": suite(CASES, head=HEAD, gate={"semantic": {"min": 0.9, "on": "point"}})})
    assert main(["rejudge", "latest"]) == 1
    out = capsys.readouterr().out
    assert "gate: FAIL" in out
    assert "passes: 100.0% -> 66.7%" in out
    assert "the answers are those of run" in out


def test_interrupted_or_repeated_rejudging_pays_for_what_is_missing_alone(
    root: Path, server: Server, capsys: Said
) -> None:
    lay(root, {"judges/meaning.yml": STRICT})
    first = runs(root)[0].id
    models = root / "config" / "models.yml"
    models.write_text(models.read_text(encoding="utf-8").replace('"output": 10', '"output": 100'))
    code, said = rejudge(capsys, "--max-cost=0.1065", run=first)
    # Of six calls only some fit: the others are errors of their trials, and the run says so.
    assert code == 11
    assert 0 < len(server.requests) < 6
    assert any("--max-cost" in text for text in said["warnings"])
    paid = len(server.requests)
    code, _said = rejudge(capsys, run=first)
    assert code == 0
    assert len(server.requests) == 6 > paid


def test_dry_run_says_what_the_judges_would_be_asked_and_asks_nothing(
    root: Path, server: Server, capsys: Said
) -> None:
    lay(root, {"judges/meaning.yml": STRICT})
    code, said = rejudge(capsys, "--dry-run")
    assert (code, server.requests) == (0, [])
    assert [(row["model"], row["role"], row["to_send"]) for row in said["rows"]] == [("judge", "judge", 6)]
    assert len(runs(root)) == 1


def test_latest_is_not_what_an_interrupted_rejudging_has_left(
    root: Path, server: Server, capsys: Said
) -> None:
    first = runs(root)[0]
    left = replace(first, id="29990101-000000-aaaaaa", started_at="2999-01-01T00:00:00Z", rejudges=first.id)
    writer = HistoryWriter(root / ".swapgate" / "history.db", left)
    writer.finish(replace(left, finished_at=None))
    _code, said = rejudge(capsys)
    assert said["rejudges"] == first.id


def test_changed_case_is_an_error_and_never_judged(root: Path, server: Server, capsys: Said) -> None:
    changed = {**CASES[0], "input": {"message": "something else"}}
    lay(root, {"judges/meaning.yml": STRICT, "cases/triage.yml": suite([changed, *CASES[1:5]], head=HEAD)})
    _code, said = rejudge(capsys)
    assert len(server.requests) == 4
    _run, trials = newest_run(root)
    assert [(t.case, t.outcome) for t in trials][:2] == [("case-0", "errored"), ("case-1", "missed")]
    assert len(trials) == 5
    assert any("1 trial of run" in w and "answered cases that have changed" in w for w in said["warnings"])
    assert any("triage/case-5" in w and "no suite has any more" in w for w in said["warnings"])


def test_new_reference_is_what_the_answers_are_judged_and_checked_by(
    root: Path, server: Server, capsys: Said
) -> None:
    changed = {**CASES[0], "expected": {"label": "bug"}}
    lay(root, {"cases/triage.yml": suite([changed, *CASES[1:]], head=HEAD)})
    _code, said = rejudge(capsys)
    assert len(server.requests) == 1
    assert '\\"bug\\"' in server.requests[0].body.decode()
    assert any("new reference" in w and "triage/case-0" in w for w in said["warnings"])


def test_trial_without_an_answer_stays_an_error_and_a_judges_error_is_mended(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    is_mended = []

    def handler(request: Received) -> Answer:
        if not is_judge(request) and b"case-0" in request.body:
            return Answer({"error": {"message": "no"}}, status=400)
        if is_judge(request) and b"about case-1" in request.body and not is_mended:
            return Answer(openai_completion("Looks fine to me!"))
        return judged(request)

    with serving(handler) as server:
        lay_judged(pytester.path, server.url)
        pytester.runpytest("--model=candidate")
        is_mended.append(True)
        _code, said = rejudge(capsys, "--live")
        assert models_asked(server) == {"candidate-1", "judge-1"}
    _run, trials = newest_run(pytester.path)
    assert [t.outcome for t in trials] == ["errored", *["passed"] * 5]
    assert trials[0].error is not None and trials[0].error.kind == "bad_request"
    assert any("1 trial of run" in w and "no answer to judge" in w for w in said["warnings"])
    (change,) = said["judges"]
    assert (change["answers"], change["no_verdict"]) == (4, 1)


def test_one_judge_of_two_is_asked_and_the_other_ones_word_stays(
    root: Path, pytester: pytest.Pytester, server: Server, capsys: Said
) -> None:
    second = JUDGE.replace("judge: meaning", "judge: second").replace("fit", "suit")
    lay(
        root,
        {
            "cases/triage.yml": suite(CASES, head=HEAD.replace("[meaning]", "[meaning, second]"), gate=GATE),
            "judges/second.yml": second,
        },
    )
    pytester.runpytest("--model=candidate")
    server.requests.clear()
    before, _trials = newest_run(root)
    lay(root, {"judges/meaning.yml": STRICT, "judges/second.yml": second.replace("suit", "become")})
    rejudge(capsys, "--judge=meaning")
    assert len(server.requests) == 6
    run, trials = newest_run(root)
    assert run.judge_hashes["second"] == before.judge_hashes["second"]
    assert run.judge_hashes["meaning"] != before.judge_hashes["meaning"]
    assert [v.judge for v in trials[0].verdicts] == ["meaning", "second"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["latest", "--judge", "meening"], "Did you mean 'meaning'?"),
        (["2026"], ""),
        (["nothing-like-it"], "no run 'nothing-like-it'"),
        (["latest", "--live", "--replay"], "give one of them"),
        (["latest", "--report", "pdf"], "unknown format 'pdf'"),
    ],
)
def test_mistakes_are_messages(root: Path, capsys: Said, arguments: list[str], message: str) -> None:
    code = main(["rejudge", *arguments, "--replay"] if arguments == ["2026"] else ["rejudge", *arguments])
    if message:
        assert code == 4
        assert message in capsys.readouterr().err


def test_run_without_a_judge_has_nothing_to_judge(root: Path, capsys: Said) -> None:
    lay(root, {"cases/triage.yml": suite(CASES, head=HEAD.replace("judges: [meaning]\n", ""))})
    assert main(["rejudge", "latest"]) == 4
    assert "has a judge" in capsys.readouterr().err


# Comparing with what another version of the judge has judged


def stored_and_edited(root: Path) -> str:
    run = runs(root)[0]
    lay(root, {"judges/meaning.yml": STRICT})
    return run.id


def test_baseline_by_another_judge_is_refused_and_the_remedy_named(
    root: Path, pytester: pytest.Pytester
) -> None:
    result = pytester.runpytest("--model=other", f"--baseline={stored_and_edited(root)}")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*'meaning' has changed since*--rejudge*"])


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_rejudged_baseline_asks_the_judge_alone_and_is_compared(
    root: Path, pytester: pytest.Pytester, server: Server, workers: tuple[str, ...]
) -> None:
    before = stored_and_edited(root)
    arguments = ("--model=other", f"--baseline={before}", "--rejudge", *workers)
    if not workers:
        foretold = pytester.runpytest(*arguments, "--dry-run")
        foretold.stdout.fnmatch_lines(["*6 trials would take:", "judge (judge) *<= 12 * 0 *"])
    result = pytester.runpytest(*arguments)
    result.stdout.fnmatch_lines(["other against candidate@*", f"*run {before} was judged again*"])
    assert models_asked(server) == {"other-1", "judge-1"}
    run, _trials = newest_run(root)
    source = runs(root)[1]
    assert source.rejudges == before
    assert run.baseline == f"candidate@{source.id}"
    # What has been judged again is there now: the next session makes no third run of it.
    server.requests.clear()
    pytester.runpytest(*arguments)
    assert server.requests == []
    assert sum(r.rejudges is not None for r in runs(root)) == 1


def test_budget_of_the_session_covers_the_baselines_judge(
    root: Path, pytester: pytest.Pytester, server: Server
) -> None:
    before = stored_and_edited(root)
    result = pytester.runpytest(
        "--model=other", f"--baseline={before}", "--rejudge", "--max-cost=0.01", "--concurrency=1"
    )
    result.stdout.fnmatch_lines(["*was judged again*"])
    spent = 110e-6 * len(server.requests)
    assert spent <= 0.01


def test_compare_refuses_two_judges_and_rejudges_when_asked(
    root: Path, pytester: pytest.Pytester, server: Server, capsys: Said
) -> None:
    before = stored_and_edited(root)
    pytester.runpytest("--model=other")
    after = runs(root)[0].id
    server.requests.clear()
    capsys.readouterr()
    assert main(["compare", before, after]) == 4
    assert "--rejudge" in capsys.readouterr().err
    assert main(["compare", before, after, "--rejudge", "--json"]) == 0
    captured = capsys.readouterr()
    (comparison,) = json.loads(captured.out)["comparisons"]
    assert comparison["changed"] == 0
    assert next(d for d in comparison["differences"] if d["measure"] == "semantic")["pairs"] == 6
    assert "judged again" in captured.err
    assert models_asked(server) <= {"judge-1"}


def test_shards_do_not_rejudge_each_for_itself(root: Path, pytester: pytest.Pytester) -> None:
    before = stored_and_edited(root)
    result = pytester.runpytest("--model=other", f"--baseline={before}", "--rejudge", "--shard=1/2")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*`swapgate rejudge` it once*"])


def test_report_of_another_machine_is_rejudged_without_a_history(
    root: Path, pytester: pytest.Pytester, server: Server
) -> None:
    (root / "reports" / stored_and_edited(root) / "report.json").rename(root / "accepted.json")
    for path in (root / ".swapgate").iterdir():
        path.unlink()
    result = pytester.runpytest("--model=other", "--baseline=accepted.json", "--rejudge")
    result.stdout.fnmatch_lines(["*was judged again*"])
    assert models_asked(server) == {"other-1", "judge-1"}


def test_rejudged_report_can_be_made_again_from_the_history(
    root: Path, pytester: pytest.Pytester, capsys: Said
) -> None:
    before = stored_and_edited(root)
    pytester.runpytest("--model=other", f"--baseline={before}", "--rejudge")
    first = json.loads((root / "reports" / "latest" / "report.json").read_text(encoding="utf-8"))
    assert main(["report", "latest", "--report", "json", "--out", "again"]) == 0
    again = json.loads((root / "again" / "report.json").read_text(encoding="utf-8"))
    assert (again["gate"], again["comparisons"]) == (first["gate"], first["comparisons"])


# The difference as a report


def diffed(capsys: Said, *arguments: str) -> str:
    capsys.readouterr()
    assert main(["judge", "diff", *arguments]) == 0
    return capsys.readouterr().out


def test_diff_names_cases_with_both_reasons_and_direction(root: Path, capsys: Said, tmp_path: Path) -> None:
    before = stored_and_edited(root)
    rejudge(capsys)
    page = tmp_path / "diff.md"
    said = diffed(capsys, before, "latest", "--out", str(page))
    assert "6 answers with a verdict of both" in said
    assert "0 fail to pass, 2 pass to fail" in said
    assert "triage/case-0 by candidate" in said
    assert "before: pass: agrees pass (wanted agrees): lenient" in said
    assert "after:  fail: agrees fail (wanted agrees): strict" in said
    assert "kappa" in said and "AC1" in said
    text = page.read_text(encoding="utf-8")
    assert "## Pass to fail: 2" in text and "triage/case-1 by candidate" in text
    assert said.count("\x1b") == 0


def test_diff_leaves_out_answers_that_are_not_the_same(
    root: Path, pytester: pytest.Pytester, capsys: Said
) -> None:
    first = runs(root)[0].id

    def handler(request: Received) -> Answer:
        if is_judge(request) or b"case-3" not in request.body:
            return judged(request)
        return Answer(openai_completion('{"label": "bug"}'))

    with serving(handler) as other:
        lay_judged(root, other.url)
        pytester.runpytest("--model=candidate", "--live")
    assert "1 left out, whose answers differ" in diffed(capsys, first, "latest")


def test_diff_of_runs_without_a_judge_in_common_is_a_mistake(root: Path, capsys: Said) -> None:
    run = runs(root)[0].id
    assert main(["judge", "diff", run, run, "--judge", "nobody"]) == 4
    assert "no answer has a verdict of it" in capsys.readouterr().err


def test_rejudged_trials_keep_what_only_the_record_knows(root: Path, capsys: Said) -> None:
    before: Callable[[Trial], object] = lambda t: (t.messages, t.prompt_hash, t.checks, t.case_hash)  # noqa: E731
    _run, old = newest_run(root)
    rejudge(capsys)
    _again, new = newest_run(root)
    assert [before(t) for t in old] == [before(t) for t in new]
