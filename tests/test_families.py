"""Families of models, and the warning about a judge of the family that it judges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import swapgate
from judge_servers import judged_over_http, judges_at
from swapgate.cli import main
from swapgate.spec.families import are_related, family_of
from swapgate.spec.models import ModelSpec
from workspaces import lay


def spec(provider: str, model: str, *, family: str | None = None, name: str = "m") -> ModelSpec:
    return ModelSpec(name=name, provider=provider, model=model, family=family)


@pytest.mark.parametrize(
    ("provider", "model", "family"),
    [
        ("anthropic", "claude-opus-5", "claude"),
        ("openrouter", "anthropic/claude-sonnet-4.6", "claude"),
        ("openai-compatible", "us.anthropic.claude-3-5-haiku-20241022-v1:0", "claude"),
        ("openai", "gpt-5.5-2026-04-23", "gpt"),
        ("azure", "gpt-4o-mini", "gpt"),
        ("openai", "o4-mini", "gpt"),
        ("openai", "ft:gpt-4.1-mini:acme::abc", "gpt"),
        ("openai", "our-own-alias", "gpt"),
        ("gemini", "gemini-2.5-flash", "gemini"),
        ("ollama", "gemma3:27b", "gemini"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "llama"),
        ("vllm", "Qwen/Qwen3-32B", "qwen"),
        ("fireworks", "accounts/fireworks/models/deepseek-v3", "deepseek"),
        ("mistral", "ministral-8b", "mistral"),
        ("xai", "grok-4", "grok"),
        ("local", "SmolLM2-135M", "smollm"),
        ("openai-compatible", "phi-4", "phi"),
        ("openai-compatible", "philosopher-7b", None),
        ("openai-compatible", "fixture-model", None),
        ("recorded", "recorded-a", None),
    ],
)
def test_a_family_is_told_by_the_id_else_by_the_makers_service(
    provider: str, model: str, family: str | None
) -> None:
    assert family_of(spec(provider, model)) == family


def test_a_declared_family_comes_first() -> None:
    assert family_of(spec("openai-compatible", "house-model", family="Qwen")) == "qwen"
    assert are_related(spec("openai-compatible", "house", family="qwen"), spec("vllm", "Qwen/Qwen3-32B"))


def test_unknown_families_are_not_taken_for_one() -> None:
    one, other = spec("openai-compatible", "house-a"), spec("openai-compatible", "house-b")
    assert not are_related(one, other)
    assert are_related(one, one.model_copy(update={"name": "the same again"}))


def test_every_report_warns_of_a_judge_of_the_candidates_family(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pytester.path
    with judges_at({"a": lambda _a: True, "b": lambda _a: True}) as servers:
        judge = {"model": "a", "escalate": {"to": "b"}}
        judged_over_http(root, servers, judge)
        written = json.loads((root / "config/models.yml").read_text(encoding="utf-8"))
        written["models"]["new"]["family"] = "acme"
        written["models"]["b"]["family"] = "Acme"
        lay(root, {"config/models.yml": json.dumps(written)})
        result = pytester.runpytest("--model=new")
    warning = (
        "judge meaning: b is of the same family (acme) as new: judges favour their own, so take one from "
        "another vendor"
    )
    assert result.ret == 0
    assert result.stdout.str().count(f"swapgate: warning: {warning}") == 1
    assert f"\nwarning: {warning}" in result.stdout.str()
    (folder,) = root.glob("reports/*-*")
    assert warning in json.loads((folder / "report.json").read_text(encoding="utf-8"))["warnings"]
    assert warning in (folder / "report.html").read_text(encoding="utf-8")
    assert "judge meaning: b is of the same family" in (folder / "report.md").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["history", "show", "latest", "--root", str(root)]) == 0
    assert f"warning: {warning}" in capsys.readouterr().out


def test_a_judge_of_another_family_is_not_warned_of(tmp_path: Path) -> None:
    with judges_at({"a": lambda _a: True}) as servers:
        judged_over_http(tmp_path, servers, {"model": "a"})
        outcome = swapgate.run(model="new", root=tmp_path)
    assert not any("family" in warning for warning in outcome.warnings)
