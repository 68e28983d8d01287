"""The model catalogue: what a name resolves to, and what is refused."""

from pathlib import Path

import pytest

from swapgate.errors import SpecError, UsageError
from swapgate.spec.models import Catalogue, read_catalogue
from swapgate.spec.read_judges import read_judge

ROOT = Path(__file__).parent.parent
ARTICLE = """\
# config/models.yml
code_review:
  provider: openai
  model: gpt-5.4-nano-2026-03-15
  api_version: "2026-03-15"
  temperature: 0.1
  max_tokens: 2048

summarization:
  provider: openai
  model: gpt-5.4-nano-2026-03-15
  fallback: claude-sonnet-4-6-2026-05-12
"""
MODELS = """\
models:
  big: {provider: openai, model: gpt-5.5-2026-04-23, params: {seed: 1, temperature: 1}, fallback: small}
  small: {provider: deepseek}
tasks:
  review: {model: big}
  triage: {model: big, temperature: 0.2, fallback: claude-opus-5}
"""


@pytest.fixture(autouse=True)
def in_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def catalogue(text: str) -> Catalogue:
    path = Path.cwd() / "models.yml"
    path.write_text(text)
    return read_catalogue(path)


def test_the_articles_own_file_loads_as_it_stands() -> None:
    found = catalogue(ARTICLE)
    review = found.resolve("code_review")
    assert (review.name, review.provider, review.model) == (
        "code_review",
        "openai",
        "gpt-5.4-nano-2026-03-15",
    )
    assert review.api_version == "2026-03-15"
    assert review.params == {"temperature": 0.1, "max_tokens": 2048}
    assert found.names() == ("code_review", "summarization")


def test_a_bare_fallback_finds_its_provider_in_the_bundled_list_and_says_so() -> None:
    found = catalogue(ARTICLE)
    (fallback,) = found.fallbacks(found.resolve("summarization"))
    assert (fallback.provider, fallback.model) == ("anthropic", "claude-sonnet-4-6-2026-05-12")
    assert fallback.name == "anthropic:claude-sonnet-4-6-2026-05-12"
    assert found.notes == (
        "fallback 'claude-sonnet-4-6-2026-05-12': provider anthropic (from the bundled list)",
    )


def test_a_bare_fallback_is_first_looked_for_among_the_catalogues_models() -> None:
    text = ARTICLE.replace("code_review:", "tasks:\n  code_review:").replace("\n  ", "\n    ")
    text = text.replace("    code_review:", "  code_review:").replace(
        "\nsummarization:", "\n  summarization:"
    )
    entry = "models:\n  claude: {provider: bedrock, model: claude-sonnet-4-6-2026-05-12}\n"
    found = catalogue(text + entry)
    assert [spec.name for spec in found.fallbacks(found.resolve("summarization"))] == ["claude"]
    assert found.notes == ("fallback 'claude-sonnet-4-6-2026-05-12': catalogue entry 'claude'",)


def test_a_fallback_may_be_another_task() -> None:
    text = (
        "fast: {provider: openai, model: gpt-5.4-nano, fallback: careful}\n"
        "careful: {provider: anthropic, model: claude-opus-5, temperature: 0}\n"
    )
    for found in (catalogue(text), catalogue("tasks:\n" + "".join(f"  {li}\n" for li in text.splitlines()))):
        (fallback,) = found.fallbacks(found.resolve("fast"))
        assert (fallback.name, fallback.provider, fallback.params) == (
            "careful",
            "anthropic",
            {"temperature": 0},
        )
        assert found.notes == ()


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-5.5", "openai"),
        ("o3-mini", "openai"),
        ("gemini-3.8-flash", "gemini"),
        ("codestral-2508", "mistral"),
        ("grok-4", "xai"),
        ("deepseek-chat", "deepseek"),
    ],
)
def test_a_bare_id_is_known_by_how_it_starts(model: str, provider: str) -> None:
    found = catalogue(f"t: {{model: {model}}}\n")
    assert found.resolve("t").provider == provider
    assert found.notes == (f"model '{model}': provider {provider} (from the bundled list)",)


