"""The services that are called over HTTP: their wire format, address, and where their key comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from swapgate.spec.models import ModelSpec
from swapgate.values import Value

Protocol = Literal["openai", "anthropic", "gemini", "http"]


class Service(Value):
    """One service. `base_url` None: the user gives it; `key_env` None: no key unless `api_key_env` is set.

    `has_batches` says that it has a batch API which is spoken here.
    """

    protocol: Protocol = "openai"
    base_url: str | None = None
    key_env: str | None = None
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    has_batches: bool = False


_GEMINI = Service(
    protocol="gemini",
    base_url="https://generativelanguage.googleapis.com",
    key_env="GEMINI_API_KEY",
    key_header="x-goog-api-key",
    key_prefix="",
    has_batches=True,
)
SERVICES: Mapping[str, Service] = {
    "openai": Service(base_url="https://api.openai.com/v1", key_env="OPENAI_API_KEY", has_batches=True),
    "deepseek": Service(base_url="https://api.deepseek.com", key_env="DEEPSEEK_API_KEY"),
    "mistral": Service(base_url="https://api.mistral.ai/v1", key_env="MISTRAL_API_KEY"),
    "openrouter": Service(base_url="https://openrouter.ai/api/v1", key_env="OPENROUTER_API_KEY"),
    "groq": Service(base_url="https://api.groq.com/openai/v1", key_env="GROQ_API_KEY"),
    "together": Service(base_url="https://api.together.xyz/v1", key_env="TOGETHER_API_KEY"),
    "xai": Service(base_url="https://api.x.ai/v1", key_env="XAI_API_KEY"),
    "fireworks": Service(base_url="https://api.fireworks.ai/inference/v1", key_env="FIREWORKS_API_KEY"),
    "azure": Service(key_env="AZURE_OPENAI_API_KEY", key_header="api-key", key_prefix=""),
    "vllm": Service(base_url="http://localhost:8000/v1"),
    "ollama": Service(base_url="http://localhost:11434/v1"),
    "llamacpp": Service(base_url="http://localhost:8080/v1"),
    "lmstudio": Service(base_url="http://localhost:1234/v1"),
    "openai-compatible": Service(),
    "anthropic": Service(
        protocol="anthropic",
        base_url="https://api.anthropic.com",
        key_env="ANTHROPIC_API_KEY",
        key_header="x-api-key",
        key_prefix="",
        has_batches=True,
    ),
    "gemini": _GEMINI,
    "google": _GEMINI,
    "http": Service(protocol="http"),
}


def service_url(name: str) -> str | None:
    """Return a service's address: OPENAI_BASE_URL and the like, as its own clients do, else its default."""
    variable = f"{name.upper().replace('-', '_')}_BASE_URL"
    return os.environ.get(variable, "").strip() or SERVICES[name].base_url


def has_batches(spec: ModelSpec) -> bool:
    """Whether the service of a model has a batch API that is spoken here."""
    return spec.provider in SERVICES and SERVICES[spec.provider].has_batches


def gives_logprobs(spec: ModelSpec) -> bool:
    """Whether log-probabilities of tokens can be asked for: in the OpenAI format, or of a package's own."""
    service = SERVICES.get(spec.provider)
    return (service is None or service.protocol == "openai") and "logprobs" not in spec.unset


def key_variable(spec: ModelSpec) -> str | None:
    """Return the environment variable of a model's API key, or None when it needs none."""
    service = SERVICES.get(spec.provider)
    return spec.api_key_env or (service.key_env if service else None)


def missing_key(spec: ModelSpec) -> str | None:
    """Return the environment variable that must be set before a model is asked and is not, or None."""
    key_env = key_variable(spec)
    headers = [value["env"] for value in spec.headers.values() if isinstance(value, dict) and "env" in value]
    variables = [*([key_env] if key_env else []), *headers]
    return next((name for name in variables if not os.environ.get(name, "").strip()), None)
