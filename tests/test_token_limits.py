"""The limit on an answer's tokens goes by several names: the one nearest the request holds alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from swapgate.engine.trial import judge_request
from swapgate.judging.definition import call_params
from swapgate.records import Json, Message, Request
from swapgate.shadow.requests import candidate_body, to_request
from swapgate.spec.judges import RubricSpec
from swapgate.spec.models import ModelSpec, read_catalogue
from swapgate.spec.prompt_entries import Prompt, effective
from swapgate.spec.shadow import Route
from swapgate.spec.token_limits import LIMIT_NAMES

NAMES = pytest.mark.parametrize("below", LIMIT_NAMES)
MESSAGES: Json = [{"role": "user", "content": "hi"}]


def model(name: str, provider: str = "openai") -> ModelSpec:
    return ModelSpec(name="m", provider=provider, model="m-1", params={name: 8000, "seed": 1})


def limits(params: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in params.items() if name in LIMIT_NAMES}


@NAMES
def test_a_prompt_s_limit_holds_over_its_model_s(below: str) -> None:
    prompt = Prompt.model_validate({"prompt": "p", "user": "hi", "params": {"max_tokens": 64}})
    assert effective(prompt, model(below)).params == {"seed": 1, "max_tokens": 64}


def test_an_override_s_limit_holds_over_its_prompt_s_and_null_removes_each() -> None:
    def found(limit: Json) -> dict[str, Json]:
        override = {"m": {"params": {"max_completion_tokens": limit}}}
        written = {"prompt": "p", "user": "hi", "params": {"max_tokens": 64}, "overrides": override}
        return limits(effective(Prompt.model_validate(written), model("max_output_tokens")).params)

    assert found(100) == {"max_completion_tokens": 100}
    assert found(None) == {}


@NAMES
def test_a_judge_s_limit_holds_over_its_model_s(below: str) -> None:
    spec = RubricSpec.model_validate(
        {
            "judge": "j",
            "model": "m",
            "criteria": {"right": {"ask": "?", "scale": [1, 5]}},
            "pass": "right >= 4",
        }
    )
    asked = Request(model="m", messages=(Message(role="user", content="hi"),), params=call_params(spec))
    assert limits(judge_request(model(below), asked).params) == {"max_tokens": 1024}
    own = spec.model_copy(update={"params": {"max_completion_tokens": 2000}})
    assert limits(call_params(own)) == {"max_completion_tokens": 2000}


def test_a_task_s_limit_holds_over_its_model_s(tmp_path: Path) -> None:
    path = tmp_path / "models.yml"
    path.write_text(
        "models: {m: {provider: openai, params: {max_completion_tokens: 8000}}}\n"
        "tasks: {t: {model: m, max_tokens: 64}}\n"
    )
    assert read_catalogue(path).resolve("t").params == {"max_tokens": 64}


def test_of_route_application_and_candidate_the_first_with_a_limit_has_its_own_sent() -> None:
    candidate = model("max_tokens", "deepseek")
    body: dict[str, Json] = {"max_completion_tokens": 99, "messages": MESSAGES}
    plain, own = Route(control="old"), Route(control="old", params={"max_output_tokens": 5})
    assert limits(candidate_body(body, "chat", candidate, plain)) == {"max_tokens": 99}
    assert limits(candidate_body({"messages": MESSAGES}, "chat", candidate, plain)) == {"max_tokens": 8000}
    assert limits(candidate_body({"max_output_tokens": 9}, "responses", candidate, plain)) == {
        "max_output_tokens": 9
    }
    for route, expected in ((plain, {"max_tokens": 99}), (own, {"max_output_tokens": 5})):
        assert limits(to_request(body, "chat", model("maxOutputTokens", "gemini"), route).params) == expected
