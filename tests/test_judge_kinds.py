"""Every kind of judge in a run: model, baseline and judge over HTTP on loopback, and their verdicts."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from html_cases import cases_of
from servers import Answer, Received, Server, openai_completion, serving
from swapgate.cli import main
from swapgate.facts import facts_of
from swapgate.records import Trial, Verdict
from workspaces import lay, newest_run

KEY = "sk-planted-0123456789abcdef"
SUITE = """\
suite: help
prompt: {user: "{{ question }}"}
judges: [mine]
cases:
  - {id: one, input: {question: "When does the money come?"}, expected: %s}
"""
Says = Callable[[str], dict[str, Any]]


def judging(says: Says, answers: dict[str, str]) -> Callable[[Received], Answer]:
    """Answer as the judge by what its last message says, and as the models with their fixed answers."""

    def handle(request: Received) -> Answer:
        asked = request.json
        if asked["model"] != "judge-1":
            return Answer(openai_completion(answers[asked["model"]]))
        return Answer(openai_completion(json.dumps(says(asked["messages"][-1]["content"]))))

    return handle


def lay_kind(
    root: Path, url: str, judge: str, *, expected: object = "In 3 days.", names: str = "new old"
) -> None:
    shared = {"provider": "openai-compatible", "base_url": f"{url}/v1", "api_key_env": "PLANTED_KEY"}
    models = {name: {**shared, "model": name} for name in names.split()} | {
        "judge": {**shared, "model": "judge-1"}
    }
    lay(
        root,
        {
            "cases/help.yml": SUITE % json.dumps(expected),
            "judges/mine.yml": f"judge: mine\n{judge}",
            "config/models.yml": json.dumps({"models": models}),
        },
    )


@pytest.fixture(autouse=True)
def _planted_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", KEY)


def run(
    pytester: pytest.Pytester,
    judge: str,
    says: Says,
    *options: str,
    answers: dict[str, str] | None = None,
    expected: object = "In 3 days.",
) -> tuple[list[Trial], Server, pytest.RunResult]:
    """Run the one case with `new`, and return the trials of the run."""
    with serving(judging(says, answers or {"new": "In 3 days.", "old": "Some day."})) as server:
        lay_kind(pytester.path, server.url, judge, expected=expected)
        result = pytester.runpytest("--model=new", *options)
    return newest_run(pytester.path)[1], server, result


def verdict(trials: list[Trial], model: str = "new") -> Verdict:
    """Return the only verdict of a model's only trial."""
    (trial,) = (trial for trial in trials if trial.model == model)
    (found,) = trial.verdicts
    return found


def judge_calls(server: Server) -> list[str]:
    return [r.json["messages"][-1]["content"] for r in server.requests if r.json["model"] == "judge-1"]


CHECKLIST = """\
kind: checklist
model: judge
items:
  when: {ask: Does it say when?, required: true}
  blame: {ask: Does it blame the customer?, forbidden: true}
  polite: {ask: Is it polite?, weight: 2}
  short: Is it short?
"""


def says_of_items(**said: str) -> Says:
    return lambda _text: {"evidence": [], "reasoning": "So it is.", **said}


def test_a_checklist_scores_every_item_and_their_weighted_share(pytester: pytest.Pytester) -> None:
    says = says_of_items(when="yes", blame="no", polite="no", short="yes")
    trials, _server, _result = run(pytester, CHECKLIST, says)
    found = verdict(trials)
    assert (found.status, found.passed) == ("scored", True)
    assert found.scores == {
        "when": 1.0, "blame": 1.0, "polite": 0.0, "short": 1.0,
        "score": 0.6, "required": 1.0, "forbidden": 0.0,
    }  # fmt: skip
    assert found.reason == "score 0.6, not met: polite (wanted required and not forbidden): So it is."


@pytest.mark.parametrize("item", [{"blame": "yes"}, {"when": "no"}])
def test_a_forbidden_fact_that_is_there_and_a_required_one_that_is_not_fail(
    pytester: pytest.Pytester, item: dict[str, str]
) -> None:
    said = {"when": "yes", "blame": "no", "polite": "yes", "short": "yes"} | item
    trials, _server, result = run(pytester, CHECKLIST, says_of_items(**said))
    assert verdict(trials).passed is False
    assert result.ret == 1


