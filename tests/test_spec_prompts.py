"""Prompts: overrides, rendering, and templates that ask for too much."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.errors import PromptError, SpecError, UsageError
from swapgate.records import Json, Message
from swapgate.spec.models import ModelSpec
from swapgate.spec.prompts import Prompt, PromptLibrary, Rendered, inline_prompt, read_prompt, render
from swapgate.spec.suite import InlinePrompt

ROOT = Path(__file__).parent.parent
MODEL = ModelSpec(name="pro", provider="deepseek", model="deepseek-v4-pro")


def rendered(
    model: ModelSpec = MODEL, variables: Mapping[str, Json] | None = None, **prompt: object
) -> Rendered:
    written = Prompt.model_validate({"prompt": "p", **prompt})
    return render(written, model=model, variables=variables or {})


def text_of(template: str, **variables: Json) -> str:
    (message,) = rendered(user=template, variables=variables).messages
    return message.content


def problem(template: str, **variables: Json) -> str:
    with pytest.raises(PromptError) as caught:
        text_of(template, **variables)
    return str(caught.value).removeprefix("prompt 'p' for model 'pro': ")


def test_variables_are_filled_into_system_and_user_turns() -> None:
    found = rendered(system="Be {{ tone }}.", user="{{q}}\n", variables={"tone": "kind", "q": "Why?"})
    assert found.messages == (
        Message(role="system", content="Be kind."),
        Message(role="user", content="Why?"),
    )


def test_values_that_are_no_text_stand_as_json() -> None:
    values: dict[str, Json] = {"a": {"k": ["ä", None]}, "b": True, "c": None, "d": 1.5, "e": 3}
    assert (
        text_of("{{ a }} {{ b }} {{ c }} {{ d }} {{ e }}", **values) == '{"k": ["ä", null]} true null 1.5 3'
    )


def test_tojson_writes_json_and_not_html() -> None:
    assert text_of("{{ d | tojson }}", d="a<b & 'c'") == "\"a<b & 'c'\""


@given(st.text() | st.sampled_from(["{{ x }}", "{% if %}", "{# c #}", "{{ ''.__class__ }}", "{%", "}}"]))
def test_a_value_is_never_evaluated(value: str) -> None:
    assert text_of("<{{ diff }}>", diff=value, x="LEAK") == f"<{value}>"
    (piece,) = rendered(
        user="{{ blocks.b }}", blocks={"b": "[{{ diff }}]"}, variables={"diff": value, "x": "LEAK"}
    ).messages
    assert piece.content == f"[{value}]"


@given(st.dictionaries(st.text(), st.text()))
def test_a_mapping_of_texts_is_never_evaluated(value: dict[str, str]) -> None:
    assert json.loads(text_of("{{ v }}", v=dict(value))) == value


def test_templates_that_only_insert_texts_are_filled_as_jinja_fills_them() -> None:
    assert text_of("{# of the case #}<{{ a }}>{% raw %}{{ a }}{% endraw %}\r\n\n", a="{{ b }}\n") == (
        "<{{ b }}\n>{{ a }}\n"
    )
    assert text_of("{{ a }}{{ b }}{{ a }}", a="x", b=[1]) == "x[1]x"
    assert text_of("{{ a }} {{ range }}", a="x", range="y") == "x y"
    assert "TemplateReference" in text_of("{{ self }}", self="x")


def test_a_missing_variable_is_said_with_what_the_case_offers() -> None:
    with pytest.raises(PromptError) as caught:
        text_of("{{ dif_text }}", diff_text="x", repo="y")
    assert str(caught.value) == (
        "prompt 'p' for model 'pro': the variable 'dif_text' has no value. "
        "Did you mean 'diff_text'? The case offers: diff_text, repo"
    )
    assert problem("{{ a }}") == "the variable 'a' has no value. The case offers: nothing"
    assert problem("{{ a.b }}", a={}) == "the template cannot be filled: 'dict object' has no attribute 'b'"


@pytest.mark.parametrize(
    "template",
    [
        '{{ "".__class__.__mro__ }}',
        '{{ ""["__class__"] }}',
        '{{ ""|attr("__cl" ~ "ass__") }}',
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ x.append(1) }}",
        '{{ "{0.__class__}".format(1) }}',
        '{{ "%99999999999d" % 1 }}',
        '{{ "x".zfill(10 ** 9) }}',
    ],
)
def test_an_escape_from_the_sandbox_is_refused(template: str) -> None:
    assert problem(template, x=[1]).startswith("the template is not allowed to do this: ")


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(9000) %}{{ x }}{% endfor %}",
        "{{ range(10 ** 9)|list }}",
        "{{ 'x' * 10 ** 9 }}",
        "{{ 9 ** (9 ** 9) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_a_template_that_asks_for_too_much_is_refused(template: str) -> None:
    assert problem(template, x="y" * 1000).startswith("the template is out of bounds: ")


@pytest.mark.parametrize(
    "template",
    ["{% include 'x' %}", "{% import 'os' as os %}", "{{ 1 / 0 }}", "{{ [1]|random }}", "{% if %}"],
)
def test_whatever_else_goes_wrong_in_a_template_is_a_prompt_error(template: str) -> None:
    assert problem(template).startswith("the template cannot be filled: ")


def test_blocks_are_rendered_where_they_stand_and_only_there() -> None:
    blocks = {"rule": "Answer in {{ blocks.lang }}.", "lang": "{{ lang }}", "unused": "{{ nowhere }}"}
    (message,) = rendered(user="{{ blocks.rule }}", blocks=blocks, variables={"lang": "French"}).messages
    assert message.content == "Answer in French."


def test_blocks_in_a_circle_and_unknown_blocks_are_said() -> None:
    with pytest.raises(PromptError, match=r"blocks go in a circle: a -> b -> a$"):
        rendered(user="{{ blocks.a }}", blocks={"a": "{{ blocks.b }}", "b": "{{ blocks.a }}"})
    with pytest.raises(PromptError, match=r"no block 'rules'. Did you mean 'rule'\? Blocks: rule$"):
        rendered(user="{{ blocks.rules }}", blocks={"rule": "x"})


def test_overrides_apply_from_the_weakest_to_the_strongest() -> None:
    overrides = {
        "pro": {"params": {"n": 4}},
        "deepseek-v4-pro": {"params": {"n": 3, "id": True}},
        "deepseek-*": {"params": {"n": 2, "glob": True}},
        "provider:deepseek": {"params": {"n": 1, "provider": True}},
        "gpt-*": {"params": {"n": 9}},
    }
    found = rendered(user="x", params={"n": 0}, overrides=overrides)
    assert found.params == {"n": 4, "id": True, "glob": True, "provider": True}
    assert found.overrides == ("provider:deepseek", "deepseek-*", "deepseek-v4-pro", "pro")


def test_an_override_by_catalogue_name_holds_for_a_task_with_its_own_settings() -> None:
    task = MODEL.model_copy(update={"name": "review", "entry": "pro"})
    assert rendered(task, user="x", overrides={"pro": {"user": "y"}}).messages[0].content == "y"


def test_an_override_replaces_text_and_blocks_and_an_explicit_null_removes() -> None:
    found = rendered(
        system="s {{ blocks.b }}",
        user="u",
        blocks={"b": "base", "c": "c"},
        overrides={"pro": {"user": None, "blocks": {"b": "mine"}, "output": "json"}},
    )
    assert found.messages == (Message(role="system", content="s mine"),)
    assert found.output == "json"


def test_turns_of_an_override_take_the_place_of_the_user_turn_and_the_other_way_round() -> None:
    turns = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]
    found = rendered(system="s", user="u", overrides={"pro": {"messages": turns}})
    assert [m.content for m in found.messages] == ["s", "1", "2"]
    found = rendered(messages=turns, overrides={"pro": {"user": "u"}})
    assert [m.content for m in found.messages] == ["u"]


def test_params_merge_from_the_catalogue_through_the_prompt_and_unset_is_last() -> None:
    model = MODEL.model_copy(
        update={"params": {"temperature": 1, "extra": {"a": 1, "b": 2}, "seed": 7}, "unset": ("temperature",)}
    )
    found = rendered(
        model,
        user="x",
        params={"extra": {"b": None, "c": 3}, "temperature": 0},
        overrides={"pro": {"params": {"seed": None, "top_p": 0.5}}},
    )
    assert found.params == {"extra": {"a": 1, "c": 3}, "top_p": 0.5}


def test_the_hash_follows_the_effective_templates_and_not_the_cases_values() -> None:
    first = rendered(user="{{ a }}", variables={"a": "1"}, overrides={"gpt-*": {"user": "z"}})
    assert first.hash == rendered(user="{{ a }}", variables={"a": "2"}).hash
    assert first.hash != rendered(user="{{ a }}!", variables={"a": "1"}).hash
    assert first.hash != rendered(user="{{ a }}", variables={"a": "1"}, params={"n": 1}).hash
    canonical = '{"blocks":{},"output":"text","params":{},"turns":[["user","{{ a }}"]]}'
    assert first.hash == hashlib.sha256(canonical.encode()).hexdigest()


def test_a_cases_messages_take_the_place_of_all_but_the_system_turn() -> None:
    prompt = Prompt(prompt="p", system="Be {{ tone }}.", user="{{ never_asked_for }}")
    case = (Message(role="user", content="{{ x }}"), Message(role="assistant", content="ok"))
    found = render(prompt, model=MODEL, variables={"tone": "kind"}, messages=case)
    assert found.messages == (Message(role="system", content="Be kind."), *case)


def test_messages_need_no_prompt_and_nothing_at_all_is_an_error() -> None:
    turn = Message(role="user", content="hi")
    assert render(None, model=MODEL, variables={}, messages=[turn]).messages == (turn,)
    with pytest.raises(
        PromptError, match=r"^no prompt and no messages: give the suite a prompt: or the case"
    ):
        render(None, model=MODEL, variables={})
    with pytest.raises(
        PromptError, match=r"^prompt 'p' has no text for model 'pro': write system:, user: or"
    ):
        rendered(overrides={"other": {"user": "x"}})


@pytest.mark.parametrize("provider", ["python", "http", "recorded"])
def test_what_reads_the_variables_itself_needs_no_prompt(provider: str) -> None:
    model = ModelSpec(name="m", provider=provider, model="m")
    assert render(None, model=model, variables={"q": "x"}).messages == ()


def test_a_prompt_can_be_written_into_the_suite() -> None:
    prompt = inline_prompt(InlinePrompt(user="{{ q }}", params={"n": 1}, output="json"), name="qa")
    found = render(prompt, model=MODEL, variables={"q": "hi"})
    assert (found.messages[0].content, found.params, found.output) == ("hi", {"n": 1}, "json")


def test_plain_files_are_prompts_too_and_yaml_is_found_first(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Say {{ x }}\n")
    (tmp_path / "b.json").write_text('[{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]')
    (tmp_path / "c.md").write_text("markdown")
    (tmp_path / "c.yml").write_text("prompt: c\nuser: yaml\n")
    (tmp_path / "README.md").write_text("about these prompts")
    library = PromptLibrary(tmp_path)
    assert library.names() == ("a", "b", "c")
    assert library.get("a").user == "Say {{ x }}\n"
    assert [turn.role for turn in library.get("b").messages or ()] == ["system", "user"]
    assert library.get("c").user == "yaml"


def test_an_unknown_prompt_is_said_with_what_there_is(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "code_review.yml").write_text("prompt: code_review\nuser: x\n")
    with pytest.raises(UsageError) as caught:
        PromptLibrary(folder).get("code_reviw")
    assert str(caught.value) == (
        "unknown prompt 'code_reviw'. Did you mean 'code_review'? Prompts in prompts/: code_review"
    )
    with pytest.raises(UsageError, match=r"^unknown prompt '../x'. Prompts in none/: none$"):
        PromptLibrary(tmp_path / "none").get("../x")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.yml", "prompt: p\nusr: x\n", "p.yml:2: unknown key 'usr' in the prompt. Did you mean 'user'?"),
        (
            "p.yml",
            "prompt: q\nuser: x\n",
            "p.yml:1: the prompt is called 'q' and its file 'p.yml': give both one name",
        ),
        (
            "p.yml",
            "prompt: p\nuser: x\nmessages: [{role: user, content: y}]\n",
            "p.yml:1: the prompt has both user: and messages:; write one of them",
        ),
        (
            "p.yml",
            "prompt: p\nuser: x\noverrides:\n  gpt-*:\n    user: '{% if %}'\n",
            "p.yml:5: 'overrides.gpt-*.user': template, its line 1: "
            "Expected an expression, got 'end of statement block'",
        ),
        (
            "p.yml",
            "prompt: p\nuser: x\noutput: jsn\n",
            "p.yml:3: 'output' must be 'text', 'json' or 'schema', got 'jsn'. Did you mean 'json'?",
        ),
        ("p.txt", "a\n{{ b\n", "p.txt:1: 'user': template, its line 2: unexpected end of template, expected "
         "'end of print statement'."),
        ("p.json", "[", "p.json:1: not valid JSON: Expecting value: line 1 column 2 (char 1)"),
        ("p.json", '[{"role": "user"}]', "p.json:1: a turn is missing the key 'content'"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_prompt_is_said_at_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(SpecError) as caught:
        read_prompt(tmp_path / name)
    assert str(caught.value) == message


def test_the_articles_two_prompts_stand_as_they_are() -> None:
    prompt = PromptLibrary(ROOT / "prompts").get("code_review")
    diff = {"diff_text": "+ {{ not_a_variable }}"}
    gpt = ModelSpec(name="gpt-5.5", provider="openai", model="gpt-5.5-2026-04-23")
    qwen = ModelSpec(name="qwen2.5-coder-0.5b", provider="local", model="qwen2.5-coder-0.5b")
    base = render(prompt, model=gpt, variables=diff)
    assert [m.role for m in base.messages] == ["system", "user"]
    assert base.messages[0].content == (
        "You are a code review assistant.\n"
        "Analyze the following diff and return a JSON object with:\n"
        '  - "issues": list of {severity, line, description}\n'
        '  - "summary": one sentence summary\n'
        '  - "recommendation": "approve" | "request_changes" | "comment"\n'
        "\n"
        "Do not include any text outside the JSON object."
    )
    assert base.messages[1].content == "+ {{ not_a_variable }}"
    assert render(prompt, model=qwen, variables=diff).hash == base.hash
    (deepseek,) = render(prompt, model=MODEL, variables=diff).messages
    assert deepseek.role == "system"
    assert deepseek.content.startswith(
        "You are a code review assistant. Respond with ONLY a JSON object.\n"
        "No preamble. No explanation. No markdown fences.\n\nOutput schema:\n{\n"
        '  "issues": [{"severity": "...", "line": N, "description": "..."}],\n'
    )
    assert deepseek.content.endswith("\nDiff to analyze:\n+ {{ not_a_variable }}")