def test_the_model_id_of_an_entry_is_its_name_by_default() -> None:
    small = catalogue(MODELS).resolve("small")
    assert (small.name, small.model, small.fallback) == ("small", "small", None)


def test_a_task_without_settings_is_its_catalogue_model() -> None:
    found = catalogue(MODELS)
    assert found.resolve("review") == found.resolve("big")


def test_a_task_with_settings_is_a_model_of_its_own_name() -> None:
    found = catalogue(MODELS)
    triage = found.resolve("triage")
    assert (triage.name, triage.entry, triage.model) == ("triage", "big", "gpt-5.5-2026-04-23")
    assert triage.params == {"seed": 1, "temperature": 0.2}
    assert [spec.name for spec in found.fallbacks(triage)] == ["anthropic:claude-opus-5"]


@pytest.mark.parametrize(
    ("name", "provider", "model", "path"),
    [
        ("openai:gpt-5.5-2026-04-23", "openai", "gpt-5.5-2026-04-23", None),
        ("python:myapp.review:run", "python", "myapp.review:run", None),
        ("local:smollm2-135m", "local", "smollm2-135m", None),
        ("local:models/tiny.gguf", "local", "tiny", "models/tiny.gguf"),
        ("recorded:outputs/a.jsonl", "recorded", "a", "outputs/a.jsonl"),
    ],
)
def test_provider_and_model_can_be_named_directly(
    name: str, provider: str, model: str, path: str | None
) -> None:
    spec = catalogue(MODELS).resolve(name)
    assert (spec.name, spec.provider, spec.model, spec.path) == (name, provider, model, path)


def test_an_absolute_path_is_no_part_of_a_models_name() -> None:
    spec = catalogue(MODELS).resolve("recorded:/home/me/outputs/a.jsonl")
    assert spec.name == "recorded:a.jsonl"
    assert spec.path == "/home/me/outputs/a.jsonl"