def test_what_cannot_be_assessed_is_decided_only_where_it_does_not_matter(pytester: pytest.Pytester) -> None:
    says = says_of_items(when="yes", blame="no", polite="yes", short="cannot_assess")
    trials, _server, _result = run(pytester, f"{CHECKLIST}pass: score >= 0.8\n", says)
    assert verdict(trials).passed is True
    assert "score" not in verdict(trials).scores
    trials, _server, _result = run(pytester, f"{CHECKLIST}pass: score >= 0.9\n", says, "--live")
    assert verdict(trials).status == "error"
    assert "0 of 1 samples scored short, 1 needed: cannot_assess" in verdict(trials).reason


def test_items_that_cannot_be_assessed_may_be_left_out_of_the_share(pytester: pytest.Pytester) -> None:
    says = says_of_items(when="yes", blame="no", polite="yes", short="cannot_assess")
    trials, _server, _result = run(pytester, f"{CHECKLIST}unassessed: left_out\npass: score >= 0.9\n", says)
    assert (verdict(trials).passed, verdict(trials).scores["score"]) == (True, 1.0)


def test_facts_of_the_case_are_asked_one_by_one_and_not_shown_as_the_reference(
    pytester: pytest.Pytester,
) -> None:
    judge = "kind: checklist\nmodel: judge\ncalls: per_criterion\nfacts: {required: /must, forbidden: /not}\n"
    expected = {"must": ["It takes 3 days.", "It is free."], "not": ["It takes a week."]}

    def says(text: str) -> dict[str, Any]:
        return {"evidence": [], "reasoning": "", "verdict": "yes" if "3 days" in asked(text) else "no"}

    trials, server, _result = run(pytester, judge, says, expected=expected)
    found = verdict(trials)
    assert found.passed is False
    assert {name: found.scores[name] for name in ("required_1", "required_2", "forbidden_1")} == {
        "required_1": 1.0, "required_2": 0.0, "forbidden_1": 1.0,
    }  # fmt: skip
    assert all("The reference answer:\nno reference given" in text for text in judge_calls(server))
    assert len(judge_calls(server)) == 3


def asked(text: str) -> str:
    """Return the last section but one of a judge's call: what is asked, again."""
    return text.split("\n\n")[-2]


REFERENCE = "kind: reference\nmodel: judge\n"


@pytest.mark.parametrize(
    ("label", "rule", "passed"),
    [
        ("equivalent", "", True),
        ("entailed", "", False),
        ("entailed", "pass: [equivalent, entailed]\n", True),
        ("contradicting", "pass: not contradicting\n", False),
    ],
)
def test_a_reference_judge_says_how_the_answer_stands_to_the_reference(
    pytester: pytest.Pytester, label: str, rule: str, passed: bool
) -> None:
    trials, _server, _result = run(pytester, REFERENCE + rule, says_label(label))
    found = verdict(trials)
    assert found.passed is passed
    assert found.scores[label] == 1.0
    assert sum(found.scores.values()) == 1.0
    assert found.reason.startswith(f"label {label} (wanted ")


def says_label(label: str) -> Says:
    return lambda _text: {"evidence": [], "reasoning": "Look.", "verdict": label}


CLASSIFIER = """\
kind: classifier
model: judge
ask: What does the answer do?
labels: {answers: it answers, dodges: it changes the subject, refuses: ""}
pass: [answers, refuses]
"""


def test_a_classifier_passes_any_of_the_listed_labels(pytester: pytest.Pytester) -> None:
    trials, server, _result = run(pytester, CLASSIFIER, says_label("refuses"))
    assert verdict(trials).passed is True
    assert verdict(trials).reason == "label refuses (wanted answers or refuses): Look."
    (text,) = judge_calls(server)
    assert (
        "- label, answers, dodges, refuses or cannot_assess: What does the answer do?\n  answers = it" in text
    )
    assert '"verdict": "answers" | "dodges" | "refuses" | "cannot_assess"' in text


