"""What model ids are worth as pins: a table of real ids, the rules' edges, and the bundled catalogue."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.pins.catalogue import bundled
from swapgate.pins.classify import PINNED, classify
from swapgate.pins.newer import newer_pins
from swapgate.pins.rules import RULES

HERE = Path(__file__).parent
TODAY = date(2026, 11, 26)
ROWS = [
    line.split("\t")
    for line in (HERE / "model_ids.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


def kind_of(provider: str, model: str, **told: str) -> str:
    return classify(provider, model, catalogue=bundled(), today=TODAY, **told).kind  # type: ignore[arg-type]


def test_real_ids_have_the_class_that_their_providers_promise() -> None:
    assert len(ROWS) >= 200
    wrong = []
    for provider, model, kind, rule, _source in ROWS:
        pin = classify(provider, model, catalogue=bundled(), today=TODAY)
        if (pin.kind, pin.rule) != (kind, rule):
            wrong.append(f"{provider} {model}: {pin.kind} by {pin.rule}, not {kind} by {rule}")
    assert wrong == []


@pytest.mark.parametrize(
    ("provider", "model", "kind"),
    [
        ("openai", "gpt-5.5-2026-04-23", "pinned"),
        ("openai", "gpt-4-0613", "pinned"),
        ("openai", "gpt-4o", "floating"),
        ("openai", "gpt-5.2-chat-latest", "floating"),
        ("openai", "gpt-6.1-sol", "provider_pinned_undated"),
        ("openai", "gpt-5.6", "floating"),
        ("anthropic", "claude-sonnet-4-6", "pinned"),
        ("anthropic", "claude-opus-5", "pinned"),
        ("anthropic", "claude-sonnet-4-5-20250929", "pinned"),
        ("anthropic", "claude-sonnet-4-5", "floating"),
        ("anthropic", "claude-3-5-haiku-latest", "floating"),
        ("anthropic", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "pinned"),
        ("anthropic", "claude-sonnet-4-5@20250929", "pinned"),
        ("gemini", "gemini-3.8-flash", "pinned"),
        ("gemini", "gemini-2.0-flash-001", "pinned"),
        ("gemini", "gemini-flash-latest", "floating"),
        ("google", "gemini-3-pro-preview", "preview"),
        ("mistral", "mistral-large-2512", "pinned"),
        ("mistral", "mistral-large-latest", "floating"),
        ("mistral", "mistral-large-4", "floating"),
        ("mistral", "labs-leanstral-1-5", "preview"),
        ("deepseek", "deepseek-chat", "floating"),
        ("deepseek", "deepseek-v4-pro", "unknown"),
        ("openrouter", "openai/gpt-5.2-20251211", "pinned"),
        ("openrouter", "~anthropic/claude-opus-latest", "floating"),
        ("openrouter", "anthropic/claude-opus-5", "gateway_alias"),
        ("openai-compatible", "openai/gpt-luna-latest", "gateway_alias"),
        ("azure", "gpt-5.5-2026-04-23", "gateway_alias"),
        ("ollama", "llama3.3:70b", "floating"),
        ("recorded", "anything", "pinned"),
    ],
)
def test_the_rules_of_the_providers(provider: str, model: str, kind: str) -> None:
    assert kind_of(provider, model) == kind


@pytest.mark.parametrize(
    "model",
    [
        "gpt-5.5-2026-13-40",
        "gpt-5.5-2031-01-01",
        "gpt-9-sol",
        "gpt-5.5-sonnet",
        "o9",
        "claude",
        "",
        "-",
        "ft:",
    ],
)
def test_an_invented_id_of_openai_is_never_pinned(model: str) -> None:
    assert kind_of("openai", model) not in PINNED


def test_another_address_decides_what_an_id_means_and_its_password_is_not_shown() -> None:
    pin = classify(
        "openai",
        "gpt-5.5-2026-04-23",
        catalogue=bundled(),
        today=TODAY,
        base_url="https://me:secret@gateway.example:1/v1",
    )
    assert (pin.kind, pin.rule) == ("gateway_alias", "other-address")
    assert "gateway.example" in pin.evidence
    assert "secret" not in pin.evidence


@given(st.sampled_from([*RULES, "local", "python", "elsewhere"]), st.text(max_size=40))
def test_any_id_has_a_class_and_evidence(provider: str, model: str) -> None:
    pin = classify(provider, model, catalogue=bundled(), today=TODAY)
    assert pin.evidence
    assert pin.is_pinned == (pin.kind in PINNED)


@pytest.mark.parametrize(
    ("provider", "model", "newer"),
    [
        ("openai", "gpt-4o-2024-05-13", ["gpt-4o-2024-11-20", "gpt-4o-2024-08-06"]),
        ("openai", "gpt-5.6-sol", ["gpt-6.2-sol", "gpt-6.1-sol", "gpt-6-sol"]),
        (
            "anthropic",
            "claude-sonnet-4-5-20250929",
            ["claude-sonnet-5-5", "claude-sonnet-5", "claude-sonnet-4-6"],
        ),
        ("google", "gemini-3.7-flash", ["gemini-3.8-flash"]),
        ("mistral", "mistral-large-2411", ["mistral-large-2512"]),
        ("openai", "gpt-4o-2024-11-20", []),
        ("azure", "my-deployment", []),
        ("openai", "", []),
    ],
)
def test_newer_pins_of_the_same_family(provider: str, model: str, newer: list[str]) -> None:
    assert newer_pins(provider, model, bundled(), today=TODAY) == newer


def test_local_file_is_pinned_by_its_hash_alone() -> None:
    pins = [
        classify("local", "a", catalogue=bundled(), today=TODAY, has_digest=has_digest)
        for has_digest in (True, False)
    ]
    assert [pin.kind for pin in pins] == ["pinned", "unknown"]


def test_the_catalogue_names_a_source_for_everything() -> None:
    known = bundled()
    assert all(
        set(model.sources) <= known.sources.keys() and model.sources for model in known.models.values()
    )
    assert known.find("openai", "gpt-4o").retires_on == date(2027, 1, 14)  # type: ignore[union-attr]
    assert known.find("anthropic", "claude-opus-5").rejects == ("temperature", "top_p", "top_k")  # type: ignore[union-attr]
    assert all(
        set(m.rejects_sources) <= known.sources.keys() and bool(m.rejects) == bool(m.rejects_sources)
        for m in known.models.values()
    )
    assert known.find("google", "gemini-3.8-flash") is known.find("gemini", "gemini-3.8-flash")
    assert known.find("openai", "gpt-invented") is None


def test_the_script_rebuilds_a_catalogue_and_tells_where_sources_differ(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    pytest.importorskip("anthropic")
    table = {
        "gpt-4o": {"litellm_provider": "openai", "mode": "chat", "deprecation_date": "2020-01-01"},
        "mistral/new": {
            "litellm_provider": "mistral",
            "mode": "chat",
            "successor_model": "mistral/next",
        },
        "an-image": {"litellm_provider": "openai", "mode": "image_generation"},
    }
    (tmp_path / "table.json").write_text(json.dumps(table), encoding="utf-8")
    script = HERE.parent / "scripts" / "model_catalogue.py"
    target = tmp_path / "catalogue.json"
    command = [sys.executable, script, tmp_path / "table.json", "--litellm-version", "0.0", "--to", target]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "openai gpt-4o: 2020-01-01 in litellm; kept 2027-01-14 of its own package" in done.stdout
    models = {(m["provider"], m["id"]): m for m in json.loads(target.read_text(encoding="utf-8"))["models"]}
    assert models["mistral", "new"] == {
        "provider": "mistral",
        "id": "new",
        "sources": ["litellm"],
        "successor": "next",
    }
    assert ("openai", "an-image") not in models
    assert models["openai", "gpt-4o"]["sources"] == ["litellm", "openai"]
