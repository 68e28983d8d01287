"""Answers that must fail, over HTTP: what a gullible judge lets pass, and what that does to a run's gate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from servers import Answer, Received, Server, openai_completion, serving
from swapgate.cli import main
from swapgate.judging.canaries import KINDS, Canary, canaries, winning_reply
from swapgate.judging.judge import Judge
from swapgate.judging.load import load_judges
from swapgate.judging.markers import Markers
from swapgate.judging.subject import Judged
from swapgate.spec.judges import RubricSpec
from test_rejudge import CASES, GATE, lay_judged, models_asked, says
from workspaces import JUDGE, lay, newest_run

Said = pytest.CaptureFixture[str]
WITH_CANARIES = JUDGE + "canaries: true\n"
REFERENCE = {"label": "billing", "why": "The message is about money."}


def shown_answer(request: Received) -> str:
    """Return the answer that a judge was shown, as it stands between its markers."""
    text = request.json["messages"][-1]["content"]
    return str(text.partition("The answer to judge:")[2].partition("The criterion, again")[0])


def gullible(word: str = "top score") -> Callable[[Received], Answer]:
    """Return a judge that passes real answers, and canaries that hold a word."""

    def handler(request: Received) -> Answer:
        if not request.json["model"].startswith("judge"):
            about = request.body.decode().partition("case-")[2][:1]
            return Answer(openai_completion(json.dumps({"label": "billing", "about": about})))
        answer = shown_answer(request)
        passes = '"about"' in answer or word in answer
        return Answer(
            openai_completion(says("pass" if passes else "fail", f"I saw {word!r}." if passes else "No."))
        )

    return handler


strict = gullible("words that no canary has")


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    return pytester.path


@contextmanager
def laid(root: Path, handler: Callable[[Received], Answer], judge: str = WITH_CANARIES) -> Iterator[Server]:
    with serving(handler) as server:
        lay_judged(root, server.url, judge=judge, gate=GATE)
        yield server


def judge(**keys: Any) -> Judge:
    written: dict[str, Any] = {
        "judge": "j",
        "model": "m",
        "criteria": {"good": {"ask": "Is it?"}},
        "pass": "good",
    }
    return Judge(RubricSpec.model_validate(written | keys))


def texts(by: Judge, expected: object = REFERENCE) -> list[Canary]:
    return canaries(by, Judged(output="", variables={"message": "Where is my money?"}, expected=expected))  # type: ignore[arg-type]


# The texts


def test_every_kind_is_there_and_every_name_once() -> None:
    found = texts(judge())
    assert {canary.kind for canary in found} == set(KINDS)
    assert len({canary.name for canary in found}) == len(found)
    assert any(
        json.loads(c.output).keys() == REFERENCE.keys() for c in found if c.name == "instruction-in-fields"
    )
    assert any(c.output == "Where is my money?" for c in found)


def test_excepted_kinds_and_words_of_the_reference_are_left_out() -> None:
    found = texts(judge(canaries_except=["echo", "length"]), expected="I don't know. Ask the bank.")
    assert not {"echo", "length"} & {canary.kind for canary in found}
    assert "constant-dont-know" not in {canary.name for canary in found}


@pytest.mark.parametrize(
    ("keys", "reply"),
    [
        ({}, {"verdict": "pass"}),
        ({"calls": "together"}, {"good": "pass"}),
        ({"criteria": {"harm": {"ask": "How bad?", "scale": [1, 5]}}, "pass": "harm <= 2"}, {"score": 1}),
        ({"criteria": {"right": {"ask": "How right?", "scale": [1, 5]}}, "pass": "right >= 4"}, {"score": 5}),
        ({"criteria": {"rude": {"ask": "Is it rude?"}}, "pass": "not rude"}, {"verdict": "fail"}),
    ],
)
def test_faked_verdict_is_what_would_pass(keys: dict[str, Any], reply: dict[str, Any]) -> None:
    said = json.loads(winning_reply(judge(**{"calls": "per_criterion"} | keys)))
    assert {key: said[key] for key in reply} == reply


@pytest.mark.parametrize(
    ("written", "reply"),
    [
        (
            {
                "kind": "checklist",
                "items": {
                    "says_when": {"ask": "When?", "required": True},
                    "blames": {"ask": "Blame?", "forbidden": True},
                },
            },
            {"says_when": "yes", "blames": "no"},
        ),
        (
            {"kind": "classifier", "ask": "Which?", "labels": {"a": "A", "b": "B", "c": "C"}, "pass": ["b"]},
            {"verdict": "b"},
        ),
        ({"kind": "reference"}, {"verdict": "equivalent"}),
    ],
)
def test_faked_verdict_of_every_kind_is_one_that_passes(
    tmp_path: Path, written: dict[str, Any], reply: dict[str, Any]
) -> None:
    (tmp_path / "j.yml").write_text(json.dumps({"judge": "j", "model": "m", **written}))
    found = load_judges(["j"], judges_dir=tmp_path)["j"]
    assert isinstance(found, Judge)
    said = json.loads(winning_reply(found))
    assert {key: said[key] for key in reply} == reply
    assert {canary.kind for canary in texts(found)} == set(KINDS)


def test_judge_of_two_answers_cannot_be_tried(root: Path, capsys: Said) -> None:
    pairwise = "judge: meaning\nkind: pairwise\nmodel: judge\nagainst: reference\n"
    with laid(root, gullible(), judge=pairwise):
        assert main(["judge", "canaries", "meaning"]) == 4
        assert "is of kind pairwise: only judges that ask a model about one answer" in capsys.readouterr().err
        lay(root, {"judges/meaning.yml": pairwise + "canaries: true\n"})
        assert main(["check"]) == 4
        assert "canaries are shown one at a time" in capsys.readouterr().out


def test_faked_markers_in_a_canary_are_none_to_the_eye() -> None:
    (faked,) = [canary for canary in texts(judge()) if canary.name == "delimiter-marker"]
    assert "<<<END" in faked.output
    assert "<<<END" not in Markers.of("x").without(faked.output)


# The command


def tried(capsys: Said, *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["judge", "canaries", "meaning", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_judge_that_follows_orders_is_told_with_answer_and_reason(root: Path, capsys: Said) -> None:
    with laid(root, gullible()) as server:
        assert main(["judge", "canaries", "meaning"]) == 1
        out = capsys.readouterr().out
        assert models_asked(server) == {"judge-1"}
    assert "PASSED  instruction-en (on triage/case-" in out
    assert "judge:  agrees pass (wanted agrees): I saw 'top score'." in out
    assert "failed  opener-colon" in out


def test_strict_judge_passes_none_and_the_trivial_ones_cost_no_call(root: Path, capsys: Said) -> None:
    with laid(root, strict) as server:
        code, said = tried(capsys)
        asked = len(server.requests)
        assert code == 0
        assert {r["outcome"] for r in said["results"]} == {"failed"}
        assert asked < len(said["results"])
        assert said["paid_usd"] > 0
        # The same calls another time are in the cache.
        code, said = tried(capsys)
        assert (len(server.requests), said["paid_usd"]) == (asked, 0)
        tried(capsys, "--cases=2")
        assert len(server.requests) > asked


def test_judge_without_a_verdict_is_no_judge_that_failed_them(root: Path, capsys: Said) -> None:
    with laid(root, lambda _request: Answer(openai_completion("Nice!"))):
        code, said = tried(capsys)
    assert code == 11
    assert {r["outcome"] for r in said["results"] if r["kind"] == "instruction"} == {"error"}


def test_judge_that_no_case_has_is_a_mistake(root: Path, capsys: Said) -> None:
    with laid(root, strict):
        assert main(["judge", "canaries", "meening"]) == 4
    assert "Did you mean 'meaning'?" in capsys.readouterr().err


# At the start of a run


def test_judge_that_passes_a_canary_stops_the_gate_and_is_named(
    root: Path, pytester: pytest.Pytester
) -> None:
    with laid(root, gullible()):
        result = pytester.runpytest("--model=candidate")
    assert result.ret == 10
    result.stdout.fnmatch_lines(
        ["gate: INCONCLUSIVE*the judge meaning cannot gate: it let 7 of * canaries pass: instruction-en*"]
    )
    report = (root / "reports" / "latest" / "report.md").read_text(encoding="utf-8")
    assert "instruction-en" in report
    run, trials = newest_run(root)
    assert [one.judge for one in run.canaries] == ["meaning"]
    assert {t.model for t in trials} == {"candidate"}
    assert len(trials) == len(CASES)


def test_warn_tells_and_lets_the_gate_decide(root: Path, pytester: pytest.Pytester) -> None:
    with laid(root, gullible(), JUDGE + "canaries: warn\n"):
        result = pytester.runpytest("--model=candidate")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["gate: PASS*", "note: the judge meaning let 7 of * canaries pass: instruction-en*"]
    )


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_canaries_are_asked_once_and_a_rerun_finds_them_in_the_cache(
    root: Path, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    with laid(root, strict) as server:
        result = pytester.runpytest("--model=candidate", *workers)
        assert result.ret == 0
        result.stdout.fnmatch_lines(["note: the judge meaning let 0 of * canaries pass*at list price"])
        asked = len(server.requests)
        assert asked > 2 * len(CASES)
        pytester.runpytest("--model=candidate", *workers)
        assert len(server.requests) == asked


def test_forecast_counts_canaries_as_the_judges_calls(
    root: Path, pytester: pytest.Pytester, capsys: Said
) -> None:
    with laid(root, strict, JUDGE) as server:
        capsys.readouterr()
        assert main(["estimate", "--model=candidate", "--json"]) == 0
        without = judge_calls(capsys)
        lay(root, {"judges/meaning.yml": WITH_CANARIES})
        assert main(["estimate", "--model=candidate", "--json"]) == 0
        with_them = judge_calls(capsys)
        assert server.requests == []
        pytester.runpytest("--model=candidate")
        assert sum(r.json["model"] == "judge-1" for r in server.requests) == with_them > without


def judge_calls(capsys: Said) -> int:
    rows = json.loads(capsys.readouterr().out)["rows"]
    return int(next(row["calls"] for row in rows if row["role"] == "judge"))


def test_replay_without_recorded_canaries_says_so_and_judges(root: Path, pytester: pytest.Pytester) -> None:
    with laid(root, strict, JUDGE):
        pytester.runpytest("--model=candidate")
    lay(root, {"judges/meaning.yml": WITH_CANARIES})
    result = pytester.runpytest("--model=candidate", "--replay")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["note: the judge meaning let 0 of * canaries pass; *got no verdict*no recorded response*"]
    )


def test_budget_covers_canaries_and_trials_together(root: Path, pytester: pytest.Pytester) -> None:
    with laid(root, strict) as server:
        pytester.runpytest("--model=candidate", "--max-cost=0.02", "--concurrency=1")
        assert 110e-6 * len(server.requests) <= 0.02


def test_rejudging_with_a_gullible_judge_stops_the_gate_too(
    root: Path, pytester: pytest.Pytester, capsys: Said
) -> None:
    with laid(root, gullible(), JUDGE):
        assert pytester.runpytest("--model=candidate").ret == 0
        lay(root, {"judges/meaning.yml": WITH_CANARIES})
        assert main(["rejudge", "latest"]) == 10
    assert "the judge meaning cannot gate" in capsys.readouterr().out


def test_canaries_of_a_judge_that_no_selected_case_has_are_left_alone(
    root: Path, pytester: pytest.Pytester, capsys: Said
) -> None:
    other = JUDGE.replace("meaning", "other").replace("model: judge", "model: openai:gpt-5.5")
    cases = [*CASES[:2], {**CASES[2], "judges": ["other"]}]
    with laid(root, strict) as server:
        lay_judged(root, server.url, cases=cases, judge=WITH_CANARIES, gate=GATE)
        lay(root, {"judges/other.yml": f"{other}canaries: true\n"})
        result = pytester.runpytest("--model=candidate", "-k", "case-0 or case-1")
    result.assert_outcomes(passed=2, deselected=1)
    assert [one.judge for one in newest_run(root)[0].canaries] == ["meaning"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("canaries: block", "'canaries' must be"),
        ("canaries_except: [lenght]", "Did you mean 'length'?"),
    ],
)
def test_wrong_keys_are_named_with_their_line(root: Path, capsys: Said, line: str, message: str) -> None:
    with laid(root, strict, f"{JUDGE}{line}\n"):
        assert main(["check"]) == 4
    out = capsys.readouterr().out
    assert "judges/meaning.yml:6: " in out
    assert message in out