def test_a_label_that_was_not_offered_is_no_verdict(pytester: pytest.Pytester) -> None:
    trials, _server, result = run(pytester, CLASSIFIER, says_label("praises"))
    assert verdict(trials).status == "error"
    assert [s.status for s in verdict(trials).samples] == ["unparseable", "unparseable"]
    assert result.ret == 1


def test_samples_split_over_labels_pass_by_their_sum(pytester: pytest.Pytester) -> None:
    labels = iter(["answers", "refuses", "dodges"])
    says: Says = lambda _text: {"evidence": [], "reasoning": "", "verdict": next(labels)}  # noqa: E731
    trials, _server, _result = run(pytester, f"{CLASSIFIER}samples: 3\n", says)
    assert verdict(trials).passed is True
    assert "0.333" in verdict(trials).reason


PAIRWISE = "kind: pairwise\nmodel: judge\n"


def shown(text: str) -> list[str]:
    """Return the two answers of a pairwise call, in the order in which they are shown."""
    return re.findall(r"The (?:first|second) answer:\n<<<BEGIN \w+>>>\n(.*?)\n<<<END", text, re.DOTALL)


def prefers(better: str) -> Says:
    return lambda text: {"verdict": "first" if shown(text)[0] == better else "second"}


def test_a_pairwise_judge_asks_both_orders_blind_and_the_baseline_is_called_once(
    pytester: pytest.Pytester,
) -> None:
    trials, server, result = run(pytester, PAIRWISE, prefers("In 3 days."), "--baseline=old")
    found = verdict(trials)
    assert (found.passed, found.scores["score"], found.reason) == (True, 1.0, "won (wanted not worse)")
    assert [shown(text) for text in judge_calls(server)] in (
        [["In 3 days.", "Some day."], ["Some day.", "In 3 days."]],
        [["Some day.", "In 3 days."], ["In 3 days.", "Some day."]],
    )
    for call in judge_calls(server):
        assert not re.search(r"\b(old|new|baseline|candidate|shown_\w+)\b", call)
    assert sum(r.json["model"] == "old" for r in server.requests) == 1
    assert found.rival is not None
    assert (found.rival.name, found.rival.text, found.rival.is_shared) == ("old", "Some day.", True)
    assert result.ret in {0, 10}


@pytest.mark.parametrize("option", ["", "--live"])
def test_a_baseline_is_compared_with_by_the_answer_of_its_own_trial(
    pytester: pytest.Pytester, option: str
) -> None:
    """Each call is answered in other words: a second one would be compared with what no trial shows."""
    calls = itertools.count(1)

    def handle(request: Received) -> Answer:
        if request.json["model"] == "judge-1":
            return Answer(openai_completion('{"verdict": "first"}'))
        # The baseline's trial has ended when the candidate's judge asks.
        text = f"{request.json['model']} {next(calls)}"
        return Answer(openai_completion(text), delay_s=0.2 if request.json["model"] == "new" else 0.0)

    with serving(handle) as server:
        lay_kind(pytester.path, server.url, PAIRWISE)
        pytester.runpytest("--model=new", "--baseline=old", *filter(None, [option]))
    trials = newest_run(pytester.path)[1]
    assert sum(r.json["model"] == "old" for r in server.requests) == 1
    (baseline,) = (trial for trial in trials if trial.model == "old")
    rival = verdict(trials).rival
    assert rival is not None and baseline.answer is not None
    assert rival.text == baseline.answer.response.text


def test_a_loss_in_both_orders_fails(pytester: pytest.Pytester) -> None:
    trials, _server, _result = run(pytester, PAIRWISE, prefers("Some day."), "--baseline=old")
    assert (verdict(trials).passed, verdict(trials).scores["score"]) == (False, 0.0)
    assert verdict(trials).reason == "lost (wanted not worse)"