def test_a_missing_file_is_an_empty_catalogue(tmp_path: Path) -> None:
    found = read_catalogue(tmp_path / "models.yml")
    assert found.names() == ()
    assert found.resolve("openai:gpt-5.5").model == "gpt-5.5"
    message = (
        "unknown model 'gpt-5.5'. No models are written in models.yml; "
        "write provider:model, as in openai:gpt-5.5"
    )
    with pytest.raises(UsageError) as caught:
        found.resolve("gpt-5.5")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "smal",
            "unknown model 'smal'. Did you mean 'small'? Known: big, small, review, triage; "
            "or write provider:model, as in openai:gpt-5.5-2026-04-23",
        ),
        (
            "claude-opus-5",
            "unknown model 'claude-opus-5'. Known: big, small, review, triage; "
            "or write provider:model, as in anthropic:claude-opus-5",
        ),
        ("openai:", "model 'openai:': write provider:model, as in openai:gpt-5.5-2026-04-23"),
    ],
)
def test_an_unknown_model_is_said_with_what_there_is(name: str, message: str) -> None:
    found = catalogue(MODELS)
    with pytest.raises(UsageError) as caught:
        found.resolve(name)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "models:\n  a: {provider: openai, fallback: b}\n  b: {provider: x, fallback: c}\n"
            "  c: {provider: x, fallback: a}\n",
            "models.yml:2: fallbacks go in a circle: a -> b -> c -> a",
        ),
        (
            "t: {provider: openai, model: m, fallback: u}\nu: {provider: x, model: n, fallback: t}\n",
            "models.yml:1: fallbacks go in a circle: t -> u -> t",
        ),
        (
            "t: {provider: openai, model: m, fallback: zz}\nu: {provider: x, model: n}\n",
            "models.yml:1: unknown model 'zz'. Known: t, u; "
            "or write provider:model, as in openai:gpt-5.5-2026-04-23",
        ),
        (
            "models:\n  a: {provider: x, fallback: t}\ntasks:\n  t: {model: a}\n",
            "models.yml:2: fallbacks go in a circle: a -> t -> t",
        ),
        (
            "models:\n  a: {provider: openai, model: m}\n  b:\n    provider: x\n    fallback: m\n"
            "  c: {provider: x, fallback: c}\n",
            "models.yml:6: fallbacks go in a circle: c -> c",
        ),
        (
            "models:\n  a:\n    provider: openai\n    fallback: zz\n",
            "models.yml:4: unknown model 'zz'. Known: a; "
            "or write provider:model, as in openai:gpt-5.5-2026-04-23",
        ),
        (
            "models:\n  one: {provider: openai}\ntasks:\n  t: {model: oen}\n",
            "models.yml:4: unknown model 'oen'. Did you mean 'one'? Known: one; "
            "or write provider:model, as in openai:gpt-5.5-2026-04-23",
        ),
        (
            "modles:\n  a: {provider: openai}\n",
            "models.yml:1: unknown key 'modles' in the file. Did you mean 'models'?",
        ),
        ("t: {provider: openai}\n", "models.yml:1: the task 't' is missing the key 'model'"),
        (
            "models:\n  a: {provider: openai, fallbak: b}\n",
            "models.yml:2: unknown key 'fallbak' in a model. Did you mean 'fallback'?",
        ),
        ("models:\n  a: 3\n", "models.yml:2: 'models.a' must be a mapping, got 3"),
        (
            "models:\n  a: {provider: x, accept_unpinned: {reason: r, until: soon}}\n",
            "models.yml:2: 'models.a.accept_unpinned.until' must be a date such as 2027-03-31, got 'soon'",
        ),
    ],
)
def test_a_mistake_in_the_catalogue_is_said_at_its_line(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        catalogue(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (
            "api_key: sk-secret",
            "unknown key 'api_key' in a model: keys come from environment variables: use api_key_env: NAME",
        ),
        (
            "api_key_env: sk-secret",
            "'models.a.api_key_env' must be the name of an environment variable, never the key itself",
        ),
        ("api_key_env: [sk-secret]", "'models.a.api_key_env' must be text"),
        (
            "base_url: 'https://me:sk-secret@host/v1'",
            "'models.a.base_url' must not hold a user name or a password: use api_key_env: NAME",
        ),
        (
            "headers: {Authorization: Bearer sk-secret}",
            "'models.a.headers' must not hold a key (Authorization): write Authorization: {env: NAME}",
        ),
        ("headers: {x-api-key: [sk-secret]}", "'models.a.headers.x-api-key' must be text or a mapping"),
    ],
)
def test_a_literal_key_is_refused_and_not_repeated(field: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        catalogue(f"models:\n  a:\n    provider: http\n    {field}\n")
    assert str(caught.value) == f"models.yml:4: {message}"
    assert "sk-secret" not in str(caught.value)


def test_header_values_may_come_from_the_environment() -> None:
    found = catalogue(
        "models:\n  a: {provider: http, headers: {Authorization: {env: TOKEN}, Accept: '*/*'}}\n"
    )
    assert found.resolve("a").headers == {"Authorization": {"env": "TOKEN"}, "Accept": "*/*"}


def test_the_example_workspace_names_its_models() -> None:
    found = read_catalogue(ROOT / "config" / "models.yml")
    assert found.notes == ()
    gpt = found.resolve("code_review")
    assert (gpt.name, gpt.model, gpt.unset) == ("gpt-5.5", "gpt-5.5-2026-04-23", ("temperature",))
    assert [spec.name for spec in found.fallbacks(gpt)] == ["claude-sonnet-4-6"]
    prices = [found.models[name].price for name in ("gpt-5.5", "claude-sonnet-4-6", "deepseek-v4-pro")]
    assert [(p.input, p.output) for p in prices if p] == [(5, 30), (3, 15), (0.43, 0.87)]


def test_every_judge_of_the_example_workspace_finds_its_model() -> None:
    found = read_catalogue(ROOT / "config" / "models.yml")
    judges = [read_judge(path) for path in sorted((ROOT / "judges").glob("*.yml"))]
    assert judges
    assert {found.resolve(judge.model).provider for judge in judges} <= {"anthropic", "local"}
