"""Judges asked end to end through a scripted asker: samples, retries, errors, and what is never a 0."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from swapgate.errors import ErrorKind, ProviderError, RecordingMissing, SpecError, UsageError
from swapgate.judging.judge import Judge
from swapgate.judging.load import load_judges
from swapgate.records import Answer, FinishReason, Json, Message, Request, Response, Verdict
from swapgate.spec.judges import RubricSpec
from swapgate.spec.read_judges import read_judge

JUDGES = Path(__file__).parent.parent / "judges"
REVIEW = '{"issues": [], "summary": "Adds a parameter.", "recommendation": "approve"}'
REFERENCE: dict[str, Json] = {"recommendation": "request_changes", "summary": "Lets a caller inject SQL."}
Reply = str | Response | Exception


class Scripted:
    """Answers by a function of the request, and keeps every request."""

    def __init__(self, reply: Callable[[Request], Reply]) -> None:
        self._reply = reply
        self.requests: list[Request] = []

    async def __call__(self, model: str, request: Request) -> Answer:
        self.requests.append(request)
        await asyncio.sleep(0)
        said = self._reply(request)
        if isinstance(said, Exception):
            raise said
        response = said if isinstance(said, Response) else Response(text=said, model_served="served-1")
        return Answer(response=response, model=model, cost_usd=0.25)


def by_sample(*replies: Reply | Sequence[Reply]) -> Scripted:
    """Answer sample N with the Nth entry; a sequence holds the first reply and the one to the retry."""

    def reply(request: Request) -> Reply:
        said = replies[request.repeat - 1]
        if isinstance(said, str | Response | Exception):
            return said
        return said[1 if is_retry(request) else 0]

    return Scripted(reply)


def is_retry(request: Request) -> bool:
    return any(m.role == "assistant" for m in request.messages)


def judge(**keys: Any) -> Judge:
    written: dict[str, Any] = {
        "judge": "j",
        "model": "judge-model",
        "criteria": {
            "accuracy": {"ask": "Is it right?", "scale": [1, 5]},
            "agrees": {"ask": "Does it agree?"},
        },
        "pass": "accuracy >= 4",
    }
    return Judge(RubricSpec.model_validate(written | keys))


def ask_about(
    judged_by: Judge, ask: Scripted, output: str = REVIEW, *, repeat: int = 1, expected: Json = None
) -> Verdict:
    return asyncio.run(
        judged_by.judge(
            variables={"diff_text": "+ x"},
            messages=(),
            expected=REFERENCE if expected is None else expected,
            response=Response(text=output),
            ask=ask,
            suite="code_review",
            case="sql-injection",
            repeat=repeat,
        )
    )


def scores(accuracy: float, agrees: str = "pass", reasoning: str = "Because.") -> str:
    return json.dumps({"evidence": [], "reasoning": reasoning, "accuracy": accuracy, "agrees": agrees})


def limited(message: str = "too many requests") -> ProviderError:
    return ProviderError(message, kind=ErrorKind.RATE_LIMIT, status=429)


def cut_off(text: str = '{"evidence": ["a') -> Response:
    return Response(text=text, finish_reason="length")


def test_a_miss_says_score_rule_and_reason_in_one_line() -> None:
    ask = by_sample(scores(2, reasoning="The summary claims\nthat nothing changed."))
    verdict = ask_about(judge(), ask)
    assert (verdict.status, verdict.passed) == ("scored", False)
    assert verdict.scores == {"accuracy": 2.0, "agrees": 1.0}
    assert verdict.reason == "accuracy 2 (wanted accuracy >= 4): The summary claims that nothing changed."
    assert (verdict.judge, verdict.model) == ("j", "judge-model")
    assert verdict.definition_hash == judge().definition_hash


def test_a_pass_names_scores_too_and_long_reasons_are_cut() -> None:
    verdict = ask_about(judge(), by_sample(scores(5, reasoning="word " * 200)))
    assert verdict.passed is True
    assert verdict.reason.startswith("accuracy 5 (wanted accuracy >= 4): word word")
    assert verdict.reason.endswith(" ...")
    assert len(verdict.reason) < 250


def test_the_request_carries_schema_parameters_and_names() -> None:
    ask = by_sample(scores(5))
    ask_about(judge(), ask)
    (request,) = ask.requests
    assert (request.model, request.suite, request.case) == ("judge-model", "code_review", "sql-injection")
    assert request.params == {"temperature": 0, "max_tokens": 1024}
    assert request.output_schema is not None


def test_samples_add_up_to_their_mean() -> None:
    verdict = ask_about(judge(samples=3), by_sample(scores(3), scores(5), scores(5)))
    assert verdict.scores["accuracy"] == pytest.approx(13 / 3)
    assert (verdict.passed, len(verdict.samples)) == (True, 3)
    assert verdict.cost_usd == 0.75


def test_the_shown_reason_is_that_of_a_sample_that_agrees_with_the_verdict() -> None:
    ask = by_sample(scores(5, reasoning="Fine."), scores(1, reasoning="Wrong."), scores(2, reasoning="Poor."))
    assert ask_about(judge(samples=3), ask).reason == "accuracy 2.67 (wanted accuracy >= 4): Wrong."


def test_a_question_without_a_scale_passes_by_majority() -> None:
    agrees = judge(**{"samples": 3, "pass": "agrees"})
    assert ask_about(agrees, by_sample(scores(1), scores(1), scores(1, "fail"))).passed is True
    missed = ask_about(agrees, by_sample(scores(1), scores(1, "fail"), scores(1, "fail")))
    assert missed.passed is False
    assert missed.reason.startswith("agrees 0.333 (wanted agrees): ")
    assert ask_about(judge(**{"pass": "agrees"}), by_sample(scores(1, "fail"))).reason.startswith(
        "agrees fail ("
    )


def test_trials_with_the_same_answer_share_their_calls() -> None:
    first, second = by_sample(scores(5)), by_sample(scores(5))
    ask_about(judge(), first, repeat=1)
    ask_about(judge(), second, repeat=2)
    assert first.requests == second.requests


def test_per_criterion_asks_every_criterion_for_every_sample() -> None:
    def reply(request: Request) -> str:
        properties = (request.output_schema or {})["properties"]
        assert isinstance(properties, dict)
        said: dict[str, Json] = {"score": 4} if "score" in properties else {"verdict": "fail"}
        return json.dumps({"evidence": [], "reasoning": "r"} | said)

    ask = Scripted(reply)
    verdict = ask_about(judge(calls="per_criterion", samples=2), ask)
    assert verdict.scores == {"accuracy": 4.0, "agrees": 0.0}
    assert [s.criterion for s in verdict.samples] == ["accuracy", "agrees", "accuracy", "agrees"]
    assert sorted(r.repeat for r in ask.requests) == [1, 1, 2, 2]


def test_calls_of_one_verdict_run_side_by_side() -> None:
    async def all_at_once() -> Verdict:
        gate = asyncio.Barrier(3)

        async def ask(model: str, request: Request) -> Answer:
            async with asyncio.timeout(5):
                await gate.wait()
            return Answer(response=Response(text=scores(5)), model=model)

        return await judge(samples=3).judge(
            variables={},
            messages=(),
            expected=None,
            response=Response(text="x"),
            ask=ask,
            suite="s",
            case="c",
            repeat=1,
        )

    assert asyncio.run(all_at_once()).passed is True


@pytest.mark.parametrize(
    "first",
    ["I would give it a 4.", scores(4)[:-5], f"{scores(1)}{scores(5)}", scores(9), scores(4.5), cut_off()],
    ids=["prose", "half a reply", "two verdicts", "off the scale", "between two points", "cut off"],
)
def test_an_unusable_reply_is_asked_for_once_more_with_its_problem_shown(first: str | Response) -> None:
    ask = by_sample([first, scores(5)])
    verdict = ask_about(judge(), ask)
    assert (verdict.status, verdict.passed) == ("scored", True)
    before, after = verdict.samples
    assert before.status != "valid"
    assert (before.raw, after.raw) == (first.text if isinstance(first, Response) else first, scores(5))
    *sent, own, problem = ask.requests[1].messages
    assert tuple(sent) == ask.requests[0].messages
    assert own == Message(role="assistant", content=before.raw)
    assert before.problem in problem.content


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("I would give it a 4.", "unparseable"),
        (scores(0), "off_scale"),
        ("", "empty"),
        (cut_off(), "truncated"),
        (Response(text="I cannot help with that.", finish_reason="refusal"), "refused"),
    ],
)
def test_a_judge_that_never_gives_a_usable_reply_is_an_error_and_never_a_zero(
    reply: Reply, status: str
) -> None:
    verdict = ask_about(judge(), by_sample([reply, reply]))
    assert (verdict.status, verdict.passed, verdict.scores) == ("error", None, {})
    assert verdict.reason.startswith(f"0 of 1 samples scored accuracy, 1 needed: {status}: ")
    assert {s.status for s in verdict.samples} == {status}
    assert verdict.cost_usd == 0.25 * len(verdict.samples)


@pytest.mark.parametrize("finish_reason", ["refusal", "content_filter"])
def test_a_refusal_is_not_asked_again(finish_reason: FinishReason) -> None:
    ask = by_sample(Response(text="No.", finish_reason=finish_reason))
    ask_about(judge(), ask)
    assert len(ask.requests) == 1


def test_a_provider_failure_is_an_error_with_its_kind() -> None:
    verdict = ask_about(judge(), by_sample(limited()))
    assert (verdict.status, verdict.passed, verdict.samples) == ("error", None, ())
    assert verdict.reason == "0 of 1 samples scored accuracy, 1 needed: rate_limit: too many requests"


def test_a_failure_during_the_retry_keeps_the_first_reply() -> None:
    verdict = ask_about(judge(), by_sample(["prose", limited()]))
    assert [s.raw for s in verdict.samples] == ["prose"]
    assert "rate_limit" in verdict.reason


def test_more_than_half_of_the_samples_are_enough() -> None:
    verdict = ask_about(judge(samples=3), by_sample(scores(4), limited(), scores(5)))
    assert (verdict.status, verdict.passed, verdict.scores["accuracy"]) == ("scored", True, 4.5)
    assert verdict.reason.endswith(" [2 of 3 samples]")


def test_half_of_the_samples_are_too_few_unless_the_judge_says_so() -> None:
    replies = (scores(4), ["prose", "prose"], limited(), scores(5))
    verdict = ask_about(judge(samples=4), by_sample(*replies))
    assert (verdict.status, verdict.passed) == ("error", None)
    assert "2 of 4 samples scored accuracy, 3 needed: unparseable: there is no JSON" in verdict.reason
    assert "rate_limit: too many requests" in verdict.reason
    assert ask_about(judge(samples=4, min_valid_samples=2), by_sample(*replies)).passed is True


def test_an_abstention_is_an_error_unless_the_rule_holds_without_it() -> None:
    abstained = scores(2, "cannot_assess", reasoning="No reference.")
    undecided = ask_about(judge(**{"pass": "agrees"}), by_sample(abstained))
    assert (undecided.status, undecided.passed) == ("error", None)
    assert undecided.reason == "0 of 1 samples scored agrees, 1 needed: cannot_assess: No reference."
    decided = ask_about(judge(**{"pass": "accuracy >= 4 and agrees"}), by_sample(abstained))
    assert (decided.status, decided.passed) == ("scored", False)
    assert decided.reason.startswith("accuracy 2, agrees unknown (wanted ")


def test_a_missing_recording_is_passed_on() -> None:
    with pytest.raises(RecordingMissing, match="never recorded"):
        ask_about(judge(samples=2), by_sample(scores(5), RecordingMissing("never recorded")))


def test_a_bug_in_the_asker_is_not_swallowed() -> None:
    with pytest.raises(KeyError):
        ask_about(judge(samples=2), by_sample(scores(5), KeyError("bug")))


@pytest.mark.parametrize(
    "output", ["", " \n\t", ":", "...", "{}", "```\n```", "Thought process:", "Solution:", "\u200b", "解："]
)
def test_an_answer_that_says_nothing_fails_without_a_call(output: str) -> None:
    ask = by_sample(scores(5))
    verdict = ask_about(judge(), ask, output)
    assert (verdict.status, verdict.passed, verdict.samples) == ("scored", False, ())
    assert verdict.reason.startswith("empty answer")
    assert ask.requests == []


def test_a_long_answer_that_says_nothing_is_not_repeated_whole() -> None:
    verdict = ask_about(judge(), by_sample(scores(5)), "[" * 100_000)
    assert verdict.reason == f"empty answer: '{'[' * 80}'..."


@pytest.mark.parametrize("output", ["a", "4", "👍", "Да", "Solution: 4", "The thought process: none"])
def test_a_short_answer_is_still_judged(output: str) -> None:
    assert len(ask_about(judge(), by_sample(scores(5)), output).samples) == 1


def test_an_answer_that_is_the_reference_is_judged_however_short() -> None:
    assert len(ask_about(judge(), by_sample(scores(5)), "[]", expected=[]).samples) == 1
    assert len(ask_about(judge(), by_sample(scores(5)), "-", expected="-").samples) == 1


def test_a_template_that_does_not_fit_the_case_is_an_error_without_a_call() -> None:
    ask = by_sample(scores(5))
    verdict = ask_about(judge(template="{{ input.diff }}{{ output }}"), ask)
    assert (verdict.status, verdict.passed) == ("error", None)
    assert "the input has diff_text" in verdict.reason
    assert ask.requests == []


def test_a_skipped_verdict_says_why() -> None:
    verdict = judge().skipped("the structure failed")
    assert (verdict.status, verdict.passed, verdict.reason) == ("skipped", None, "the structure failed")


def test_the_classic_judge_sends_its_words_and_reads_its_scores() -> None:
    article = load_judges(["article"], judges_dir=JUDGES)["article"]
    ask = by_sample('{"factual_accuracy": 3, "specificity": 5, "relevance": 5}')
    verdict = ask_about(article, ask)
    assert ask.requests[0].messages == (
        Message(
            role="user",
            content=(
                "Original query: + x\n"
                f"Reference answer: {json.dumps(REFERENCE)}\n"
                f"Model answer: {REVIEW}\n"
                "\n"
                "Rate on these criteria (1-5 each):\n"
                "- factual_accuracy: Does the model output match ground truth?\n"
                "- specificity: Are claims concrete, not vague?\n"
                "- relevance: Did the model address the actual question?\n"
                "\n"
                'Output as JSON: {"factual_accuracy": N, "specificity": N, "relevance": N}'
            ),
        ),
    )
    assert verdict.scores == {"factual_accuracy": 3.0, "specificity": 5.0, "relevance": 5.0}
    assert (verdict.passed, verdict.reason) == (False, "factual_accuracy 3 (wanted factual_accuracy >= 4)")


def test_the_example_judges_load() -> None:
    loaded = load_judges(["code_review", "article"], judges_dir=JUDGES)
    assert [j.rule.text for j in loaded.values()] == ["factual_accuracy >= 4"] * 2
    assert all(set(c.anchors) == {1, 2, 3, 4, 5} for c in loaded["code_review"].spec.criteria.values())


def test_an_unknown_judge_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown judge 'code_reveiw'.*Did you mean 'code_review'\?"):
        load_judges(["code_reveiw"], judges_dir=JUDGES)


def test_a_judge_is_found_by_the_name_of_its_file_alone(tmp_path: Path) -> None:
    written = "judge: other\nmodel: m\ncriteria: {a: {ask: '?'}}\npass: a\n"
    (tmp_path / "mine.yaml").write_text(written)
    with pytest.raises(SpecError, match=r"mine.yaml:1: .*'mine' .* 'other'"):
        load_judges(["mine"], judges_dir=tmp_path)
    with pytest.raises(UsageError, match="unknown judge"):
        load_judges(["../mine"], judges_dir=tmp_path / "sub")


WRITTEN = """\
judge: mine
model: m
criteria:
  accuracy:
    ask: Is it right?
    scale: [1, 5]
  agrees:
    ask: Does it agree?