def test_orders_that_disagree_are_a_tie_that_says_so(pytester: pytest.Pytester) -> None:
    always_first: Says = lambda _text: {"verdict": "first"}  # noqa: E731
    trials, _server, _result = run(pytester, PAIRWISE, always_first, "--baseline=old")
    found = verdict(trials)
    assert (found.passed, found.scores["score"]) == (True, 0.5)
    assert found.reason == "tied: shown first it won, shown second it lost (wanted not worse)"


def test_one_order_alone_is_no_verdict(pytester: pytest.Pytester) -> None:
    says: Says = lambda text: {"verdict": "cannot_assess" if shown(text)[0] == "Some day." else "first"}  # noqa: E731
    trials, _server, _result = run(pytester, PAIRWISE, says, "--baseline=old")
    assert verdict(trials).status == "error"
    assert "samples scored shown_second, 1 needed: cannot_assess" in verdict(trials).reason


def test_equal_answers_tie_without_a_call(pytester: pytest.Pytester) -> None:
    answers = {"new": "In 3 days.", "old": "In  3 days.\n"}
    trials, server, _result = run(pytester, PAIRWISE, prefers("x"), "--baseline=old", answers=answers)
    assert verdict(trials).scores["score"] == 0.5
    assert judge_calls(server) == []


def test_the_baselines_own_trial_is_neither_passed_nor_missed_by_the_comparison(
    pytester: pytest.Pytester,
) -> None:
    trials, _server, _result = run(pytester, PAIRWISE, prefers("In 3 days."), "--baseline=old")
    own = verdict(trials, "old")
    assert (own.status, own.passed) == ("inapplicable", None)
    (trial,) = (t for t in trials if t.model == "old")
    assert (trial.semantic_passed, trial.outcome, trial.error) == (None, "passed", None)
    assert facts_of(trial).verdicts == ()


def test_without_a_baseline_the_judge_says_nothing_and_the_run_warns(pytester: pytest.Pytester) -> None:
    trials, server, result = run(pytester, PAIRWISE, prefers("In 3 days."))
    found = verdict(trials)
    assert (found.status, found.passed) == ("inapplicable", None)
    assert "--baseline=MODEL" in found.reason
    assert judge_calls(server) == []
    assert trials[0].semantic_passed is None
    result.stdout.fnmatch_lines(["*warning: judge mine is not asked: *--baseline=MODEL*"])


def test_a_gate_on_meaning_is_inconclusive_where_nothing_was_compared(pytester: pytest.Pytester) -> None:
    with serving(judging(prefers("x"), {"new": "In 3 days."})) as server:
        lay_kind(pytester.path, server.url, PAIRWISE)
        cases = (pytester.path / "cases/help.yml").read_text()
        (pytester.path / "cases/help.yml").write_text(
            cases.replace("cases:", "gate: {semantic: {min: 0.5, on: point}}\ncases:")
        )
        result = pytester.runpytest("--model=new")
    assert result.ret == 10
    result.stdout.fnmatch_lines(["gate: INCONCLUSIVE *nothing scored the meaning"])


def test_a_baseline_that_fails_leaves_the_comparison_undecided(pytester: pytest.Pytester) -> None:
    def handle(request: Received) -> Answer:
        if request.json["model"] == "old":
            return Answer({"error": {"message": "no such model"}}, status=404)
        return Answer(openai_completion("In 3 days."))

    with serving(handle) as server:
        lay_kind(pytester.path, server.url, PAIRWISE)
        pytester.runpytest("--model=new", "--baseline=old")
    found = verdict(newest_run(pytester.path)[1])
    assert found.status == "error"
    assert found.reason.startswith("there is no answer of old to compare with:")


def test_a_named_model_is_compared_with_at_the_judges_cost(pytester: pytest.Pytester) -> None:
    trials, server, _result = run(pytester, f"{PAIRWISE}against: old\n", prefers("In 3 days."))
    found = verdict(trials)
    assert found.passed is True
    assert len(found.answers) == 3
    assert sum(r.json["model"] == "old" for r in server.requests) == 1


