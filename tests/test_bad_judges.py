"""Judges that misbehave, over HTTP: what is kept, who is asked again; nothing becomes a 0 or a fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from servers import Answer, Received, openai_completion, serving
from swapgate.records import Trial
from test_rejudge import CASES, is_judge, lay_judged, says
from workspaces import JUDGE, newest_run

GOOD = says("pass")
SCALED = JUDGE.replace(
    "agrees: {ask: Does the label fit the message?}", "agrees: {ask: How well?, scale: [1, 5]}"
)
SCALED = SCALED.replace("pass: agrees", "pass: agrees >= 4")
REQUIRED = JUDGE + "evidence: required\n"


def scaled(score: object) -> str:
    return json.dumps({"evidence": [], "reasoning": "So.", "agrees": score})


def refused() -> dict[str, Any]:
    body = openai_completion("")
    body["choices"][0]["message"] |= {"content": None, "refusal": "I can't help with that."}
    return body


def cut_off() -> dict[str, Any]:
    body = openai_completion('{"evidence": ["lab')
    body["choices"][0]["finish_reason"] = "length"
    return body


def judged_once(
    pytester: pytest.Pytester, reply: Callable[[int], Answer], *, judge: str = JUDGE
) -> tuple[int, list[Trial], list[Received]]:
    """Run one case; return the exit code, its trial, and the judge's requests. `reply` gets their number."""
    asked: list[Received] = []

    def handler(request: Received) -> Answer:
        if not is_judge(request):
            return Answer(openai_completion('{"label": "billing"}'))
        asked.append(request)
        return reply(len(asked))

    with serving(handler) as server:
        lay_judged(pytester.path, server.url, cases=CASES[:1], judge=judge)
        result = pytester.runpytest("--model=candidate")
    return int(result.ret), newest_run(pytester.path)[1], asked


@pytest.mark.parametrize(
    ("bad", "status", "judge"),
    [
        (openai_completion("It looks right to me."), "unparseable", JUDGE),
        (openai_completion('{"evidence": [], "reasoning": "So'), "unparseable", JUDGE),
        (openai_completion(f"{GOOD}\n{says('fail')}"), "unparseable", JUDGE),
        (openai_completion(GOOD.replace('"agrees"', '"agrees": "fail", "agrees"')), "unparseable", JUDGE),
        (openai_completion(says("bestanden")), "unparseable", JUDGE),
        (openai_completion("この回答は正しいので合格です。"), "unparseable", JUDGE),
        (openai_completion('{"agrees": "pass"}'), "unparseable", JUDGE),
        (openai_completion(scaled(9)), "off_scale", SCALED),
        (openai_completion(scaled("5")), "unparseable", SCALED),
        (cut_off(), "truncated", JUDGE),
        (openai_completion(GOOD), "unsupported_evidence", REQUIRED),
        (openai_completion(GOOD.replace("[]", '["never said"]')), "unsupported_evidence", REQUIRED),
    ],
)
def test_bad_reply_is_kept_raw_and_asked_once_more_with_what_was_wrong(
    pytester: pytest.Pytester, bad: dict[str, Any], status: str, judge: str
) -> None:
    code, (trial,), asked = judged_once(pytester, lambda _n: Answer(bad), judge=judge)
    assert code == 11
    assert len(asked) == 2
    shown = asked[1].json["messages"]
    assert shown[-2] == {"role": "assistant", "content": bad["choices"][0]["message"]["content"]}
    assert "Your reply could not be used: " in shown[-1]["content"]
    samples = trial.verdicts[0].samples
    assert [(s.status, s.raw) for s in samples] == [(status, bad["choices"][0]["message"]["content"])] * 2
    assert (trial.outcome, trial.verdicts[0].passed, trial.verdicts[0].scores) == ("errored", None, {})


@pytest.mark.parametrize(("bad", "status"), [(refused(), "refused"), (openai_completion("  "), "empty")])
def test_refusal_and_silence_stand(pytester: pytest.Pytester, bad: dict[str, Any], status: str) -> None:
    code, (trial,), asked = judged_once(pytester, lambda _n: Answer(bad))
    assert (code, len(asked), trial.outcome) == (11, 1, "errored")
    assert [s.status for s in trial.verdicts[0].samples] == [status]


def test_second_reply_counts_when_it_is_right(pytester: pytest.Pytester) -> None:
    replies = [openai_completion("Fine!"), openai_completion(GOOD)]
    code, (trial,), _asked = judged_once(pytester, lambda n: Answer(replies[n - 1]))
    assert (code, trial.outcome) == (0, "passed")
    assert [s.status for s in trial.verdicts[0].samples] == ["unparseable", "valid"]


def test_too_few_valid_samples_of_several_are_an_error_and_say_how_many(pytester: pytest.Pytester) -> None:
    three = JUDGE + "samples: 3\n"
    code, (trial,), asked = judged_once(
        pytester, lambda n: Answer(openai_completion(GOOD if n == 1 else "Fine!")), judge=three
    )
    assert (code, trial.outcome) == (11, "errored")
    assert trial.error is not None
    assert "1 of 3 samples scored agrees, 2 needed: unparseable" in trial.error.message
    assert len(asked) == 5


def test_judge_that_is_rate_limited_to_the_end_leaves_an_error_and_the_answer(
    pytester: pytest.Pytester,
) -> None:
    limited = Answer({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "0"})
    code, (trial,), asked = judged_once(pytester, lambda _n: limited)
    assert (code, trial.outcome) == (11, "errored")
    assert len(asked) > 1  # a rejection is waited for even where nothing is retried
    assert trial.answer is not None and trial.structural_passed
    assert trial.error is not None and "rate_limit" in trial.error.message


def test_judge_that_invents_its_quotes_is_told_in_the_report(pytester: pytest.Pytester) -> None:
    def handler(request: Received) -> Answer:
        invented = GOOD.replace("[]", '["never said", "nor this"]')
        return Answer(openai_completion(invented if is_judge(request) else '{"label": "billing"}'))

    with serving(handler) as server:
        lay_judged(pytester.path, server.url)
        result = pytester.runpytest("--model=candidate")
    result.stdout.fnmatch_lines(
        ["warning: 12 of 12 quotes that judges gave for candidate on triage do not occur*"]
    )
