"""The parts of a mirror that need no server: redaction, sampling, requests of one format and of another."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swapgate.errors import UsageError
from swapgate.records import Response, ToolCall
from swapgate.shadow.answers import read_answer, read_call
from swapgate.shadow.records import Leg, answered
from swapgate.shadow.redaction import Redactor, redacted
from swapgate.shadow.requests import (
    Untranslatable,
    candidate_body,
    has_server_tools,
    mirrored_body,
    to_request,
    turns_of,
)
from swapgate.shadow.sampling import is_drawn, unit_hash
from swapgate.spec.models import ModelSpec
from swapgate.spec.shadow import Redaction, Route
from test_shadow_store import exchange

SECRETS = {
    "key": [
        "sk-proj-abcdefghijklmnopqrstuvwx",
        "sk-ant-api03-abcdefghijklmnop",
        "ghp_abcdefghijklmnopqrstuvwxyzABCDEFGHIJ",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJI.eyJzdWIiOiIx.abc-def",
        "api_key = 'hunter2hunter2'",
        "Authorization: Bearer abcdefgh",
        "Bearer abcdef0123456789abcdef==",
        "dop_v1_" + "0a" * 32,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
    "email": ["ada.lovelace+test@mail.example.co.uk"],
    "phone": ["+44 20 7946 0958", "(415) 555-2671", "+1-650-253-0000"],
    "card": ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"],
}
HARMLESS = [
    "version 1.2.3, built 2026-11-26T12:39:53Z, 192.168.100.200",
    "550e8400-e29b-41d4-a716-446655440000",
    "order 4111111111111112 of 12345678901234",  # fails the check digit
    "the secret of good soup is time",
    "the bearer responsible-for-the-shares of 41.4111111111111111",
    "for i in range(10_000_000): total += 0x1F2E3D4C",
    "@decorator def f(x): return x @ y",
]


@pytest.mark.parametrize(("kind", "secret"), [(k, s) for k, secrets in SECRETS.items() for s in secrets])
def test_a_secret_is_taken_out_and_counted(kind: str, secret: str) -> None:
    redactor = Redactor(rules=Redaction())
    text = redactor.text(f"before {secret} after")
    assert secret not in text and text.startswith("before ") and text.endswith(" after")
    assert f"[{kind}]" in text and redactor.taken() == {kind: 1}


BLOB = "iVBORw0KGgo" * 100
# Texts that hide a number from who looks for words: long ones without a space, and with many other numbers.
AROUND: Mapping[str, str] = {
    "the end of a sentence": "it is {}.",
    "compact JSON": '{{"names":["' + '","'.join(["somebody"] * 120) + '"],"number":"{}"}}',
    "a language without spaces": "没有空格的文本" * 150 + "号码是{}，谢谢。",
    "a text around an image": f"see data:image/png;base64,{BLOB} and {{}} and {BLOB}",
    "many numbers": "\n".join(f"order 99{i:08d}" for i in range(600)) + "\nat {}",
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize(("kind", "number"), [("card", "4111111111111111"), ("phone", "+442079460958")])
def test_a_number_is_found_whatever_stands_around_it(kind: str, number: str, around: str) -> None:
    redactor = Redactor(rules=Redaction())
    assert redactor.text(around.format(number)) == around.format(f"[{kind}]")


def test_numbers_within_an_image_stay() -> None:
    image = "data:image/png;base64," + "A4111111111111111B" * 100
    assert Redactor(rules=Redaction()).text(image) == image


def test_a_region_without_phone_numbers_is_refused() -> None:
    with pytest.raises(UsageError, match="region 'XX'"):
        Redactor(rules=Redaction(region="XX"))
    assert Redactor(rules=Redaction(region=None)).text("+1-650-253-0000") == "[phone]"


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert Redactor(rules=Redaction()).text(text) == text


def test_the_user_s_own_patterns_and_exceptions_hold() -> None:
    rules = Redaction(keep=("email",), patterns={"ticket": r"TCK-\d+"})
    assert Redactor(rules=rules).text("TCK-77 from a@b.org") == "[ticket] from a@b.org"


@given(
    words=st.lists(
        st.sampled_from([*(s for secrets in SECRETS.values() for s in secrets), "word", "12", "\n"])
    ),
    noise=st.text(max_size=20),
)
@example(words=["sk-proj-abcdefghijklmnopqrstuvwx"], noise="\ud800")
def test_redacting_twice_is_redacting_once_and_nothing_of_a_secret_is_left(
    words: list[str], noise: str
) -> None:
    redactor = Redactor(rules=Redaction())
    once = redactor.text(f" {noise} ".join(words))
    assert redactor.text(once) == once
    assert not any(secret in once for secret in SECRETS["email"])


def test_every_text_of_an_exchange_is_redacted() -> None:
    mail = "ada@example.org"
    call = ToolCall(name="send", arguments=json.dumps({"to": mail}))
    leg = answered("m", Response(text=mail, tool_calls=(call,)))
    whole = exchange(
        request={"messages": [{"content": mail}], mail: 1},
        control=leg,
        candidate=Leg(model="n", error=f"no route for {mail}"),
        tags=(mail,),
    )
    clean = redacted(whole, Redactor(rules=Redaction()))
    assert mail not in repr(clean) and clean.redactions == {"email": 6}
    assert clean.control is not None and clean.control.text_hash == leg.text_hash


@given(unit=st.text(), small=st.floats(0, 1), large=st.floats(0, 1))
def test_who_is_within_a_share_is_within_every_larger_one(unit: str, small: float, large: float) -> None:
    small, large = sorted((small, large))
    assert is_drawn(unit, large, salt="a") or not is_drawn(unit, small, salt="a")


def test_shares_are_what_they_say_and_salts_are_independent() -> None:
    units = [f"user-{n}" for n in range(4000)]
    drawn = {u for u in units if is_drawn(u, 0.3, salt="a")}
    both = [u for u in drawn if is_drawn(u, 0.5, salt="b")]
    assert 0.27 < len(drawn) / 4000 < 0.33 and 0.44 < len(both) / len(drawn) < 0.56
    assert not any(is_drawn(u, 0, salt="a") for u in units) and all(is_drawn(u, 1, salt="a") for u in units)
    assert len({unit_hash(u) for u in units}) == 4000


NEW = ModelSpec(
    name="new", provider="deepseek", model="new-1", params={"temperature": 0.1, "top_p": 0.5}, unset=("seed",)
)
CHAT = {
    "model": "old",
    "temperature": 0.7,
    "seed": 5,
    "max_completion_tokens": 99,
    "messages": [{"role": "user", "content": "hi"}],
}


def test_the_candidate_gets_the_application_s_body_with_its_own_model_and_what_was_set_for_it() -> None:
    route = Route(control="old", candidate="new", params={"temperature": 0, "top_p": None})
    sent = candidate_body(CHAT, "chat", NEW, route)
    assert sent == {"model": "new-1", "temperature": 0, "max_tokens": 99, "messages": CHAT["messages"]}
    assert CHAT["model"] == "old"


def test_the_candidate_s_prompt_takes_the_place_of_the_application_s_or_comes_after_it() -> None:
    body = {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}]}
    own = Route(control="old", prompt={"system": "Be brief."})
    after = Route(control="old", prompt={"system_append": "No Markdown."})
    assert candidate_body(body, "chat", NEW, own)["messages"][0]["content"] == "Be brief."
    assert candidate_body(body, "chat", NEW, after)["messages"][0]["content"] == "Be kind.\n\nNo Markdown."
    assert (
        candidate_body({"system": "A", "messages": []}, "messages", NEW, after)["system"]
        == "A\n\nNo Markdown."
    )
    assert candidate_body({"input": "x"}, "responses", NEW, own)["instructions"] == "Be brief."


def test_a_copy_is_not_kept_by_the_provider_and_counts_its_tokens() -> None:
    route = Route(control="old")
    assert mirrored_body({"input": "x"}, "responses", NEW, route)["store"] is False
    assert mirrored_body({"messages": [], "store": True}, "chat", NEW, route)["store"] is False
    assert mirrored_body({"messages": [], "stream": True}, "chat", NEW, route)["stream_options"] == {
        "include_usage": True
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, False),
        ({"tools": [{"name": "f", "input_schema": {}}]}, False),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, False),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True),
        ({"tools": [{"type": "mcp", "server_url": "x"}]}, True),
        ({"tools": [{"type": "code_interpreter"}]}, True),
        ({"mcp_servers": [{}]}, True),
        ({"previous_response_id": "resp_1"}, True),
        ({"web_search_options": {}}, True),
        ({"background": False}, False),
    ],
)
def test_tools_that_the_provider_runs_are_known(body: dict[str, Any], expected: bool) -> None:
    assert has_server_tools(body) is expected


def test_turns_count_the_answers_of_a_conversation() -> None:
    def turns(*roles: str) -> int:
        return turns_of({"messages": [{"role": role, "content": ""} for role in roles]})

    assert turns("system", "user") == 1
    assert turns("user", "assistant", "user") == 2
    assert turns("user", "assistant", "tool", "assistant", "assistant", "user") == 3
    assert turns_of({"input": "x"}) == 1


ANTHROPIC_BODY = {
    "system": [{"type": "text", "text": "Be brief."}],
    "max_tokens": 50,
    "stop_sequences": ["END"],
    "tools": [{"name": "find", "description": "d", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "weather?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "tool_use", "id": "t1", "name": "find", "input": {"q": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "rain"},
                {"type": "text", "text": "and?"},
            ],
        },
    ],
}
RESPONSES_BODY = {
    "instructions": "Be brief.",
    "max_output_tokens": 50,
    "tools": [{"type": "function", "name": "find", "parameters": {"type": "object"}}],
    "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}},
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "weather?"}]},
        {"type": "function_call", "call_id": "t1", "name": "find", "arguments": '{"q": 1}'},
        {"type": "function_call_output", "call_id": "t1", "output": "rain"},
        {"role": "user", "content": "and?"},
    ],
}


@pytest.mark.parametrize(("api", "body"), [("messages", ANTHROPIC_BODY), ("responses", RESPONSES_BODY)])
def test_a_request_is_translated_with_its_tools_and_turns(api: Any, body: dict[str, Any]) -> None:
    request = to_request(body, api, NEW, Route(control="old"))
    said = [(m.role, m.content) for m in request.messages]
    assert said == [
        ("system", "Be brief."),
        ("user", "weather?"),
        ("assistant", ""),
        ("tool", "rain"),
        ("user", "and?"),
    ]
    assert request.messages[2].tool_calls[0].name == "find" and request.messages[3].tool_call_id == "t1"
    assert request.params["max_tokens"] == 50
    assert [tool["name"] for tool in request.tools] == ["find"]
    assert (request.output_schema == {"type": "object"}) is (api == "responses")


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}],
        [{"type": "input_file", "file_id": "f"}],
        [{"type": "image", "source": {}}],
    ],
)
def test_what_has_no_form_elsewhere_is_told_by_its_type(content: Any) -> None:
    with pytest.raises(Untranslatable, match=content[0]["type"]):
        to_request({"messages": [{"role": "user", "content": content}]}, "chat", NEW, Route(control="old"))


@example(body={"messages": [{"type": [], "role": {}}]}, api="chat")
@given(
    body=st.dictionaries(
        st.sampled_from(["messages", "input", "system", "tools", "instructions", "text", "stream", "stop"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["role", "content", "type", "text", "name", "function"]),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=8,
        ),
    ),
    api=st.sampled_from(["chat", "responses", "messages"]),
)
def test_any_body_is_translated_or_refused_and_never_breaks_the_mirror(
    body: dict[str, Any], api: Any
) -> None:
    has_server_tools(body)
    turns_of(body)
    route = Route(control="old", prompt={"system_append": "x"})
    for make in (mirrored_body, to_request):
        with suppress(Untranslatable):
            make(body, api, NEW, route)


def test_arguments_of_a_call_are_read_as_json_whatever_they_are() -> None:
    assert read_call(({"messages": []},), {}) == {"messages": []}
    assert read_call((), {"model": "m", "n": 1}) == {"model": "m", "n": 1}
    told = read_call(("a", object()), {"user": {1, 2}})
    assert told["args"][0] == "a" and "object" in told["args"][1] and told["user"] == "{1, 2}"
    assert read_answer({"label": "a"}).text == '{"label": "a"}'
    assert Counter(read_call((), {})) == Counter()