def test_the_reference_can_be_the_rival_and_is_then_not_shown_as_the_reference(
    pytester: pytest.Pytester,
) -> None:
    answers = {"new": "Some day."}
    trials, server, _result = run(
        pytester,
        f"{PAIRWISE}against: reference\npass: score >= 0.5\n",
        prefers("In 3 days."),
        answers=answers,
    )
    assert verdict(trials).passed is False
    assert all("The reference answer:\nno reference given" in text for text in judge_calls(server))


def test_the_verdict_may_come_before_the_reasons(pytester: pytest.Pytester) -> None:
    judge = f"{CLASSIFIER}order: [verdict, reasoning, evidence]\n"
    _trials, server, _result = run(pytester, judge, says_label("answers"))
    (text,) = judge_calls(server)
    reply = text.splitlines()[-1]
    assert reply.index("verdict") < reply.index("reasoning") < reply.index("evidence")


NOBODY: Says = dict  # no call is made: nothing that this would say is a reply


EMBED = """\
def letters(texts):
    return [[text.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz3"] for text in texts]

def wrong(texts):
    return [[float("nan")]]
"""


def test_similarity_is_the_cosine_of_the_users_vectors(pytester: pytest.Pytester) -> None:
    lay(pytester.path, {"vectors.py": EMBED})
    judge = "kind: similarity\nembed: vectors:letters\npass: similarity >= 0.9\n"
    trials, _server, _result = run(pytester, judge, NOBODY)
    found = verdict(trials)
    assert (found.passed, found.model, found.samples) == (True, "vectors:letters", ())
    assert found.scores["similarity"] == pytest.approx(1.0)
    trials, _server, _result = run(pytester, judge, NOBODY, answers={"new": "Zzz."})
    assert (verdict(trials).passed, verdict(trials).scores["similarity"]) == (False, 0.0)


def test_one_field_of_answer_and_reference_can_be_compared(pytester: pytest.Pytester) -> None:
    lay(pytester.path, {"vectors.py": EMBED})
    judge = "kind: similarity\nembed: vectors:letters\npointer: /when\npass: similarity >= 0.9\n"
    answers = {"new": '```json\n{"when": "in 3 days", "note": "Quite another thing."}\n```'}
    expected = {"when": "In 3 days.", "id": 7}
    trials, _server, _result = run(pytester, judge, NOBODY, answers=answers, expected=expected)
    assert verdict(trials).scores["similarity"] == pytest.approx(1.0)


def test_wordllama_tells_near_from_far_without_a_download(pytester: pytest.Pytester) -> None:
    pytest.importorskip("wordllama")
    judge = "kind: similarity\npass: similarity >= 0.5\n"
    near, far = {"new": "It will arrive within 3 days."}, {"new": "Penguins cannot fly."}
    trials, _server, _result = run(pytester, judge, NOBODY, answers=near)
    assert (verdict(trials).passed, verdict(trials).model.split()[0]) == (True, "wordllama")
    trials, _server, _result = run(pytester, judge, NOBODY, answers=far)
    assert verdict(trials).passed is False


def test_vectors_that_are_none_are_the_users_fault(pytester: pytest.Pytester) -> None:
    lay(pytester.path, {"vectors.py": EMBED})
    judge = "kind: similarity\nembed: vectors:wrong\npass: similarity >= 0.9\n"
    trials, _server, _result = run(pytester, judge, NOBODY)
    assert trials[0].error is not None
    assert trials[0].error.source == "judge:mine"
    assert "one vector of finite numbers for each of 2 texts" in trials[0].error.message