pass: accuracy >= 4
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("accuracy >= 4", "acuracy >= 4", 9, "unknown criterion 'acuracy'.*Did you mean 'accuracy'"),
        ("accuracy >= 4", "accuracy", 9, "'accuracy' is a number, not a condition"),
        (
            "accuracy >= 4",
            "accuracy >= 6",
            9,
            "no score can satisfy 'accuracy >= 6'; accuracy goes from 1 to 5",
        ),
        ("accuracy >= 4", "accuracy >= 1", 9, "every score satisfies 'accuracy >= 1'; accuracy goes from 1"),
        (
            "accuracy >= 4",
            "agrees or accuracy > 0",
            9,
            r"every score satisfies .*; agrees is 1 \(pass\) or 0",
        ),
        ("accuracy >= 4", "accuracy > 4 and accuracy < 5", 9, "no score can satisfy"),
        ("scale: [1, 5]", "scale: [5, 1]", 4, "write the lower end first"),
        ("scale: [1, 5]", "scale: [1, 5]\n    anchors: {6: more}", 4, "anchor 6 of 'accuracy' is outside"),
        (
            "ask: Does it agree?",
            "ask: Does it agree?\n    anchors: {1: yes it does}",
            7,
            "anchors but no scale",
        ),
        ("agrees:", "to-the-point:", 7, "criterion 'to-the-point': write letters"),
        ("agrees:", "reasoning:", 7, "criterion 'reasoning': the word is taken"),
        ("model: m", "model: m\nsamples: 2\nmin_valid_samples: 3", 4, "only 2 are taken"),
        ("model: m", "model: m\ntemplate: '{{ ouput }}'", 3, "unknown name 'ouput'.*Did you mean 'output'"),
        ("model: m", "model: m\ntemplate: '{{ input }}'", 3, "never shows the answer"),
        ("model: m", "model: m\ntemplate: '{% if %}'", 3, "template, its line 1"),
        ("model: m", "model: m\nsample: 3", 3, "unknown key 'sample'.*Did you mean 'samples'"),
    ],
)
def test_what_is_wrong_in_a_judge_file_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, problem: str
) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(WRITTEN.replace(old, new))
    with pytest.raises(SpecError, match=problem) as caught:
        read_judge(path)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("accuracy >= 4", "accuracy >= 5"),
        ("accuracy >= 4", "accuracy > 1"),
        # A mean of several samples lies between two scores.
        ("pass: accuracy >= 4", "samples: 2\npass: accuracy > 4 and accuracy < 5"),
        # Too many combinations to try out.
        ("scale: [1, 5]", "scale: [1, 1000000000000]"),
    ],
)
def test_a_rule_that_some_scores_satisfy_is_taken(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(WRITTEN.replace(old, new))
    assert read_judge(path).pass_rule().names == ("accuracy",)