SCORERS = """\
import time

def is_short(text):
    return len(text) < 20

def share(text, expected):
    return len(text) / len(expected), "by length"

def both(text, subject, factor):
    return {"length": len(text) * factor, "kind": True, "reason": "counted"}

def numpys(text):
    import numpy
    return numpy.float32(0.25)

def abstains(text):
    return None

def unknown(text):
    return {"lenght": 1}

def odd(text):
    return "good"

def raises(text):
    return 1 / 0

def hangs(text):
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("written", "passed", "scores", "reason"),
    [
        ("call: scorers:is_short", True, {"score": 1.0}, "score 1 (wanted score)"),
        ("call: scorers:share", True, {"score": 1.0}, "score 1 (wanted score): by length"),
        (
            "call: scorers:share\npass: score > 1",
            False,
            {"score": 1.0},
            "score 1 (wanted score > 1): by length",
        ),
        ("call: scorers:numpys", False, {"score": 0.25}, "score 0.25 (wanted score)"),
        (
            "call: scorers:both\nargs: {factor: 2}\nreturns: [length, kind]\npass: kind and length < 20",
            False,
            {"length": 20.0, "kind": 1.0},
            "kind 1, length 20 (wanted kind and length < 20): counted",
        ),
    ],
)
def test_a_function_of_the_users_scores_the_answer(
    pytester: pytest.Pytester, written: str, passed: bool, scores: dict[str, float], reason: str
) -> None:
    lay(pytester.path, {"scorers.py": SCORERS})
    trials, server, _result = run(pytester, f"kind: python\n{written}\n", NOBODY)
    found = verdict(trials)
    assert (found.passed, found.scores, found.reason) == (passed, scores, reason)
    assert judge_calls(server) == []


@pytest.mark.parametrize(
    ("function", "kind", "problem"),
    [
        ("abstains", "judge", "the function returned None: it cannot assess the answer"),
        ("unknown", "user_code", "unknown score 'lenght'; `returns` has score"),
        ("odd", "user_code", "a bool, a number, None or a dict of them, got 'good'"),
        (
            "raises",
            "user_code",
            r"the judge 'mine' could not be decided: ZeroDivisionError: .*scorers\.py:26",
        ),
        ("hangs", "user_code", "no result within 1 s"),
    ],
)
def test_a_function_that_gives_no_score_is_an_error_of_the_trial_with_its_blame(
    pytester: pytest.Pytester, function: str, kind: str, problem: str
) -> None:
    lay(pytester.path, {"scorers.py": SCORERS, "pyproject.toml": "[tool.swapgate]\ntimeout_s = 1\n"})
    trials, _server, _result = run(pytester, f"kind: python\ncall: scorers:{function}\n", NOBODY)
    (trial,) = trials
    assert trial.error is not None
    assert (trial.error.kind.value, trial.error.source) == (kind, "judge:mine")
    assert re.search(problem, trial.error.message)
    assert (trial.structural_passed, trial.semantic_passed) == (True, None)


def test_the_reports_show_the_answer_that_it_lost_against(pytester: pytest.Pytester) -> None:
    _trials, _server, result = run(pytester, PAIRWISE, prefers("Some day."), "--baseline=old")
    result.stdout.fnmatch_lines(
        ["  judge mine (scored): lost (wanted not worse)", "  compared with old: Some day."]
    )
    (page,) = pytester.path.glob("reports/2*/report.html")
    rivals = [v.get("rival") for c in cases_of(page.read_text(encoding="utf-8")) for v in c["verdicts"]]
    assert ["old", "Some day."] in rivals


def test_an_estimate_counts_both_orders_and_no_second_call_for_the_baseline(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    def estimated(judge: str, *options: str) -> dict[tuple[str, str], int]:
        with serving(judging(prefers("x"), {})) as server:
            lay_kind(pytester.path, server.url, judge)
            capsys.readouterr()
            words = ["estimate", "--root", str(pytester.path), "--json", "--model", "new", *options]
            assert main(words) == 0
            assert server.requests == []
        rows = json.loads(capsys.readouterr().out)["rows"]
        return {(row["model"], row["role"]): row["to_send"] for row in rows}

    assert estimated(PAIRWISE, "--baseline", "old") == {
        ("new", "candidate"): 1, ("old", "baseline"): 1, ("judge", "judge"): 2,
    }  # fmt: skip
    assert estimated(PAIRWISE) == {("new", "candidate"): 1}
    assert estimated(f"{PAIRWISE}against: old\n") == {
        ("new", "candidate"): 1, ("old", "judge"): 1, ("judge", "judge"): 2,
    }  # fmt: skip
